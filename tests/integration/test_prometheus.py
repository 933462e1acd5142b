# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus scrapes the real node_exporter and remote-writes ten minutes of it; then both answer
the same PromQL range queries, series by series, to 1e-9.

Ten minutes pass in half one: a relay takes a live scrape of node_exporter each time Prometheus asks and stamps
it 15 s after the one before. (Stamps run ahead of the clock because Prometheus remote-writes only samples newer
than its own start; both programs accept ten minutes of that.)"""
import http.server
import math
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness.server import wait_for

STEP_S, SCRAPES = 15, 40

QUERIES = r'''
node_load1
{__name__=~"node_memory_(MemTotal|MemAvailable|Cached)_bytes"}
node_cpu_seconds_total{mode!~"idle|iowait",cpu="0"}
rate(node_cpu_seconds_total[1m])
irate(node_cpu_seconds_total{mode="user"}[2m])
increase(node_network_receive_bytes_total[2m])
sum by (mode) (rate(node_cpu_seconds_total[1m]))
sum without (cpu, mode) (rate(node_cpu_seconds_total[2m]))
1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))
avg(node_load1)
max by (mode) (node_cpu_seconds_total)
min without (cpu) (node_cpu_seconds_total)
count by (mode) (node_cpu_seconds_total)
stddev by (mode) (node_cpu_seconds_total)
stdvar(node_load5)
topk(3, node_cpu_seconds_total)
bottomk(2, node_cpu_seconds_total{mode="user"})
quantile by (mode) (0.7, node_cpu_seconds_total)
count_values("load", round(node_load1, 0.5))
group by (mode) (node_cpu_seconds_total)
node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes
100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)
node_filesystem_avail_bytes / on (instance, device, mountpoint, fstype) node_filesystem_size_bytes < 0.99
node_cpu_seconds_total{mode="user"} / ignoring (mode) group_left sum without (mode) (node_cpu_seconds_total)
node_load1 > bool node_load5
node_load1 and node_load5 > 0
node_load1 or node_load5
node_load1 unless node_load15 < 0
avg_over_time(node_load1[2m])
min_over_time(node_memory_MemFree_bytes[1m])
max_over_time(node_memory_MemFree_bytes[90s])
sum_over_time(node_load1[1m])
count_over_time(node_load1[1m])
stddev_over_time(node_memory_MemFree_bytes[2m])
stdvar_over_time(node_load1[2m])
quantile_over_time(0.9, node_load1[3m])
last_over_time(node_load1[30s])
present_over_time(node_load1[30s])
absent(node_no_such_metric{a="b"})
absent_over_time(node_no_such_metric[1m])
changes(node_memory_MemFree_bytes[2m])
resets(node_cpu_seconds_total[3m])
delta(node_memory_MemFree_bytes[2m])
idelta(node_memory_MemFree_bytes[2m])
deriv(node_memory_MemFree_bytes[3m])
predict_linear(node_memory_MemFree_bytes[3m], 3600)
holt_winters(node_load1[3m], 0.5, 0.3)
node_load1 offset 1m
rate(node_cpu_seconds_total{mode="system"}[1m] offset 2m)
max_over_time(rate(node_cpu_seconds_total{mode="user"}[1m])[3m:30s])
avg_over_time(node_load1[2m:15s])
abs(node_load1 - node_load5)
ceil(node_load1) + floor(node_load5) - round(node_load15)
clamp(node_load1, 0.1, 0.5)
clamp_min(node_load1, 1) * clamp_max(node_load5, 1)
exp(node_load1) + ln(node_load1 + 1) + log2(node_load1 + 1) + log10(node_load1 + 1) + sqrt(node_load1)
sgn(node_load1 - 1)
sin(node_load1) + cos(node_load1) + tan(node_load1) + atan(node_load1)
node_memory_MemTotal_bytes % 1000 ^ 2
node_load1 atan2 node_load5
label_replace(node_cpu_seconds_total{mode="user"}, "core", "core-$1", "cpu", "(\\d+)")
label_join(node_filesystem_size_bytes, "where", ":", "device", "mountpoint")
sort_desc(node_load1)
time() - node_boot_time_seconds
timestamp(node_load1)
vector(1) + scalar(node_load1)
hour(vector(1700000000)) + minute() * 0 + day_of_week() * 0
days_in_month(node_boot_time_seconds)
histogram_quantile(0.9, rate(prometheus_like_request_seconds_bucket[1m]))
sum(rate(prometheus_like_request_seconds_sum[1m])) / sum(rate(prometheus_like_request_seconds_count[1m]))
histogram_quantile(0.5, sum by (le) (prometheus_like_request_seconds_bucket))
node_network_info
sum by (device) (rate(node_disk_read_bytes_total[1m]) + rate(node_disk_written_bytes_total[1m]))
-node_load1
node_load1 == node_load1
1 + 2 * 3
"a string is not a range query"
rate(node_load1)
sum by (mode) (node_cpu_seconds_total
node_cpu_seconds_total * on (mode) node_cpu_seconds_total
'''.strip().splitlines()

# Shapes node_exporter itself lacks: a classic histogram, a gauge with NaN, Inf and a gap.
EXTRA_BUCKETS = (0.1, 0.5, 1, 5)


def extra_lines(k, stamp):
    total = 10 * k + k * k
    out = []
    for i, le in enumerate((*EXTRA_BUCKETS, math.inf)):
        bound = '+Inf' if le == math.inf else f'{le:g}'
        out.append(f'prometheus_like_request_seconds_bucket{{le="{bound}"}} {total * (i + 1) // 5} {stamp}')
    out.append(f'prometheus_like_request_seconds_sum {total * 0.7} {stamp}')
    out.append(f'prometheus_like_request_seconds_count {total} {stamp}')
    if k % 7 != 3:
        value = {5: 'NaN', 6: '+Inf', 8: '-Inf'}.get(k % 11, str(k * 1.1))
        out.append(f'odd_gauge{{name="with \\"quotes\\" and 한글"}} {value} {stamp}')
    return out


class Relay(http.server.BaseHTTPRequestHandler):
    """Serves live scrapes of node_exporter with stamps 15 s apart."""
    source, base_ms, served, lock = '', 0, 0, threading.Lock()

    def do_GET(self):
        cls = type(self)
        with cls.lock:
            if cls.served == 0:
                cls.base_ms = int(time.time()) * 1000 + 2000
            k = min(cls.served, SCRAPES)
            if cls.served <= SCRAPES:
                cls.body = self.restamp(requests.get(cls.source, timeout=5).text, k)
            cls.served += 1
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.end_headers()
        self.wfile.write(cls.body)

    def restamp(self, text, k):
        stamp = type(self).base_ms + k * STEP_S * 1000
        lines = [line if line.startswith('#') or not line else f'{line} {stamp}' for line in text.splitlines()]
        return '\n'.join(lines + extra_lines(k, stamp) + ['']).encode()

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def pair(start_shared, request):
    """(bongsu, prometheus url, start s, end s) with the same ten minutes in both."""
    bongsu = start_shared.server(args=['--query-compat', '2'])
    node = start_shared.process('node_exporter', ['/usr/bin/prometheus-node-exporter',
                                                  '--web.listen-address=127.0.0.1:0', '--no-collector.systemd'])
    address = node.wait_log(r'Listening on" address=(127\.0\.0\.1:\d+)').group(1)
    Relay.source = f'http://{address}/metrics'
    Relay.served = 0
    relay = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Relay)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    request.addfinalizer(relay.shutdown)
    (start_shared.folder / 'prometheus.yml').write_text(f'''
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: node
    honor_timestamps: true
    static_configs: [{{targets: ["127.0.0.1:{relay.server_port}"]}}]
remote_write:
  - url: {bongsu.url}/api/v1/write
    queue_config: {{batch_send_deadline: 500ms}}
    metadata_config: {{send_interval: 1s}}
''')
    prom = start_shared.process('prometheus', [
        '/usr/bin/prometheus', '--config.file=prometheus.yml', '--storage.tsdb.path=prom-data',
        '--web.listen-address=127.0.0.1:0', '--log.level=info'])
    address = prom.wait_log(r'(?:Listening on"|Start listening for connections"|listening on") address=(127\.0\.0\.1:\d+)',
                            20).group(1)
    if address.endswith(':0'):
        address = listening(prom.pid)
    url = f'http://{address}'
    wait_for('40 scrapes', lambda: Relay.served > SCRAPES + 1, 60, 0.2)
    start_s = Relay.base_ms // 1000
    end_s = start_s + SCRAPES * STEP_S

    def counted(base):
        """Samples of some series of each kind; -1 for none."""
        found = []
        for name in ('node_cpu_seconds_total', 'node_load1', 'node_memory_MemFree_bytes', 'node_filesystem_size_bytes',
                     'node_network_receive_bytes_total', 'odd_gauge', 'prometheus_like_request_seconds_count'):
            r = requests.post(base + '/api/v1/query', timeout=10, data={
                'query': f'sum(count_over_time({name}[{SCRAPES * STEP_S + 5}s]))', 'time': end_s}).json()
            assert r['status'] == 'success', f'{base}: {r}'
            result = r['data']['result']
            found.append(float(result[0]['value'][1]) if result else -1)
        return found

    wait_for('the same number of samples in both', lambda: counted(url) == counted(bongsu.url), 30, 0.3)
    assert min(counted(bongsu.url)) >= SCRAPES * 0.8
    return bongsu, url, start_s, end_s


def listening(pid):
    """The loopback port a process listens on, from /proc."""
    import os
    inodes = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        target = os.readlink(f'/proc/{pid}/fd/{fd}')
        if target.startswith('socket:['):
            inodes.add(target[8:-1])
    for table in ('tcp', 'tcp6'):
        for line in open(f'/proc/net/{table}').readlines()[1:]:
            f = line.split()
            if f[3] == '0A' and f[9] in inodes:
                return f'127.0.0.1:{int(f[1].rsplit(":", 1)[1], 16)}'
    raise AssertionError('not listening')


def ask(url, expr, start_s, end_s):
    r = requests.post(url + '/api/v1/query_range', timeout=60, data={
        'query': expr, 'start': start_s, 'end': end_s, 'step': STEP_S})
    body = r.json()
    if body['status'] == 'error':
        return r.status_code, body['errorType']
    assert body['data']['resultType'] == 'matrix'
    return {tuple(sorted(s['metric'].items())): s['values'] for s in body['data']['result']}


def same_number(a, b):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= 1e-9 * max(abs(x), abs(y))


def difference(want, got):
    """None when both answers agree, else the first thing that differs."""
    if not isinstance(want, dict) or not isinstance(got, dict):
        return None if want == got else f'Prometheus {want!r:.300}, Bongsu {got!r:.300}'
    if want.keys() != got.keys():
        return f'series only in Prometheus {list(want.keys() - got.keys())[:3]}, ' \
               f'only in Bongsu {list(got.keys() - want.keys())[:3]}'
    for labels, values in want.items():
        if [t for t, _ in values] != [t for t, _ in got[labels]]:
            return f'{labels}: points at other times ({len(values)} and {len(got[labels])})'
        for (t, x), (_, y) in zip(values, got[labels]):
            if not same_number(x, y):
                return f'{labels} at {t}: Prometheus {x}, Bongsu {y}'
    return None


@pytest.mark.parametrize('expr', QUERIES)
def test_same_answer(pair, expr):
    bongsu, prom, start_s, end_s = pair
    want = ask(prom, expr, start_s, end_s)
    got = ask(bongsu.url, expr, start_s, end_s)
    found = difference(want, got)
    assert found is None, found


def test_queries_have_answers(pair):
    """The comparison above means something: most queries return many points."""
    _, prom, start_s, end_s = pair
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda q: ask(prom, q, start_s, end_s), QUERIES))
    full = [a for a in answers if isinstance(a, dict) and sum(len(v) for v in a.values()) >= 10]
    assert len(full) >= 60


def test_odd_values_survive(pair):
    bongsu, prom, start_s, end_s = pair
    expr = 'odd_gauge'
    want = ask(prom, expr, start_s, end_s)
    values = {v for series in want.values() for _, v in series}
    assert {'NaN', '+Inf', '-Inf'} <= values
    assert difference(want, ask(bongsu.url, expr, start_s, end_s)) is None


def test_metadata_arrives(pair):
    bongsu = pair[0]

    def load1():
        data = bongsu.json('/api/v1/metadata', metric='node_load1')['data']
        return data.get('node_load1')
    (found,) = wait_for('metadata of node_load1', load1, 10, 0.2)
    assert found['type'] == 'gauge' and 'load' in found['help']


def test_series_and_labels_agree(pair):
    bongsu, prom, start_s, end_s = pair
    for path, params in (('/api/v1/labels', {'match[]': 'node_cpu_seconds_total'}),
                         ('/api/v1/label/mode/values', {}),
                         ('/api/v1/label/__name__/values', {'match[]': '{__name__=~"node_memory.*"}'}),
                         ('/api/v1/series', {'match[]': 'node_cpu_seconds_total{cpu="0"}'})):
        params = {**params, 'start': start_s, 'end': end_s}
        want = requests.get(prom + path, params=params, timeout=10).json()
        got = bongsu.json(path, **params)
        key = (lambda d: sorted(map(str, d))) if path.endswith('series') else (lambda d: d)
        norm = (lambda d: sorted(tuple(sorted(s.items())) for s in d)) if path.endswith('series') else key
        assert norm(got['data']) == norm(want['data']), path


PROMTOOL = [
    (['query', 'instant'], ['node_load1'], r'node_load1\{.*\} =>'),
    (['query', 'range', '--step=15s'], ['node_load1'], r'node_load1\{'),
    (['query', 'series', '--match=node_load1'], [], r'node_load1'),
    (['query', 'labels'], ['mode'], r'idle'),
]


@pytest.mark.parametrize('command,rest,says', PROMTOOL, ids=lambda v: '-'.join(v) if isinstance(v, list) else None)
def test_promtool(pair, start, command, rest, says):
    bongsu, _, start_s, end_s = pair
    times = {'instant': [f'--time={end_s}'], 'range': [f'--start={start_s}', f'--end={end_s}'],
             'series': [f'--start={start_s}', f'--end={end_s}'], 'labels': []}[command[1]]
    p = start.process('promtool', ['/usr/bin/promtool', *command, *times, bongsu.url, *rest])
    assert p.child.wait(20) == 0, p.log()
    assert re.search(says, p.log()), p.log()[:500]


def test_promtool_checks_own_metrics(pair, start):
    bongsu = pair[0]
    text = bongsu.get('/metrics').text
    (start.folder / 'metrics.txt').write_text(text)
    p = start.process('promtool', ['/bin/sh', '-c', '/usr/bin/promtool check metrics < metrics.txt'])
    assert p.child.wait(20) == 0, p.log()
    assert 'bongsu_' in text or 'process_' in text
