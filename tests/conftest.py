# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the real programs, started per test or per module, ended and checked afterwards."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

LOG_TAIL = int(os.environ.get('BONGSU_LOG_TAIL', '6000'))  # bytes of each log shown for a failure
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness.server import AGENT, SERVER, Agent, Bongsu, Process  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line('markers', 'asan: also run against the sanitized binary')
    config.addinivalue_line('markers', 'slow: takes more than 20 s')
    if not Path(SERVER).is_file():
        raise pytest.UsageError(f'{SERVER} is missing; run: make build')


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f'report_{call.when}', outcome.get_result())


class Starter:
    """Starts processes; at the end stops what still runs and looks into the logs of all."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.all = []

    def server(self, wait=True, **options):
        s = Bongsu(options.pop('folder', self.folder), **options)
        self.all.append(s)
        return s.start() if wait else s

    def agent(self, server, *args, **options):
        a = Agent(self.folder, server, args, **options)
        self.all.append(a)
        return a

    def process(self, name, cmd, **options):
        p = Process(name, [str(c) for c in cmd], self.folder, **options)
        self.all.append(p)
        return p

    def finish(self, failed):
        problems = []
        for p in reversed(self.all):
            try:
                ended = p.child.returncode  # set when the test itself ended it
                code = p.stop() if ended is None else ended
                if isinstance(p, (Bongsu, Agent)):
                    p.check_clean()
                    if ended is None and code != 0:
                        problems.append(f'{p.name} exited with {code}\n{p.log()[-3000:]}')
            except AssertionError as e:
                problems.append(str(e))
                p.kill()
        if failed or problems:
            for p in self.all:
                print(f'----- log of {p.name} ({p.log_path.name})\n{p.log()[-LOG_TAIL:]}')
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not problems, '\n'.join(problems)


def _starter(request):
    folder = tempfile.mkdtemp(prefix='bongsu-test-')
    s = Starter(folder)
    before = request.session.testsfailed
    yield s
    report = getattr(request.node, 'report_call', None)
    s.finish((report is not None and report.failed) or request.session.testsfailed > before)


@pytest.fixture
def start(request):
    """start.server(...), start.agent(...), start.process(...); all are ended after the test."""
    yield from _starter(request)


@pytest.fixture(scope='module')
def start_shared(request):
    """The same for a whole test file."""
    yield from _starter(request)


@pytest.fixture(scope='module')
def shared(start_shared):
    """One running server for all tests of a file; tests use names of their own."""
    return start_shared.server()


@pytest.fixture(scope='session')
def prometheus3():
    """The path of a current Prometheus 3, built once from the Go module proxy (minutes) and cached."""
    run = subprocess.run([HERE.parent / 'tools/prometheus3'], timeout=1100, capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, 'tools/prometheus3: ' + run.stderr[-2000:]
    return run.stdout.strip()


@pytest.fixture(scope='session')
def loki():
    """The folder of a current Loki and its logcli, built once from the Go module proxy (minutes) and cached."""
    run = subprocess.run([HERE.parent / 'tools/loki'], timeout=1800, capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, 'tools/loki: ' + run.stderr[-2000:]
    return run.stdout.strip()


@pytest.fixture(scope='session')
def otel_proto():
    """A Python with OpenTelemetry's protobuf messages, from PyPI, in a folder of its own that is made once."""
    folder = HERE.parent / 'build/venv'
    python = folder / 'bin/python'
    have = python.exists() and subprocess.run([python, '-c', 'import opentelemetry.proto']).returncode == 0
    if not have:
        subprocess.run(['/usr/bin/python3', '-m', 'venv', folder], check=True, timeout=120)
        subprocess.run([folder / 'bin/pip', 'install', '--quiet', 'opentelemetry-proto==1.36.0'], check=True, timeout=300)
    return str(python)


@pytest.fixture(scope='session')
def log_clients():
    """A Python with the clients of Fluent and Elasticsearch from PyPI, in a folder of its own that is made once."""
    folder = HERE.parent / 'build/venv-logs'
    python = folder / 'bin/python'
    have = python.exists() and subprocess.run([python, '-c', 'import elasticsearch, fluent.sender']).returncode == 0
    if not have:
        subprocess.run(['/usr/bin/python3', '-m', 'venv', folder], check=True, timeout=120)
        subprocess.run([folder / 'bin/pip', 'install', '--quiet', 'fluent-logger==0.11.1', 'elasticsearch==8.17.0'], check=True,
                       timeout=300)
    return str(python)


@pytest.fixture(scope='session')
def telegraf():
    """The path of a Telegraf, built once from the Go module proxy (minutes) and cached."""
    run = subprocess.run([HERE.parent / 'tools/telegraf'], timeout=1100, capture_output=True, text=True)
    if run.returncode == 3:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, 'tools/telegraf: ' + run.stderr[-2000:]
    return run.stdout.strip()


@pytest.fixture(scope='session')
def otel_js():
    """The folder of the OpenTelemetry JS recorder with its packages installed."""
    folder = HERE / 'integration/otel-js'
    stamp = folder / 'node_modules/.package-lock.json'
    if not stamp.is_file() or stamp.stat().st_mtime < (folder / 'package-lock.json').stat().st_mtime:
        run = subprocess.run(['npm', 'ci', '--no-fund', '--no-audit'], cwd=folder, timeout=600,
                             capture_output=True, text=True)
        assert run.returncode == 0, 'npm ci: ' + run.stderr[-2000:]
    return folder
