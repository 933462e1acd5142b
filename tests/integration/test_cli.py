# SPDX-License-Identifier: Apache-2.0
"""The command line contract: flags, ports, settings from three places, signals, start and stop, memory at rest."""
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import requests

from harness import wire
from harness.server import AGENT, SANITIZED, SERVER, SLOW, rss_bytes, wait_for

MIB = 1 << 20


def run(*args, env=None, cwd=None, timeout=20):
    clean = {k: v for k, v in os.environ.items() if not k.startswith('BONGSU_')}
    return subprocess.run([SERVER, *args], capture_output=True, text=True, timeout=timeout * SLOW, cwd=cwd,
                          stdin=subprocess.DEVNULL, env={**clean, **(env or {})})


def test_help():
    r = run('server', '--help')
    assert r.returncode == 0
    for flag in ('--data', '--http', '--otlp-grpc', '--otlp-http', '--retention', '--max-size', '--config', '--no-auth',
                 '--tls-cert', '--tls-key'):
        assert flag in r.stdout, flag
    for default in ('127.0.0.1:7800', '127.0.0.1:4317', '127.0.0.1:4318', './data'):
        assert default in r.stdout, default
    r = run('--help')
    assert r.returncode == 0 and 'server' in r.stdout
    r = subprocess.run([AGENT, '--help'], capture_output=True, text=True, timeout=10)
    assert r.returncode == 0 and '--server' in r.stdout and '--token' in r.stdout


def test_version():
    r = run('--version')
    assert r.returncode == 0 and re.search(r'\d+\.\d+\.\d+', r.stdout)


@pytest.mark.parametrize('args,says', [
    (['server', '--nonsense'], 'nonsense'),
    (['server', '--http'], 'http'),
    (['server', '--http', 'nowhere'], 'nowhere'),
    (['server', '--http', '127.0.0.1:99999'], '99999'),
    (['server', '--retention', 'soon'], 'retention'),
    (['server', '--max-size', 'big'], 'max-size'),
    (['server', '--config', '/nonexistent.yaml'], '/nonexistent.yaml'),
    (['server', '--tls-cert', '/nonexistent.pem'], 'tls'),
    (['server', '--no-auth', '--http', '0.0.0.0:0'], 'no-auth'),
    (['server', '--no-auth', '--otlp-grpc', '0.0.0.0:0', '--http', '127.0.0.1:0'], 'no-auth'),
    (['nonsense'], 'nonsense'),
], ids=' '.join)
def test_bad_command_line(args, says, tmp_path):
    r = run(*args, cwd=tmp_path)
    assert r.returncode != 0
    assert says in r.stderr, r.stderr


def test_free_ports_are_logged(start):
    s = start.server()
    ports = {s.address(d)[1] for d in ('http', 'otlp_grpc', 'otlp_http')}
    assert len(ports) == 3 and 0 not in ports
    assert all(s.address(d)[0] == '127.0.0.1' for d in s.doors)


def test_empty_address_turns_a_door_off(start):
    s = start.server(grpc='', otlp='')
    assert not s.doors.get('otlp_grpc') and not s.doors.get('otlp_http')
    now = time.time_ns()
    r = s.session.post(s.url + '/otlp/v1/traces', data=wire.traces([wire.span(b'a' * 16, b'b' * 8, 'x', now, now)]),
                       headers={'Content-Type': 'application/x-protobuf'}, timeout=5)
    assert r.status_code == 200


def settings(server):
    return {k['key']: (k['value'], k['origin']) for k in server.json('/api/v1/status/config')['data']['keys']}


