# SPDX-License-Identifier: Apache-2.0
"""Patterns of log lines from door to API: one id a statement, counts, levels, trend, "new", filters by pattern, Loki's
form, ids over restarts, kill -9 and backups, and switching it off."""
import json
import time

import pytest

from harness import wire
from harness.server import wait_for

SEC = 10**9
MS = 10**6


@pytest.fixture(scope='module')
def t0():
    """Start of the range asked for, whole minutes ago."""
    return (time.time_ns() // (60 * SEC) - 60) * 60 * SEC


@pytest.fixture(scope='module')
def server(start_shared, t0):
    s = start_shared.server()
    old = [wire.log_record(t0 - 1800 * SEC + i * SEC, f'order {i} paid in {i * 3} ms') for i in range(10)]
    new = [wire.log_record(t0 + i * SEC, f'order {i} paid in {i * 3} ms') for i in range(40)]
    new += [wire.log_record(t0 + (1200 + i) * SEC, f'payment of order {i} refused: card {i}', 17, 'ERROR') for i in range(15)]
    new += [wire.log_record(t0 + 30 * SEC + i, f'user {n} logged in from 10.0.0.{i}', 13 if i % 2 else 9)
            for i, n in enumerate(['alice', 'bob', 'carol', 'dave'])]
    other = [wire.log_record(t0 + 5 * SEC, 'order 9 paid in 1 ms')]
    for name, rows in (('shop', old), ('shop', new), ('cart', other)):
        r = s.otlp('logs', wire.logs(rows, {'service.name': name}))
        assert r.status_code == 200 and not r.content, r.text
    return s


def patterns(server, t0, minutes=30, **params):
    return server.json('/api/v1/logs/patterns', start_ms=t0 // MS, end_ms=t0 // MS + minutes * 60000, buckets=3, **params)


def one(answer, start, service='shop'):
    found = [p for p in answer['patterns'] if p['template'].startswith(start) and p['service'] == service]
    assert len(found) == 1, [p['template'] for p in answer['patterns']]
    return found[0]


def test_a_pattern_tells_all_about_its_lines(server, t0):
    a = patterns(server, t0)
    assert a['total'] == 60 and a['total_patterns'] == 4 and a['without_pattern'] == 0
    paid = one(a, 'order <_> paid in <_> ms')
    assert paid['count'] == 40 and paid['counts'] == [40, 0, 0] and paid['levels'] == {'info': 40}
    assert paid['previous_count'] == 10 and paid['trend'] == pytest.approx(3) and paid['new'] is False
    assert paid['share'] == pytest.approx(40 / 60)
    assert paid['sample'] == 'order 39 paid in 117 ms' and paid['last_seen_ms'] == t0 // MS + 39000
    refused = one(a, 'payment of order <_> refused: card <_>')
    assert refused['new'] is True and refused['previous_count'] == 0 and 'trend' not in refused
    assert refused['counts'] == [0, 0, 15] and refused['first_seen_ms'] == t0 // MS + 1200000
    login = one(a, 'user <_> logged in from <_>')
    assert login['levels'] == {'warn': 2, 'info': 2}
    assert one(a, 'order <_> paid', 'cart')['pattern_id'] != paid['pattern_id']


@pytest.mark.parametrize('params', [{'service': 'shop'}, {'query': '{service_name="shop"}'},
                                    {'query': '{service_name="shop"} | regexp "(?P<word>order|payment)" | word=~".+"'}],
                         ids=['filter', 'query', 'query that reads records'])
def test_filters_and_queries_say_the_same(server, t0, params):
    a = patterns(server, t0, **params)
    paid, refused = one(a, 'order <_>'), one(a, 'payment of')
    assert (paid['count'], paid['counts'], paid['previous_count']) == (40, [40, 0, 0], 10)
    assert (refused['count'], refused['levels'], refused['last_seen_ms']) == (15, {'error': 15}, t0 // MS + 1214000)
    assert not [p for p in a['patterns'] if p['service'] == 'cart']


@pytest.mark.parametrize('also', [{}, {'query': '{service_name="shop"} |= "1"'}], ids=['alone', 'beside a query'])
def test_records_of_a_pattern(server, t0, also):
    p = one(patterns(server, t0), 'payment of')
    r = server.json('/api/v1/logs', start_ms=t0 // MS, end_ms=t0 // MS + 1800000, limit=100, pattern_id=p['ids'], **also)
    bodies = {x['body'] for x in r['logs']}
    assert {x['pattern_id'] for x in r['logs']} == {p['pattern_id']}
    assert bodies == {f'payment of order {i} refused: card {i}' for i in range(15) if not also or '1' in str(i)}


def test_loki_form(server, t0):
    r = server.json('/loki/api/v1/patterns', query='{service_name=~"shop|cart"}', start=str(t0), end=str(t0 + 1800 * SEC), step='10m')
    assert r['status'] == 'success'
    got = {x['pattern']: x['samples'] for x in r['data']}
    assert got == {'order <_> paid in <_> ms': [[t0 // SEC, 41]],  # one text of two services is one pattern
                   'payment of order <_> refused: card <_>': [[t0 // SEC + 1200, 15]],
                   'user <_> logged in from <_>': [[t0 // SEC, 4]]}
    # the pattern is what LogQL's pattern filter takes
    r = server.json('/loki/api/v1/query_range', query='{service_name="shop"} |> "payment of order <_> refused: card <_>"',
                    start=str(t0), end=str(t0 + 1800 * SEC))
    assert sum(len(s['values']) for s in r['data']['result']) == 15
    assert 'pattern_id' not in json.dumps(r)


@pytest.mark.parametrize('path,params,says', [
    ('/loki/api/v1/patterns', {'query': 'rate({a="b"}[5m])'}, 'parse error'),
    ('/loki/api/v1/patterns', {'query': '{a="b"} |= "x"'}, 'parse error'),
    ('/loki/api/v1/patterns', {'query': '{a="b"}', 'start': '100', 'end': '2000000000', 'step': '1s'}, 'maximum resolution'),
    ('/api/v1/logs/patterns', {'query': '{'}, 'parse error'),
    ('/api/v1/logs/patterns', {'limit': '0'}, 'limit'),
    ('/api/v1/logs', {'pattern_id': 'xyz'}, '16 hex digits')])
def test_errors(server, path, params, says):
    r = server.get(path, **params)
    assert r.status_code == 400 and says in r.text


def test_ids_outlive_restarts_kills_and_backups(start, t0):
    s = start.server()

    def push(i):
        assert s.otlp('logs', wire.logs([wire.log_record(t0 + i * SEC, f'disk {i} of 9 is full'),
                                         wire.log_record(t0 + i * SEC, f'user {"abcdefg"[i] * 4} left')],
                                        {'service.name': 'shop'})).status_code == 200

    def ids():
        return {p['template']: p['pattern_id'] for p in patterns(s, t0)['patterns']}

    push(1)
    first = ids()
    assert set(first) == {'disk <_> of <_> is full', 'user bbbb left'}
    s.kill()
    s = start.server(data=s.data)
    assert ids() == first
    push(2)
    assert ids() == {'disk <_> of <_> is full': first['disk <_> of <_> is full'], 'user <_> left': first['user bbbb left']}
    assert s.session.post(s.url + '/api/v1/admin/tsdb/snapshot', timeout=30).status_code == 200
    snapshot = s.json('/api/v1/admin/snapshots')['snapshots'][0]['path']
    assert s.stop() == 0
    s = start.server(data=s.data)
    push(3)
    assert ids()['user <_> left'] == first['user bbbb left']
    s = start.server(data=snapshot)
    assert ids()['user <_> left'] == first['user bbbb left']


def test_switched_off(start, t0):
    s = start.server(args=['--log-patterns=false'])
    assert s.otlp('logs', wire.logs([wire.log_record(t0, 'disk 1 is full')], {'service.name': 'shop'})).status_code == 200
    a = patterns(s, t0)
    assert a['patterns'] == [] and a['without_pattern'] == 1
    assert 'pattern_id' not in s.json('/api/v1/logs', start_ms=t0 // MS, end_ms=t0 // MS + 1000)['logs'][0]


def test_a_flood_of_random_lines_is_bounded(start, t0):
    s = start.server()
    rows = [wire.log_record(t0 + i, ' '.join(f'{chr(97 + (i * k) % 26)}{chr(97 + (i // 26 + k) % 26)}' * k for k in range(1, 3 + i % 40)))
            for i in range(20000)]
    for i in range(0, len(rows), 2000):
        assert s.otlp('logs', wire.logs(rows[i:i + 2000], {'service.name': 'noisy'})).status_code == 200
    found = wait_for('metrics', lambda: s.get('/metrics').text)
    templates = [float(x.split()[-1]) for x in found.splitlines() if x.startswith('bongsu_patterns_templates')]
    assert templates and templates[0] <= 1000
    assert patterns(s, t0)['total'] == 20000
