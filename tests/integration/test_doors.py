# SPDX-License-Identifier: Apache-2.0
"""Ways in and out for metrics beside OTLP and remote write: pushed expositions, Influx lines, CSV, JSON lines."""
import gzip
import time

import pytest
import requests

from harness import wire
from harness.server import wait_for

pytestmark = pytest.mark.asan

NOW = int(time.time()) * 1000 - 60000


@pytest.fixture(scope='module')
def server(start_shared):
    return start_shared.server()


def post(server, path, body, status=204, **kw):
    answer = server.session.post(server.url + path, data=body, timeout=30, **kw)
    assert answer.status_code == status, answer.text
    return answer


def values(server, query, at=NOW + 1000):
    got = server.session.get(server.url + '/api/v1/query', params={'query': query, 'time': at / 1000}, timeout=10)
    assert got.status_code == 200, got.text
    return {tuple(sorted(r['metric'].items())): r['value'][1] for r in got.json()['data']['result']}


def one(server, query, at=NOW + 1000):
    got = values(server, query, at)
    assert len(got) == 1, got
    return next(iter(got.values()))


def test_import_text(server):
    text = f'# TYPE door_total counter\n# HELP door_total Text.\ndoor_total{{a="b"}} 5 {NOW}\n{{"door.utf8",x="1"}} 7 {NOW}\n'
    post(server, '/api/v1/import/prometheus?extra_label=env%3Dprod', gzip.compress(text.encode()),
         headers={'Content-Encoding': 'gzip'})
    assert values(server, 'door_total') == {(('__name__', 'door_total'), ('a', 'b'), ('env', 'prod')): '5'}
    assert values(server, '{"door.utf8"}') == {(('__name__', 'door.utf8'), ('env', 'prod'), ('x', '1')): '7'}
    meta = server.session.get(server.url + '/api/v1/metadata?metric=door_total', timeout=10).json()['data']
    assert meta['door_total'][0]['type'] == 'counter'
    broken = post(server, '/api/v1/import/prometheus', 'door_ok 1\ndoor_bad x\n', status=400)
    assert broken.json()['error'].startswith('line 2:10: expected value after metric, got "x"')
    assert one(server, 'door_ok', int(time.time() * 1000)) == '1'


def test_import_time_and_pushgateway(server):
    post(server, f'/api/v1/import/prometheus/metrics/job/j1/instance/i1?timestamp={NOW}', 'door_push{job="other"} 3\n')
    assert values(server, 'door_push') == {(('__name__', 'door_push'), ('instance', 'i1'), ('job', 'j1')): '3'}
    post(server, f'/api/v1/import/prometheus/metrics/job@base64/YS9i?timestamp={NOW}', 'door_push64 3\n')
    assert values(server, 'door_push64') == {(('__name__', 'door_push64'), ('job', 'a/b')): '3'}
    post(server, '/api/v1/import/prometheus/metrics/job', 'x 1\n', status=400)


def test_openmetrics_exemplars(server):
    text = (f'# TYPE door_om counter\ndoor_om_total{{a="b"}} 5 {NOW / 1000} # {{trace_id="0af7"}} 0.5 {NOW / 1000}\n'
            f'# TYPE door_lat histogram\ndoor_lat_bucket{{le="1"}} 1 {NOW / 1000} # {{trace_id="1af7"}} 0.7 {NOW / 1000}\n'
            '# EOF\n')
    post(server, '/api/v1/import/prometheus', text,
         headers={'Content-Type': 'application/openmetrics-text; version=1.0.0; charset=utf-8'})
    got = server.session.get(server.url + '/api/v1/query_exemplars', timeout=10,
                             params={'query': 'rate(door_om_total[5m]) + on() histogram_quantile(0.9, door_lat_bucket)',
                                     'start': NOW / 1000 - 60, 'end': NOW / 1000 + 60}).json()
    assert got == {'status': 'success', 'data': [
        {'seriesLabels': {'__name__': 'door_lat_bucket', 'le': '1.0'},
         'exemplars': [{'labels': {'trace_id': '1af7'}, 'value': '0.7', 'timestamp': NOW / 1000}]},
        {'seriesLabels': {'__name__': 'door_om_total', 'a': 'b'},
         'exemplars': [{'labels': {'trace_id': '0af7'}, 'value': '0.5', 'timestamp': NOW / 1000}]}]}
    bad = server.session.get(server.url + '/api/v1/query_exemplars', params={'query': 'sum('}, timeout=10)
    assert bad.status_code == 400 and bad.json()['error'].startswith('invalid parameter "query"')


