# SPDX-License-Identifier: Apache-2.0
"""bongsu import DIR: blocks written by real Prometheus come over whole; both answer the same afterwards."""
import json
import math
import random
import socket
import subprocess
import time

import requests

from harness.server import SERVER, wait_for
from test_native_histograms import difference

STEP, POINTS = 30, 2000


def expositions(start):
    rnd = random.Random(7)
    lines = ['# TYPE app_requests counter']
    for i in range(20):
        total = 0
        for k in range(POINTS):
            total += rnd.randrange(50)
            if rnd.random() < 0.002:
                total = 0
            lines.append(f'app_requests_total{{instance="host-{i}",path="/a \\"b\\" \u2603"}} {total} {start + k * STEP}')
    lines.append('# TYPE temperature gauge')
    for k in range(POINTS):
        value = rnd.choice([rnd.gauss(20, 5), rnd.gauss(0, 1e-9), 1e300, float(k), 'NaN', '+Inf'])
        lines.append(f'temperature {value} {start + k * STEP}')
    return '\n'.join(lines + ['# EOF', ''])


def blocks(folder, start):
    source, out = folder / 'in.om', folder / 'blocks'
    source.write_text(expositions(start))
    subprocess.run(['promtool', 'tsdb', 'create-blocks-from', 'openmetrics', str(source), str(out)], check=True,
                   capture_output=True, timeout=120)
    return out


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def values(url, query, start, end):
    got = requests.get(url + '/api/v1/query_range', timeout=30,
                       params={'query': query, 'start': start, 'end': end, 'step': 300}).json()
    assert got['status'] == 'success', got
    return {tuple(sorted(s['metric'].items())): s['values'] for s in got['data']['result']}


def same(a, b):
    assert a.keys() == b.keys() and a
    for key, points in a.items():
        assert [t for t, _ in points] == [t for t, _ in b[key]], key
        for (_, x), (_, y) in zip(points, b[key]):
            x, y = float(x), float(y)
            assert x == y or (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-9), (key, x, y)


def cli(*args, code=0):
    done = subprocess.run([SERVER, 'import', *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f'{args}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr


def test_blocks_of_prometheus(start, tmp_path):
    begin = int(time.time()) // 7200 * 7200 - 86400
    end = begin + STEP * POINTS
    folder = blocks(tmp_path, begin)
    server = start.server(args=('--query-compat', '2'))
    said = cli('--server', server.url, folder)
    assert f'{21 * POINTS} samples imported' in said
    again = cli('--server', server.url, folder)  # twice is once
    assert f'{21 * POINTS} samples imported' in again
    port = free_port()
    start.process('prometheus', ['prometheus', '--config.file=/dev/null', f'--storage.tsdb.path={folder}',
                                 f'--web.listen-address=127.0.0.1:{port}', '--storage.tsdb.retention.time=10y'])
    peer = f'http://127.0.0.1:{port}'

    def ready():
        try:
            return requests.get(peer + '/-/ready', timeout=2).status_code == 200
        except requests.ConnectionError:
            return False
    wait_for('Prometheus', ready, 30)
    for query in ('app_requests_total', 'temperature', 'rate(app_requests_total[10m])',
                  'count_over_time({__name__=~".+"}[1h])', 'sum(increase(app_requests_total[1h]))'):
        same(values(peer, query, begin, end), values(server.url, query, begin, end))


def test_damage_is_named(start, tmp_path):
    begin = int(time.time()) // 7200 * 7200 - 86400
    folder = blocks(tmp_path, begin)
    victim = sorted(folder.rglob('chunks/000001'))[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    server = start.server()
    said = cli('--server', server.url, folder, code=1)
    assert str(victim.parent.parent) in said and 'damaged' in said
    assert 'which form' in cli('--server', server.url, tmp_path / 'in.om.x', code=2)


def test_blocks_with_native_histograms(start, tmp_path, prometheus3):
    """A current Prometheus scrapes itself: exponential histograms over protobuf, and the classic ones of text as histograms
    with custom bounds. Its snapshot is imported; both then answer alike."""
    port = free_port()
    peer = f'http://127.0.0.1:{port}'
    here = {'static_configs': [{'targets': [f'127.0.0.1:{port}']}]}
    (tmp_path / 'p.yml').write_text(json.dumps({
        'global': {'scrape_interval': '250ms', 'scrape_timeout': '250ms'},
        'scrape_configs': [{'job_name': 'native', 'scrape_protocols': ['PrometheusProto'], **here},
                           {'job_name': 'custom', 'scrape_protocols': ['PrometheusText0.0.4'],
                            'convert_classic_histograms_to_nhcb': True, **here}]}))
    start.process('prometheus', [prometheus3, f'--config.file={tmp_path}/p.yml', f'--storage.tsdb.path={tmp_path}/data',
                                 '--web.enable-admin-api', '--enable-feature=native-histograms',
                                 f'--web.listen-address=127.0.0.1:{port}'])

    def ask(url, **params):
        return requests.get(url + '/api/v1/query_range', params=params, timeout=30).json()

    def grown():
        try:
            found = requests.get(peer + '/api/v1/query', timeout=5, params={
                'query': 'count_over_time(up[1m]) > 40'}).json()
        except requests.RequestException:
            return False
        return len(found['data']['result']) == 2
    wait_for('forty scrapes', grown, 60)
    end = int(time.time())
    name = requests.post(peer + '/api/v1/admin/tsdb/snapshot', timeout=30).json()['data']['name']
    server = start.server()
    said = cli('--server', server.url, tmp_path / 'data/snapshots' / name)
    assert int(said.split(' of them native histograms')[0].split(', ')[-1]) > 500
    assert 'passed over' not in said
    window = {'start': end - 20, 'end': end - 1, 'step': 1}
    for query in ('{job="native"}', '{job="custom"}', 'histogram_quantile(0.9, rate({job=~".+"}[3s]))',
                  'histogram_sum(prometheus_http_request_duration_seconds)'):
        diff = difference(ask(server.url, query=query, **window), ask(peer, query=query, **window))
        assert diff == '', (query, diff)
    histograms = [r for r in ask(server.url, query='{job=~"native|custom"}', **window)['data']['result']
                  if 'histograms' in r]
    assert len(histograms) > 10 and {r['metric']['job'] for r in histograms} == {'native', 'custom'}
