#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts the real server with authentication, scraping a small exporter (with exemplars), a target that refuses and one
that is dropped, and the real agent; fills in half an hour of traces, logs and metrics of a small shop, then runs the
console's browser tests against it. Usage: tests/e2e/run.py (BONGSU_BIN, BONGSU_AGENT_BIN)"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT / 'tests/e2e')]
import trace_data  # noqa: E402
from harness import wire  # noqa: E402
from harness.server import Agent, Bongsu, wait_for  # noqa: E402
import shop_logs  # noqa: E402

RNG = random.Random(1)
SERVICES = ('checkout', 'inventory', 'payment')
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)
TRACES = []


class Exporter(BaseHTTPRequestHandler):
    """A histogram that grows with time, each bucket with the newest trace that fell into it."""
    started = time.time()

    def do_GET(self):
        age = 10 + time.time() - self.started
        lines = ['# HELP shop_request_seconds Time a request took.', '# TYPE shop_request_seconds histogram',
                 '# UNIT shop_request_seconds seconds']
        for i, bound in enumerate((*BOUNDS, float('inf'))):
            le = '+Inf' if bound == float('inf') else str(bound)
            mark = ''
            if TRACES and i < len(BOUNDS):
                trace = TRACES[int(age) % len(TRACES)]
                mark = f' # {{trace_id="{trace}"}} {bound * 0.8:.3f} {time.time():.3f}'
            lines.append(f'shop_request_seconds_bucket{{le="{le}"}} {int(age * (i + 1) * 3)}{mark}')
        lines += [f'shop_request_seconds_count {int(age * 18)}', f'shop_request_seconds_sum {age * 4:.3f}', '# EOF', '']
        body = '\n'.join(lines).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/openmetrics-text; version=1.0.0; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


SCRAPE = '''
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{zone: blue}}}}]
  - job_name: refused
    static_configs: [{{targets: ['127.0.0.1:1']}}]
  - job_name: sorted-out
    static_configs: [{{targets: ['127.0.0.1:2']}}]
    relabel_configs: [{{source_labels: [__address__], regex: '.*:2', action: drop}}]
'''


