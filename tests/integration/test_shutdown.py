# SPDX-License-Identifier: Apache-2.0
"""SIGTERM while everything is busy: queries whose answers are read slowly, writers on every door, live tails, scrape,
rules, exports, snapshots and roll-ups. The server ends with status 0 in time, each time, and starts again on its data."""
import http.server
import random
import socket
import threading
import time

import pytest
import requests

from harness import wire
from harness.server import SLOW

DAY_S = 86400
PAGE = ''.join(f'# TYPE busy_{i} counter\nbusy_{i}{{a="1"}} {i}\n' for i in range(200)).encode()
RULES = '\n'.join(['groups:', '- name: busy', '  interval: 1s', '  rules:'] + [
    f'  - {{record: "r{i}", expr: "sum by (i) (rate(load{{i!=\\"{i}\\"}}[1h]))"}}' for i in range(20)])


@pytest.fixture
def target():
    """A scrape target that takes its time, so that scrapes are always in flight."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(random.random() * 0.4)
            self.send_response(200)
            self.send_header('Content-Type', 'text/plain; version=0.0.4')
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args):
            pass

    server = Server(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield '127.0.0.1:%d' % server.server_address[1]
    server.shutdown()
    server.server_close()


def old_samples(s, end_s):
    """Two ended days of 200 series: what roll-ups work on after the next start."""
    for t0 in range(end_s - 2 * DAY_S, end_s, DAY_S // 2):
        rows = [(float(t % 997), t * 1000) for t in range(t0, t0 + DAY_S // 2, 300)]
        body = [wire.series({'__name__': 'load', 'i': str(i), 'job': 'old'}, rows) for i in range(200)]
        r = s.remote_write(wire.remote_write_body(body))
        assert r.status_code in (200, 204), r.text


class Load:
    """Threads that keep a server busy until it is gone. Each has connections of its own and expects them to break."""

    def __init__(self, s, end_s):
        self.s, self.end_s = s, end_s
        self.over = threading.Event()
        self.answers = {}
        self.threads = [threading.Thread(target=self.run, args=(fn,)) for fn in (
            self.range_query, self.slow_reader, self.slow_export, self.half_body, self.write, self.write_otlp,
            self.tail, self.snapshot, self.status, self.status)]
        for t in self.threads:
            t.start()

    def run(self, fn):
        session = requests.Session()
        session.trust_env = False
        while not self.over.is_set():
            try:
                fn(session)
                self.answers[fn.__name__] = self.answers.get(fn.__name__, 0) + 1
            except (OSError, KeyError, requests.RequestException):  # KeyError: an error answer
                self.over.wait(0.01)

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()

    def query_path(self):
        return (f'/api/v1/query_range?query=load&start={self.end_s - 2 * DAY_S}&end={self.end_s}&step=60')

    def range_query(self, session):
        session.get(self.s.url + self.query_path().replace('=load', '=rate(load[1h])'), timeout=20)

    def read_slowly(self, path):
        """A large answer of which a small receive buffer takes little at a time."""
        with socket.socket() as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.settimeout(5)
            c.connect(self.s.address('http'))
            c.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
            while not self.over.is_set() and c.recv(1024):
                self.over.wait(0.02)

    def slow_reader(self, _):
        self.read_slowly(self.query_path())

    def slow_export(self, _):
        self.read_slowly(f'/api/v1/export?match[]=load&start={self.end_s - 2 * DAY_S}&end={self.end_s}')

    def half_body(self, _):
        """A body that comes in over a second or so: some end just when the server stops."""
        body = f'query=load&start={self.end_s - DAY_S}&end={self.end_s}&step=300'.encode()
        with socket.create_connection(self.s.address('http'), timeout=20) as c:
            c.sendall(b'POST /api/v1/query_range HTTP/1.1\r\nHost: x\r\n'
                      b'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n' % len(body))
            for i in range(0, len(body), 4):
                c.sendall(body[i:i + 4])
                self.over.wait(0.1)
            c.recv(1024)

    def write(self, session):
        now = int(time.time() * 1000)
        rows = [wire.series({'__name__': 'fresh', 'i': str(i)}, [(1.0, now)]) for i in range(500)]
        session.post(self.s.url + '/api/v1/write', data=wire.remote_write_body(rows), timeout=20, headers={
            'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
            'X-Prometheus-Remote-Write-Version': '0.1.0'})

    def write_otlp(self, session):
        body = wire.logs([wire.log_record(time.time_ns(), f'line {i}') for i in range(100)])
        session.post(self.s.otlp_url + '/v1/logs', data=body, timeout=20,
                     headers={'Content-Type': 'application/x-protobuf'})

    def tail(self, session):
        with session.get(self.s.url + '/api/v1/logs/tail', stream=True, timeout=5) as r:
            for _ in r.iter_content(256):
                if self.over.is_set():
                    return

    def snapshot(self, session):
        r = session.post(self.s.url + '/api/v1/admin/tsdb/snapshot', timeout=20)
        session.delete(self.s.url + '/api/v1/admin/snapshots/' + r.json()['data']['name'], timeout=20)
        self.over.wait(0.2)

    def status(self, session):
        session.get(self.s.url + '/metrics', timeout=20)
        session.get(self.s.url + '/api/v1/storage', timeout=20)


@pytest.mark.asan
def test_sigterm_while_everything_is_busy(start, tmp_path, target):
    end_s = int(time.time()) // DAY_S * DAY_S
    (tmp_path / 'rules.yml').write_text(RULES)
    (tmp_path / 'scrape.yml').write_text(
        'global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: busy\n  static_configs:\n'
        + f'  - targets: ["{target}"]\n'
        + ''.join(f'- job_name: busy{i}\n  static_configs: [{{targets: ["{target}"]}}]\n' for i in range(5)))
    args = ['--rules-file', str(tmp_path / 'rules.yml'), '--scrape-config', str(tmp_path / 'scrape.yml')]
    for i in range(5):
        s = start.server(data=tmp_path / 'data', args=args)
        if i == 0:
            old_samples(s, end_s)
        load = Load(s, end_s)
        try:
            time.sleep(random.Random(i).uniform(0.8, 2.2) * min(SLOW, 2))
            s.must_live()
            code = s.stop(30)
        finally:
            load.end()
        assert code == 0, f'round {i}: ended with {code}\n{s.log()[-4000:]}'
        assert load.answers.get('status') and load.answers.get('write'), load.answers
        s.check_clean()