def test_exemplars_survive_kill(start_shared, server):
    server.signal(9)
    server.child.wait()
    again = start_shared.server(data=server.data)
    got = again.session.get(again.url + '/api/v1/query_exemplars', timeout=10,
                            params={'query': 'door_om_total', 'start': NOW / 1000 - 60, 'end': NOW / 1000 + 60}).json()
    assert [e['labels'] for e in got['data'][0]['exemplars']] == [{'trace_id': '0af7'}]
    again.stop()


def test_influx(start):
    server = start.server()
    line = f'door,host=a,cpu=0 usage=1.5,n=2i,u=3u,ok=true,text="x" {NOW}000000\n'
    post(server, '/write?db=telegraf', line)
    assert values(server, '{__name__=~"door_.*"}') == {
        (('__name__', f'door_{k}'), ('cpu', '0'), ('db', 'telegraf'), ('host', 'a')): v
        for k, v in (('usage', '1.5'), ('n', '2'), ('u', '3'), ('ok', '1'))}
    post(server, '/api/v2/write?org=o&bucket=b&precision=s', f'door2 v=4 {NOW // 1000}\n')
    assert values(server, 'door2_v') == {(('__name__', 'door2_v'), ('db', 'b')): '4'}
    post(server, '/api/v2/write?bucket=b&db_label=&precision=ms', f'door3 v=4 {NOW}\n')
    assert values(server, 'door3_v') == {(('__name__', 'door3_v'),): '4'}
    part = post(server, '/write?precision=ms', f'door4 v=1 {NOW}\ndoor4\ndoor4 w=1 {NOW}\n', status=400)
    assert part.json() == {'error': "partial write: line 2: unable to parse 'door4': missing fields dropped=1"}
    assert one(server, 'door4_w') == '1'
    part = post(server, '/api/v2/write?precision=ms', 'door4 v=\n', status=400).json()
    assert part['code'] == 'invalid' and part['line'] == 1
    assert server.session.get(server.url + '/ping', timeout=5).status_code == 204
    made = server.session.post(server.url + '/query', data={'q': 'CREATE DATABASE "telegraf"'}, timeout=5)
    assert made.json() == {'results': [{'statement_id': 0}]}
    assert 'databases' in server.session.get(server.url + '/query?q=SHOW+DATABASES', timeout=5).text
    metrics = server.session.get(server.url + '/metrics', timeout=5).text
    assert 'bongsu_ingest_rejected_total{signal="metrics",reason="not_a_number"} 1' in metrics


