#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU and time of queries over native histograms, the server beside a current Prometheus with the same data.
Usage: bench/histogram_queries.py [--series 200] [--points 480] [--rounds 5] [--keep FOLDER]
Needs a release build (or BONGSU_BIN) and tools/prometheus3. Answers must be alike before anything is timed."""
import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT / 'tests/integration'))

from harness import wire  # noqa: E402
from test_native_histograms import Hist, difference, series  # noqa: E402

STEP_S = 15
QUERIES = {
    'quantile of sum of rate': 'histogram_quantile(0.99, sum by (job) (rate(lat[5m])))',
    'sum of rate': 'sum(rate(lat[5m]))',
    'count of rate': 'sum(histogram_count(rate(lat[5m])))',
    'rate of one job': 'rate(lat{job="0"}[5m])',
    'quantile of each': 'histogram_quantile(0.9, lat)',
}


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def cpu_s(pid):
    f = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf('SC_CLK_TCK')


def ready(url):
    for _ in range(300):
        try:
            if requests.get(url + '/-/ready', timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise SystemExit(f'{url} does not come up')


def bodies(args, start_ms):
    """Latencies of about 45 buckets: log-normal, a different centre each."""
    rnd = random.Random(3)
    for n in range(args.series):
        buckets, total, points = {}, 0.0, []
        centre = rnd.uniform(-20, 0)
        for k in range(args.points):
            for _ in range(30 if k else 400):
                i = round(rnd.gauss(centre, 8))
                buckets[i] = buckets.get(i, 0) + 1
                total += 2 ** (i / 8)
            points.append((start_ms + k * STEP_S * 1000, Hist(3, dict(buckets), total_sum=total)))
        yield wire.remote_write_body([series({'__name__': 'lat', 'instance': str(n), 'job': str(n % 10)}, points)])


def ask(url, path, **params):
    return requests.post(url + path, data=params, timeout=120).json()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--series', type=int, default=200)
    p.add_argument('--points', type=int, default=480)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--only', choices=('bongsu', 'prometheus'))
    p.add_argument('--query', default='', help='only those whose name has this in it')
    p.add_argument('--kind', default='', help='instant or range only')
    p.add_argument('--pause', action='store_true', help='wait before the queries, for a profiler')
    args = p.parse_args()
    folder = Path(tempfile.mkdtemp(prefix='bongsu-bench-'))
    ours = os.environ.get('BONGSU_BIN', str(ROOT / 'build/release/bongsu'))
    theirs = subprocess.run([ROOT / 'tools/prometheus3'], capture_output=True, text=True, check=True).stdout.strip()
    ports = free_port(), free_port()
    (folder / 'p.yml').write_text('global: {}\n')
    started = {}
    try:
        started['bongsu'] = subprocess.Popen(
            [ours, 'server', '--data', str(folder / 'b'), '--http', f'127.0.0.1:{ports[0]}', '--no-auth',
             '--otlp-grpc', '127.0.0.1:0', '--otlp-http', '127.0.0.1:0', '--query-compat', '3.5', *os.environ.get('BONGSU_ARGS', '').split()],
            stdout=subprocess.DEVNULL, stderr=open(folder / 'b.log', 'w'))
        if args.only != 'bongsu':
            started['prometheus'] = subprocess.Popen(
                [theirs, f'--config.file={folder}/p.yml', f'--storage.tsdb.path={folder}/p',
                 '--web.enable-remote-write-receiver', '--enable-feature=native-histograms',
                 f'--web.listen-address=127.0.0.1:{ports[1]}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        urls = {name: f'http://127.0.0.1:{port}' for name, port in zip(('bongsu', 'prometheus'), ports)
                if name in started}
        for url in urls.values():
            ready(url)
        start_s = int(time.time()) // 60 * 60 - args.points * STEP_S
        for body in bodies(args, start_s * 1000):
            for url in urls.values():
                r = requests.post(url + '/api/v1/write', data=body, headers={
                    'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
                    'X-Prometheus-Remote-Write-Version': '0.1.0'}, timeout=60)
                assert r.status_code in (200, 204), r.text
        if args.pause:
            print('pid', started['bongsu'].pid, flush=True)
            time.sleep(3)
        end_s = start_s + (args.points - 1) * STEP_S
        span = {'start': start_s + 300, 'end': end_s, 'step': 60}
        print(f'{"query":28} {"":8}' + ''.join(f'{n:>24}' for n in urls) + '   CPU ratio')
        for name, q in ((n, q) for n, q in QUERIES.items() if args.query in n):
            for kind, path, params in (('instant', '/api/v1/query', {'time': end_s}),
                                       ('range', '/api/v1/query_range', span)):
                if args.kind not in kind:
                    continue
                answers = [ask(u, path, query=q, **params) for u in urls.values()]
                assert len(answers) < 2 or not difference(*answers), difference(*answers)[:500]
                cells, cpu = '', {}
                for n, u in urls.items():
                    many = args.rounds * (20 if kind == 'instant' else 1)
                    before, walls = cpu_s(started[n].pid), []
                    for _ in range(many):
                        t = time.monotonic()
                        requests.post(u + path, data={'query': q, **params}, timeout=120).content
                        walls.append(time.monotonic() - t)
                    cpu[n] = (cpu_s(started[n].pid) - before) / many
                    cells += f'{statistics.median(walls) * 1000:9.1f} ms {cpu[n] * 1000:8.1f} CPU'
                ratio = f'{cpu["bongsu"] / cpu["prometheus"]:8.2f}' if len(cpu) == 2 and cpu['prometheus'] else ''
                print(f'{name:28} {kind:8}{cells} {ratio}', flush=True)
    finally:
        for c in started.values():
            c.terminate()
            c.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
