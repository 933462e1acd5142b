# SPDX-License-Identifier: Apache-2.0
"""Generated LogQL over the same logs in Bongsu and in real Loki: the same lines and labels, the same series and points
to 1e-9, and refusals of the same queries."""
import json
import math
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

import dataset
from generate import Generator
from harness.server import wait_for

LOGS = int(os.environ.get('LOGQL_LOG_QUERIES', '500'))
METRICS = int(os.environ.get('LOGQL_METRIC_QUERIES', '500'))
SEEDS = [int(s) for s in os.environ.get('LOGQL_SEEDS', '11 12').split()]
BATCH = 50

CONFIG = '''
auth_enabled: false
analytics: {{reporting_enabled: false}}
server: {{http_listen_address: 127.0.0.1, http_listen_port: {http}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}, log_level: error}}
common:
  path_prefix: {folder}
  replication_factor: 1
  instance_addr: 127.0.0.1
  ring: {{kvstore: {{store: inmemory}}, instance_addr: 127.0.0.1}}
  storage: {{filesystem: {{chunks_directory: {folder}/chunks, rules_directory: {folder}/rules}}}}
schema_config:
  configs: [{{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]
memberlist: {{bind_addr: [127.0.0.1], bind_port: 0}}
pattern_ingester: {{enabled: false}}
query_range: {{align_queries_with_step: false, cache_results: false, parallelise_shardable_queries: false}}
limits_config: {{ingestion_rate_mb: 100, ingestion_burst_size_mb: 100, max_query_series: 20000, split_queries_by_interval: 0,
  query_timeout: 1m, max_query_parallelism: 2}}
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Loki:
    def __init__(self, start, folder):
        http = free_port()
        self.url = f'http://127.0.0.1:{http}'
        data = start.folder / 'loki'
        config = start.folder / 'loki.yml'
        config.write_text(CONFIG.format(http=http, grpc=free_port(), folder=data))
        self.process = start.process('loki', [f'{folder}/loki', f'-config.file={config}'])
        wait_for('Loki to be ready', self.ready, 90, 0.2)

    def ready(self):
        self.process.must_live()
        try:
            return requests.get(self.url + '/ready', timeout=5).status_code == 200
        except requests.ConnectionError:
            return False


@pytest.fixture(scope='module')
def pair(start_shared, loki):
    """(our URL, Loki's URL, begin of the data in s)"""
    base = int(time.time()) - dataset.MINUTES * 60 - 300
    base -= base % 60
    ours = start_shared.server()
    peer = Loki(start_shared, loki)
    for url in (ours.url, peer.url):
        r = requests.post(url + '/loki/api/v1/push', json={'streams': dataset.build(base * dataset.NS)}, timeout=30)
        assert r.status_code == 204, (url, r.text)
    return ours.url, peer.url, base


def ask(url, query, params):
    r = requests.get(url + '/loki/api/v1/' + ('query' if 'time' in params else 'query_range'),
                     params={'query': query, **params}, headers={'X-Query-Tags': 'Source=test'}, timeout=60)
    return r.status_code, r.json()['data'] if r.status_code == 200 else r.text.strip()


def key(labels):
    """Labels as text; what an error says is free, that it says something is not"""
    if '__error_details__' in labels:
        labels = {**labels, '__error_details__': '...'}
    return json.dumps(labels, sort_keys=True)


def lines(data):
    """{(labels, time): lines}, whatever the streams' order"""
    out = {}
    for s in data['result']:
        for v in s['values']:
            out.setdefault((key(s['stream']), v[0]), []).append(v[1])
    return {k: sorted(v) for k, v in out.items()}


def series(data):
    if data['resultType'] == 'scalar':
        return {'{}': [(0, data['result'][1])]}  # Loki's time of a folded scalar overflows
    return {key(s['metric']): s.get('values') or [s['value']] for s in data['result']}


def same_value(a, b):
    a, b = float(a), float(b)
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def differs(ours, theirs, ordered=False):
    """'' when two answers agree, else what does not"""
    if (ours[0] == 200) != (theirs[0] == 200):
        return f'ours {ours[0]} {str(ours[1])[:200]}; Loki {theirs[0]} {str(theirs[1])[:200]}'
    if ours[0] != 200:
        return ''
    a, b = ours[1], theirs[1]
    if a['resultType'] != b['resultType']:
        return f"{a['resultType']} and {b['resultType']}"
    if a['resultType'] == 'streams':
        a, b = lines(a), lines(b)
        left = [x for x in a.items() if b.get(x[0]) != x[1]]
        right = [x for x in b.items() if a.get(x[0]) != x[1]]
        return f'only ours {left[:2]}; only Loki {right[:2]}' if left or right else ''
    if ordered and not all(same_value(p['value'][1], q['value'][1]) for p, q in zip(a['result'], b['result'])):
        return 'order of the series'
    a, b = series(a), series(b)
    if a.keys() != b.keys():
        return f'series: only ours {sorted(a.keys() - b.keys())[:3]}; only Loki {sorted(b.keys() - a.keys())[:3]}'
    for k, points in a.items():
        other = b[k]
        if [p[0] for p in points] != [p[0] for p in other]:
            return f'{k}: times {[p[0] for p in points][:3]}.. ({len(points)}) and {[p[0] for p in other][:3]}.. ({len(other)})'
        for p, q in zip(points, other):
            if not same_value(p[1], q[1]):
                return f'{k} at {p[0]}: {p[1]} and {q[1]}'
    return ''


def compare(pair, queries, params):
    ours, theirs, _ = pair
    bad = []
    with ThreadPoolExecutor(2) as pool:
        for query in queries:
            a, b = pool.map(lambda url, q=query: ask(url, q, params), (ours, theirs))
            text = differs(a, b, query.startswith('sort') and 'time' in params)
            if text:
                bad.append(f'{query}\n    {text}')
    assert not bad, f'{len(bad)} of {len(queries)} differ:\n' + '\n'.join(bad[:40])


def generated(kind, seed, batch):
    g = Generator(f'{kind} {seed} {batch}')
    return [g.of(kind) for _ in range(BATCH)]


def log_params(base, batch):
    return {'start': base, 'end': base + dataset.MINUTES * 60, 'limit': (4000, 4000, 77)[batch % 3],
            'direction': ('forward', 'backward')[batch % 2]}


def metric_params(base, batch):
    if batch % 2:
        return {'time': base + 1234}
    return {'start': base + 300, 'end': base + 1500, 'step': (60, 37)[batch // 2 % 2]}


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('batch', range(LOGS // BATCH))
def test_log_queries(pair, batch, seed):
    compare(pair, generated('log', seed, batch), log_params(pair[2], batch))


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('batch', range(METRICS // BATCH))
def test_metric_queries(pair, batch, seed):
    compare(pair, generated('metric', seed, batch), metric_params(pair[2], batch))


def test_logcli_reads(pair, loki, tmp_path):
    """The command line client of Loki's makers prints the same lines from both."""
    import subprocess
    base = pair[2]

    def cli(url, *args):
        run = subprocess.run([f'{loki}/logcli', f'--addr={url}', '--quiet', *args], cwd=tmp_path, timeout=60,
                             capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-2000:]
        return run.stdout

    span = [f'--from={time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base))}',
            f'--to={time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base + 1800))}']
    for args in (['query', '--limit=200', '--forward', '-o', 'raw', *span, '{app="cart"} |= "error"'],
                 ['query', '--limit=50', '-o', 'jsonl', *span, '{app="shop"} | json | status>=500'],
                 ['labels', *span], ['labels', *span, 'app'], ['series', *span, '{env="prod"}']):
        ours, theirs = (cli(url, *args) for url in pair[:2])
        ours = [line for line in ours.splitlines() if line != 'detected_level']  # a label for selectors here
        assert sorted(ours) == sorted(theirs.splitlines()), args
        assert ours, args
