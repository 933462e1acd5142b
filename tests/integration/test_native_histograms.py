# SPDX-License-Identifier: Apache-2.0
"""A current Prometheus and the server get the same native histograms by remote write, exponential and with custom
bounds, counters and gauges, with resets, schema and zero bucket changes, gaps, stale markers and floats among them;
then both must answer the same PromQL queries alike, histograms and annotations included."""
import json
import math
import random
import socket
import struct
import time

import pytest
import requests

from harness import wire
from harness.server import wait_for

STEP_S = 15
POINTS = 60

STALE = struct.unpack('<d', struct.pack('<Q', 0x7ff0000000000002))[0]


def zigzag(n):
    return (n << 1) ^ (n >> 63)


def spans(buckets):
    """[(index, count)] to protobuf spans and counts."""
    out, counts, at = [], [], 0
    for index, count in buckets:
        if out and index == at:
            out[-1][1] += 1
        else:
            out.append([index - at, 1])
        counts.append(count)
        at = index + 1
    return out, counts


def side(buckets, number, integer):
    """Spans, then deltas or counts: fields `number` to number + 2."""
    runs, counts = spans(sorted(buckets.items()))
    out = b''.join(wire.blob(number, wire.uint(1, zigzag(o)) + wire.uint(2, n)) for o, n in runs)
    if integer:
        deltas = [b - a for a, b in zip([0, *counts], counts)]
        return out + wire.blob(number + 1, b''.join(wire.varint(zigzag(d)) for d in deltas))
    return out + wire.blob(number + 2, struct.pack(f'<{len(counts)}d', *counts))


class Hist:
    """A native histogram as plain numbers."""

    def __init__(self, schema=3, pos=None, neg=None, zero=0, threshold=2.0 ** -128, total=None, total_sum=0.0, hint=0,
                 bounds=(), integer=True, count=None):
        self.schema, self.pos, self.neg, self.zero, self.threshold = schema, pos or {}, neg or {}, zero, threshold
        self.sum, self.hint, self.bounds, self.integer = total_sum, hint, bounds, integer
        self.count = count if count is not None else sum(self.pos.values()) + sum(self.neg.values()) + zero

    def encode(self, time_ms):
        if self.integer:
            head = wire.uint(1, self.count) + wire.uint(6, self.zero)
        else:
            head = wire.double(2, self.count) + wire.double(7, self.zero)
        return (head + wire.double(3, self.sum) + wire.uint(4, zigzag(self.schema)) + wire.double(5, self.threshold)
                + side(self.neg, 8, self.integer) + side(self.pos, 11, self.integer) + wire.uint(14, self.hint)
                + wire.uint(15, time_ms)
                + (wire.blob(16, struct.pack(f'<{len(self.bounds)}d', *self.bounds)) if self.bounds else b''))


def stale():
    return Hist(total_sum=STALE, threshold=0)


def series(labels, points):
    """points: (time ms, float or Hist)."""
    out = wire.series(labels, [])
    for t, v in points:
        if isinstance(v, Hist):
            out += wire.blob(4, v.encode(t))
        else:
            out += wire.blob(2, wire.double(1, v) + wire.uint(2, t))
    return out


def observe(rnd, buckets, n, low, high):
    for _ in range(n):
        index = rnd.randint(low, high)
        buckets[index] = buckets.get(index, 0) + rnd.randint(1, 5)


def counter(rnd, schema, *, reset_at=(), schema_at=None, threshold_at=None, negative=False, integer=True):
    """POINTS growing histograms."""
    pos, neg, zero, total, threshold = {}, {}, 0, 0.0, 2.0 ** -128
    for k in range(POINTS):
        if k in reset_at:
            pos, neg, zero, total = {}, {}, 0, 0.0
        if schema_at and k == schema_at[0]:
            schema, pos, neg = schema_at[1], {}, {}
        if threshold_at and k == threshold_at[0]:
            threshold = threshold_at[1]
        observe(rnd, pos, 4, -3, 3 + 2 * max(schema, 0))
        if negative:
            observe(rnd, neg, 2, -2, 4)
        zero += rnd.randint(0, 2)
        total += rnd.random() * 10
        scale = 1 if integer else 1.25
        yield Hist(schema, {i: c * scale for i, c in pos.items()} if not integer else dict(pos),
                   {i: c * scale for i, c in neg.items()} if not integer else dict(neg), zero * scale if not integer else
                   zero, threshold, total_sum=total, integer=integer)