def order(start_ns):
    """Spans by service and log records by service of one order, as three services would report it."""
    trace_id, root = RNG.randbytes(16), RNG.randbytes(8)
    TRACES.append(trace_id.hex())
    failed = RNG.random() < 0.1
    took = RNG.randint(20, 900) * 1000000
    spans = {s: [] for s in SERVICES}
    logs = {s: [] for s in SERVICES}
    spans['checkout'].append(wire.span(
        trace_id, root, 'POST /checkout', start_ns, start_ns + took, kind=2, status=2 if failed else 0,
        message='payment declined' if failed else '', links=[(RNG.randbytes(16), RNG.randbytes(8), {'reason': 'retry'})],
        attrs={'http.request.method': 'POST', 'http.route': '/checkout', 'http.response.status_code': 502 if failed else 201,
               'user.id': f'user-{RNG.randint(1, 40)}'},
        events=[(start_ns + took // 2, 'exception', {'exception.message': 'declined'})] if failed else []))
    at = start_ns + 1000000
    for service, name in (('inventory', 'GET /items/{sku}'), ('inventory', 'GET /items/{sku}'), ('payment', 'POST /charges')):
        client, server = RNG.randbytes(8), RNG.randbytes(8)
        spans['checkout'].append(wire.span(trace_id, client, name.split()[0], at, at + took // 3, root, kind=3))
        spans[service].append(wire.span(trace_id, server, name, at + 500000, at + took // 3 - 500000, client, kind=2,
                                        status=2 if failed and service == 'payment' else 0))
        at += took // 8
    logs['checkout'].append(wire.log_record(start_ns, 'order received', 9, 'INFO', {'items': 2}, trace_id, root))
    logs['payment'].append(wire.log_record(at, 'card declined: over the limit' if failed else 'card charged',
                                           17 if failed else 9, 'ERROR' if failed else 'INFO', {}, trace_id, root))
    return spans, logs


def fill(server, token):
    now = time.time_ns()
    headers = {'Authorization': f'Bearer {token}'}
    for minute in range(30):
        spans = {s: [] for s in SERVICES}
        logs = {s: [] for s in SERVICES}
        for _ in range(8):
            a, b = order(now - minute * 60 * 10**9 - RNG.randint(2, 59) * 10**9)
            for s in SERVICES:
                spans[s] += a[s]
                logs[s] += b[s]
        for s in SERVICES:
            res = {'service.name': s, 'service.namespace': 'shop', 'service.version': '1.0', 'host.name': 'shop-1',
                   'telemetry.sdk.language': 'nodejs'}
            for signal, body in (('traces', wire.traces(spans[s], res)), ('logs', wire.logs(logs[s], res))):
                r = server.otlp(signal, body, **headers)
                assert r.status_code == 200 and not r.content, r.text


def fill_metrics(server, token):
    """Half an hour of requests by route and code, and a label with as many values as a careless program makes."""
    now = int(time.time() * 1000)
    times = [now - (1800 - i * 15) * 1000 for i in range(120)]
    rows = [wire.series({'__name__': 'http_requests_total', 'job': 'shop', 'instance': f'shop-{n}:80', 'route': route,
                         'code': code}, [(i * rate * (n + 1), t) for i, t in enumerate(times)])
            for n in range(3) for route in ('/', '/checkout') for code, rate in (('200', 90), ('500', 2))]
    rows += [wire.series({'__name__': 'shop_session_events_total', 'job': 'sessions', 'instance': 'shop-1:81',
                          'session_id': f'{RNG.getrandbits(64):016x}'}, [(i, t) for i, t in enumerate(times[-4:])])
             for _ in range(1200)]
    lines = ['# TYPE checkout_seconds histogram']
    for i, bound in enumerate((*BOUNDS, float('inf'))):
        for age in range(290, 0, -15):
            at = time.time() - age
            mark = '' if bound == float('inf') else f' # {{trace_id="{TRACES[age % len(TRACES)]}"}} {bound * 0.8:.3f} {at:.3f}'
            le = '+Inf' if bound == float('inf') else bound
            lines.append(f'checkout_seconds_bucket{{le="{le}"}} {(300 - age) * (i + 1)} {at:.3f}{mark}')
    r = server.session.post(server.url + '/api/v1/import/prometheus', data='\n'.join([*lines, '# EOF', '']), timeout=30,
                            headers={'Authorization': f'Bearer {token}',
                                     'Content-Type': 'application/openmetrics-text; version=1.0.0'})
    assert r.status_code in (200, 204), r.text
    r = server.remote_write(wire.remote_write_body(rows), Authorization=f'Bearer {token}')
    assert r.status_code in (200, 204), r.text


def main():
    folder = Path(tempfile.mkdtemp(prefix='bongsu-e2e-'))
    exporter = ThreadingHTTPServer(('127.0.0.1', 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    (folder / 'prometheus.yml').write_text(SCRAPE.format(port=exporter.server_port))
    server = Bongsu(folder, ('--scrape-config', str(folder / 'prometheus.yml')), auth=True).start()
    agent, code = None, 1
    try:
        token = (server.data / 'agent.token').read_text().strip()
        agent = Agent(folder, server.url, ('--interval', '1s'), env={'BONGSU_AGENT_TOKEN': token})
        fill(server, token)
        shop_logs.fill(server, {'Authorization': f'Bearer {token}'})
        trace_data.fill(server, token)
        fill_metrics(server, token)
        wait_for('some seconds of host metrics', lambda: time.monotonic() - agent.started > 6, 20, 0.2)
        agent.must_live()
        env = {**os.environ, 'BONGSU_URL': server.url, 'BONGSU_SETUP_TOKEN': server.setup_token, 'BONGSU_USER': 'admin',
               'BONGSU_PASSWORD': 'admin-password'}
        code = subprocess.run(['npm', '--prefix', 'web', 'run', '--silent', sys.argv[1] if len(sys.argv) > 1 else 'e2e'],
                              cwd=ROOT, env=env).returncode
    finally:
        exporter.shutdown()
        for p in (agent, server):
            if p is not None:
                ended = p.stop()
                p.check_clean()
                if ended != 0:
                    print(p.log()[-4000:])
                    code = 1
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == '__main__':
    sys.exit(main())
