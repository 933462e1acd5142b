# SPDX-License-Identifier: Apache-2.0
"""Live application figures from spans that came in as OTLP: every count equals what was sent, percentiles are within
1 %, APDEX is exact; late spans, settings and the live stream."""
import json
import math
import os
import random
import time

import pytest

from harness import wire
from harness.server import wait_for

pytestmark = pytest.mark.asan

MS = 10**6
TICK = 2000


def entry(end_ms, ms, route='/orders/{id}', status=200, method='GET'):
    return wire.span(os.urandom(16), os.urandom(8), f'{method} {route}', (end_ms - ms) * MS, end_ms * MS, kind=2,
                     attrs={'http.request.method': method, 'http.route': route, 'http.response.status_code': status})


def send(server, spans, group, instance, **more):
    ns, _, name = group.rpartition('/')
    res = {'service.name': name, 'service.instance.id': instance} | ({'service.namespace': ns} if ns else {}) | more
    assert server.otlp('traces', wire.traces(spans, res)).status_code == 200


def now_ms():
    return int(time.time() * 1000)


def group_now(server, name):
    """With the tick that has not ended yet."""
    return server.json('/api/v1/apm/groups/' + name, end_ms=now_ms() + TICK)['group']


def rank(values, q):
    return sorted(values)[max(1, math.ceil(q * len(values))) - 1]


def check(got, want, exact=('requests', 'satisfied', 'tolerating', 'frustrated', 'err_4xx', 'err_5xx')):
    """want: list of (ms, status); T is 1 s."""
    ms = [m for m, _ in want]
    bad = [s >= 500 for _, s in want]
    sat = sum(m <= 1000 and not b for m, b in zip(ms, bad))
    tol = sum(1000 < m <= 4000 and not b for m, b in zip(ms, bad))
    expected = {'requests': len(want), 'satisfied': sat, 'tolerating': tol, 'frustrated': len(want) - sat - tol,
                'err_4xx': sum(400 <= s < 500 for _, s in want), 'err_5xx': sum(bad)}
    assert {k: got[k] for k in exact} == expected
    assert got['apdex'] == pytest.approx(100 * (sat + tol / 2) / len(want), abs=1e-9)
    assert got['sum_ms'] == pytest.approx(sum(ms), abs=1e-6)
    assert got['mean_ms'] == pytest.approx(sum(ms) / len(ms), abs=1e-3)
    assert got['max_ms'] == max(ms)
    for name, q in (('p50_ms', .5), ('p90_ms', .9), ('p95_ms', .95), ('p99_ms', .99)):
        assert got[name] == pytest.approx(rank(ms, q), rel=.01)


@pytest.fixture(scope='module')
def server(start_shared):
    return start_shared.server()


@pytest.fixture(scope='module')
def load(server):
    """300 requests of three instances and two operations in the last minute; one in fifty fails."""
    rng = random.Random(7)
    end = now_ms() - 4000
    sent = []
    for i in range(300):
        ms = max(1, int(rng.lognormvariate(6, 1.2)))
        status = 503 if i % 50 == 7 else 404 if i % 50 == 9 else 200
        sent.append((f'was-{i % 3}', '/orders/{id}' if i % 4 else '/cart', end - rng.randrange(50000), ms, status))
    for inst in ('was-0', 'was-1', 'was-2'):
        send(server, [entry(e, ms, r, st) for i, r, e, ms, st in sent if i == inst], 'shop/api', inst,
             **{'host.name': 'node-1', 'service.version': '1.2'})
    return sent