def custom(rnd, bounds, change_at=None, change=()):
    pos, total = {}, 0.0
    for k in range(POINTS):
        if k == change_at:
            bounds, pos, total = change, {}, 0.0
        observe(rnd, pos, 3, 0, len(bounds))
        total += rnd.random() * 3
        yield Hist(-53, dict(pos), threshold=0, total_sum=total, bounds=bounds)


def gauge(rnd, schema):
    for _ in range(POINTS):
        pos, neg = {}, {}
        observe(rnd, pos, 5, -2, 5)
        observe(rnd, neg, 2, -1, 2)
        yield Hist(schema, pos, neg, rnd.randint(0, 3), 0.001, total_sum=rnd.uniform(-5, 5), hint=3)


def data(start_ms):
    rnd = random.Random(7)
    times = [start_ms + k * STEP_S * 1000 for k in range(POINTS)]

    def one(name, values, **labels):
        return {'__name__': name, **labels}, list(zip(times, values))

    out = [
        one('h', counter(rnd, 3), job='a', instance='0'),
        one('h', counter(rnd, 3, reset_at=(20, 41)), job='a', instance='1'),
        one('h', counter(rnd, 1, schema_at=(30, 0), threshold_at=(15, 0.6)), job='b', instance='0'),
        one('h', counter(rnd, 0, negative=True, threshold_at=(25, 0.3)), job='b', instance='1'),
        one('h', counter(rnd, 4, integer=False), job='c', instance='0'),
        one('fine', counter(rnd, 8, negative=True), job='a'),
        one('coarse', counter(rnd, -3), job='a'),
        one('nhcb', custom(rnd, (0.5, 1.0, 5.0)), job='a'),
        one('nhcb', custom(rnd, (0.5, 1.0, 5.0)), job='b'),
        one('nhcb_neg', custom(rnd, (-2.0, -1.0, 0.0, 3.0)), job='a'),
        one('nhcb_other', custom(rnd, (0.5, 1.0, 10.0)), job='a'),
        one('nhcb_change', custom(rnd, (0.5, 1.0), 30, (1.0, 2.0, 4.0)), job='a'),
        one('g', gauge(rnd, 2), job='a'),
        one('g', gauge(rnd, 1), job='b'),
        one('empty', (Hist(2) for _ in range(POINTS)), job='a'),
        one('nans', (Hist(1, {1: 3 + k}, count=5 + k, total_sum=math.nan) for k in range(POINTS)), job='a'),
        one('zero_only', (Hist(1, zero=k + 1, threshold=0.5, total_sum=0.1 * k) for k in range(POINTS)), job='a'),
        one('f', (k * 1.5 for k in range(POINTS)), job='a', instance='0'),
        one('f', (k * 2.5 for k in range(POINTS)), job='b', instance='1'),
        one('switching', [*(float(k) for k in range(20)), *list(counter(rnd, 2))[:20], *(float(k) for k in range(20))],
            job='a'),
        one('mixedmetric', counter(rnd, 2), kind='hist'),
        one('mixedmetric', (float(k) for k in range(POINTS)), kind='float'),
    ]
    labels, points = one('gaps', counter(rnd, 2), job='a')
    points[20] = (points[20][0], stale())
    out.append((labels, points[:21] + points[30:]))
    for le in ('0.5', '1', '5', '+Inf'):
        out.append(one('classic_bucket', (k * {'0.5': 1, '1': 2, '5': 4, '+Inf': 5}[le] for k in range(POINTS)),
                       job='a', le=le))
    out.append(one('classic_bucket', counter(rnd, 2), job='a'))
    out.append(one('classic_bucket', (1.0 for _ in range(POINTS)), job='bad', le='x'))
    return out


FUNCTIONS = ('histogram_count', 'histogram_sum', 'histogram_avg', 'histogram_stddev', 'histogram_stdvar')
METRICS = ('h', 'fine', 'coarse', 'nhcb', 'nhcb_neg', 'nhcb_change', 'g', 'empty', 'nans', 'zero_only', 'gaps',
           'switching', 'mixedmetric', 'f')
