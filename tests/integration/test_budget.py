# SPDX-License-Identifier: Apache-2.0
"""Disk budget and retention: over --max-size the oldest data goes and ingest is never refused, whatever the age of what
comes; what is older than its retention is refused by every door with a reason that names it."""
import os
import time

from harness import wire
from harness.server import SLOW, wait_for

MB = 1000 * 1000
BUDGET = 3 * MB
# One round of the store's maintenance, and what came in meanwhile.
ROUND_S = 5
HOUR_MS = 3600 * 1000


def folder_bytes(folder):
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                pass
    return total


def noise(n):
    """Text that does not compress below three quarters of itself."""
    return os.urandom(n * 3 // 4).hex()[:n]


def log_batch(start_ns, tag, n=50, size=4000):
    return wire.logs([wire.log_record(start_ns + i, f'{tag} {i} {noise(size)}') for i in range(n)])


def count_logs(s, text, start_ms, end_ms):
    h = s.json('/api/v1/logs/histogram', text=text, start_ms=start_ms, end_ms=end_ms, buckets=1)
    return sum(sum(x['counts']) for x in h['series'])


def test_oldest_goes_and_ingest_goes_on(start):
    s = start.server(args=['--max-size', str(BUDGET)])
    now_ms = int(time.time() * 1000)
    day_ms = 24 * HOUR_MS
    batch, batches = 50, 0
    # Six days, oldest first; about four times the budget.
    for day in range(6, 0, -1):
        for _ in range(10):
            t = now_ms - day * day_ms + batches
            r = s.otlp('logs', log_batch(t * 1000000, f'day{day}', batch))
            assert r.status_code == 200 and not r.content, (day, r.status_code, r.content)
            batches += 1

    def inside():
        usage = s.json('/api/v1/status/server')['disk']
        return (usage['used_bytes'] <= BUDGET and s.metric('bongsu_store_dropped_bytes_total') > 0
                and folder_bytes(s.data) <= BUDGET * 1.1)
    wait_for('disk use inside the budget', inside, 6 * ROUND_S)
    left = {day: count_logs(s, f'day{day}', now_ms - 7 * day_ms, now_ms) for day in range(1, 7)}
    assert left[6] == 0 and left[5] == 0, left
    # What is left is the newest without a gap.
    assert left[1] > 0, left
    kept = [day for day in range(1, 7) if left[day]]
    assert kept == list(range(1, len(kept) + 1)), left

    # Goes on under a full budget: nothing refused, the newest is there, the disk stays inside.
    end = time.monotonic() + 3 * ROUND_S
    sent = 0
    while time.monotonic() < end:
        r = s.otlp('logs', log_batch(time.time_ns(), f'live{sent}', batch))
        assert r.status_code == 200 and not r.content, (r.status_code, r.content)
        now = int(time.time() * 1000)
        assert count_logs(s, f'live{sent}', now - 60000, now + 1000) == batch
        sent += 1
        time.sleep(0.2)
    wait_for('disk use inside the budget', inside, 4 * ROUND_S)
    s.kill()
    again = start.server(args=['--max-size', str(BUDGET)])
    assert count_logs(again, f'live{sent - 1}', now_ms, now_ms + HOUR_MS) == batch


def test_too_old_is_refused(start):
    # Metrics: only what is older than every tier.
    s = start.server(args=['--retention', '1d', '--rollup-1m', '1d', '--rollup-5m', '1d', '--rollup-1h', '1d'])
    now_ms = int(time.time() * 1000)
    old_ms = now_ms - 48 * HOUR_MS
    r = s.remote_write(wire.remote_write_body([
        wire.series({'__name__': 'fresh_metric'}, [(1.0, now_ms)]),
        wire.series({'__name__': 'ancient_metric'}, [(1.0, old_ms)])]))
    assert r.status_code == 400, r.text
    assert 'ancient_metric' in r.text and 'retention' in r.text, r.text
    assert s.value('fresh_metric') == 1.0
    assert s.query('ancient_metric', old_ms / 1000) == []

    old_ns = old_ms * 1000000
    bodies = {
        'logs': wire.logs([wire.log_record(old_ns, 'ancient')]),
        'traces': wire.traces([wire.span(b'a' * 16, b'b' * 8, 'ancient', old_ns, old_ns + 1000)]),
        'metrics': wire.metrics([wire.gauge('ancient', [(old_ns, 1.0, {})])]),
    }
    for name, body in bodies.items():
        r = s.otlp(name, body)
        assert r.status_code == 200, (name, r.text)
        assert b'retention' in r.content, (name, r.content)
        rejected = s.metric('bongsu_ingest_rejected_total', reason='too_old', signal=name)
        assert rejected, (name, s.get('/metrics').text)


def test_retention_drops_parts(start):
    """Data kept by a long retention goes after a restart with a shorter one."""
    s = start.server()
    now_ms = int(time.time() * 1000)
    for days in (3, 0):
        t = now_ms - days * 24 * HOUR_MS
        assert s.otlp('logs', log_batch(t * 1000000, f'kept{days}', 10)).status_code == 200
        assert s.remote_write(wire.remote_write_body(
            [wire.series({'__name__': 'kept', 'days': str(days)}, [(1.0, t)])])).status_code in (200, 204)
    assert s.stop(20) == 0
    again = start.server(args=['--retention', '1d'])
    span = (now_ms - 4 * 24 * HOUR_MS, now_ms + 60000)
    wait_for('the old logs to go', lambda: count_logs(again, 'kept3', *span) == 0, 90 / SLOW)
    assert count_logs(again, 'kept0', *span) == 10
    old_s = now_ms / 1000 - 3 * 24 * 3600
    wait_for('the old samples to go', lambda: again.query('kept', old_s + 1) == [], 90 / SLOW)
    assert again.value('kept') == 1.0


def test_signals_have_limits_of_their_own(start):
    cap = MB
    s = start.server(args=['--logs-retention', '20d', '--traces-retention', '1d', '--logs-max-size', str(cap), '--logs-share', '60'])
    limits = {x['signal']: x for x in s.json('/api/v1/storage')['limits']}
    day_ms = 24 * HOUR_MS
    assert limits == {'metrics': {'signal': 'metrics', 'retention_ms': 30 * day_ms, 'share_percent': 50},
                      'traces': {'signal': 'traces', 'retention_ms': day_ms, 'share_percent': 30},
                      'logs': {'signal': 'logs', 'retention_ms': 20 * day_ms, 'share_percent': 60, 'max_bytes': cap},
                      'transactions': {'signal': 'transactions', 'retention_ms': 30 * day_ms, 'share_percent': 10}}
    now_ms = int(time.time() * 1000)
    old_ns = (now_ms - 2 * day_ms) * 1000000
    r = s.otlp('traces', wire.traces([wire.span(b'a' * 16, b'b' * 8, 'old', old_ns, old_ns + 1000)]))
    assert b'retention' in r.content  # older than traces are kept, but not than logs
    for day in range(6, 0, -1):
        for i in range(2):
            r = s.otlp('logs', log_batch((now_ms - day * day_ms) * 1000000 + i * 1000, f'day{day}', 100))
            assert r.status_code == 200 and not r.content, r.content
    assert s.session.post(s.url + '/api/v1/admin/tsdb/snapshot', timeout=60).status_code == 200  # writes parts

    def logs_bytes():
        return next(x['bytes'] for x in s.json('/api/v1/storage')['signals'] if x['signal'] == 'logs')
    wait_for('logs inside their own limit', lambda: logs_bytes() <= cap, 12 * ROUND_S)
    left = [day for day in range(1, 7) if count_logs(s, f'day{day}', now_ms - 7 * day_ms, now_ms)]
    assert left and left == list(range(1, len(left) + 1)), left  # the newest, without a gap
