# SPDX-License-Identifier: Apache-2.0
"""Snapshots and backups of a running server: a server started on either answers as the first one did at that
moment; a backup is incremental, notices damage, and never touches a directory in use."""
import subprocess
import time

import requests

from harness import wire
from harness.server import SERVER, SLOW, wait_for
from harness.wire import remote_write_body, series


def cli(*args, code=0):
    done = subprocess.run([SERVER, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f'{args}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr


def put(server, value, n=50):
    now = int(time.time() * 1000)
    body = remote_write_body([series({'__name__': 'backup_test', 'i': str(i), 'value': str(value)},
                                     [(value + i + k, now - 60000 + k * 1000) for k in range(30)])
                              for i in range(n)])
    answer = requests.post(server.url + '/api/v1/write', data=body, timeout=10,
                           headers={'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'})
    assert answer.status_code in (200, 204), answer.text


def total(server):
    got = requests.get(server.url + '/api/v1/query', timeout=10,
                       params={'query': 'sum(sum_over_time(backup_test[1h]))'}).json()
    assert got['status'] == 'success', got
    return float(got['data']['result'][0]['value'][1])


def test_snapshot_is_a_data_directory(tmp_path, start):
    first = start.server()
    put(first, 1)
    want = total(first)
    made = requests.post(first.url + '/api/v1/admin/tsdb/snapshot', timeout=30).json()
    assert made['status'] == 'success' and made['data']['bytes'] > 0
    put(first, 1000)
    assert total(first) > want
    listed = requests.get(first.url + '/api/v1/admin/snapshots', timeout=10).json()['snapshots']
    assert [s['name'] for s in listed] == [made['data']['name']]
    second = start.server(data=made['data']['path'])
    assert total(second) == want
    second.stop()
    gone = requests.delete(first.url + '/api/v1/admin/snapshots/' + made['data']['name'], timeout=10)
    assert gone.status_code == 204
    assert requests.get(first.url + '/api/v1/admin/snapshots', timeout=10).json()['snapshots'] == []
    for name in ('none', '%2e%2e%2fspans'):
        assert requests.delete(first.url + '/api/v1/admin/snapshots/' + name, timeout=10).status_code in (400, 404)


def test_backup_and_restore(tmp_path, start):
    server = start.server()
    repo = tmp_path / 'repo'
    put(server, 1)
    want = total(server)
    said = cli('backup', 'create', repo, '--server', server.url)
    assert 'backup 2' in said and 'new in the repository' in said
    assert requests.get(server.url + '/api/v1/admin/snapshots', timeout=10).json()['snapshots'] == []
    said = cli('backup', 'create', repo, '--data', server.data, code=1)
    assert 'a server uses' in said
    put(server, 1000)
    later = total(server)
    cli('backup', 'create', repo, '--server', server.url)
    names = [line.split(':')[0] for line in cli('backup', 'list', repo).splitlines()]
    assert len(names) == 2
    assert 'whole and undamaged' in cli('backup', 'verify', repo)
    for name, expected in ((names[0], want), (names[1], later)):
        target = tmp_path / name
        assert 'bongsu server --data' in cli('backup', 'restore', repo, name, '--data', target)
        restored = start.server(data=target)
        assert total(restored) == expected
        restored.stop()
    assert 'not empty' in cli('backup', 'restore', repo, '--data', tmp_path / names[0], code=1)
    # A stopped server's directory, log and all.
    server.stop()
    cli('backup', 'create', repo, '--data', server.data)
    target = tmp_path / 'last'
    cli('backup', 'restore', repo, '--data', target)
    restored = start.server(data=target)
    assert total(restored) == later
    assert 'removed 2 backups' in cli('backup', 'prune', repo, '--keep', '1')
    assert 'whole and undamaged' in cli('backup', 'verify', repo)


def test_backup_notices_damage(tmp_path, start):
    server = start.server()
    repo = tmp_path / 'repo'
    put(server, 1)
    cli('backup', 'create', repo, '--server', server.url)
    victim = max((p for p in (repo / 'objects').rglob('*') if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert 'damaged' in cli('backup', 'verify', repo, code=1)
    assert 'damaged' in cli('backup', 'restore', repo, '--data', tmp_path / 'r', code=1)
    assert not (tmp_path / 'r').exists()


def test_backup_says_what_is_wrong(tmp_path):
    assert 'usage' in cli('backup', code=2).lower()
    assert 'usage' in cli('backup', 'mend', tmp_path, code=2).lower()
    assert 'not a backup repository' in cli('backup', 'list', tmp_path, code=1)
    assert 'connect' in cli('backup', 'create', tmp_path / 'r', '--server', 'http://127.0.0.1:1', code=1)


WAITING = '''
redaction:
  - {detector: kr_phone, mode: hash}
sampling:
  wait: 10m
  policies:
    - {name: errors, type: errors}
'''


def trace(i):
    return i.to_bytes(16, 'big')


def put_spans(server, first, n):
    now = time.time_ns()
    spans = [wire.span(trace(i), i.to_bytes(8, 'big'), 'GET /x', now, now + 1000, status=2 * (i % 2))
             for i in range(first, first + n)]
    assert server.otlp('traces', wire.traces(spans)).status_code == 200


def hashed(server):
    """What a phone number becomes; the key of the installation decides."""
    now = time.time_ns()
    record = wire.log_record(now, 'call 010-1234-5678')
    assert server.otlp('logs', wire.logs([record])).status_code == 200
    found = server.json('/api/v1/logs', start_ms=now // 1_000_000 - 60_000, end_ms=now // 1_000_000 + 60_000, limit=1)
    assert 'hash:' in found['logs'][0]['body'], found
    return found['logs'][0]['body']


def kept(server, i):
    return server.get(f'/api/v1/traces/{trace(i).hex()}').status_code == 200


def test_what_waits_for_sampling_is_backed_up(tmp_path, start):
    """Acknowledged spans lie in the sampler's log alone until their trace is decided; hashes stay the same."""
    slow, fast = tmp_path / 'slow.yml', tmp_path / 'fast.yml'
    slow.write_text(WAITING)
    fast.write_text(WAITING.replace('10m', '500ms'))
    first = start.server(args=['--processing-config', str(slow)])
    repo = tmp_path / 'repo'
    put_spans(first, 1, 10)
    want = hashed(first)
    cli('backup', 'create', repo, '--server', first.url)
    put_spans(first, 101, 10)  # not in that backup
    made = requests.post(first.url + '/api/v1/admin/tsdb/snapshot', timeout=30).json()['data']
    assert 'whole and undamaged' in cli('backup', 'verify', repo)
    target = tmp_path / 'restored'
    cli('backup', 'restore', repo, '--data', target)
    assert (target / 'redaction.key').stat().st_mode & 0o77 == 0
    for data, more in ((target, False), (made['path'], True)):
        server = start.server(data=data, args=['--processing-config', str(fast)])
        assert hashed(server) == want
        wait_for('the decisions', lambda s=server: s.json('/api/v1/processing')['spans']['waiting_traces'] == 0, 60 * SLOW)
        assert [i for i in range(1, 11) if kept(server, i)] == [1, 3, 5, 7, 9]
        assert [i for i in range(101, 111) if kept(server, i)] == ([101, 103, 105, 107, 109] if more else [])
        assert server.stop() == 0
        assert 'whole' in cli('check', 'data', data)
    assert first.json('/api/v1/processing')['spans']['waiting_traces'] == 20  # nothing was taken from it
