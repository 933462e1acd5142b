# SPDX-License-Identifier: Apache-2.0
"""Snapshots and backups of a running server: a server started on either answers as the first one did at that
moment; a backup is incremental, notices damage, and never touches a directory in use."""
import subprocess
import time

import requests

from harness.server import SERVER
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