OVER_TIME = ('rate', 'increase', 'delta', 'irate', 'idelta', 'resets', 'changes', 'sum_over_time', 'avg_over_time',
             'count_over_time', 'last_over_time', 'present_over_time', 'min_over_time', 'max_over_time',
             'stddev_over_time', 'stdvar_over_time', 'absent_over_time', 'deriv')
AGGREGATIONS = ('sum', 'avg', 'count', 'group', 'min', 'max', 'stddev', 'stdvar')
BINARY = ('+', '-', '*', '/', '==', '!=', '>', '<', '>=', '<=', '^', '%', 'atan2', '== bool', '!= bool', '> bool')


def queries():
    for m in METRICS:
        yield m
        yield f'-{m}'
        yield f'{m} offset 1m'
        yield f'{m}[2m]'
        for f in FUNCTIONS:
            yield f'{f}({m})'
        for q in (-1, 0, 0.01, 0.25, 0.5, 0.75, 0.99, 1, 1.5):
            yield f'histogram_quantile({q}, {m})'
        for low, high in (('-Inf', 'Inf'), (0, 1), (-1, 1), (0.7, 3), ('-Inf', 0.2), (2, 'Inf'), (3, 1), ('NaN', 1)):
            yield f'histogram_fraction({low}, {high}, {m})'
        for f in OVER_TIME:
            yield f'{f}({m}[2m])'
        for f in ('rate', 'increase', 'delta', 'sum_over_time', 'last_over_time'):
            yield f'{f}({m}[5m:30s])'
            yield f'histogram_quantile(0.9, {f}({m}[3m]))'
        yield f'quantile_over_time(0.5, {m}[2m])'
        yield f'predict_linear({m}[2m], 60)'
        for a in AGGREGATIONS:
            yield f'{a}({m})'
            yield f'{a} by (job) (rate({m}[2m]))'
        yield f'topk(1, {m})'
        yield f'quantile(0.5, {m})'
        yield f'count_values("v", {m})'
        for f in ('abs', 'ceil', 'sqrt', 'timestamp', 'sort', 'absent', 'scalar', 'hour', 'sgn'):
            yield f'{f}({m})'
        yield f'clamp({m}, 0, 1)'
        yield f'round({m})'
        yield f'label_replace({m}, "x", "$1", "job", "(.*)")'
        yield f'{m} and f'
        yield f'{m} or h'
        yield f'{m} unless nhcb'
        for op in BINARY:
            yield f'{m} {op} 2'
            yield f'2 {op} {m}'
            yield f'{m} {op} {m}'
        yield f'{m} / 0'
        yield f'{m} * -1'
    for a, b in (('h', 'f'), ('f', 'h'), ('nhcb', 'nhcb_other'), ('h', 'nhcb'), ('fine', 'coarse'), ('coarse', 'fine'),
                 ('g', 'fine'), ('zero_only', 'fine'), ('empty', 'h')):
        for op in BINARY:
            yield f'{a} {op} on (job) group_left () {b}' if a in ('h', 'f') else f'{a} {op} on (job) {b}'
    for e in ('histogram_quantile(0.9, sum by (job) (rate(h[2m])))', 'histogram_quantile(0.9, sum(rate(h[2m])))',
              'histogram_quantile(0.5, classic_bucket)', 'histogram_fraction(0, 0.7, classic_bucket)',
              'histogram_fraction(-1, 2, classic_bucket)', 'histogram_quantile(0.9, rate(classic_bucket[2m]))',
              'sum({__name__=~"h|f"})', 'avg by (job) ({__name__=~"h|f"})', 'sum({__name__=~"h|nhcb"})',
              'avg({__name__=~"h|nhcb"})', 'sum({__name__=~"nhcb|nhcb_other"})', 'avg({__name__=~"nhcb|nhcb_other"})',
              'sum({__name__=~"g|h", job="a"})', 'avg({__name__=~"fine|coarse|zero_only"})', 'sum(h) + sum(g)',
              'histogram_count(sum(rate(h[1m]))) / histogram_sum(sum(rate(h[1m])))', 'rate(h[2m] @ 1000000000)',
              'h @ end()', 'sum(h @ start())', 'max_over_time(histogram_count(h)[2m:15s])', 'rate(g[2m])', 'delta(g[2m])',
              'sum_over_time({__name__=~"h"}[1m])', 'histogram_quantile(scalar(f{job="a"}) / 100, h)',
              'avg_over_time(switching[10m])', 'rate(switching[6m])', 'sum_over_time(switching[6m])',
              'min_over_time(switching[6m])', 'irate(switching[1m])', 'idelta(switching[1m])', 'deriv(switching[6m])',
              'last_over_time(switching[6m])', 'resets(switching[10m])', 'changes(switching[10m])',
              'count_over_time(switching[10m])', 'quantile_over_time(0.3, switching[6m])', 'count(mixedmetric)',
              'mixedmetric * on () group_left () f{job="a"}'):
        yield e


