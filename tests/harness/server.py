# SPDX-License-Identifier: Apache-2.0
"""Runs the real programs on free ports and ends them by process id. Waiting is always bounded polling."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
SERVER = os.environ.get('BONGSU_BIN', str(ROOT / 'build/release/bongsu'))
AGENT = os.environ.get('BONGSU_AGENT_BIN', str(ROOT / 'build/release/bongsu-agent'))
SANITIZED = any(s in SERVER for s in ('/asan/', '/tsan/'))
# A sanitized binary is several times slower and larger.
SLOW = 6 if SANITIZED else 1

READY = re.compile(r'msg=ready .*?\bhttp=(\S+) otlp_grpc=(\S+) otlp_http=(\S+)')
SETUP = re.compile(r'/setup\?token=([0-9A-Za-z_-]+)')
BAD = re.compile(r'(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|stack smashing)')


def wait_for(what, check, timeout=10.0, step=0.02):
    """check() until it returns something true; that, or an error that says what never happened."""
    end = time.monotonic() + timeout * SLOW
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f'no {what} within {timeout * SLOW:g} s')
        time.sleep(step)


def rss_bytes(pid):
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid):
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Process:
    """A child with its log in a file."""

    def __init__(self, name, cmd, folder, env=None):
        self.name = name
        self.log_path = Path(folder) / f'{name}-{time.monotonic_ns()}.log'
        self.log_file = open(self.log_path, 'wb')
        clean = {k: v for k, v in os.environ.items() if not k.startswith('BONGSU_')}
        self.started = time.monotonic()
        self.child = subprocess.Popen(cmd, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log_file,
                                      stderr=self.log_file, env={**clean, **(env or {})})

    @property
    def pid(self):
        return self.child.pid

    def log(self):
        return self.log_path.read_text(errors='replace')

    def alive(self):
        return self.child.poll() is None

    def must_live(self):
        assert self.alive(), f'{self.name} ended with {self.child.returncode}:\n{self.log()[-4000:]}'

    def wait_log(self, pattern, timeout=10.0):
        def look():
            found = re.search(pattern, self.log())
            if not found:
                self.must_live()
            return found
        return wait_for(f'"{pattern}" in the log of {self.name}', look, timeout)

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.alive():
            self.child.kill()
        self.child.wait()
        self.log_file.close()

    def stop(self, timeout=5.0):
        """SIGTERM; the exit status. Not ending in time is a failure."""
        if self.alive():
            self.child.terminate()
        try:
            code = self.child.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'{self.name} did not end within {timeout * SLOW:g} s of SIGTERM:\n'
                                 + self.log()[-4000:])
        self.log_file.close()
        return code

    def check_clean(self):
        found = BAD.search(self.log())
        assert not found, f'{self.name}: {found.group(1)}\n' + self.log()[-8000:]


class Bongsu(Process):
    """The server. Doors on free ports; `url`, `otlp_url`, `grpc` are known once start() returned."""

    def __init__(self, folder, args=(), auth=False, env=None, data=None, http='127.0.0.1:0',
                 grpc='127.0.0.1:0', otlp='127.0.0.1:0', scheme='http', program=SERVER):
        self.folder = Path(folder)
        self.data = Path(data) if data else self.folder / 'data'
        cmd = [program, 'server', '--data', str(self.data)]
        for flag, value in (('--http', http), ('--otlp-grpc', grpc), ('--otlp-http', otlp)):
            if value is not None:
                cmd += [flag, value]
        if not auth:
            cmd.append('--no-auth')
        self.scheme = scheme
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = False
        self.doors = {}
        super().__init__('server', [*cmd, *args], folder, env)

    def start(self, timeout=15.0):
        """Wait until the ports are known and the store is open."""
        def ready():
            self.must_live()
            found = READY.search(self.log())
            if not found:
                return False
            self.doors = {name: address.strip('"') for name, address
                          in zip(('http', 'otlp_grpc', 'otlp_http'), found.groups())}
            try:
                return self.session.get(self.url + '/-/ready', timeout=5).status_code == 200
            except requests.ConnectionError:
                return False
        wait_for('ready server', ready, timeout, 0.005)
        return self

    def address(self, door):
        host, port = self.doors[door].rsplit(':', 1)
        return host.strip('[]'), int(port)

    @property
    def url(self):
        return f'{self.scheme}://{self.doors["http"]}'

    @property
    def otlp_url(self):
        return f'{self.scheme}://{self.doors["otlp_http"]}'

    @property
    def grpc(self):
        return self.doors['otlp_grpc']

    @property
    def setup_token(self):
        return self.wait_log(SETUP.pattern).group(1)

    def get(self, path, **params):
        return self.session.get(self.url + path, params=params, timeout=30 * SLOW)

    def json(self, path, **params):
        r = self.get(path, **params)
        assert r.status_code == 200, f'{path} {params}: {r.status_code} {r.text[:500]}'
        return r.json()

    def query(self, expr, time_s=None):
        """The result list of an instant query."""
        params = {'query': expr} | ({'time': f'{time_s:.3f}'} if time_s is not None else {})
        body = self.json('/api/v1/query', **params)
        assert body['status'] == 'success'
        return body['data']['result']

    def value(self, expr, time_s=None):
        """The single value of an instant query, None when there is no series."""
        result = self.query(expr, time_s)
        assert len(result) <= 1, f'{expr}: {len(result)} series'
        return float(result[0]['value'][1]) if result else None

    def remote_write(self, body, **headers):
        return self.session.post(self.url + '/api/v1/write', data=body, timeout=30 * SLOW, headers={
            'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
            'X-Prometheus-Remote-Write-Version': '0.1.0', **headers})

    def otlp(self, signal_name, body, url=None, **headers):
        return self.session.post(f'{url or self.otlp_url}/v1/{signal_name}', data=body, timeout=30 * SLOW,
                                 headers={'Content-Type': 'application/x-protobuf', **headers})

    def metric(self, name, **labels):
        """Sum of the samples of /metrics with this name whose labels include the given ones."""
        total = None
        for line in self.get('/metrics').text.splitlines():
            m = re.match(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', line)
            if m and m.group(1) == name:
                have = dict(re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', m.group(2) or ''))
                if all(have.get(k) == v for k, v in labels.items()):
                    total = (total or 0) + float(m.group(3))
        return total


class Agent(Process):
    def __init__(self, folder, server, args=(), env=None):
        super().__init__('agent', [AGENT, '--server', server, '--state-dir', str(Path(folder) / 'agent-state'), *args], folder, env)
