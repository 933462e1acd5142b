# SPDX-License-Identifier: Apache-2.0
"""Who calls whom in a small estate, user > nginx > two Tomcats > PostgreSQL, Redis, a payment service and a queue with a
worker: every number of the map is the number of requests that were sent, live, from the series, and against the time
before."""
import random
import time

import pytest

from harness import wire
from harness.server import SLOW, wait_for

pytestmark = pytest.mark.asan
MS = 1_000_000

NGINX = {'service.name': 'nginx', 'host.name': 'web-1'}
TOMCAT = [{'service.name': 'shop', 'service.namespace': 'mall', 'service.instance.id': f'tomcat-{i}',
           'telemetry.sdk.language': 'java'} for i in (1, 2)]
WORKER = {'service.name': 'mailer', 'k8s.pod.name': 'mailer-0', 'telemetry.sdk.language': 'nodejs'}
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5

DB = {'db.system.name': 'postgresql', 'server.address': 'db1', 'server.port': 5432, 'db.namespace': 'mall'}
REDIS = {'db.system': 'redis', 'net.peer.name': 'cache1', 'net.peer.port': 6379}
PAY = {'server.address': 'pay.example', 'server.port': 443, 'http.request.method': 'POST'}
ORDERS = {'messaging.system': 'kafka', 'messaging.destination.name': 'orders'}


def sid(i):
    return i.to_bytes(8, 'big')