def close(a, b):
    x, y = float(a), float(b)
    return x == y or math.isnan(x) and math.isnan(y) or abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-12)


def same_histogram(a, b):
    return (close(a['count'], b['count']) and close(a['sum'], b['sum'])
            and len(a.get('buckets', [])) == len(b.get('buckets', []))
            and all(x[0] == y[0] and all(close(p, q) for p, q in zip(x[1:], y[1:]))
                    for x, y in zip(a.get('buckets', []), b.get('buckets', []))))


def same_points(a, b, same):
    return len(a) == len(b) and all(x[0] == y[0] and same(x[1], y[1]) for x, y in zip(a, b))


def same_series(a, b):
    if set(a) != set(b):
        return False
    return (same_points(a.get('values', []), b.get('values', []), close)
            and same_points(a.get('histograms', []), b.get('histograms', []), same_histogram)
            and ('value' not in a or same_points([a['value']], [b['value']], close))
            and ('histogram' not in a or same_points([a['histogram']], [b['histogram']], same_histogram)))


def difference(ours, theirs):
    """What is not alike, '' when nothing."""
    if ours['status'] != theirs['status']:
        return f'{ours.get("error")} against {theirs.get("error")}'
    if ours['status'] == 'error':
        return '' if ours['error'] == theirs['error'] else f'{ours["error"]} against {theirs["error"]}'
    a, b = ours['data'], theirs['data']
    if a['resultType'] in ('scalar', 'string'):
        return '' if close(a['result'][1], b['result'][1]) else f'{a} against {b}'
    left, right = ({json.dumps(s['metric'], sort_keys=True): s for s in d['result']} for d in (a, b))
    if set(left) != set(right):
        return f'series {sorted(left)} against {sorted(right)}'
    for k, s in left.items():
        if not same_series(s, right[k]):
            return f'{k}: {json.dumps(s)[:1500]} against {json.dumps(right[k])[:1500]}'
    for kind in ('warnings', 'infos'):
        if notes(ours.get(kind, [])) != notes(theirs.get(kind, [])):
            return f'{kind} {ours.get(kind)} against {theirs.get(kind)}'
    return ''


def notes(texts):
    """Sorted, without what later versions than the one compared with say differently."""
    return sorted(t.replace(' for metric name ""', '') for t in texts if 'sort is ineffective' not in t)


def runs(all_series):
    """Encoded series in requests of one kind of sample each: a request's floats are stored before its histograms."""
    for labels, points in all_series:
        at = 0
        for k in range(1, len(points) + 1):
            if k == len(points) or isinstance(points[k][1], Hist) != isinstance(points[at][1], Hist):
                yield series(labels, points[at:k])
                at = k


