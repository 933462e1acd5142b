# SPDX-License-Identifier: Apache-2.0
"""bongsu import DIR: blocks written by real Prometheus come over whole; both answer the same afterwards."""
import math
import random
import socket
import subprocess
import time

import requests

from harness.server import SERVER, wait_for

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
