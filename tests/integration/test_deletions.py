# SPDX-License-Identifier: Apache-2.0
"""Deleting logs and spans by filter: our API and Loki's, counts, history, audit log, roles, restarts."""
import os
import time

import pytest

from harness import wire

SEC = 10**9
MS = 10**6


@pytest.fixture
def t0():
    return time.time_ns() // SEC * SEC - 600 * SEC


def fill(s, t0):
    rows = [wire.log_record(t0 + i * SEC, f'line {i}' + (' secret' if i % 4 == 0 else ''), 17 if i % 10 == 0 else 9) for i in range(100)]
    for name in ('shop', 'cart'):
        assert s.otlp('logs', wire.logs(rows, {'service.name': name})).status_code == 200
    spans = [wire.span(os.urandom(16), os.urandom(8), f'op{i % 2}', t0 + i * SEC, t0 + i * SEC + MS) for i in range(50)]
    assert s.otlp('traces', wire.traces(spans, {'service.name': 'shop'})).status_code == 200


def post(s, path, method='POST', **params):
    return s.session.request(method, s.url + path, params=params, timeout=60)


def count(s, t0, **params):
    r = s.json('/api/v1/logs/histogram', start_ms=t0 // MS, end_ms=t0 // MS + 600000, buckets=1, **params)
    return sum(sum(x['counts']) for x in r['series'])


def test_logs_by_filter(start, t0):
    s = start.server()
    fill(s, t0)
    span = {'start_ms': t0 // MS, 'end_ms': t0 // MS + 50000}
    r = post(s, '/api/v1/logs/delete', service='shop', text='secret', dry_run='true', **span)
    assert r.json() == {'matched': 13} and count(s, t0) == 200
    r = post(s, '/api/v1/logs/delete', service='shop', text='secret', **span)
    assert r.status_code == 200 and r.json()['deleted'] == 13
    assert count(s, t0, service='shop', text='secret') == 12 and count(s, t0, service='cart') == 100
    r = post(s, '/api/v1/logs/delete', query='{service_name="cart"} |= "secret"', **span)
    assert r.json()['deleted'] == 13
    r = post(s, '/api/v1/logs/delete', query='{service_name="nobody"}', **span)
    assert r.json()['deleted'] == 0
    listed = s.json('/api/v1/deletions')['deletions']
    assert [(d['signal'], d['rows'], d['state']) for d in listed] == [('logs', 0, 'done'), ('logs', 13, 'done'), ('logs', 13, 'done')]
    assert listed[-1]['query'] == 'service=shop text=secret'
    job = [j for j in s.json('/api/v1/storage')['jobs'] if j['name'] == 'logs delete'][0]
    assert job['runs'] >= 2 and job['failures'] == 0
    before = count(s, t0)
    s.kill()
    s = start.server(data=s.data)
    assert count(s, t0) == before and len(s.json('/api/v1/deletions')['deletions']) == 3


@pytest.mark.parametrize('params,says', [
    ({'service': 'shop'}, 'start_ms and end_ms'),
    ({'start_ms': 1, 'end_ms': 2}, 'all=true'),
    ({'start_ms': 1, 'end_ms': 2, 'query': '{a="b"} | json'}, 'a deletion takes'),
    ({'start_ms': 1, 'end_ms': 2, 'query': '{a="b"'}, 'parse error'),
    ({'start_ms': 1, 'end_ms': 2, 'severity': 'loud'}, 'severity')])
def test_refused(shared, params, says):
    r = post(shared, '/api/v1/logs/delete', **params)
    assert r.status_code == 400 and says in r.json()['error'], r.text


def test_spans(start, t0):
    s = start.server()
    fill(s, t0)
    span = {'start_ms': t0 // MS, 'end_ms': t0 // MS + 600000}
    assert post(s, '/api/v1/traces/delete', operation='op0', **span).json()['deleted'] == 25
    assert post(s, '/api/v1/traces/delete', **span).status_code == 400
    assert post(s, '/api/v1/traces/delete', all='true', **span).json()['deleted'] == 25
    assert s.json('/api/v1/traces', **span)['traces'] == []


def test_loki(start, t0):
    s = start.server()
    fill(s, t0)
    at = {'start': str(t0 // SEC), 'end': str(t0 // SEC + 49)}
    assert post(s, '/loki/api/v1/delete', query='{service_name="shop"} |= "secret"', **at).status_code == 204
    assert post(s, '/loki/api/v1/delete', 'PUT', query='{service_name="cart"}', start=str(t0 // SEC)).status_code == 204
    assert count(s, t0, service='shop') == 87 and count(s, t0, service='cart') == 0
    listed = s.json('/loki/api/v1/delete')
    assert [d['status'] for d in listed] == ['processed'] * 2
    assert listed[0]['query'] == '{service_name="shop"} |= "secret"' and listed[0]['start_time'] == t0 // SEC
    r = post(s, '/loki/api/v1/delete', 'DELETE', request_id=listed[0]['request_id'])
    assert r.status_code == 400 and 'already processed' in r.text
    assert post(s, '/loki/api/v1/delete', 'DELETE', request_id='nothing').status_code == 404
    for params, says in (({}, 'query not set'), ({'query': '{a="b"}'}, 'start time not set'),
                         ({'query': '{a="b"}', 'start': 'x'}, 'invalid start time'),
                         ({'query': '{a="b"}', 'start': '10', 'end': '5'}, "can't be greater"),
                         ({'query': '{a="b"}', 'start': '10', 'end': '4000000000'}, 'in the future'),
                         ({'query': 'rate({a="b"}[1m])', 'start': '10'}, 'metric query')):
        r = post(s, '/loki/api/v1/delete', **params)
        assert r.status_code == 400 and says in r.text, (params, r.text)


def test_only_admins_and_audited(start, t0):
    s = start.server(auth=True)
    made = s.session.post(s.url + '/api/v1/setup', timeout=30,
                          json={'token': s.setup_token, 'user': 'root', 'password': 'a long passphrase'})
    assert made.status_code == 200, made.text
    s.session.headers['X-CSRF-Token'] = made.json()['csrf_token']
    r = post(s, '/api/v1/logs/delete', service='shop', start_ms=1, end_ms=2)
    assert r.status_code == 200, r.text
    lines = s.json('/api/v1/audit')['entries']
    assert [(x['actor'], x['target']) for x in lines if x['action'] == 'logs_deleted'] == [('root', 'service=shop')]
    s.session.cookies.clear()
    assert post(s, '/api/v1/logs/delete', service='shop', start_ms=1, end_ms=2).status_code in (401, 403)
