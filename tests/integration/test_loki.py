# SPDX-License-Identifier: Apache-2.0
"""Loki's HTTP API with the requests of its documentation, and real clients where the machine has them."""
import gzip
import json
import subprocess
import time
import zlib

import pytest
import requests
import websocket

NS = 1_000_000_000


@pytest.fixture(scope='module')
def server(start_shared):
    return start_shared.server()


@pytest.fixture(scope='module')
def base():
    return int(time.time()) * NS - 600 * NS


def push(server, streams, **options):
    return server.session.post(server.url + '/loki/api/v1/push', json={'streams': streams}, timeout=10, **options)


def get(server, path, status=200, headers=None, **params):
    r = server.session.get(server.url + '/loki/api/v1/' + path, params=params, headers=headers, timeout=20)
    assert r.status_code == status, (path, params, r.status_code, r.text)
    return r.json() if r.headers['Content-Type'].startswith('application/json') else r.text


@pytest.fixture(scope='module')
def filled(server, base):
    """Two streams: 60 JSON lines of shop, one a second, every 10th an error; 30 logfmt lines of cart."""
    shop = [[str(base + i * NS), json.dumps({'level': 'error' if i % 10 == 0 else 'info', 'status': 500 if i % 10 == 0 else 200,
                                              'took': f'{i}ms', 'msg': f'request {i}'}),
             {'trace_id': f'{i:032x}', 'user': f'u{i % 3}'}] for i in range(60)]
    cart = [[str(base + i * 2 * NS), f'level=warn path=/cart/{i} bytes={i}KB'] for i in range(30)]
    r = push(server, [{'stream': {'app': 'shop', 'env': 'prod', 'filename': '/var/log/shop.log'}, 'values': shop},
                      {'stream': {'app': 'cart', 'env': 'dev'}, 'values': cart}])
    assert r.status_code == 204, r.text
    return {'start': base, 'end': base + 100 * NS}


def lines(answer):
    assert answer['data']['resultType'] == 'streams'
    return [v[1] for s in answer['data']['result'] for v in s['values']]


def test_query_range_of_lines(server, filled):
    a = get(server, 'query_range', query='{app="shop"} |= "request 5"', limit=3, **filled)
    assert a['status'] == 'success'
    assert len(lines(a)) == 3
    stream = a['data']['result'][0]['stream']
    assert stream['app'] == 'shop' and stream['service_name'] == 'shop' and stream['filename'] == '/var/log/shop.log'
    assert stream['detected_level'] in ('info', 'error') and len(stream['trace_id']) == 32
    assert a['data']['stats']['summary']['totalEntriesReturned'] == 3

    newest = get(server, 'query_range', query='{app="cart"}', limit=2, direction='backward', **filled)
    oldest = get(server, 'query_range', query='{app="cart"}', limit=2, direction='forward', **filled)
    assert [x.split()[1] for x in lines(newest)] == ['path=/cart/29', 'path=/cart/28']
    assert [x.split()[1] for x in lines(oldest)] == ['path=/cart/0', 'path=/cart/1']
    spaced = get(server, 'query_range', query='{app="cart"}', direction='forward', interval='10s', **filled)
    assert len(lines(spaced)) == 6


def test_categorized_labels(server, filled):
    a = get(server, 'query_range', query='{app="shop"} | json | status=500', limit=1,
            headers={'X-Loki-Response-Encoding-Flags': 'categorize-labels'}, **filled)
    assert a['data']['encodingFlags'] == ['categorize-labels']
    stream = a['data']['result'][0]
    assert stream['stream'] == {'app': 'shop', 'env': 'prod', 'filename': '/var/log/shop.log', 'service_name': 'shop'}
    extra = stream['values'][0][2]
    assert extra['structuredMetadata']['user'] == 'u2' and extra['structuredMetadata']['detected_level'] == 'error'
    assert extra['parsed'] == {'level': 'error', 'status': '500', 'took': '50ms', 'msg': 'request 50'}


@pytest.mark.parametrize('query,want', [
    ('sum(count_over_time({app="shop"}[2m]))', {'': '60'}),
    ('sum by (detected_level) (count_over_time({app="shop"}[2m]))', {'error': '6', 'info': '54'}),
    ('sum by (app) (count_over_time({env=~"prod|dev"}[2m]))', {'shop': '60', 'cart': '30'}),
    ('sum by (user) (count_over_time({app="shop"} | detected_level="error" [2m]))', {'u0': '2', 'u1': '2', 'u2': '2'}),
    ('sum by (status) (count_over_time({app="shop"} | json [2m]))', {'500': '6', '200': '54'}),
    ('max_over_time({app="shop"} | json | unwrap duration(took) [2m]) by (app)', {'shop': '0.059'}),
    ('sum(sum_over_time({app="cart"} | logfmt | unwrap bytes(bytes) [2m]))', {'': '435000'}),
    ('topk(1, sum by (app) (rate({env=~".+"}[1m])))', {'shop': '0.6666666666666666'}),
    ('count_over_time({app="nothing"}[1m]) or vector(3)', {'': '3'}),
])
def test_instant_metric(server, filled, query, want):
    at = filled['start'] + (79 if 'topk' in query else 99) * NS
    a = get(server, 'query', query=query, time=at)
    assert a['data']['resultType'] == 'vector'
    assert {next(iter(s['metric'].values()), ''): s['value'][1] for s in a['data']['result']} == want


