# SPDX-License-Identifier: Apache-2.0
"""Traces the console must show well: one of 10,000 spans, one from hosts whose clocks differ, one whose root never
came, and two of one operation to compare. Their ids are repeated digits, so that tests know them."""
import time

from harness import wire

MS = 10**6
BIG, SKEWED, INCOMPLETE, FAST, SLOW = (bytes.fromhex(digit * 32) for digit in 'fab12')
HOSTS = {'shop-web': 'web-1', 'shop-api': 'api-1', 'shop-db': 'db-1'}


def resource(service):
    return {'service.name': service, 'service.namespace': 'shop', 'host.name': HOSTS[service]}


def span_id(n):
    return n.to_bytes(8, 'big')


def big(at):
    """A root, 99 batches, and under each 50 rows with a query: 10,000 spans."""
    step = 100 * MS
    web = [wire.span(BIG, span_id(1), 'POST /import', at, at + 99 * step, kind=2)]
    db = []
    for batch in range(99):
        t = at + batch * step
        parent = span_id(1000 + batch)
        web.append(wire.span(BIG, parent, f'batch {batch}', t, t + step, span_id(1)))
        for row in range(50):
            a = t + row * 2 * MS
            n = 10000 + batch * 100 + 2 * row
            web.append(wire.span(BIG, span_id(n), 'store row', a, a + 2 * MS, parent, status=2 if row == 49 else 0))
            db.append(wire.span(BIG, span_id(n + 1), 'INSERT items', a + MS // 4, a + MS, span_id(n), kind=3))
    assert len(web) + len(db) == 10000
    return {'shop-web': web, 'shop-db': db}


def call(trace, at, took, root=True, skew=0, query=8 * MS, name='POST /pay'):
    """web -> api -> db; the clock of api and db is `skew` ns off; without `root` its span is never sent."""
    web = [wire.span(trace, span_id(1), name, at, at + took, kind=2)] if root else []
    web.append(wire.span(trace, span_id(2), 'POST', at + MS, at + took - MS, span_id(1), kind=3))
    a = at + 2 * MS + skew
    api = [wire.span(trace, span_id(3), '/charge', a, a + took - 4 * MS, span_id(2), kind=2,
                     events=[(a + MS, 'retry', {'n': 1})])]
    api.append(wire.span(trace, span_id(4), 'SELECT', a + MS, a + MS + query, span_id(3), kind=3,
                         attrs={'db.system.name': 'postgresql'}))
    return {'shop-web': web, 'shop-api': api}


def fill(server, token):
    now = time.time_ns()
    headers = {'Authorization': f'Bearer {token}'}
    made = [big(now - 300 * 10**9), call(SKEWED, now - 200 * 10**9, 40 * MS, skew=-500 * MS),
            call(INCOMPLETE, now - 190 * 10**9, 40 * MS, root=False), call(FAST, now - 180 * 10**9, 20 * MS, name='GET /cart'),
            call(SLOW, now - 170 * 10**9, 90 * MS, query=70 * MS, name='GET /cart')]
    for spans in made:
        for service, list_ in spans.items():
            r = server.otlp('traces', wire.traces(list_, resource(service)), **headers)
            assert r.status_code == 200 and not r.content, r.text
    record = wire.log_record(now - 170 * 10**9 + 5 * MS, 'cart is slow today', 13, 'WARN', {}, SLOW, span_id(4))
    r = server.otlp('logs', wire.logs([record], resource('shop-api')), **headers)
    assert r.status_code == 200 and not r.content, r.text
