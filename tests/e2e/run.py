#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts the real server with authentication and the real agent, fills in half an hour of traces and logs of a small
shop, then runs the console's browser tests against it. Usage: tests/e2e/run.py (BONGSU_BIN, BONGSU_AGENT_BIN)"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))
from harness import wire  # noqa: E402
from harness.server import Agent, Bongsu, wait_for  # noqa: E402

RNG = random.Random(1)
SERVICES = ('checkout', 'inventory', 'payment')


def order(start_ns):
    """Spans by service and log records by service of one order, as three services would report it."""
    trace_id, root = RNG.randbytes(16), RNG.randbytes(8)
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


def main():
    folder = Path(tempfile.mkdtemp(prefix='bongsu-e2e-'))
    server = Bongsu(folder, auth=True).start()
    agent, code = None, 1
    try:
        token = (server.data / 'agent.token').read_text().strip()
        agent = Agent(folder, server.url, ('--interval', '1s'), env={'BONGSU_AGENT_TOKEN': token})
        fill(server, token)
        wait_for('some seconds of host metrics', lambda: time.monotonic() - agent.started > 6, 20, 0.2)
        agent.must_live()
        env = {**os.environ, 'BONGSU_URL': server.url, 'BONGSU_SETUP_TOKEN': server.setup_token, 'BONGSU_USER': 'admin',
               'BONGSU_PASSWORD': 'admin-password'}
        code = subprocess.run(['npm', '--prefix', 'web', 'run', '--silent', sys.argv[1] if len(sys.argv) > 1 else 'e2e'],
                              cwd=ROOT, env=env).returncode
    finally:
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