def test_range_metric(server, filled):
    a = get(server, 'query_range', query='sum by (app) (count_over_time({env=~".+"}[10s]))', step=10,
            start=filled['start'] + 10 * NS, end=filled['start'] + 30 * NS)
    assert a['data']['resultType'] == 'matrix'
    got = {s['metric']['app']: [v for _, v in s['values']] for s in a['data']['result']}
    assert got == {'shop': ['10', '10', '10'], 'cart': ['5', '5', '5']}
    assert get(server, 'query', query='1 + 1')['data'] | {'stats': 0, 'result': 0} == \
        {'resultType': 'scalar', 'result': 0, 'stats': 0}


def test_labels_and_series(server, filled):
    assert get(server, 'labels', **filled)['data'] == \
        ['app', 'detected_level', 'env', 'filename', 'service_name']
    assert get(server, 'label/app/values', **filled)['data'] == ['cart', 'shop']
    assert get(server, 'label/app/values', query='{env="dev"}', **filled)['data'] == ['cart']
    assert get(server, 'label/detected_level/values', **filled)['data'] == ['error', 'info', 'warn']
    assert get(server, 'label/none/values', **filled)['data'] == []
    series = get(server, 'series', **{'match[]': ['{app="shop"}', '{env=~".+"}']}, **filled)['data']
    assert series == [{'app': 'cart', 'env': 'dev', 'service_name': 'cart'},
                      {'app': 'shop', 'env': 'prod', 'filename': '/var/log/shop.log', 'service_name': 'shop'}]
    r = server.session.post(server.url + '/loki/api/v1/series', data={'match[]': '{app="cart"}', **filled}, timeout=10)
    assert len(r.json()['data']) == 1
    assert 'at least one' in get(server, 'series', status=400)


def test_index_and_volume(server, filled):
    stats = get(server, 'index/stats', query='{app="shop"}', **filled)
    assert stats['streams'] == 1 and stats['entries'] == 60 and stats['bytes'] > 1000
    volume = get(server, 'index/volume', query='{app=~".+"}', **filled)['data']
    assert volume['resultType'] == 'vector'
    assert [s['metric'] for s in volume['result']] == [{'app': 'shop'}, {'app': 'cart'}]
    by_label = get(server, 'index/volume', query='{app=~".+"}', aggregateBy='labels', targetLabels='env', **filled)
    assert [s['metric'] for s in by_label['data']['result']] == [{'env': ''}]
    over_time = get(server, 'index/volume_range', query='{app=~".+"}', step=30, **filled)['data']
    assert over_time['resultType'] == 'matrix' and {s['metric']['app'] for s in over_time['result']} == {'shop', 'cart'}


def test_detected(server, filled):
    labels = {x['label']: x['cardinality'] for x in
              get(server, 'detected_labels', query='{env=~".+"}', **filled)['detectedLabels']}
    assert labels == {'app': 2, 'env': 2, 'filename': 1, 'service_name': 2}
    fields = {x['label']: x for x in get(server, 'detected_fields', query='{env=~".+"}', **filled)['fields']}
    assert fields['status'] == {'label': 'status', 'type': 'int', 'cardinality': 2, 'parsers': ['json']}
    assert fields['took']['type'] == 'duration' and fields['bytes']['type'] == 'bytes'
    assert fields['bytes']['parsers'] == ['logfmt'] and fields['user']['parsers'] is None
    values = get(server, 'detected_field/user/values', query='{app="shop"}', **filled)['values']
    assert sorted(values) == ['u0', 'u1', 'u2']


def test_format_query_and_status(server):
    assert get(server, 'format_query', query='{ app = "x" }|="y"|json')['data'] == '{app="x"} |= "y" | json'
    bad = get(server, 'format_query', status=400, query='{app')
    assert bad['status'] == 'invalid-query' and 'parse error at line 1, col 5' in bad['error']
    assert get(server, 'status/buildinfo')['version'].startswith('3.')
    assert server.session.get(server.url + '/ready', timeout=5).text == 'ready\n'