def test_every_figure_is_exact(server, load):
    got = server.json('/api/v1/apm/groups/shop/api', window_s=300)['group']
    check(got, [(ms, st) for _, _, _, ms, st in load])
    assert (got['name'], got['t_ms'], got['instances'], got['up'], got['operations']) == ('shop/api', 1000, 3, 3, 2)
    assert got['in_flight'] is None
    listed = {g['name']: g for g in server.json('/api/v1/apm/groups', window_s=300)['groups']}
    assert listed['shop/api']['requests'] == 300
    instances = server.json('/api/v1/apm/instances', group='shop/api', window_s=300)['instances']
    assert [i['instance'] for i in instances] == ['was-0', 'was-1', 'was-2']
    for i in instances:
        check(i, [(ms, st) for inst, _, _, ms, st in load if inst == i['instance']])
        assert (i['host'], i['version'], i['up']) == ('node-1', '1.2', True)
    operations = server.json('/api/v1/apm/operations', group='shop/api', window_s=300)
    assert operations['total'] == 2
    assert [o['name'] for o in operations['operations']] == ['GET /orders/{id}', 'GET /cart']
    for o in operations['operations']:
        check(o, [(ms, st) for _, r, _, ms, st in load if f'GET {r}' == o['name']])
        assert o['named_by'] == 'route'
    points = server.json('/api/v1/apm/points', group='shop/api', window_s=300)['points']
    assert {p['t_ms']: p['requests'] for p in points if p['requests']} == \
        {t: sum(e // TICK * TICK == t for _, _, e, _, _ in load) for t in {e // TICK * TICK for _, _, e, _, _ in load}}


def test_series_for_history(server, load):
    def total(result):
        return server.value(f'sum(apm_group_requests_total{{group="shop/api",result="{result}"}})')
    wait_for('series of the group', lambda: (total('ok'), total('4xx'), total('5xx')) == (288, 6, 6), 30)
    assert server.value('sum(apm_instance_requests_total{group="shop/api"})') == 300
    assert server.value('sum(apm_operation_requests_total{group="shop/api",operation="GET /cart"})') == 75
    ms = [m for _, _, _, m, _ in load]
    p95 = server.value('histogram_quantile(0.95, apm_group_duration_seconds{group="shop/api"})')
    assert p95 == pytest.approx(rank(ms, .95) / 1000, rel=.012)  # upstream interpolates within a bucket of 1.1 %
    assert server.value('sum(apm_group_apdex_total{group="shop/api"})') == 300


def test_late_spans_correct_their_tick(server):
    end = now_ms() // TICK * TICK - 40000
    send(server, [entry(end + 100, 10)], 'late', 'a')
    def at():
        points = server.json('/api/v1/apm/points', group='late', window_s=300)['points']
        return {p['t_ms']: p['requests'] for p in points if p['requests']}
    assert at() == {end: 1}
    send(server, [entry(end + 1999, 10), entry(end + 2000, 10)], 'late', 'b')
    assert at() == {end: 2, end + 2000: 1}
    # older than what is kept: in the totals, not in a tick
    send(server, [entry(end - 900000, 10)], 'late', 'b')
    assert at() == {end: 2, end + 2000: 1}
    assert server.metric('bongsu_apm_late_requests_total') == 1


def test_in_flight_is_what_the_metric_says(server):
    send(server, [entry(now_ms(), 10)], 'busy/api', 'was-7')
    res = {'service.name': 'api', 'service.namespace': 'busy', 'service.instance.id': 'was-7'}
    points = [(time.time_ns(), n, {'http.request.method': m}) for m, n in (('GET', 3), ('POST', 4))]
    assert server.otlp('metrics', wire.metrics([wire.gauge('http.server.active_requests', points)], res)).status_code == 200
    def reported():
        return server.json('/api/v1/apm/instances', group='busy/api')['instances'][0]['in_flight']
    assert wait_for('requests in flight', reported, 60) == 7
    assert server.json('/api/v1/apm/groups/busy/api')['group']['in_flight'] == 7


def put(server, path, body, **params):
    return server.session.put(server.url + path, json=body, params=params, timeout=30)


def test_settings_change_at_run_time(server):
    send(server, [entry(now_ms(), 300)], 'tuned', 'a')
    body = {'group': 'tuned', 't_ms': 100, 'operations': [{'pattern': 'GET /slow*', 't_ms': 5000}]}
    r = put(server, '/api/v1/apm/apdex', body, group='tuned')
    assert r.status_code == 200, r.text
    send(server, [entry(now_ms(), 300), entry(now_ms(), 401), entry(now_ms(), 4000, '/slow/report')], 'tuned', 'a')
    got = group_now(server, 'tuned')
    assert (got['satisfied'], got['tolerating'], got['frustrated'], got['t_ms']) == (2, 1, 1, 100)
    settings = server.json('/api/v1/apm/settings')
    assert settings['groups'][0] == body | {'operations': body['operations']}
    # two operators: the second must look again
    assert put(server, '/api/v1/apm/settings', settings | {'revision': settings['revision'] - 1}).status_code == 409
    settings['group_rules'] = [{'name': 'pay ${region}', 'when': [{'attribute': 'region', 'pattern': 'eu-*'}]}]
    assert put(server, '/api/v1/apm/settings', settings).json()['revision'] == settings['revision'] + 1
    send(server, [entry(now_ms(), 10)], 'tuned', 'a', region='eu-1')
    assert group_now(server, 'pay eu-1')['requests'] == 1
    assert server.session.delete(server.url + '/api/v1/apm/apdex', params={'group': 'tuned'}, timeout=30).status_code == 200
    assert server.json('/api/v1/apm/groups/tuned')['group']['t_ms'] == 1000


@pytest.mark.parametrize('path,params,status,text', [
    ('instances', {}, 400, 'group: must be given'),
    ('live', {}, 400, 'group: must be given'),
    ('groups', {'window_s': 1}, 400, 'window_s'),
    ('groups', {'window_s': 'x'}, 400, 'window_s'),
    ('groups', {'start_ms': 5, 'end_ms': 5}, 400, 'start_ms: must be before end_ms'),
    ('groups', {'start_ms': 0}, 400, 'start_ms: live figures span at most 600 s'),
    ('groups/none', {}, 404, 'there is no group "none"'),
    ('operations', {'group': 'none'}, 404, 'there is no group "none"'),
    ('operations', {'group': 'shop/api', 'limit': 0}, 400, 'limit'),
])
def test_errors_say_what_and_where(server, load, path, params, status, text):
    r = server.get('/api/v1/apm/' + path, **params)
    assert (r.status_code, text in r.json()['error']) == (status, True), r.text


@pytest.mark.parametrize('body,text', [
    ({'group': 'g', 't_ms': 0}, 'groups[0].t_ms: must be a whole number from 1 to 3600000'),
    ({'group': 'other', 't_ms': 5}, 'group: of the body must be "g"'),
    ({'group': 'g', 'colour': 5}, 'groups[0].colour: is no known member'),
])
def test_bad_settings_are_refused(server, body, text):
    r = put(server, '/api/v1/apm/apdex', body, group='g')
    assert (r.status_code, r.json()['error']) == (400, text)


def events(response):
    text = ''
    for chunk in response.iter_content(None):
        text += chunk.decode()
        while '\n\n' in text:
            block, text = text.split('\n\n', 1)
            if block.startswith('event: '):
                name, data = block.split('\n', 1)
                yield name[7:], json.loads(data.removeprefix('data: '))


def test_live_stream(server, load):
    with server.session.get(server.url + '/api/v1/apm/live', params={'group': 'stream'}, stream=True, timeout=120) as r:
        assert r.headers['Content-Type'].startswith('text/event-stream')
        seen = events(r)
        name, data = next(seen)
        assert (name, data['points'], data['tick_ms']) == ('history', [], TICK)
        name, data = next(seen)
        assert (name, data['group']) == ('tick', None)
        sent_at = now_ms()
        send(server, [entry(sent_at, ms, status=st) for ms, st in ((10, 200), (2000, 200), (10, 500))], 'stream', 'was-1')
        rows, ids, points = [], {}, {}
        for name, data in seen:
            if name == 'instances':
                ids = {i['id']: i['instance'] for i in data['instances']}
            if name != 'tick' or data['group'] is None:
                continue
            points |= {p['t_ms']: p['requests'] for p in data['points'] if p['requests']}
            rows += [(data['t_ms'], row) for row in data['instances'] if row['done']]
            if rows:
                break
            assert now_ms() - sent_at < 100000
        (t, row), = rows
        assert t == sent_at // TICK * TICK and ids[row['id']] == 'was-1'
        assert {k: row[k] for k in ('done', 'sat', 'tol', 'fru', 'err4', 'err5', 'sum', 'done10')} == \
            {'done': 3, 'sat': 1, 'tol': 1, 'fru': 1, 'err4': 0, 'err5': 1, 'sum': 2020, 'done10': 3}
        assert 'inflight' not in row and points[t] == 3
        # a late request corrects the tick that was already told of
        send(server, [entry(sent_at, 10)], 'stream', 'was-1')
        while points[t] != 4:
            name, data = next(seen)
            points |= {p['t_ms']: p['requests'] for p in data.get('points', []) if p['requests']}
            assert now_ms() - sent_at < 200000
    with server.session.get(server.url + '/api/v1/apm/live', params={'group': 'shop/api'}, stream=True, timeout=60) as r:
        name, data = next(events(r))
        assert name == 'history' and sum(p['requests'] for p in data['points']) == 300


def test_settings_survive_a_restart(start):
    s = start.server()
    assert put(s, '/api/v1/apm/apdex', {'group': 'kept', 't_ms': 250}, group='kept').status_code == 200
    s.stop()
    s = start.server(data=s.data)
    assert s.json('/api/v1/apm/settings')['groups'] == [{'group': 'kept', 't_ms': 250, 'operations': []}]
