# SPDX-License-Identifier: Apache-2.0
"""Roll-ups through HTTP: the same PromQL before and after the raw samples are gone, what the storage API tells of
it, and the disk budget on a file system that is full."""
import math
import random
import shutil
import subprocess
import time

import pytest

from harness import wire
from harness.server import SLOW, wait_for

STEP_S, DAY_S, HOUR_S = 15, 86400, 3600
DAYS = 4  # that have ended


def last_midnight():
    return int(time.time()) // DAY_S * DAY_S


def fill(s, start, end, instances=3):
    """A counter with resets and a gauge per instance, a sample each 15 s. Keeps no more than one request's worth."""
    rnd = random.Random(5)
    counters = [0.0] * instances
    for t0 in range(start, end, 6 * HOUR_S):
        series = []
        for i in range(instances):
            requests, load = [], []
            for t in range(t0, min(t0 + 6 * HOUR_S, end), STEP_S):
                counters[i] = 0.0 if rnd.random() < 0.001 else counters[i] + rnd.randrange(30)
                requests.append((counters[i], t * 1000))
                load.append((round(50 + 40 * math.sin(t / 5000) + rnd.random(), 2), t * 1000))
            labels = {'instance': f'i{i}', 'job': 'app'}
            series.append(wire.series({'__name__': 'app_requests_total', **labels}, requests))
            series.append(wire.series({'__name__': 'app_load', **labels}, load))
        r = s.remote_write(wire.remote_write_body(series))
        assert r.status_code in (200, 204), r.text


def tiers(s):
    return {t['tier']: t for t in s.json('/api/v1/storage')['tiers']}


def job(s):
    return next(j for j in s.json('/api/v1/storage')['jobs'] if j['name'] == 'metrics rollup')


def rolled_up(s):
    # A round of the thread, and ten seconds of quiet.
    wait_for('all days rolled up', lambda: job(s)['waiting'] == 0 and tiers(s)['1h']['parts'] >= DAYS, 180 * SLOW, 0.2)


def ranges(s, expr, start, end, step):
    data = s.json('/api/v1/query_range', query=expr, start=start, end=end, step=step, stats='all')['data']
    rows = {r['metric'].get('instance', ''): {float(t): float(v) for t, v in r['values']} for r in data['result']}
    return rows, data['stats']


def resolution(stats):
    return stats['resolutionMs']


def infos(s, expr, start, end, step):
    r = s.json('/api/v1/query_range', query=expr, start=start, end=end, step=step)
    return [i for i in r.get('infos', []) if 'roll-ups' in i]


def utc(t):
    return time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(t))


def same(a, b, tolerance=1e-9, absolute=None):
    assert a.keys() == b.keys()
    for k in a:
        assert a[k].keys() == b[k].keys(), (k, a[k].keys() ^ b[k].keys())
        for t in a[k]:
            assert math.isclose(a[k][t], b[k][t], rel_tol=tolerance,
                                abs_tol=tolerance if absolute is None else absolute), (k, t, a[k][t], b[k][t])


# Exact for windows of whole buckets.
EXACT = ['avg_over_time(app_load[2h])', 'min_over_time(app_load[2h])', 'max_over_time(app_load[2h])',
         'sum_over_time(app_load[2h])', 'count_over_time(app_load[2h])', 'last_over_time(app_load[2h])', 'app_load',
         'max_over_time(app_requests_total[1h])', 'count_over_time(app_requests_total[1h])',
         'sum(last_over_time(app_requests_total[1h]))']
# From the buckets' last samples and the resets between them: function, relative and absolute tolerance over 1m.
FROM_LASTS = [('delta(app_load[6h])', 0.03, 2), ('deriv(app_load[6h])', 0.02, 5e-5),
              ('quantile_over_time(0.5, app_load[6h])', 0.02, 0), ('stddev_over_time(app_load[6h])', 0.02, 0),
              ('predict_linear(app_load[6h], 3600)', 0.02, 1), ('resets(app_requests_total[6h])', 1e-9, 0),
              ('stdvar_over_time(app_load[6h])', 0.04, 0),
              ('present_over_time(app_load[6h])', 1e-9, 0), ('increase(app_requests_total[6h])', 0.01, 0),
              ('rate(app_requests_total[6h])', 0.01, 0)]
