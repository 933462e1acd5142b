# SPDX-License-Identifier: Apache-2.0
"""A fixed set of series for comparing PromQL engines: counters with resets and gaps, gauges with NaN and
infinities, stale markers, classic histograms, names in UTF-8. The same seed gives the same values; only the time
they start at is the caller's."""
import random
import struct

import requests
import snappy

from harness import wire

STALE = struct.unpack('<d', struct.pack('<Q', 0x7ff0000000000002))[0]
STEP_MS = 15000
STEPS = 480  # two hours


def build(base_ms, seed=7):
    """{labels: [(ms, value)]}, labels a tuple of sorted pairs."""
    rnd = random.Random(seed)
    series = {}

    def put(name, t, v, **labels):
        series.setdefault(tuple(sorted([('__name__', name), *labels.items()])), []).append((t, v))

    def times(jitter=0, every=1):
        return ((i, base_ms + i * STEP_MS + jitter) for i in range(0, STEPS, every))

    for k, inst in enumerate(('a:9100', 'b:9100', 'c:9100')):
        jitter = rnd.randint(0, STEP_MS - 1)
        for cpu in '012':
            for mode in ('idle', 'user', 'system'):
                v = rnd.uniform(0, 1000)
                for i, t in times(jitter):
                    v += rnd.uniform(0, 15) * (1 if mode == 'idle' else 0.1)
                    if rnd.random() < 0.004:
                        v = rnd.uniform(0, 3)
                    if rnd.random() >= 0.02 and not (inst == 'b:9100' and 200 < i < 260):
                        put('cpu_seconds_total', t + (rnd.randint(-50, 50) if k else 0), round(v, 2),
                            instance=inst, cpu=cpu, mode=mode, job='node')
        m = 8e9
        for i, t in times(jitter):
            m = max(1e6, m + rnd.uniform(-1e8, 1e8))
            put('memory_free_bytes', t, float(int(m)), instance=inst, job='node')
            if not (inst == 'c:9100' and 300 < i < 420):
                put('load1', t, round(rnd.uniform(0, 8), 4), instance=inst, job='node')
            elif i == 301:
                put('load1', t, STALE, instance=inst, job='node')
            put('up', t, float(rnd.random() > 0.1), instance=inst, job='node')
            put('target_info', t, 1.0, instance=inst, job='node', host='host-' + inst[0], release=f'6.{i // 200}')
            put('build_info', t, 1.0, instance=inst, job='node', version=f'1.{k}')
        for n, (dev, mount) in enumerate((('/dev/sda1', '/'), ('/dev/sdb1', '/data'), ('tmpfs', '/run'))):
            s = rnd.uniform(1e9, 1e11)
            for i, t in times(jitter, 4):
                s -= rnd.uniform(0, 1e7)
                put('filesystem_avail_bytes', t, float(int(s)), instance=inst, job='node', device=dev, mountpoint=mount)
                put('filesystem_size_bytes', t, 1e11 + n, instance=inst, job='node', device=dev, mountpoint=mount)
        for handler in ('/api', '/home'):
            bounds = ['0.1', '0.5', '1', '2.5', '5', '+Inf']
            total = [0] * 6
            for i, t in times(jitter):
                for b in range(6):
                    grow = rnd.randint(0, 3)
                    for c in range(b, 6):
                        total[c] += grow
                for b in range(6):
                    if handler == '/home' and inst == 'c:9100' and bounds[b] == '+Inf':
                        continue
                    broken = 2 if handler == '/home' and inst == 'b:9100' and b == 3 else 0
                    put('request_seconds_bucket', t, float(total[b] - broken), instance=inst, job='web',
                        handler=handler, le=bounds[b])
                put('request_seconds_count', t, float(total[5]), instance=inst, job='web', handler=handler)
                put('request_seconds_sum', t, total[5] * 0.73, instance=inst, job='web', handler=handler)
    for i, t in times():
        inf = float('inf')
        put('special', t, float('nan') if i % 7 == 0 else float(i), kind='nan')
        put('special', t, inf if i % 11 == 0 else -inf if i % 13 == 0 else float(i), kind='inf')
        put('special', t, 1e-9 * i, kind='tiny')
        put('special', t, 1e22 * (i + 1), kind='huge')
        put('special', t, -float(i % 17), kind='neg')
        put('special', t, 0.0, kind='zero')
        put('special', t, 42.5, kind='const')
        put('special', t, inf, kind='pinf')
        put('date_s', t, float(1700000000 - 86400 * 37 * i - 12345 * i))
        if i % 40 == 0:
            put('sparse', t, float(i), x='<a>&"q"\\')
        if i % 20 in (5, 9):
            put('sparse', t, float(i) if i % 20 == 5 else STALE, x='y')
        put('half' if i // 50 % 2 == 0 else 'half2', t, float(i), side='left', id='1')
        put('many', t, i % 5 + 0.25, a='1', b='0')
        put('many', t, i % 3 + 0.5, a='1', b='x')
        put('many', t, i % 3 + 0.75, a='2', b='x')
        put('one', t, 10.0, a='1', extra='e1')
        put('one', t, 20.0, a='2', extra='e2')
        for n in ('1', '2', '10', '20'):
            put('numbered', t, float(int(n) * 7 % 11 + i), n='v' + n)
        put('http.server.requests', t, float(3 * i), **{'service.name': 'shop', 'region': '서울'})
        put('http.server.requests', t, float(2 * i), **{'service.name': 'cart', 'region': '부산'})
    return series


def write(url, series, slice_ms=600000):
    """Remote write slice of time by slice, each in order of labels, so that servers number the series alike."""
    rows = sorted(series.items())
    first = min(samples[0][0] for _, samples in rows)
    last = max(samples[-1][0] for _, samples in rows)
    for begin in range(first, last + 1, slice_ms):
        body = b''
        for labels, samples in rows:
            here = [(t, v) for t, v in samples if begin <= t < begin + slice_ms]
            if here:
                body += wire.blob(1, b''.join(wire.blob(1, wire.blob(1, k) + wire.blob(2, v)) for k, v in labels)
                                  + b''.join(wire.blob(2, wire.double(1, v) + wire.varint(2 << 3) + wire.varint(t))
                                             for t, v in here))
        if body:
            send(url, body)


def send(url, body):
    r = requests.post(url + '/api/v1/write', data=snappy.compress(body), timeout=30,
                      headers={'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
                               'X-Prometheus-Remote-Write-Version': '0.1.0'})
    assert r.status_code in (200, 204), f'{url}: {r.status_code} {r.text[:300]}'