def test_flag_beats_environment_beats_file(start):
    config = start.folder / 'bongsu.yaml'
    config.write_text('storage:\n  retention: 3d\n  max_size: 3GB\n')
    env = {'BONGSU_STORAGE_MAX_SIZE': '4GB', 'BONGSU_STORAGE_RETENTION': '4d'}
    s = start.server(args=['--config', str(config), '--retention', '5d'], env=env, data=start.folder / 'one')
    have = settings(s)
    assert have['storage.retention'] == ('5d', 'flag')
    assert have['storage.max_size'] == ('4GB', 'environment')
    assert have['query.lookback'][1] == 'default'
    s = start.server(args=['--config', str(config)], data=start.folder / 'two')
    assert settings(s)['storage.retention'] == ('3d', 'file')
    flags = s.json('/api/v1/status/flags')['data']
    assert any('retention' in k for k in flags)


def test_config_error_names_the_place(start):
    config = start.folder / 'bad.yaml'
    config.write_text('storage:\n  retention: 3d\nno_such_key: 1\n')
    r = run('server', '--data', str(start.folder / 'd'), '--config', str(config))
    assert r.returncode != 0
    assert 'no_such_key' in r.stderr and re.search(r'bad\.yaml.*\b3\b', r.stderr), r.stderr


def test_port_in_use(start):
    s = start.server()
    r = run('server', '--data', str(start.folder / 'other'), '--http', s.doors['http'], '--otlp-grpc', '', '--otlp-http', '')
    assert r.returncode != 0 and s.doors['http'].split(':')[1] in r.stderr


def test_two_servers_do_not_share_a_folder(start):
    s = start.server()
    r = run('server', '--data', str(s.data), '--http', '127.0.0.1:0', '--otlp-grpc', '', '--otlp-http', '')
    assert r.returncode != 0 and str(s.data.name) in r.stderr


def test_term_ends_quickly_and_keeps_everything(start):
    s = start.server()
    now = int(time.time() * 1000)
    for i in range(20):
        s.remote_write(wire.remote_write_body([wire.series({'__name__': 'kept', 'i': str(i)}, [(i, now)])]))
    began = time.monotonic()
    s.signal(signal.SIGTERM)
    assert s.child.wait(5 * SLOW) == 0
    assert time.monotonic() - began < 5 * SLOW
    again = start.server(data=s.data)
    assert again.value('sum(kept)') == sum(range(20))
    assert again.value('count(kept)') == 20


def test_interrupt_ends_too(start):
    s = start.server()
    s.signal(signal.SIGINT)
    assert s.child.wait(5 * SLOW) == 0


def test_term_with_open_requests(start):
    """A live tail and an idle connection do not hold the server up."""
    s = start.server()
    tail = s.session.get(s.url + '/api/v1/logs/tail', stream=True, timeout=10)
    assert tail.status_code == 200
    idle = requests.Session()
    idle.get(s.url + '/-/healthy', timeout=5)
    s.signal(signal.SIGTERM)
    assert s.child.wait(5 * SLOW) == 0


@pytest.mark.asan
def test_stop_under_load(start):
    """Requests that were let in finish or are refused; the process ends cleanly and keeps what it accepted."""
    s = start.server()
    end, accepted, odd = threading.Event(), [0] * 4, []

    def send(i):
        session = requests.Session()
        n = 0
        while not end.is_set():
            now = time.time_ns()
            body = wire.logs([wire.log_record(now, f'stop {i} {n} {k}') for k in range(200)])
            try:
                r = session.post(s.otlp_url + '/v1/logs', data=body, timeout=20 * SLOW,
                                 headers={'Content-Type': 'application/x-protobuf'})
            except requests.ConnectionError:
                return
            if r.status_code == 200:
                accepted[i] += 200
            elif r.status_code != 503:
                odd.append((r.status_code, r.text[:200]))
            n += 1

    threads = [threading.Thread(target=send, args=(i,)) for i in range(len(accepted))]
    for t in threads:
        t.start()
    wait_for('accepted logs', lambda: sum(accepted) >= 4000, 20)
    s.signal(signal.SIGTERM)
    code = s.child.wait(10 * SLOW)
    end.set()
    for t in threads:
        t.join()
    assert code == 0, s.log()[-3000:]
    assert not odd
    again = start.server()
    now = int(time.time() * 1000)
    counts = again.json('/api/v1/logs/histogram', start_ms=now - 600000, end_ms=now + 60000, buckets=10)
    assert sum(sum(x['counts']) for x in counts['series']) >= sum(accepted)