# Of counters by name smallest values and sums are kept to 1 %: only where raw samples are gone.
ABOUT = ['sum(avg_over_time(app_requests_total[1h]))', 'sum_over_time(app_requests_total[2h])',
         'min_over_time(app_requests_total[2h])']


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
    """A server that was stopped with DAYS ended days in its parts: data directory, and the last midnight."""
    from harness.server import Bongsu
    folder = tmp_path_factory.mktemp('rollup')
    s = Bongsu(folder, args=['--rollup-1m', '0', '--rollup-5m', '0', '--rollup-1h', '0']).start()
    end = last_midnight()
    fill(s, end - DAYS * DAY_S, end)
    s.stop(30)
    return folder / 'data', end


@pytest.fixture
def copy(filled, tmp_path):
    """A copy of the filled directory, and the last midnight."""
    data, end = filled
    shutil.copytree(data, tmp_path / 'copy')
    return tmp_path / 'copy', end


def test_long_queries_read_rollups_with_the_same_answers(copy, start):
    data, end = copy
    s = start.server(data=data)
    rolled_up(s)
    begin = end - 3 * DAY_S
    rolled = {}
    for expr in EXACT:
        rolled[expr], stats = ranges(s, expr, begin, end, 5 * HOUR_S)
        assert resolution(stats) == 3600000, expr
        told = infos(s, expr, begin, end, 5 * HOUR_S)
        assert len(told) == 1 and told[0].startswith('PromQL info: answered from 1h roll-ups from '), told
        few, stats = ranges(s, expr, begin, end, 1800)  # the same times are among them
        assert resolution(stats) == 300000
        same(rolled[expr], {k: {t: few[k][t] for t in rolled[expr][k]} for k in few})
    rate, stats = ranges(s, 'rate(app_requests_total[12h])', begin, end, 5 * HOUR_S)
    assert resolution(stats) == 3600000
    for expr in ['deriv(app_load[12h])', *ABOUT]:  # need the samples
        assert resolution(ranges(s, expr, begin, end, 5 * HOUR_S)[1]) == 0, expr
    assert infos(s, 'deriv(app_load[12h])', begin, end, 5 * HOUR_S) == []
    s.stop(30)
    s = start.server(args=['--query-rollups', 'only_when_raw_is_gone'], data=data)
    for expr in EXACT:
        rows, stats = ranges(s, expr, begin, end, 5 * HOUR_S)
        assert resolution(stats) == 0, expr
        same(rolled[expr], rows)
    rows, _ = ranges(s, 'rate(app_requests_total[12h])', begin, end, 5 * HOUR_S)
    same(rate, rows, 0.02)