def test_json_lines_round_trip(start):
    server = start.server()
    series = [{'metric': {'__name__': 'door_json', 'i': str(i)},
               'values': [k * 0.5 for k in range(12000)],
               'timestamps': [NOW - 12000 * 15000 + k * 15000 for k in range(12000)]} for i in range(3)]
    series[2]['values'][5:8] = [None, 'NaN', '-Infinity']
    import json
    lines = '\n'.join(json.dumps(s) for s in series)
    post(server, '/api/v1/import?extra_label=env%3Dx', lines)

    def export(**params):
        got = server.session.get(server.url + '/api/v1/export', params=params, timeout=30)
        assert got.status_code == 200, got.text
        return [json.loads(line) for line in got.text.splitlines()]

    out = export(**{'match[]': ['door_json', '{i="1"}']})
    assert [len(s['values']) for s in out] == [10000, 2000] * 3  # no series twice, long ones in parts
    for i, s in enumerate(series):
        assert out[2 * i]['metric'] == {**s['metric'], 'env': 'x'}
        assert out[2 * i]['values'] + out[2 * i + 1]['values'] == s['values']
        assert out[2 * i]['timestamps'] + out[2 * i + 1]['timestamps'] == s['timestamps']
    part = export(**{'match[]': 'door_json{i="0"}', 'start': NOW / 1000 - 60, 'end': NOW / 1000, 'max_rows_per_line': 2})
    assert [len(s['values']) for s in part] == [2, 2]
    bad = server.session.get(server.url + '/api/v1/export', timeout=5)
    assert bad.status_code == 400 and 'match[]' in bad.json()['error']
    text = server.session.get(server.url + '/api/v1/export', timeout=5, params={
        'match[]': 'door_json{i="0"}', 'start': NOW / 1000 - 15, 'end': NOW / 1000, 'format': 'prometheus'}).text
    assert text == f'door_json{{env="x", i="0"}} 5999.5 {NOW - 15000}\n'
    second = start.server(data=server.folder / 'second')
    post(second, '/api/v1/import/prometheus', text)
    assert one(second, 'door_json') == '5999.5'


def test_csv(start):
    server = start.server()
    rows = f'ticker,ask,bid,time\nGOOG,1.5,2,{NOW}\n"A,B",3,,{NOW}\n'
    post(server, '/api/v1/import/csv?header=1&format=1:label:ticker,2:metric:ask,3:metric:bid,4:time:unix_ms', rows)
    assert values(server, '{__name__=~"ask|bid"}') == {
        (('__name__', 'ask'), ('ticker', 'GOOG')): '1.5', (('__name__', 'bid'), ('ticker', 'GOOG')): '2',
        (('__name__', 'ask'), ('ticker', 'A,B')): '3'}
    got = server.session.get(server.url + '/api/v1/export/csv', timeout=5, params={
        'match[]': '{ticker=~".+"}', 'format': '__name__,ticker,__value__,__timestamp__:unix_s'})
    s, ms = divmod(NOW, 1000)
    at = f'{s}.{ms:03}' if ms else f'{s}'
    assert got.text == f'ask,"A,B",3,{at}\nask,GOOG,1.5,{at}\nbid,GOOG,2,{at}\n'
    bad = post(server, '/api/v1/import/csv?format=1:metric', 'x', status=400)
    assert bad.json()['error'] == 'invalid parameter "format": "1:metric": COLUMN:TYPE:NAME is expected'


def test_export_memory(start):
    """An export of millions of samples goes through little memory."""
    from harness.server import rss_bytes
    server = start.server()
    for part in range(10):
        lines = []
        for i in range(20):
            times = [NOW - 10**9 + part * 10**8 + k * 5000 for k in range(10000)]
            lines.append('{"metric":{"__name__":"door_many","i":"%d"},"values":%s,"timestamps":%s}'
                         % (i, [k * 0.1 for k in range(10000)], times))
        post(server, '/api/v1/import', '\n'.join(lines).replace(' ', ''))
    before = rss_bytes(server.pid)
    samples = 0
    with server.session.get(server.url + '/api/v1/export', params={'match[]': 'door_many'}, timeout=60, stream=True) as got:
        for line in got.iter_lines(chunk_size=1 << 16):
            samples += line.count(b',') // 2
    assert samples > 1.9e6
    assert rss_bytes(server.pid) - before < 48 << 20


def cli(server, *args, code=0, data=None):
    from harness.server import SERVER
    import subprocess
    run = subprocess.run([SERVER, args[0], '--server', server.url, *args[1:]], capture_output=True, text=True,
                         timeout=60, input=data)
    assert run.returncode == code, run.stderr + run.stdout
    return run