def prometheus(start, program, name, config='global: {}\n'):
    """The address of one that is ready."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{s.getsockname()[1]}'
    (start.folder / f'{name}.yml').write_text(config)
    start.process(name, [
        program, f'--config.file={name}.yml', f'--storage.tsdb.path={name}-data', '--web.enable-remote-write-receiver',
        '--web.enable-otlp-receiver',
        '--enable-feature=native-histograms,promql-experimental-functions', f'--web.listen-address={address}'])
    url = f'http://{address}'

    def ready():
        try:
            return requests.get(url + '/-/ready', timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    wait_for(name, ready, 30, 0.1)
    return url


@pytest.fixture(scope='module')
def pair(start_shared, prometheus3):
    """(bongsu, prometheus url, start s) with the same data."""
    bongsu = start_shared.server(args=['--query-experimental', '--query-compat', '3.5'])
    url = prometheus(start_shared, prometheus3, 'prometheus')
    start_s = int(time.time()) // 60 * 60 - POINTS * STEP_S
    for base in (bongsu.url, url):
        for s in runs(data(start_s * 1000)):
            r = requests.post(base + '/api/v1/write', data=wire.remote_write_body([s]), timeout=30, headers={
                'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
                'X-Prometheus-Remote-Write-Version': '0.1.0'})
            assert r.status_code in (200, 204), f'{base}: {r.status_code} {r.text}'
    return bongsu, url, start_s


def ask(base, path, **params):
    return requests.post(base + path, data=params, timeout=30).json()


def compare(bongsu, url, start_s, expressions):
    wrong = []
    for q in expressions:
        for t in (start_s + 400, start_s + POINTS * STEP_S - 7):
            diff = difference(ask(bongsu.url, '/api/v1/query', query=q, time=t), ask(url, '/api/v1/query', query=q, time=t))
            if diff:
                wrong.append(f'{q} at +{t - start_s}: {diff}')
        if q.endswith(']'):
            continue
        params = {'query': q, 'start': start_s - 30, 'end': start_s + POINTS * STEP_S + 330, 'step': 53}
        diff = difference(ask(bongsu.url, '/api/v1/query_range', **params), ask(url, '/api/v1/query_range', **params))
        if diff:
            wrong.append(f'{q} as a range: {diff}')
    return wrong


def test_same_answers(pair):
    expressions = list(queries())
    wrong = compare(*pair, expressions)
    assert not wrong, f'{len(wrong)} of {len(expressions)} differ:\n' + '\n'.join(wrong[:20])


def test_remote_read(pair, start_shared, prometheus3):
    """One that has nothing of its own answers from what the server streams to it: chunks of floats and histograms."""
    bongsu, _, start_s = pair
    reader = prometheus(start_shared, prometheus3, 'reader',
                        f'remote_read: [{{url: "{bongsu.url}/api/v1/read", read_recent: true}}]\n')
    expressions = [*METRICS, *(f'{m}[2m]' for m in METRICS), *(f'rate({m}[2m])' for m in METRICS),
                   'histogram_quantile(0.9, sum by (job) (rate(h[2m])))', 'histogram_quantile(0.5, nhcb)']
    assert ask(reader, '/api/v1/query', query='nhcb', time=start_s + 400)['data']['result']
    wrong = compare(bongsu, reader, start_s, expressions)
    assert not wrong, '\n'.join(wrong[:20])


def test_federation(pair, start_shared, prometheus3):
    """One that scrapes /federate in protobuf has the newest of each, but not those with custom bounds."""
    bongsu, _, start_s = pair
    host = bongsu.url.split('//')[1]
    names = '|'.join(METRICS)
    taker = prometheus(start_shared, prometheus3, 'taker', f'''
scrape_configs:
  - job_name: federate
    scrape_interval: 1s
    honor_labels: true
    metrics_path: /federate
    scrape_protocols: [PrometheusProto, PrometheusText0.0.4]
    params: {{"match[]": ['{{__name__=~"{names}"}}', 'h']}}
    static_configs: [{{targets: ["{host}"]}}]
    metric_relabel_configs: # what the series did not have before
      - {{source_labels: [instance], regex: "{host}", target_label: instance, replacement: ""}}
      - {{source_labels: [job], regex: federate, target_label: job, replacement: ""}}
''')
    wait_for('a scrape', lambda: ask(taker, '/api/v1/query', query='f')['data']['result'], 20, 0.3)
    last = start_s + (POINTS - 1) * STEP_S
    for m in METRICS:
        theirs = ask(taker, '/api/v1/query', query=m, time=last)
        if m.startswith('nhcb'):
            assert theirs['data']['result'] == [], m
        else:
            assert not difference(ask(bongsu.url, '/api/v1/query', query=m, time=last), theirs), m
    text = requests.get(bongsu.url + '/federate', params={'match[]': ['h', 'f']}, timeout=10)
    assert text.headers['Content-Type'].startswith('text/plain') and text.text.count('\n') == 3, text.text
    for accept, kind in (('application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,'
                          'text/plain;q=0.5', 'application/vnd.google.protobuf; '),
                         ('application/vnd.google.protobuf;encoding=text', 'text/plain; '),
                         ('application/vnd.google.protobuf;q=0.4, text/plain;q=0.5', 'text/plain; '), ('*/*', 'text/plain; ')):
        r = requests.get(bongsu.url + '/federate', params={'match[]': 'h'}, headers={'Accept': accept}, timeout=10)
        assert r.headers['Content-Type'].startswith(kind), accept


def test_export_and_import(pair, start_shared):
    """All series over JSON lines into another server: the same answers."""
    bongsu, _, start_s = pair
    folder = start_shared.folder / 'other'
    folder.mkdir()
    other = start_shared.server(folder=folder, args=['--query-experimental'])
    lines = requests.get(bongsu.url + '/api/v1/export', timeout=30,
                         params={'match[]': '{__name__=~"' + '|'.join(METRICS) + '"}', 'max_rows_per_line': 7}).content
    written = [json.loads(line) for line in lines.splitlines()]
    assert max(len(w['timestamps']) for w in written) == 7
    assert any('bounds' in (h or {}) for w in written for h in w.get('histograms', []))
    r = requests.post(other.url + '/api/v1/import', data=lines, timeout=30)
    assert r.status_code in (200, 204), r.text
    wrong = compare(bongsu, other.url, start_s, [*METRICS, *(f'{m}[10m]' for m in METRICS), 'rate(h[2m])'])
    assert not wrong, '\n'.join(wrong[:20])
    again = requests.get(other.url + '/api/v1/export', timeout=30,
                         params={'match[]': '{__name__=~"' + '|'.join(METRICS) + '"}', 'max_rows_per_line': 7})
    assert again.content == lines
    for form in ({'format': 'prometheus'}, {}):
        path = '/api/v1/export' + ('' if form else '/csv')
        r = requests.get(bongsu.url + path, params={'match[]': 'h', 'format': '__name__,__value__', **form}, timeout=10)
        assert r.status_code == 200 and r.content == b''


def exponential(name, points):
    """An OTLP metric; points: (time s, scale, offset, counts, negative counts, zero count, sum)."""
    out = b''
    for t, scale, offset, counts, negative, zero, total in points:
        p = (wire.fixed64(3, t * 10 ** 9) + wire.fixed64(4, sum(counts) + sum(negative) + zero) + wire.double(5, total)
             + wire.uint(6, zigzag(scale)) + wire.fixed64(7, zero))
        for field, c in ((8, counts), (9, negative)):
            p += wire.blob(field, wire.uint(1, zigzag(offset)) + wire.blob(2, b''.join(wire.varint(n) for n in c)))
        out += wire.blob(1, p)
    return wire.blob(1, name) + wire.blob(10, out + wire.uint(2, 2))


def test_otlp_exponential(pair):
    bongsu, url, start_s = pair
    t = start_s + 600
    body = wire.metrics([
        exponential('otlp.exp', [(t, 3, -4, (1, 0, 2, 5), (), 2, 4.5), (t + 15, 3, -4, (2, 0, 4, 9, 1), (1,), 3, 9.5)]),
        exponential('otlp.fine', [(t, 12, 100, tuple(range(1, 60)), (3, 4), 0, 70.25)]),
        exponential('otlp.coarse', [(t, -4, -1, (7, 9), (), 1, 1e5)]),
    ], res={'service.name': 'shop'})
    assert bongsu.otlp('metrics', body).status_code == 200
    r = requests.post(url + '/api/v1/otlp/v1/metrics', data=body, timeout=30,
                      headers={'Content-Type': 'application/x-protobuf'})
    assert r.status_code == 200, r.text
    for metric in ('otlp_exp', 'otlp_fine', 'otlp_coarse'):
        for q in (metric, f'{metric}[2m]', f'histogram_quantile(0.9, {metric})', f'increase({metric}[1m])'):
            ours = ask(bongsu.url, '/api/v1/query', query=f'{q}', time=t + 20)
            theirs = ask(url, '/api/v1/query', query=f'{q}', time=t + 20)
            for answer in (ours, theirs):
                assert answer['status'] == 'success', answer
                for s in answer['data']['result']:
                    s['metric'] = {}  # names of scope labels differ between versions
            assert theirs['data']['result'] or q.startswith('increase'), q
            assert not difference(ours, theirs), f'{q}: {difference(ours, theirs)}'
