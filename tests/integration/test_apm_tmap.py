# SPDX-License-Identifier: Apache-2.0
"""T-Maps and transactions of requests sent over OTLP: every cell, box, filter and file has exactly the requests that were
sent, with the SQL and calls below them, also after kill -9."""
import csv
import io
import json
import random
import time
from collections import Counter

import pytest
import requests

from harness import wire
from harness.server import SLOW, wait_for

pytestmark = pytest.mark.asan
MS = 1_000_000
SERVER, CLIENT = 2, 3
PODS = [{'service.name': 'cart', 'service.namespace': 'shop', 'k8s.pod.name': f'cart-{i}', 'service.version': f'1.{i}'} for i in (0, 1)]
OTHER = {'service.name': 'mailer'}


def bucket_us(b):
    """The formula of the contract."""
    return b if b < 32 else (32 + b % 32) << (b // 32 - 1)


class Load:
    """Requests of the last hour, and what is known about them."""

    def __init__(self, seed, n, end_ms):
        r = random.Random(seed)
        self.rows = []
        self.spans = {0: [], 1: [], 'other': []}
        for i in range(n):
            pod = r.choice([0, 1, 'other'])
            start_ms = end_ms - r.randrange(1, 3_600_000)
            took_us = int(10 ** r.uniform(2, 7))
            status = r.choice([200] * 8 + [404, 500])
            slow = took_us > 1_000_000
            row = {'trace': r.randbytes(16), 'pod': pod, 'start_ms': start_ms, 'took_us': took_us, 'status': status,
                   'class': {2: 'ok', 4: '4xx', 5: '5xx'}[status // 100], 'path': f'/cart/{"report" if slow else i % 7}',
                   'sql': r.randrange(0, 4), 'calls': r.randrange(0, 2)}
            self.rows.append(row)
            self.add(row, i)

    def add(self, row, i):
        start = row['start_ms'] * MS
        end = start + row['took_us'] * 1000
        out = self.spans[row['pod']]
        root = (i + 1).to_bytes(8, 'big')
        out.append(wire.span(row['trace'], root, 'GET', start, end, b'', SERVER,
                             {'http.request.method': 'GET', 'url.path': row['path'], 'http.route': '/cart/{id}',
                              'http.response.status_code': row['status'], 'client.address': '10.0.0.9', 'enduser.id': f'u{i % 5}'}))
        for k in range(row['sql'] + row['calls']):
            attrs = {'db.system.name': 'postgresql'} if k < row['sql'] else {'http.request.method': 'GET', 'server.address': 'x'}
            out.append(wire.span(row['trace'], (1 << 40 | i << 8 | k).to_bytes(8, 'big'), 'child', start + 10_000, start + 60_000,
                                 root, CLIENT, attrs))

    def send(self, server):
        for key, res in ((0, PODS[0]), (1, PODS[1]), ('other', OTHER)):
            for at in range(0, len(self.spans[key]), 500):
                r = server.otlp('traces', wire.traces(self.spans[key][at:at + 500], res))
                assert r.status_code == 200, r.text

    def of(self, group='shop/cart'):
        return [r for r in self.rows if (r['pod'] == 'other') == (group == 'mailer')]


def stored(server):
    return server.metric('bongsu_transactions_written_total') or 0


@pytest.fixture(scope='module')
def loaded(start_shared):
    server = start_shared.server(args=['--transactions-users', 'plain'])
    load = Load(1, 1500, int(time.time() * 1000))
    load.send(server)
    wait_for('requests to be stored', lambda: stored(server) == len(load.rows), 60 / SLOW)
    return server, load


def span_of(load):
    return {'start_ms': min(r['start_ms'] for r in load.rows), 'end_ms': max(r['start_ms'] for r in load.rows) + 1}


def cells_of(answer):
    flat = answer['cells']
    return [flat[i:i + 5] for i in range(0, len(flat), 5)]


@pytest.mark.parametrize('group', ['shop/cart', 'mailer', None])
@pytest.mark.parametrize('columns', [1, 6, 61, 361])
@pytest.mark.parametrize('instance', [None, 'cart-1'])
def test_cells(loaded, group, columns, instance):
    server, load = loaded
    params = span_of(load) | {'w': columns, 'scale': 'linear'}
    rows = load.rows
    if group:
        params['group'] = group
        rows = load.of(group)
    if instance:
        params['instance'] = instance
        rows = [r for r in rows if r['pod'] == 1]
    a = server.json('/api/v1/apm/tmap', **params)
    want = Counter()
    for r in rows:
        column = (r['start_ms'] - a['start_ms']) // a['step_ms']
        want[column, r['took_us'], r['class']] += 1
    got = Counter()
    edges = {}
    for column, bucket, ok, e4, e5 in cells_of(a):
        edges[bucket] = (bucket_us(bucket), bucket_us(bucket + 1))
        for name, n in (('ok', ok), ('4xx', e4), ('5xx', e5)):
            if n:
                got[column, bucket, name] += n
    by_bucket = Counter()
    for (column, took, name), n in want.items():
        bucket = next(b for b, (lo, hi) in edges.items() if lo <= took < hi)
        by_bucket[column, bucket, name] += n
    assert got == by_bucket
    assert sum(a['total'].values()) == len(rows)
    assert a['columns'] <= columns + 1


def in_box(r, lo_us, hi_us):
    return lo_us <= r['took_us'] < hi_us


@pytest.mark.parametrize('order', ['newest', 'slowest'])
@pytest.mark.parametrize('limit', [1000, 17])
def test_box(loaded, order, limit):
    server, load = loaded
    rows = [r for r in load.of() if in_box(r, 20_000, 3_000_000)]
    a = server.json('/api/v1/apm/transactions', group='shop/cart', min_ms=20, max_ms=3000, order=order, limit=limit, **span_of(load))
    assert a['matched'] == len(rows)
    assert a['total'] == {c: sum(r['class'] == c for r in rows) for c in ('ok', '4xx', '5xx')}
    assert a['truncated'] == (len(rows) > limit)
    key = (lambda r: (-r['start_ms'],)) if order == 'newest' else (lambda r: (-r['took_us'],))
    want = sorted(rows, key=key)[:limit]
    got = a['transactions']
    assert [(-int(t['start_ns']) // MS if order == 'newest' else -round(t['elapsed_ms'] * 1000)) for t in got] == [key(r)[0] for r in want]
    known = {r['trace'].hex(): r for r in rows}
    for t in got:
        r = known[t['trace_id']]
        assert (t['elapsed_ms'], t['path'], t['status'], t['class']) == (r['took_us'] / 1000, r['path'], r['status'], r['class'])
        assert t['instance'] == f'cart-{r["pod"]}' and t['version'] == f'1.{r["pod"]}'
        assert t['operation'] == 'GET /cart/{id}' and t['client'] == '10.0.0.9' and t['user'].startswith('u')
        assert (t.get('sql_count', 0), t.get('call_count', 0)) == (r['sql'], r['calls'])
        assert t.get('sql_ms', 0) == pytest.approx(r['sql'] * 0.05) and t.get('call_ms', 0) == pytest.approx(r['calls'] * 0.05)


@pytest.mark.parametrize('params, passes', [
    ({'status': '5xx'}, lambda r: r['class'] == '5xx'),
    ({'status': 'error'}, lambda r: r['class'] != 'ok'),
    ({'status': ['ok', '4xx']}, lambda r: r['class'] != '5xx'),
    ({'instance': 'cart-0'}, lambda r: r['pod'] == 0),
    ({'group': ['shop/cart', 'mailer']}, lambda r: True),
    ({'group': 'nobody'}, lambda r: False),
    ({'min_ms': 1000}, lambda r: r['took_us'] >= 1_000_000),
])
def test_filters(loaded, params, passes):
    server, load = loaded
    rows = [r for r in load.rows if passes(r)]
    assert server.json('/api/v1/apm/transactions', **span_of(load), **params)['matched'] == len(rows)
    points = server.json('/api/v1/apm/tmap/points', **span_of(load), **params)
    assert points['matched'] == len(rows) and points['every'] == 1
    flat = points['points']
    got = sorted((flat[i] + points['start_ms'], flat[i + 1]) for i in range(0, len(flat), 3))
    assert got == sorted((r['start_ms'], r['took_us']) for r in rows)


def test_points_are_thinned(loaded):
    server, load = loaded
    a = server.json('/api/v1/apm/tmap/points', limit=100, **span_of(load))
    assert a['matched'] == len(load.rows) and a['every'] == len(load.rows) // 100
    assert len(a['points']) // 3 == 100


def test_names(loaded):
    server, load = loaded
    groups = {g['name']: g['requests'] for g in server.json('/api/v1/apm/tmap/groups')['groups']}
    assert groups == {g: len(load.of(g)) for g in ('shop/cart', 'mailer')}
    instances = server.json('/api/v1/apm/tmap/instances', group='shop/cart', **span_of(load))['instances']
    assert {i['name']: i['requests'] for i in instances} == {f'cart-{p}': sum(r['pod'] == p for r in load.rows) for p in (0, 1)}


def test_csv(loaded):
    server, load = loaded
    r = server.get('/api/v1/apm/transactions', **span_of(load), format='csv', group='shop/cart', limit=100000)
    assert r.headers['Content-Type'].startswith('text/csv') and 'transactions.csv' in r.headers['Content-Disposition']
    rows = list(csv.DictReader(io.StringIO(r.text)))
    assert Counter((x['trace_id'], x['status']) for x in rows) == Counter((x['trace'].hex(), str(x['status'])) for x in load.of())


def test_differs(loaded):
    server, load = loaded
    s = span_of(load)
    a = server.json('/api/v1/apm/transactions/differs', group='shop/cart', min_ms=1000, around_start_ms=s['start_ms'],
                    around_end_ms=s['end_ms'], **s)
    slow = [r for r in load.of() if r['took_us'] >= 1_000_000]
    assert a['inside'] == len(slow) and a['outside'] == len(load.of()) - len(slow) and not a['sampled']
    first = a['differences'][0]
    assert (first['field'], first['value'], first['inside'], first['outside']) == ('path', '/cart/report', len(slow), 0)
    assert [d['g'] for d in a['differences']] == sorted((d['g'] for d in a['differences']), reverse=True)


@pytest.mark.parametrize('path, params, what', [
    ('tmap', {'w': 0}, 'w'), ('tmap', {'w': 1001}, 'w'), ('tmap', {'scale': 'cubic'}, 'scale'), ('tmap', {'y_max_ms': 'x'}, 'y_max_ms'),
    ('tmap', {'start_ms': 5, 'end_ms': 5}, 'start_ms'), ('transactions', {'min_ms': -1}, 'min_ms'),
    ('transactions', {'min_ms': 5, 'max_ms': 5}, 'min_ms'), ('transactions', {'status': '3xx'}, 'status'),
    ('transactions', {'order': 'random'}, 'order'), ('transactions', {'limit': 1001}, 'limit'), ('transactions', {'format': 'xml'}, 'format'),
    ('transactions/differs', {'around_start_ms': 9, 'around_end_ms': 3}, 'around_start_ms'), ('tmap/points', {'limit': 50001}, 'limit'),
])
def test_errors(loaded, path, params, what):
    server, _ = loaded
    r = server.get('/api/v1/apm/' + path, **params)
    assert r.status_code == 400 and what in r.json()['error']


def events(server, params, stop):
    """Cells by (column's time, bucket) as a client of the stream keeps them, until `stop(cells)`."""
    cells = {}
    with requests.get(server.url + '/api/v1/apm/tmap/live', params=params, stream=True, timeout=60 / SLOW) as r:
        assert r.headers['Content-Type'].startswith('text/event-stream')
        for line in r.iter_lines():
            if not line.startswith(b'data: '):
                continue
            a = json.loads(line[6:])
            fresh = {}
            for column, bucket, *n in cells_of(a):
                fresh.setdefault(a['start_ms'] + column * a['step_ms'], {})[bucket] = n
            cells.update(fresh)
            if stop(cells):
                return cells


def count(cells):
    return sum(sum(n) for column in cells.values() for n in column.values())


def test_live(start):
    server = start.server()
    now = time.time_ns()
    spans = [wire.span(bytes([i + 1]) * 16, bytes([i + 1]) * 8, 'x', now + i * MS, now + i * MS + 5 * MS, b'', SERVER, {}) for i in range(9)]
    assert server.otlp('traces', wire.traces(spans[:4], OTHER)).status_code == 200
    sent = []

    def stop(cells):
        if count(cells) == 4 and not sent:
            assert server.otlp('traces', wire.traces(spans[4:], OTHER)).status_code == 200
            sent.append(1)
        return count(cells) == 9
    cells = events(server, {'group': 'mailer'}, stop)
    assert set(cells) <= {now // MS // 2000 * 2000, (now // MS + 8) // 2000 * 2000}


def test_kill(start):
    """What was stored a while ago is in rows and cells, whatever of the cells was written by then."""
    server = start.server()
    load = Load(5, 600, int(time.time() * 1000))
    load.send(server)
    wait_for('requests to be stored', lambda: stored(server) == len(load.rows), 60 / SLOW)
    server.kill()
    again = start.server()
    for columns in (1, 60, 361):
        a = again.json('/api/v1/apm/tmap', w=columns, **span_of(load))
        assert sum(a['total'].values()) == len(load.rows)
    assert again.json('/api/v1/apm/transactions', **span_of(load))['matched'] == len(load.rows)