def test_command_line(start):
    server = start.server()
    text = server.folder / 'samples.prom'
    text.write_text(''.join(f'door_cli{{i="{i % 100}"}} {i} {NOW - i * 10}\n' for i in range(200000)))  # several requests
    done = cli(server, 'import', '--labels', 'env=x,site=y', str(text))
    assert done.stdout == f'{text.stat().st_size} bytes imported\n'
    assert one(server, 'sum(count_over_time(door_cli{env="x",site="y"}[1h]))') == '200000'
    out = server.folder / 'out.jsonl'
    cli(server, 'export', '--output', str(out), 'door_cli')
    packed = server.folder / 'out.jsonl.gz'
    packed.write_bytes(gzip.compress(out.read_bytes()))
    other = start.server(data=server.folder / 'other')
    cli(other, 'import', str(packed))
    assert one(other, 'sum(count_over_time(door_cli[1h]))') == '200000'
    assert cli(other, 'export', '--format', 'csv', '--columns', 'i,__value__', 'door_cli{i="7"}').stdout.count('\n') == 2000
    cli(other, 'import', '--format', 'csv', '--columns', '1:metric:door_std', '-', data='5\n')
    # from the byte an interrupted import named: whole lines behind it
    lines = text.read_text().splitlines(keepends=True)
    third = start.server(data=server.folder / 'third')
    cli(third, 'import', '--from', str(sum(map(len, lines[:150000]))), str(text))
    assert one(third, 'sum(count_over_time(door_cli[1h]))') == '50000'
    third.stop()
    gone = cli(third, 'import', str(text), code=1)
    assert 'go on with --from 0' in gone.stderr
    assert 'match' in cli(other, 'export', '{', code=1).stderr
    left = cli(other, 'import', '--format', 'influx', '-', data=f'door_lp v=1 {NOW}000000\nbroken\n')
    assert "line 2: unable to parse 'broken'" in left.stderr and 'lines were left out' in left.stdout
    cli(other, 'import', 'file.unknown', code=2)


def test_otlp_exemplars(start):
    server = start.server()
    ns = str(NOW * 1000000)
    trace, span = '5b8efff798038103d269b633813fc60c', 'eee19b7ec3c1b174'
    shown = {'timeUnixNano': ns, 'asDouble': 0.3, 'traceId': trace, 'spanId': span,
             'filteredAttributes': [{'key': 'user.id', 'value': {'stringValue': 'u1'}}]}
    long = {**shown, 'asDouble': 30, 'filteredAttributes': [{'key': 'x', 'value': {'stringValue': 'y' * 200}}]}
    body = {'resourceMetrics': [{'scopeMetrics': [{'metrics': [
        {'name': 'door.calls', 'sum': {'aggregationTemporality': 2, 'isMonotonic': True, 'dataPoints': [
            {'timeUnixNano': ns, 'asInt': '5', 'exemplars': [{**shown, 'asDouble': None, 'asInt': '1'}]}]}},
        {'name': 'door.latency', 'histogram': {'aggregationTemporality': 2, 'dataPoints': [
            {'timeUnixNano': ns, 'count': '2', 'sum': 30.3, 'bucketCounts': ['0', '1', '1'],
             'explicitBounds': [0.1, 10], 'exemplars': [shown, long]}]}},
        {'name': 'door.exp', 'exponentialHistogram': {'aggregationTemporality': 2, 'dataPoints': [
            {'timeUnixNano': ns, 'count': '1', 'sum': 0.3, 'scale': 0, 'positive': {'offset': 0, 'bucketCounts': ['1']},
             'exemplars': [shown]}]}}]}]}]}
    answer = server.session.post(server.url + '/otlp/v1/metrics', json=body, timeout=10)
    assert answer.status_code == 200 and 'partialSuccess' not in answer.json(), answer.text
    got = server.session.get(server.url + '/api/v1/query_exemplars', timeout=10, params={
        'query': '{__name__=~"door_.*"}', 'start': NOW / 1000 - 5, 'end': NOW / 1000 + 5}).json()['data']
    ids = {'trace_id': trace, 'span_id': span}
    at = NOW / 1000
    assert got == [
        {'seriesLabels': {'__name__': 'door_calls_total'},
         'exemplars': [{'labels': {**ids, 'user_id': 'u1'}, 'value': '1', 'timestamp': at}]},
        {'seriesLabels': {'__name__': 'door_exp'},
         'exemplars': [{'labels': {**ids, 'user_id': 'u1'}, 'value': '0.3', 'timestamp': at}]},
        {'seriesLabels': {'__name__': 'door_latency_bucket', 'le': '+Inf'},
         'exemplars': [{'labels': ids, 'value': '30', 'timestamp': at}]},
        {'seriesLabels': {'__name__': 'door_latency_bucket', 'le': '10'},
         'exemplars': [{'labels': {**ids, 'user_id': 'u1'}, 'value': '0.3', 'timestamp': at}]}]


