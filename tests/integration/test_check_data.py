# SPDX-License-Identifier: Apache-2.0
"""bongsu check data: whole directories are whole, every kind of damage is named, repairs keep what can be kept, and
the server starts and answers afterwards."""
import subprocess
import time

import requests

from harness.server import SERVER
from harness.wire import log_record, logs, remote_write_body, series, span, traces


def check(*args, code=0):
    done = subprocess.run([SERVER, 'check', 'data', *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f'{args}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr


def fill(server, n=300):
    now = int(time.time() * 1000)
    body = remote_write_body([series({'__name__': 'check_test', 'i': f'{i:04}'},
                                     [(i * 1000.5 + (k * k * 7919 % 1000) / 7, now - 600000 + k * 2000) for k in range(300)])
                              for i in range(n)])
    answer = requests.post(server.url + '/api/v1/write', data=body, timeout=20,
                           headers={'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'})
    assert answer.status_code in (200, 204), answer.text
    answer = requests.post(server.otlp_url + '/v1/logs', timeout=20, headers={'Content-Type': 'application/x-protobuf'},
                           data=logs([log_record(now * 1000000 + k, f'line {k} of many') for k in range(500)]))
    assert answer.status_code == 200, answer.text


def count(server):
    got = requests.get(server.url + '/api/v1/query', timeout=20, params={'query': 'count(count_over_time(check_test[1h]))'})
    result = got.json()['data']['result']
    return int(result[0]['value'][1]) if result else 0


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x55
    path.write_bytes(content)


def filled(start, kill=False):
    server = start.server()
    fill(server)
    assert count(server) == 300
    if kill:
        server.kill()
    else:
        server.stop()
    return server.data


def test_whole(start):
    data = filled(start)
    said = check(data)
    assert 'whole' in said and 'DAMAGED' not in said


def test_in_use_and_usage(start, tmp_path):
    server = start.server()
    assert 'a server uses' in check(server.data, code=2)
    assert 'usage' in check(code=2)
    assert 'not a data directory' in check(tmp_path, code=2)


def test_damaged_samples_are_salvaged(start):
    data = filled(start)
    part = max((data / 'metrics/blocks').rglob('data'), key=lambda p: p.stat().st_size)
    flip(part, part.stat().st_size // 2)
    said = check(data, code=1)
    assert 'DAMAGED' in said and str(part.parent) in said and 'series cannot be read' in said
    said = check(data, '--repair')
    assert 'REPAIRED' in said and 'series lost' in said
    assert 'whole' in check(data)
    server = start.server(data=data)
    assert 0 < count(server) <= 300
    assert any((data / 'metrics/quarantine').iterdir())


def test_damaged_index_is_put_aside(start):
    data = filled(start)
    part = max((data / 'metrics/blocks').rglob('index'), key=lambda p: p.stat().st_size)
    flip(part, part.stat().st_size // 2)
    assert 'checksum of the index' in check(data, code=1)
    server = start.server(data=data)  # starts without it, and says so
    server.wait_log('damaged part put aside')
    assert count(server) == 0
    fill(server)
    assert count(server) == 300
    server.stop()
    assert 'whole' in check(data)


def test_damaged_logs_are_put_aside(start):
    data = filled(start)
    part = next((data / 'logs/parts').rglob('data'))
    flip(part, part.stat().st_size // 2)
    assert 'DAMAGED' in check(data, code=1)
    assert 'REPAIRED' in check(data, '--repair')
    server = start.server(data=data)
    assert count(server) == 300
    server.stop()
    assert 'whole' in check(data)


def test_damaged_log_of_writes_is_named(start):
    data = filled(start, kill=True)
    assert 'whole' in check(data)
    segment = max((data / 'metrics/wal').iterdir(), key=lambda p: p.stat().st_size)
    flip(segment, segment.stat().st_size // 2)
    said = check(data, code=1)
    assert str(segment) in said and 'damaged at byte' in said
    server = start.server(data=data)
    server.wait_log('damaged log')


SAMPLING = '''
sampling:
  wait: 10m
  policies:
    - {name: errors, type: errors}
'''


def test_log_of_sampling_and_key_of_redaction(start, tmp_path):
    rules = tmp_path / 'rules.yml'
    rules.write_text(SAMPLING)
    server = start.server(args=['--processing-config', str(rules)])
    now = time.time_ns()
    for i in range(1, 21):
        body = traces([span(i.to_bytes(16, 'big'), i.to_bytes(8, 'big'), 'GET /x', now, now + 1000, status=2)])
        assert server.otlp('traces', body).status_code == 200
    server.kill()
    data = server.data
    said = check(data)
    assert 'whole' in said
    segment = max((data / 'sampling').iterdir(), key=lambda p: p.stat().st_size)
    flip(segment, segment.stat().st_size // 2)
    said = check(data, code=1)
    assert str(segment) in said and 'damaged at byte' in said
    key = data / 'redaction.key'
    whole = key.read_bytes()
    assert len(whole) == 32
    key.write_bytes(whole[:31])
    said = check(data, code=1)
    assert str(key) in said and '31 bytes instead of 32' in said
    key.write_bytes(whole)
    again = start.server(data=data, args=['--processing-config', str(rules)])
    again.wait_log('damaged log')
    left = again.json('/api/v1/processing')['spans']['waiting_traces']
    assert 0 < left < 20
    again.stop()
    assert 'whole' in check(data)