def test_hangup_reloads(start):
    config = start.folder / 'bongsu.yaml'
    config.write_text('log:\n  level: info\n')
    s = start.server(args=['--config', str(config)])
    config.write_text('log:\n  level: debug\n')
    s.signal(signal.SIGHUP)
    s.wait_log(r'reload', 5)
    wait_for('the new level', lambda: settings(s)['log.level'][0] == 'debug', 5)
    config.write_text('log: [broken\n')
    s.signal(signal.SIGHUP)
    s.wait_log(r'level=(error|warn).*(reload|config)', 5)
    s.must_live()
    assert settings(s)['log.level'][0] == 'debug'


@pytest.mark.skipif(SANITIZED, reason='measures the release build')
def test_start_is_quick(start):
    best = 9.0
    for i in range(3):
        s = start.server(data=start.folder / f'empty-{i}', wait=False)
        s.start()
        best = min(best, time.monotonic() - s.started)
        s.stop()
    assert best < 0.2, f'{best * 1000:.0f} ms'


@pytest.mark.skipif(SANITIZED, reason='measures the release build')
def test_memory_at_rest(start):
    s = start.server()
    a = start.agent(s.url)
    for path in ('/', '/api/v1/status/server', '/metrics'):
        s.get(path)
    wait_for('host metrics', lambda: s.query('{__name__=~"system_cpu.*"}'), 30, 0.2)
    time.sleep(1)
    server_mib, agent_mib = rss_bytes(s.pid) / MIB, rss_bytes(a.pid) / MIB
    print(f'server {server_mib:.1f} MiB, agent {agent_mib:.1f} MiB')
    assert server_mib <= 64
    assert agent_mib <= 20


def newest(folder, pattern):
    files = [p for p in Path(folder).rglob(pattern) if p.is_file() and p.stat().st_size > 0]
    return max(files, key=lambda p: (p.stat().st_mtime, p.name)) if files else None


@pytest.mark.parametrize('damage', ['cut', 'flip', 'zeros', 'garbage'])
def test_corrupt_wal_tail_is_cut(start, damage):
    s = start.server()
    now = int(time.time() * 1000)
    for i in range(50):
        assert s.remote_write(wire.remote_write_body([
            wire.series({'__name__': 'tail', 'i': str(i)}, [(i, now)])])).status_code == 204
    s.kill()
    segments = [p for p in s.data.rglob('*') if p.is_file() and 'wal' in str(p.relative_to(s.data)).lower() and p.stat().st_size]
    assert segments, 'no WAL file found'
    victim = max(segments, key=lambda p: p.stat().st_size if 'metric' in str(p) or 'tsdb' in str(p) else p.stat().st_size / 2)
    data = bytearray(victim.read_bytes())
    while data and data[-1] == 0:  # a preallocated tail
        data.pop()
    if damage == 'cut':
        data = data[:-7]
    elif damage == 'flip':
        data[-5] ^= 0x40
    elif damage == 'zeros':
        data += bytes(5000)
    else:
        data += os.urandom(5000)
    victim.write_bytes(data)
    again = start.server(data=s.data)
    got = again.value('count(tail)')
    assert got >= (50 if damage in ('zeros', 'garbage') else 49), f'{got} of 50 series'
    if damage != 'zeros':
        assert re.search(r'level=(warn|error).*(cut|truncat|corrupt)', again.log(), re.IGNORECASE), again.log()[-2000:]
    assert again.remote_write(wire.remote_write_body([
        wire.series({'__name__': 'tail', 'i': 'new'}, [(1, now + 1000)])])).status_code == 204
    again.stop()
    third = start.server(data=s.data)
    assert third.value('count(last_over_time(tail[5m]))', (now + 2000) / 1000) == got + 1