def write2(server, symbols, all_series):
    """Remote write 2.0; all_series: (references, samples or histograms as fields)."""
    body = b''.join(wire.blob(4, s) for s in symbols)
    for refs, fields in all_series:
        body += wire.blob(5, wire.blob(1, bytes(refs)) + fields)
    post(server, '/api/v1/write', wire.snappy.compress(body), headers={
        'Content-Type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request', 'Content-Encoding': 'snappy'})


def test_start_timestamps(start):
    server = start.server(args=['--start-timestamps', '--query-experimental'])
    first, again = NOW - 90 * 86400000, NOW - 20000

    def sample(t, v, began):
        return wire.blob(2, wire.double(1, v) + wire.uint(2, t) + (wire.uint(3, began) if began else b''))

    histogram = wire.blob(3, wire.uint(1, 1) + wire.double(3, 0) + wire.uint(6, 1) + wire.uint(15, NOW) + wire.uint(17, first))
    write2(server, ['', '__name__', 'door_c_total', 'door_none', 'door_h'], [
        ([1, 2], sample(NOW - 30000, 5, first) + sample(NOW - 15000, 6, first) + sample(NOW, 1, again)),
        ([1, 3], sample(NOW, 7, 0)), ([1, 4], histogram)])
    ns = 1000000
    body = wire.metrics([wire.counter('door.otlp', [(NOW * ns, 3.0, {})], start_ns=first * ns),
                         wire.gauge('door.gauge', [(NOW * ns, 3.0, {})])])
    assert server.otlp('metrics', body).status_code == 200
    post(server, '/api/v1/import/prometheus',
         f'# TYPE door_om counter\ndoor_om_total 3 {NOW / 1000}\ndoor_om_created {first / 1000}\n# EOF\n',
         headers={'Content-Type': 'application/openmetrics-text; version=1.0.0; charset=utf-8'})

    def began(name, at=NOW):
        return float(one(server, f'start_timestamp({{__name__="{name}"}})', at))

    for run in range(2):
        for name in ('door_h', 'door_otlp_total', 'door_om_total'):
            assert began(name) == first / 1000, name
        assert began('door_c_total', NOW - 1) == first / 1000
        assert began('door_c_total') == again / 1000
        assert began('door_none') == began('door_gauge') == 0
        assert one(server, 'door_c_total') == '1'
        assert one(server, 'count({__name__=~"door_.*_total"})') == '3'
        names = server.session.get(server.url + '/api/v1/labels', timeout=10).json()['data']
        assert all(n.isascii() and n.isprintable() for n in names), names
        exported = server.session.get(server.url + '/api/v1/export', params={'match[]': 'door_c_total'}, timeout=10)
        assert exported.status_code == 200 and exported.text.count('\n') == 1, exported.text
        if run == 0:
            server.kill()
            server = start.server(data=server.data, args=['--start-timestamps', '--query-experimental'])
