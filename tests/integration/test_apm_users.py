# SPDX-License-Identifier: Apache-2.0
"""Distinct users from spans that came in as OTLP: known sets of users, counted live, by calendar, by union, told apart
by address, session or user; over a restart and a kill -9."""
import os
import time

import pytest

from harness import wire
from harness.server import wait_for

pytestmark = pytest.mark.asan

S = 10**9


def request_span(at_ns, attrs, kind=2):
    return wire.span(os.urandom(16), os.urandom(8), 'GET /', at_ns - S // 100, at_ns, kind=kind,
                     attrs={'http.request.method': 'GET', 'http.route': '/', 'http.response.status_code': 200} | attrs)


def send(server, group, spans):
    for i in range(0, len(spans), 500):
        r = server.otlp('traces', wire.traces(spans[i:i + 500], {'service.name': group}))
        assert r.status_code == 200, r.text


def address(n):
    return f'10.{n >> 16}.{n >> 8 & 255}.{n & 255}'


def visit(server, group, numbers, at_ns=None, **attrs):
    at_ns = at_ns or time.time_ns()
    send(server, group, [request_span(at_ns, {'client.address': address(n)} | attrs) for n in numbers])


def live(server, group):
    found = {g['group']: g for g in server.json('/api/v1/apm/users')['groups']}
    return found.get(group, {'users': 0})['users']


def becomes(server, group, users):
    wait_for(f'{users} users of {group}', lambda: live(server, group) == users, timeout=40)


def union(server, *groups, start_s=None, end_s=None, **params):
    now = time.time()
    return server.json('/api/v1/apm/users/union', group=groups, start_ms=int((start_s or now - 3600) * 1000),
                       end_ms=int((end_s or now + 60) * 1000), **params)


def put_settings(server, doc):
    return server.session.put(server.url + '/api/v1/apm/users/settings', json=doc, timeout=30)


def test_live_union_and_history(start):
    s = start.server()
    visit(s, 'shop', range(300))
    visit(s, 'shop', range(300))  # again: nobody new
    visit(s, 'pay', range(200, 350))
    becomes(s, 'shop', 300)
    becomes(s, 'pay', 150)
    answer = s.json('/api/v1/apm/users', points=10)
    assert answer['total']['users'] == 350 and answer['total']['identity'] == 'ip'
    shop = {g['group']: g for g in answer['groups']}['shop']
    assert shop['low'] <= 300 <= shop['high'] and shop['requests']['counted'] == 600
    assert shop['history']['users'][-1] == 300
    assert union(s)['users'] == 350
    assert union(s, 'shop')['users'] == 300
    assert union(s, 'shop', 'pay')['users'] == 350
    # as a metric, for dashboards and alerts
    wait_for('the metric', lambda: s.value('apm_active_users{group="shop",identity="ip"}') == 300, timeout=40)


def test_large_sets_within_the_error(start):
    s = start.server()
    n = 20000
    visit(s, 'shop', range(n))
    wait_for('users', lambda: live(s, 'shop') > n * 0.9, timeout=40)
    answer = {g['group']: g for g in s.json('/api/v1/apm/users')['groups']}['shop']
    assert abs(answer['users'] / n - 1) < 3 * 0.0082
    assert 0.004 < answer['error'] < 0.0082


def test_late_spans_series_and_calendar(start):
    s = start.server()
    now = int(time.time())
    start_s = now // 300 * 300 - 1800
    for m in range(0, 30, 5):  # every five minutes ten others and one that always comes
        visit(s, 'shop', [*range(m * 10, m * 10 + 10), 99999], (start_s + m * 60 + 30) * S)
    q = {'group': 'shop', 'start_ms': start_s * 1000, 'end_ms': (start_s + 1800) * 1000}
    wait_for('late users', lambda: s.json('/api/v1/apm/users/series', step='5m', **q)['users'] == [11] * 6, timeout=40)
    assert s.json('/api/v1/apm/users/series', step='30m', **q)['users'] == [61]
    assert s.json('/api/v1/apm/users/series', step='5m', window='10m', **q)['users'] == [11] + [21] * 5
    one_minute = s.json('/api/v1/apm/users/series', step='1m', **q)
    assert one_minute['users'][0] == 11 and one_minute['users'][1] == 0 and one_minute['grain_ms'] == 60000
    csv = s.get('/api/v1/apm/users/series', step='5m', format='csv', **q)
    assert csv.headers['content-type'].startswith('text/csv')
    lines = csv.text.splitlines()
    assert lines[0] == 'start,end,users,low,high' and len(lines) == 7 and lines[1].split(',')[2] == '11'
    calendar = s.json('/api/v1/apm/users/calendar', group='shop', days=3, utc_offset_minutes=540)
    assert len(calendar['days']) == 3 and all(len(d['hours']) == 24 for d in calendar['days'])
    assert sum(d['users'] for d in calendar['days']) in (61, 62)  # midnight in Seoul may lie within
    peaks = s.json('/api/v1/apm/users/peaks', **q)
    assert peaks['peaks'][0]['users'] == 11 and peaks['step_ms'] == 300000
    summary = s.json('/api/v1/apm/users/summary', group='shop')
    assert summary['month']['users'] == 61 and summary['month']['previous']['users'] == 0
    assert summary['identities'] == ['ip']


