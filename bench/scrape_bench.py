#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many scrape targets on one machine: CPU, memory and connections of the server.

One process plays all targets: it listens on one port of every 127.x.y.z address, so each target is a host of its own
to the scraper. Usage: scrape_bench.py BONGSU [--targets N] [--series N] [--interval S] [--connections N] [--seconds S]"""
import argparse
import asyncio
import json
import multiprocessing
import os
import re
import resource
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


class Target(asyncio.Protocol):
    page = b''

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if data.endswith(b'\r\n\r\n'):
            self.transport.write(self.page)


def play(sock, series):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    async def run():
        loop = asyncio.get_running_loop()
        await loop.create_server(Target, sock=sock, backlog=4096)
        while True:  # values move once a second
            now = time.time()
            lines = ['# TYPE bench_requests counter\n']
            lines += [f'bench_requests_total{{path="/api/v1/{i}",method="GET",code="200"}} {int(now * (i + 1)) % 10**9}\n'
                      for i in range(series)]
            body = ''.join(lines).encode()
            Target.page = (b'HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n'
                           % len(body)) + body
            await asyncio.sleep(1)
    asyncio.run(run())


def cpu_s(pid):
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def rss_mib(pid):
    return int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text()).group(1)) / 1024


def metrics(url):
    text = urllib.request.urlopen(url + '/metrics', timeout=30).read().decode()
    return {m.group(1): float(m.group(2)) for m in re.finditer(r'^(bongsu_scrape\S+) (\S+)$', text, re.MULTILINE)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument('bongsu')
    for name, value in (('targets', 10000), ('series', 50), ('interval', 15), ('connections', 0), ('seconds', 60)):
        p.add_argument(f'--{name}', type=int, default=value)
    a = p.parse_args()
    sock = socket.create_server(('0.0.0.0', 0), backlog=4096)
    port = sock.getsockname()[1]
    targets = multiprocessing.Process(target=play, args=(sock, a.series), daemon=True)
    targets.start()
    with tempfile.TemporaryDirectory(prefix='scrape-bench-') as folder:
        (Path(folder) / 'targets.json').write_text(json.dumps([{'targets': [
            f'127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}:{port}' for i in range(a.targets)]}]))
        (Path(folder) / 'scrape.yml').write_text(
            f'global: {{scrape_interval: {a.interval}s}}\nscrape_configs:\n- job_name: bench\n'
            '  file_sd_configs: [{files: [targets.json]}]\n')
        log = open(Path(folder) / 'log', 'w+')
        server = subprocess.Popen([a.bongsu, 'server', '--data', f'{folder}/data', '--no-auth', '--http', '127.0.0.1:0',
                                   '--otlp-grpc', '', '--otlp-http', '', '--scrape-config', f'{folder}/scrape.yml',
                                   '--scrape-max-connections', str(a.connections)], stdout=log, stderr=log)
        try:
            while not (found := re.search(r'msg=ready .*?http=(\S+)', Path(log.name).read_text())):
                time.sleep(0.05)
            url = f'http://{found.group(1)}'
            time.sleep(2 * a.interval + 2)  # every series is known
            before, cpu, began = metrics(url), cpu_s(server.pid), time.monotonic()
            open_max = flight_max = 0
            while time.monotonic() - began < a.seconds:
                time.sleep(1)
                now = metrics(url)
                open_max = max(open_max, now['bongsu_scrape_connections'])
                flight_max = max(flight_max, now['bongsu_scrape_in_flight'])
            took, used = time.monotonic() - began, cpu_s(server.pid) - cpu
            d = {k: now[k] - before.get(k, 0) for k in now}
            samples, scrapes = d['bongsu_scrape_samples_total'], d['bongsu_scrape_scrapes_total{result="up"}']
            print(f'{a.targets} targets, {a.series} series each, every {a.interval} s, at most {a.connections} connections: '
                  f'{scrapes / took:.0f} scrapes/s, {samples / took:.0f} samples/s, '
                  f'{100 * used / took:.1f} % of a core, {used * 1e6 / samples:.2f} CPU s per million samples, '
                  f'{used * 1e6 / scrapes:.0f} us a scrape, RSS {rss_mib(server.pid):.0f} MiB, '
                  f'connections {open_max:.0f}, in flight at most {flight_max:.0f}, '
                  f'new connections {100 * d["bongsu_scrape_connects_total"] / scrapes:.0f} %, '
                  f'failed {d.get("bongsu_scrape_scrapes_total{result=" + chr(34) + "down" + chr(34) + "}", 0):.0f}, '
                  f'skipped {d["bongsu_scrape_skipped_intervals_total"]:.0f}, load {os.getloadavg()[0]:.1f}')
        finally:
            server.terminate()
            server.wait()
            targets.terminate()


if __name__ == '__main__':
    main()