class Estate:
    """Makes requests, and counts what it makes."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.spans = {'nginx': [], 'mailer': [], 0: [], 1: []}
        self.edges = {}

    def count(self, client, server, failed=False, ms=0):
        e = self.edges.setdefault((client, server), {'requests': 0, 'failed': 0, 'ms': 0})
        e['requests'] += 1
        e['failed'] += failed
        e['ms'] += ms

    def request(self, number, at_ns):
        r = self.random
        trace = r.randbytes(16)
        tomcat = number % 2
        failed = r.random() < 0.1
        took = r.randint(5, 400)

        def add(who, i, parent, kind, ms, attrs=None, status=0, links=()):
            self.spans[who].append(wire.span(trace, sid(i), 'x', at_ns, at_ns + ms * MS, sid(parent) if parent else b'',
                                             kind, attrs, status, links=links))
        status = 2 if failed else 0
        add('nginx', 1, 0, SERVER, took + 2, status=status)
        self.count('user', 'nginx', failed, took + 2)
        add(tomcat, 2, 1, SERVER, took, {'server.address': 'tomcat'}, status)
        self.count('nginx', 'mall/shop', failed, took)
        for k in range(r.randint(1, 3)):
            add(tomcat, 10 + k, 2, CLIENT, 3, DB)
            self.count('mall/shop', 'postgresql db1/mall', False, 3)
        if r.random() < 0.5:
            add(tomcat, 20, 2, CLIENT, 1, REDIS)
            self.count('mall/shop', 'redis cache1', False, 1)
        if r.random() < 0.3:
            add(tomcat, 30, 2, CLIENT, 40, PAY, status)
            self.count('mall/shop', 'pay.example', failed, 40)
        if r.random() < 0.4:
            add(tomcat, 40, 2, PRODUCER, 1, ORDERS)
            self.spans['mailer'].append(wire.span(r.randbytes(16), sid(1), 'x', at_ns, at_ns + 6 * MS, kind=CONSUMER,
                                                  attrs=ORDERS, links=[(trace, sid(40), {})]))
            self.count('mall/shop', 'mailer', False, 6)

    def send(self, server):
        """In an order that has children before parents and the other way round."""
        posts = []
        for who, spans in self.spans.items():
            res = {'nginx': NGINX, 'mailer': WORKER}.get(who) or TOMCAT[who]
            self.random.shuffle(spans)
            posts += [(res, spans[i:i + 50]) for i in range(0, len(spans), 50)]
        self.random.shuffle(posts)
        for res, spans in posts:
            assert server.otlp('traces', wire.traces(spans, res)).status_code == 200


def shown(answer):
    return {(e['client'], e['server']): {'requests': e['requests'], 'failed': e['failed'],
                                         'ms': round(e.get('mean_ms', 0) * e['requests'])}
            for e in answer['edges']}


def topology(s, **params):
    return s.json('/api/v1/apm/topology', **params)


@pytest.mark.slow
def test_estate(start):
    s = start.server()
    started = int(time.time() * 1000)
    estate = Estate(1)
    for i in range(400):
        estate.request(i, time.time_ns())
    estate.send(s)

    def counted():
        now = int(time.time() * 1000)
        return shown(topology(s, start_ms=started - 1000, end_ms=now)) == estate.edges
    wait_for('the edges as sent', counted, 60 * SLOW, 0.5)

    now = int(time.time() * 1000)
    a = topology(s, start_ms=started - 1000, end_ms=now)
    assert a['level'] == 'group' and not a['live'] and a['overflow_requests'] == 0
    nodes = {n['id']: n for n in a['nodes']}
    assert {i: (n['kind'], n['monitored']) for i, n in nodes.items()} == {
        'user': ('user', False), 'nginx': ('web', True), 'mall/shop': ('service', True), 'mailer': ('service', True),
        'postgresql db1/mall': ('database', False), 'redis cache1': ('cache', False), 'pay.example': ('external', False)}
    assert nodes['mall/shop']['instances'] == 2 and nodes['mall/shop']['system'] == 'java'
    assert nodes['nginx']['requests'] == 400 and nodes['nginx']['tps'] == pytest.approx(400 / ((now - started + 1000) / 1000))
    kinds = {e['server']: e['connection_type'] for e in a['edges']}
    assert kinds == {'nginx': 'virtual_node', 'mall/shop': '', 'postgresql db1/mall': 'database',
                     'redis cache1': 'database', 'pay.example': 'virtual_node', 'mailer': 'messaging_system'}
    to_shop = next(e for e in a['edges'] if e['server'] == 'mall/shop')
    assert 0.3 * 400 < to_shop['p95_ms'] <= 500 and to_shop['max_ms'] <= 400

    # by instance, both Tomcats have half
    a = topology(s, start_ms=started - 1000, end_ms=now, level='instance')
    halves = {e['server']: e['requests'] for e in a['edges'] if e['client'] == 'nginx#web-1'}
    assert halves == {'mall/shop#tomcat-1': 200, 'mall/shop#tomcat-2': 200}

    # of one group only what touches it
    a = topology(s, start_ms=started - 1000, end_ms=now, group='mailer')
    assert [(e['client'], e['server']) for e in a['edges']] == [('mall/shop', 'mailer')]
    assert [n['id'] for n in a['nodes']] == ['mailer', 'mall/shop']

    # the series, for everybody's tools
    want = estate.edges['nginx', 'mall/shop']
    labels = 'client="nginx",server="shop",server_service_namespace="mall"'
    assert s.value(f'traces_service_graph_request_total{{{labels}}}') == want['requests']
    assert s.value(f'traces_service_graph_request_failed_total{{{labels}}}') == want['failed']
    assert s.value(f'traces_service_graph_request_server_seconds_count{{{labels}}}') == want['requests']
    assert s.value('traces_service_graph_request_total{server="redis cache1",connection_type="database"}') == \
        estate.edges['mall/shop', 'redis cache1']['requests']

    # replay: one step before the first request has nothing
    assert topology(s, at_ms=started - 1000, step='1m')['edges'] == []
    assert shown(topology(s, at_ms=now, step='10m')) == estate.edges

    # a minute later than a minute ago everything is new; the other way round it is gone
    a = topology(s, start_ms=started - 1000, end_ms=now, compare='1d')
    assert {e['change'] for e in a['edges']} == {'new'}
    a = topology(s, start_ms=started + 86400_000 - 1000, end_ms=now + 86400_000, compare='1d')
    assert {e['change'] for e in a['edges']} == {'gone'}
    assert {(e['client'], e['server']): e['before']['requests'] for e in a['edges']} == {
        k: v['requests'] for k, v in estate.edges.items()}


def test_live(start):
    s = start.server()

    def seen():
        now = time.time_ns()
        for k in range(2):
            span = wire.span(random.randbytes(16), sid(k + 1), 'x', now, now + 30 * MS, kind=SERVER, status=2 * k)
            assert s.otlp('traces', wire.traces([span], NGINX)).status_code == 200
        a = topology(s, window_s=60)
        assert a['live'] and a['end_ms'] - a['start_ms'] == 60_000
        return a if a['edges'] and a['edges'][0]['requests'] > 2 else None
    a = wait_for('a live edge', seen, 30 * SLOW, 0.3)
    edge, = a['edges']
    assert (edge['client'], edge['server']) == ('user', 'nginx')
    assert edge['error_ratio'] == pytest.approx(0.5, abs=0.2)
    assert edge['mean_ms'] == pytest.approx(30) and edge['p95_ms'] == pytest.approx(30, rel=0.035)


@pytest.mark.parametrize('params, word', [
    ({'level': 'pod'}, 'level'),
    ({'compare': 'yesterday'}, 'compare'),
    ({'compare': '1s'}, 'compare'),
    ({'at_ms': 1000, 'step': '1s'}, 'step'),
    ({'at_ms': 'now'}, 'at_ms'),
    ({'window_s': 0}, 'window_s'),
    ({'start_ms': 2000, 'end_ms': 1000}, 'start_ms'),
    ({'start_ms': 0, 'end_ms': 100 * 86400_000}, 'days'),
])
def test_errors(shared, params, word):
    r = shared.get('/api/v1/apm/topology', **params)
    assert r.status_code == 400 and word in r.json()['error'], r.text