def test_identities_hops_and_bots(start):
    s = start.server()
    r = put_settings(s, {'groups': {'web': {'identity': 'session'},
                                    'app': {'identity': 'user', 'user_cookie': 'WHO', 'missing': 'ip'},
                                    'edge': {'identity': 'ip', 'trusted_hops': 2}}})
    assert r.status_code == 200 and r.json()['groups']['edge']['trusted_hops'] == 2
    now = time.time_ns()
    cookie = 'http.request.header.cookie'
    send(s, 'web', [request_span(now, {'client.address': '10.0.0.1', cookie: [f'a=b; JSESSIONID=S{i}.node{k}']})
                    for i in range(20) for k in range(3)])  # failed over twice: the same session
    send(s, 'web', [request_span(now, {'client.address': '10.0.0.2'})])  # no session: not counted
    send(s, 'app', [request_span(now, {'enduser.id': f'u{i}'}) for i in range(5)]
         + [request_span(now, {cookie: f'x=1; WHO=c{i}'}) for i in range(4)]
         + [request_span(now, {'client.address': '10.0.0.9'})] * 3)
    send(s, 'edge', [request_span(now, {'client.address': '10.9.9.9', 'network.peer.address': '10.9.9.9',
                                        'http.request.header.x-forwarded-for': [f'1.2.3.4, 8.8.8.{i}', '10.8.8.8']})
                     for i in range(30)])  # the first address is what clients may invent
    send(s, 'shop', [request_span(now, {'client.address': '10.0.0.1', 'user_agent.original': 'Mozilla/5.0'}),
                     request_span(now, {'client.address': '10.0.0.2', 'user_agent.original': 'Googlebot/2.1'}),
                     request_span(now, {'client.address': '10.0.0.3', 'user_agent.original': 'kube-probe/1.30'}),
                     request_span(now, {'client.address': '::ffff:10.0.0.1'}),
                     request_span(now, {'client.address': '10.0.0.4'}, kind=1)])
    for group, users in (('web', 20), ('app', 10), ('edge', 30), ('shop', 1)):
        becomes(s, group, users)
    groups = {g['group']: g for g in s.json('/api/v1/apm/users')['groups']}
    assert groups['web']['requests'] == {'counted': 60, 'unknown': 1, 'bots': 0}
    assert groups['shop']['requests']['bots'] == 2
    assert union(s, 'web', identity='ip')['users'] == 0
    assert union(s, 'web')['identities'] == ['session']


@pytest.mark.parametrize('doc,says', [
    ({'x': 1}, '"x"'),
    ({'default': {'identity': 'name'}}, 'ip, session or user'),
    ({'default': {'trusted_hops': 17}}, '0 to 16'),
    ({'groups': {'a': {'session_cookies': ['1', '2', '3', '4', '5']}}}, 'at most four'),
    ({'groups': {'a': {'user_cookie': 'a b'}}}, 'without spaces'),
    ({'bots': 'x'}, 'a list'),
    ([], 'object'),
])
def test_bad_settings_are_refused(start_shared, doc, says):
    s = start_shared.all[0] if start_shared.all else start_shared.server()
    r = put_settings(s, doc)
    assert r.status_code == 400 and says in r.json()['error'], r.text


@pytest.mark.parametrize('path,status,says', [
    ('series?step=7s', 400, 'multiples of 60'),
    ('series?step=x', 400, 'duration'),
    ('series?start_ms=10&end_ms=5', 400, ''),
    ('union?group=nobody', 404, 'nobody'),
    ('union?identity=name', 400, 'identity'),
    ('calendar?days=401', 400, 'days'),
    ('calendar?utc_offset_minutes=900', 400, 'utc_offset_minutes'),
    ('summary?at_ms=x', 400, 'at_ms'),
])
def test_bad_questions_are_answered(start_shared, path, status, says):
    s = start_shared.all[0] if start_shared.all else start_shared.server()
    r = s.get('/api/v1/apm/users/' + path)
    assert r.status_code == status and says in r.json()['error'], r.text


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_restart_keeps_users(start, how):
    s = start.server()
    put_settings(s, {'groups': {'web': {'identity': 'session'}}})
    visit(s, 'shop', range(250))
    becomes(s, 'shop', 250)
    getattr(s, how)()
    t = start.server(data=s.data)
    becomes(t, 'shop', 250)  # the window of five minutes is there again
    assert union(t, 'shop')['users'] == 250
    visit(t, 'shop', range(200, 300))  # hashed with the same key
    becomes(t, 'shop', 300)
    assert union(t, 'shop')['users'] == 300
    assert t.json('/api/v1/apm/users/settings')['groups']['web']['identity'] == 'session'