def test_answers_stay_when_raw_is_gone(copy, start):
    data, end = copy
    s = start.server(args=['--query-rollups', 'only_when_raw_is_gone'], data=data)
    rolled_up(s)
    begin = end - (DAYS - 1) * DAY_S
    raw = {}
    for expr in EXACT + ABOUT:
        raw[expr], stats = ranges(s, expr, begin, end - DAY_S, 2 * HOUR_S)
        assert resolution(stats) == 0, expr
        assert all(len(v) == (end - DAY_S - begin) // (2 * HOUR_S) + 1 for v in raw[expr].values())
    rate, _ = ranges(s, 'increase(app_requests_total[6h])', begin + 6 * HOUR_S, end - DAY_S, 2 * HOUR_S)
    short, _ = ranges(s, 'rate(app_requests_total[5m])', begin, end - DAY_S, 2 * HOUR_S)
    lasts = {expr: ranges(s, expr, begin + 6 * HOUR_S, end - DAY_S, 2 * HOUR_S)[0] for expr, _, _ in FROM_LASTS}
    before = tiers(s)
    assert before['raw']['bytes'] > 5 * before['1h']['bytes']
    s.stop(30)

    # Raw samples of a day and younger stay.
    s = start.server(args=['--retention', '24h', '--query-rollups', 'only_when_raw_is_gone'], data=data)
    wait_for('raw days gone', lambda: tiers(s)['raw'].get('oldest_ms', 2**62) >= (end - DAY_S) * 1000, 90 * SLOW, 0.5)
    for expr in EXACT:
        rows, stats = ranges(s, expr, begin, end - DAY_S, 2 * HOUR_S)
        assert resolution(stats) == 60000, expr
        same(raw[expr], rows)
    for expr in ABOUT:
        rows, stats = ranges(s, expr, begin, end - DAY_S, 2 * HOUR_S)
        assert resolution(stats) == 60000, expr
        same(raw[expr], rows, 0.01)
    for expr, relative, absolute in FROM_LASTS:
        rows, stats = ranges(s, expr, begin + 6 * HOUR_S, end - DAY_S, 2 * HOUR_S)
        assert resolution(stats) == 60000, expr
        same(lasts[expr], rows, relative, absolute)
    # Rates: the first sample of a window is one bucket later than the raw one.
    rows, _ = ranges(s, 'increase(app_requests_total[6h])', begin + 6 * HOUR_S, end - DAY_S, 2 * HOUR_S)
    same(rate, rows, 0.01)
    rows, _ = ranges(s, 'rate(app_requests_total[5m])', begin, end - DAY_S, 2 * HOUR_S)
    same(short, rows, 0.6)  # of five minutes, a minute at each end
    # One answer across the border: no gap, no value that is a false reset.
    rows, stats = ranges(s, 'increase(app_requests_total[1h])', end - 2 * DAY_S, end, 600)
    for values in rows.values():
        assert len(values) == 2 * DAY_S // 600 + 1
        assert all(1000 < v < 10000 for v in values.values())
    # And the answer says where it comes from.
    told = infos(s, 'increase(app_requests_total[1h])', end - 2 * DAY_S, end, 600)
    assert len(told) == 1 and told[0].startswith('PromQL info: answered from 1m roll-ups from '), told
    assert f'to {utc(end - DAY_S)} (' in told[0], told
    assert infos(s, 'app_load', end - HOUR_S, end, 600) == []
    # Labels and series are found by tiers, too.
    assert 'app' in s.json('/api/v1/label/job/values', start=begin, end=begin + HOUR_S)['data']

    after = tiers(s)
    assert after['1h']['points'] == before['1h']['points'] and after['1m']['points'] > after['5m']['points'] > 0
    report = s.json('/api/v1/storage')
    assert report['forecast']['next']['signal'] == 'metrics'
    day = report['days'][0]
    assert day['metrics_raw'] == 0 and day['metrics_1m'] > day['metrics_5m'] > day['metrics_1h'] > 0
    by_job = s.json('/api/v1/storage/sources', by='job')
    assert by_job['sources'][0]['name'] == 'app' and by_job['sources'][0]['series'] == 6


def test_the_budget_keeps_rollups_of_what_goes(copy, start):
    data, end = copy
    s = start.server(data=data)
    rolled_up(s)
    report = s.json('/api/v1/storage')
    assert report['growth']['days_measured'] == DAYS and report['growth']['bytes_per_day'] > 0
    s.stop(30)
    s = start.server(args=['--max-size', str(int(report['used_bytes'] * 0.8))], data=data)
    wait_for('use inside the budget', lambda: inside(s), 30 * SLOW, 0.2)
    report = s.json('/api/v1/storage')
    gone = [d for d in report['days'] if d['metrics_raw'] == 0]
    assert gone and all(d['metrics_1h'] for d in gone)
    assert s.value('count_over_time(app_load{instance="i0"}[1h])', end - DAYS * DAY_S + 2 * HOUR_S) == 240
    assert report['forecast']['next']['signal'] == 'metrics' and 'share' in report['forecast']['next']['reason']
    assert report['forecast']['days_left'] < 30 and report['forecast']['limited_by'] == 'budget'


def test_backfill_behind_the_raw_retention(tmp_path, start):
    """Days that are older than --retention and younger than a roll-up's: accepted in any order, answered from raw parts
    until it is quiet, then from roll-ups with the same answers; sent again nothing counts twice."""
    s = start.server(data=tmp_path / 'data', args=['--retention', '1d'])
    day = last_midnight() - 40 * DAY_S
    rnd = random.Random(3)
    points = [(round(50 + 40 * math.sin(i / 300) + rnd.random(), 2), (day + i * STEP_S) * 1000)
              for i in range(DAY_S // STEP_S)]
    shuffled = rnd.sample(points, len(points))

    def send(samples):
        for at in range(0, len(samples), 1000):
            r = s.remote_write(wire.remote_write_body([wire.series({'__name__': 'app_load', 'job': 'late'},
                                                                  samples[at:at + 1000])]))
            assert r.status_code in (200, 204), r.text
    send(shuffled)
    begin, end = day + 2 * HOUR_S, day + 23 * HOUR_S
    want = {}
    exact = [e for e in EXACT if 'requests' not in e]
    for expr in exact:
        want[expr], stats = ranges(s, expr, begin, end, 600)
        assert resolution(stats) == 0
    s.stop(30)
    s = start.server(data=tmp_path / 'data', args=['--retention', '1d'])  # what it had is in a part now
    wait_for('raw gone', lambda: tiers(s)['raw'].get('oldest_ms', 2**62) > (day + DAY_S) * 1000, 60 * SLOW, 0.5)
    for round_ in range(2):
        for expr in exact:
            rows, stats = ranges(s, expr, begin, end, 600)
            assert resolution(stats) == 60000, expr
            same(want[expr], rows)
        send(points[:3000])  # a sender that tries again, in the head


def test_a_tiny_budget_never_stops_ingest(tmp_path, start):
    """History of months, oldest and newest mixed, and live samples into a budget that holds a fraction of them: nothing
    is refused, the disk stays inside, and what is live is answered from its raw samples."""
    budget = 8000000
    s = start.server(data=tmp_path / 'data', args=['--max-size', str(budget), '--retention', '10d'])
    rnd = random.Random(9)
    midnight = last_midnight()
    sent = 0
    until = time.monotonic() + 40 * SLOW
    while time.monotonic() < until or sent < 60:
        day = midnight - rnd.randrange(1, 120) * DAY_S
        t = day + rnd.randrange(20) * HOUR_S
        late = [wire.series({'__name__': 'late', 'n': str(i), 'job': 'history'},
                            [(rnd.random(), (t + k * STEP_S) * 1000) for k in range(240)]) for i in range(40)]
        now = int(time.time() * 1000)
        live = wire.series({'__name__': 'live', 'job': 'now'}, [(float(sent), now)])
        r = s.remote_write(wire.remote_write_body([*late, live]))
        assert r.status_code in (200, 204), (sent, r.status_code, r.text)
        assert s.value('live') == sent
        sent += 1
        time.sleep(0.1)
        if sent % 10 == 0:
            report = s.json('/api/v1/storage')
            assert report['used_bytes'] < 10 * budget, report['used_bytes']  # a burst, until the next round
    wait_for('use inside the budget', lambda: inside(s), 120 * SLOW, 0.5)
    report = s.json('/api/v1/storage')
    assert report['tiers'][0]['bytes'] > 0
    assert s.value('count_over_time(live[1h])') == sent
    assert s.metric('bongsu_tsdb_samples_rejected_total', reason='too_old') in (None, 0)
    s.stop(60)  # what is in the head belongs to a hundred days, a part each


def inside(s):
    report = s.json('/api/v1/storage')
    return 0 < report['used_bytes'] <= report['budget_bytes']


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 MiB."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', str(disk)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip('this needs to mount a file system: ' + mount.stderr.decode())
    yield disk
    subprocess.run(['umount', '-l', str(disk)], check=False)


def test_a_full_file_system_degrades_and_recovers(small_disk, start):
    s = start.server(data=small_disk / 'data', args=['--min-free', '0B'])
    end = last_midnight()
    fill(s, end - DAYS * DAY_S, end, 12)
    s.stop(30)
    s = start.server(data=small_disk / 'data', args=['--min-free', '500KiB'])
    rolled_up(s)

    def ingested():
        point = wire.series({'__name__': 'late'}, [(1.0, int(time.time() * 1000))])
        return s.remote_write(wire.remote_write_body([point])).status_code in (200, 204)
    assert ingested()
    with open(small_disk / 'ballast', 'wb', buffering=0) as f:  # someone else fills the file system
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass
    wait_for('room made', lambda: tiers(s)['raw']['parts'] < DAYS, 90 * SLOW, 0.5)
    wait_for('ingest going on', ingested, 30 * SLOW, 0.5)
    assert tiers(s)['1h']['points'] > 0
    assert s.value('count_over_time(app_load{instance="i0"}[1h])', end - DAYS * DAY_S + 2 * HOUR_S) == 240