@pytest.mark.parametrize('path,params,want', [
    ('query_range', {'query': '{app="x"'}, 'parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,'),
    ('query_range', {'query': '{}'}, 'parse error : queries require at least one regexp or equality matcher'),
    ('query', {'query': '{app="x"}'}, 'log queries are not supported as an instant query type'),
    ('query_range', {'query': '{app="x"}', 'limit': 100000}, 'max entries limit per query exceeded'),
    ('query_range', {'query': '{app="x"}', 'limit': 'x'}, 'invalid syntax'),
    ('query_range', {'query': '{app="x"}', 'direction': 'up'}, "invalid direction 'up'"),
    ('query_range', {'query': '{app="x"}', 'start': 'x'}, "could not parse 'start' parameter"),
    ('query_range', {'query': '{app="x"}', 'start': 20, 'end': 10}, 'end timestamp must not be before'),
    ('query_range', {'query': 'rate({app="x"}[1m])', 'step': -1}, 'zero or negative query resolution step'),
    ('query_range', {'query': 'rate({app="x"}[1m])', 'start': 1, 'end': 999999, 'step': 1}, 'exceeded maximum resolution of 11000'),
    ('index/volume', {'query': '{app="x"}', 'aggregateBy': 'x'}, 'invalid aggregation option'),
])
def test_errors_are_text(server, path, params, want):
    text = get(server, path, status=400, **params)
    assert want in text and text.endswith('\n')


def test_pipeline_error(server, filled):
    text = get(server, 'query', status=400, query='count_over_time({app="cart"} | json [5m])', time=filled['end'])
    assert text.startswith("pipeline error: 'JSONParserErr' for series")


# ---- push ----

def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def snappy(data):
    """The block format with literals only."""
    out = varint(len(data))
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += bytes([(len(piece) - 1) << 2]) + piece
    return out


