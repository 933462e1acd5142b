# SPDX-License-Identifier: Apache-2.0
"""Log search and live tail by LogQL: whole records, both directions, cursors, the lines around a record."""
import json
import time

import pytest

from harness import wire

MS = 10**6
N = 40


@pytest.fixture(scope='module')
def base_ns():
    return (time.time_ns() // 10**9 - 300) * 10**9


@pytest.fixture(scope='module')
def server(start_shared, base_ns):
    s = start_shared.server()
    shop = [wire.log_record(base_ns + i // 2 * MS, json.dumps({'status': 500 if i % 10 == 0 else 200, 'n': i}),
                            17 if i % 10 == 0 else 9, 'ERROR' if i % 10 == 0 else 'INFO', {'http.route': f'/{i % 3}'})
            for i in range(N)]  # two records share each time
    cart = [wire.log_record(base_ns + i * MS, f'cart {i}') for i in range(5)]
    for name, rows in (('shop', shop), ('cart', cart)):
        r = s.otlp('logs', wire.logs(rows, {'service.name': name, 'host.name': 'h1'}))
        assert r.status_code == 200 and not r.content, r.text
    return s


def search(server, base_ns, query, status=200, **params):
    r = server.get('/api/v1/logs', query=query, **({'start_ms': base_ns // MS, 'end_ms': base_ns // MS + 1000} | params))
    assert r.status_code == status, r.text
    return r.json()


def number(record):
    return json.loads(record['body'])['n']


@pytest.mark.parametrize('direction', ['backward', 'forward'])
def test_pages_give_every_record_once_in_order(server, base_ns, direction):
    whole = search(server, base_ns, '{service_name="shop"}', direction=direction, limit=1000)
    assert 'next_cursor' not in whole
    ids = [x['id'] for x in whole['logs']]
    times = [int(x['time_ns']) for x in whole['logs']]
    assert len(set(ids)) == N and times == sorted(times, reverse=direction == 'backward')
    paged, cursor = [], {}
    while cursor is not None:
        page = search(server, base_ns, '{service_name="shop"}', direction=direction, limit=7, **cursor)
        paged += [x['id'] for x in page['logs']]
        cursor = {'cursor': page['next_cursor']} if 'next_cursor' in page else None
    assert paged == ids


def test_the_directions_are_each_other_reversed(server, base_ns):
    newest, oldest = ([x['id'] for x in search(server, base_ns, '{host_name="h1"}', direction=d, limit=1000)['logs']]
                      for d in ('backward', 'forward'))
    assert newest == oldest[::-1] and len(newest) == N + 5


def test_lines_around_a_record(server, base_ns):
    """Its time and id are a cursor: what was before it and what came after, of its stream only."""
    oldest = search(server, base_ns, '{service_name="shop"}', direction='forward', limit=1000)['logs']
    here = oldest[21]
    at = f'{here["time_ns"]}-{here["id"]}'
    before = search(server, base_ns, '{service_name="shop"}', cursor=at, limit=3)['logs']
    after = search(server, base_ns, '{service_name="shop"}', cursor=at, direction='forward', limit=3)['logs']
    assert [x['id'] for x in before] == [oldest[i]['id'] for i in (20, 19, 18)]
    assert [x['id'] for x in after] == [oldest[i]['id'] for i in (22, 23, 24)]


def test_records_keep_their_own_form_and_gain_what_was_parsed(server, base_ns):
    found = search(server, base_ns, '{service_name="shop"} | json | status >= 500 | line_format "{{.n}} of {{.http_route}}"')
    assert [number(x) for x in found['logs']] == [30, 20, 10, 0]
    first = found['logs'][0]
    assert first['labels'] == {'status': '500', 'n': '30'} and first['line'] == '30 of /0'
    assert first['attributes'] == {'http.route': '/0'} and first['resource']['service.name'] == 'shop'
    assert first['severity'] == 'error' and found['stats']['rows_scanned'] >= 4
    plain = search(server, base_ns, '{service_name="shop"} |= "500" | http_route="/0"')['logs']
    assert [number(x) for x in plain] == [30, 0]
    assert all('line' not in x and 'labels' not in x for x in plain)
    assert search(server, base_ns, '{service_name="nobody"}')['logs'] == []


@pytest.mark.parametrize('query,params,error', [
    ('{service_name="shop"', {}, 'line 1, col 21'),
    ('rate({service_name="shop"}[1m])', {}, 'metric query'),
    ('{service_name="shop"}', {'service': 'shop'}, 'service: put it into the query'),
    ('{service_name="shop"}', {'direction': 'up'}, 'direction must be'),
    ('{service_name="shop"}', {'cursor': 'x'}, 'cursor'),
    ('{service_name="shop"} |~ "("', {}, 'error parsing regexp'),
])
def test_errors_say_what_is_wrong(server, base_ns, query, params, error):
    answer = search(server, base_ns, query, 400, **params)
    assert answer['status'] == 'error' and error in answer['error'], answer


def test_live_tail_by_query(server):
    params = {'query': '{service_name="live"} | json | status > 400'}
    with server.session.get(server.url + '/api/v1/logs/tail', params=params, stream=True, timeout=30) as r:
        rows = [wire.log_record(time.time_ns(), json.dumps({'status': s, 'word': f'status {s}'})) for s in (200, 404, 500)]
        assert server.otlp('logs', wire.logs(rows, {'service.name': 'live'})).status_code == 200
        text = ''
        for chunk in r.iter_content(None):
            text += chunk.decode()
            if 'status 500' in text:
                break
        assert 'status 404' in text and 'status 200' not in text
        event = next(x for x in text.split('\n\n') if x.startswith('event: logs'))
        first = json.loads(event.split('data: ')[1])['logs'][0]
        assert first['labels'] == {'status': '404', 'word': 'status 404'} and first['service'] == 'live'
    assert server.get('/api/v1/logs/tail', query='{').status_code == 400


def test_patterns_are_named_in_filters_and_groupings(server, base_ns):
    """Each line got its pattern as it came in; the label is there for who names it and not among the labels of a row."""
    rows = [wire.log_record(base_ns + i * MS, f'user u{i * 37} logged in' if i % 3 else f'cache of {i * 11} entries dropped') for i in range(60)]
    assert server.otlp('logs', wire.logs(rows, {'service.name': 'patterned'})).status_code == 200
    at = (base_ns // MS + 1000) // 1000
    query = 'sum by (pattern_id) (count_over_time({service_name="patterned"}[10m]))'
    found = server.json('/loki/api/v1/query', query=query, time=str(at))['data']['result']
    by_id = {r['metric'].get('pattern_id'): int(r['value'][1]) for r in found}
    assert sum(by_id.values()) == 60 and len(by_id) >= 2, by_id
    pattern = max((p for p in by_id if p is not None), key=by_id.get)
    assert len(pattern) == 16
    only = search(server, base_ns, f'{{service_name="patterned"}} | pattern_id="{pattern}"', limit=1000)['logs']
    rest = search(server, base_ns, f'{{service_name="patterned"}} | pattern_id!="{pattern}"', limit=1000)['logs']
    assert len(only) == by_id[pattern] and len(only) + len(rest) == 60
    assert len({x['body'].split()[0] for x in only}) == 1
    either = search(server, base_ns, f'{{service_name="patterned"}} | pattern_id=~"{pattern}|0000000000000000"', limit=1000)['logs']
    assert [x['id'] for x in either] == [x['id'] for x in only]
    lines = server.json('/loki/api/v1/query_range', query='{service_name="patterned"}', start=str(base_ns), limit=5)
    assert all('pattern_id' not in s['stream'] for s in lines['data']['result'])