def test_push_protobuf(server, base):
    entry = field(1, field(1, base // NS) + field(2, 5)) + field(2, 'proto line level=error') + \
        field(3, field(1, 'user') + field(2, 'me'))
    body = field(1, field(1, '{app="proto", q="a\\"b"}') + field(2, entry))
    r = server.session.post(server.url + '/loki/api/v1/push', data=snappy(body), timeout=10,
                            headers={'Content-Type': 'application/x-protobuf'})
    assert r.status_code == 204, r.text
    a = get(server, 'query_range', query='{app="proto"}', start=base - NS, end=base + NS)
    assert a['data']['result'] == [{'stream': {'app': 'proto', 'q': 'a"b', 'service_name': 'proto', 'user': 'me',
                                               'detected_level': 'error'},
                                    'values': [[str(base + 5), 'proto line level=error']]}]


@pytest.mark.parametrize('encoding,pack', [('gzip', gzip.compress), ('deflate', zlib.compress), ('snappy', snappy)])
def test_push_packed_json(server, base, encoding, pack):
    body = json.dumps({'streams': [{'values': [[str(base), 'packed']], 'stream': {'app': encoding}}]}).encode()
    r = server.session.post(server.url + '/loki/api/v1/push', data=pack(body), timeout=10,
                            headers={'Content-Type': 'application/json', 'Content-Encoding': encoding})
    assert r.status_code == 204, r.text
    assert lines(get(server, 'query_range', query=f'{{app="{encoding}"}}', start=base, end=base + 1)) == ['packed']


@pytest.mark.parametrize('body,want', [
    ('{"streams": [{"stream": {"a": "b"}, "values": [[1, "x"]]}]}', 'must be a string'),
    ('{"streams": [{"stream": {"a": "b"}, "values": [["x", "x"]]}]}', 'is not a timestamp'),
    ('{"streams": [{"stream": {}, "values": [["1", "x"]]}]}', 'at least one label pair is required per stream'),
    ('{"streams": [{"stream": {"a b": "c"}, "values": []}]}', 'is not a valid label name'),
    ('{"streams"', ''),
    ('[]', 'JSON object'),
])
def test_push_refuses(server, body, want):
    r = server.session.post(server.url + '/loki/api/v1/push', data=body, timeout=10,
                            headers={'Content-Type': 'application/json'})
    assert r.status_code == 400 and want in r.text, r.text


def test_push_keeps_the_good_entries(server, base):
    future = base + 400 * 86400 * NS
    r = push(server, [{'stream': {'app': 'mixed'}, 'values': [[str(base), 'good'], [str(future), 'bad']]}])
    assert r.status_code == 400
    assert "entry for stream '{app=\"mixed\"}' has timestamp too new" in r.text
    assert lines(get(server, 'query_range', query='{app="mixed"}', start=base, end=base + 1)) == ['good']


def test_push_broken_protobuf(server):
    for body in (b'', b'\xff\xff\xff', snappy(b'\x0a\x05abc'), snappy(field(1, field(1, '{a=')))):
        r = server.session.post(server.url + '/loki/api/v1/push', data=body, timeout=10,
                                headers={'Content-Type': 'application/x-protobuf'})
        assert r.status_code in (204, 400), r.text


# ---- live tail ----

def connect(server, **params):
    query = '&'.join(f'{k}={requests.utils.quote(str(v))}' for k, v in params.items())
    return websocket.create_connection(server.url.replace('http', 'ws', 1) + '/loki/api/v1/tail?' + query, timeout=10)


def test_tail(server):
    now = time.time_ns()
    assert push(server, [{'stream': {'app': 'tailed'}, 'values': [[str(now - NS), 'old 1'], [str(now), 'old 2'],
                                                                  [str(now), 'not this']]}]).status_code == 204
    ws = connect(server, query='{app="tailed"} |= "o" !~ "not" | label_format x="{{ __line__ | upper }}"', limit=10)
    first = json.loads(ws.recv())
    assert [s['values'][0][1] for s in first['streams']] == ['old 1', 'old 2']
    assert first['streams'][0]['stream']['x'] == 'OLD 1'
    ws.ping('are you there')
    push(server, [{'stream': {'app': 'other'}, 'values': [[str(time.time_ns()), 'o']]},
                  {'stream': {'app': 'tailed'}, 'values': [[str(time.time_ns()), 'new o'], [str(time.time_ns()), 'none']]}])
    live = json.loads(ws.recv())
    assert [(s['stream']['app'], s['values'][0][1]) for s in live['streams']] == [('tailed', 'new o'), ('tailed', 'none')]
    ws.close()


def test_tail_of_many_lines(server):
    ws = connect(server, query='{app="many"}')
    time.sleep(0.3)
    for i in range(20):
        push(server, [{'stream': {'app': 'many'}, 'values': [[str(time.time_ns()), f'{i} {k} ' + 'x' * 500] for k in range(100)]}])
    seen = 0
    while seen < 2000:
        seen += len(json.loads(ws.recv())['streams'])
    assert seen == 2000
    ws.close()


@pytest.mark.parametrize('params,want', [
    ({'query': '{app='}, 'parse error'), ({'query': 'rate({a="b"}[1m])'}, 'only log queries can be tailed'),
    ({'query': '{a="b"}', 'delay_for': 9}, "delay_for can't be greater than 5")])
def test_tail_refuses(server, params, want):
    assert want in get(server, 'tail', status=400, **params)


def test_tail_is_a_websocket(server):
    r = server.session.get(server.url + '/loki/api/v1/tail', params={'query': '{a="b"}'}, timeout=10)
    assert r.status_code == 426 and r.headers['Upgrade'] == 'websocket'


def test_stop_ends_tails(start):
    s = start.server()
    ws = connect(s, query='{a="b"}')
    idle = connect(s, query='{a="c"}')
    began = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - began < 5
    with pytest.raises((websocket.WebSocketException, OSError)):
        while ws.recv():
            pass
        raise OSError('closed')
    idle.close()


def test_hostile_frames(server):
    for bad in (b'\x81\x05Hello', b'\xff' * 20, b'\x81\xff\x7f' + b'\xff' * 12, b'\x83\x80\0\0\0\0'):
        ws = connect(server, query='{a="b"}')
        ws.sock.sendall(bad)
        code, data = ws.recv_data()
        assert code == 8 and int.from_bytes(data[:2], 'big') in (1002, 1009)
        ws.close()
    assert server.session.get(server.url + '/-/ready', timeout=5).status_code == 200


# ---- real clients ----

def test_logcli(server, filled, loki):
    def logcli(*args):
        done = subprocess.run([f'{loki}/logcli', '--addr', server.url, '--quiet', *args], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stamp(ns):
        return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(ns // NS))
    span = ['--from', stamp(filled['start']), '--to', stamp(filled['end'])]
    assert 'shop' in logcli('labels', 'app', *span)
    out = logcli('query', '{app="cart"} |= "cart/7"', '--output', 'raw', *span)
    assert out.strip() == 'level=warn path=/cart/7 bytes=7KB'
    out = logcli('query', '{app="cart"}', '--forward', '--limit', '3', '--output', 'jsonl', *span)
    assert [json.loads(x)['line'].split()[1] for x in out.splitlines()] == ['path=/cart/0', 'path=/cart/1', 'path=/cart/2']
    metric = json.loads(logcli('instant-query', 'sum by (app) (count_over_time({env=~".+"}[20m]))'))
    assert {s['metric']['app']: s['value'][1] for s in metric} == {'shop': '60', 'cart': '30'}
    assert 'app="shop"' in logcli('series', '{app="shop"}', *span)
    assert 'shop' in logcli('volume', '{app=~".+"}', *span)
