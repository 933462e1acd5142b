# SPDX-License-Identifier: Apache-2.0
"""Hostile input on the HTTP ports: the right error with a body that says what is wrong, the server alive and
useful afterwards, memory bounded. Runs against the sanitized binary too."""
import gzip
import json
import os
import random
import re
import socket
import struct
import time
import zlib

import pytest
import requests
import zstandard

from harness import wire
from harness.server import SANITIZED, rss_bytes, wait_for

pytestmark = pytest.mark.asan
MIB = 1 << 20
PROTO = {'Content-Type': 'application/x-protobuf'}
JSON = {'Content-Type': 'application/json'}


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server()
    useful(s)
    s.start_rss = rss_bytes(s.pid)
    return s


@pytest.fixture(autouse=True)
def survives(server):
    """After each test: alive, answering, and not grown without bound."""
    yield
    server.must_live()
    useful(server)
    if not SANITIZED:
        grown = rss_bytes(server.pid) - server.start_rss
        assert grown < 192 * MIB, f'grown by {grown // MIB} MiB'


def useful(s):
    now = time.time_ns()
    assert s.otlp('traces', wire.traces([wire.span(os.urandom(16), os.urandom(8), 'alive', now, now)])).status_code == 200
    assert s.query('1 + 1')[1] == '2' if isinstance(s.query('1 + 1'), list) else True
    assert s.get('/-/healthy').status_code == 200


def raw(address, data, timeout=1, half_close=True):
    """Send bytes, return what comes back until the server closes or stays silent."""
    got = b''
    with socket.create_connection(address, timeout=timeout) as c:
        try:
            c.sendall(data)
            if half_close:
                c.shutdown(socket.SHUT_WR)
            while chunk := c.recv(65536):
                got += chunk
        except OSError:
            pass  # it closed first
    return got


def check_error(r, status):
    assert r.status_code == status, f'{r.status_code}: {r.text[:300]}'
    assert r.text, 'an error without a body'


DOORS = ['http', 'otlp_http']


@pytest.mark.parametrize('door', DOORS)
@pytest.mark.parametrize('data', [
    b'\x00' * 1000, b'\xff' * 100000, b'GET', b'GET / HTTP/9.9\r\n\r\n', b'\r\n\r\n\r\n', b'POST\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    b'POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nxx',
    b'POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nx',
    b'POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort',
    b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'\x55' * 500,
    b'GET /' + b'a' * 200000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET / HTTP/1.1\r\n' + b''.join(b'X-%d: y\r\n' % i for i in range(20000)) + b'\r\n',
    b'GET / HTTP/1.1\r\nHost: x\r\nBig: ' + b'z' * (2 * MIB) + b'\r\n\r\n',
    b'GET /\x00\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET /%ff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n',
], ids=lambda d: repr(d[:24]))
def test_not_http(server, door, data):
    answer = raw(server.address(door), data)
    status = int(answer[9:12]) if answer.startswith(b'HTTP/1.') else 0
    assert status == 0 or 400 <= status < 600 or (b'HTTP/2.0' in data or data.startswith(b'GET /%ff') and status == 200), answer[:100]


@pytest.mark.parametrize('door', DOORS)
def test_random_bytes(server, door):
    rng = random.Random(7)
    for size in (1, 10, 100, 10000):
        for _ in range(5):
            raw(server.address(door), rng.randbytes(size), timeout=0.3)


def test_unknown_path_and_method(server):
    check_error(requests.get(server.url + '/api/v1/nothing', timeout=5), 404)
    check_error(requests.get(server.otlp_url + '/v1/nothing', timeout=5), 404)
    r = requests.delete(server.url + '/api/v1/query', timeout=5)
    check_error(r, 405)
    assert r.json()['status'] == 'error'
    check_error(requests.get(server.otlp_url + '/v1/traces', timeout=5), 405)
    check_error(requests.put(server.url + '/api/v1/write', timeout=5), 405)


@pytest.mark.parametrize('path', ['/../../../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/assets/..%2f..%2fetc/passwd',
                                  '//etc/passwd', '/api/v1/../../etc/passwd'])
def test_no_way_out_of_the_console(server, path):
    answer = raw(server.address('http'), b'GET ' + path.encode() + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert b'root:' not in answer


SIGNALS = ['traces', 'metrics', 'logs']


@pytest.mark.parametrize('signal', SIGNALS)
@pytest.mark.parametrize('headers,body,status', [
    ({'Content-Type': 'text/plain'}, b'x', 415),
    ({}, b'x', 415),
    (PROTO, b'\x0a\xff\xff\xff\xff\x0f', 400),
    (PROTO, b'\xff' * 100, 400),
    (PROTO, b'\x0a\x05\x12\x03\x12\x80', 400),
    (JSON, b'{"resourceSpans": [', 400),
    (JSON, b'[]', 400),
    (JSON, b'nonsense', 400),
    (JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz","spanId":1}]}]}],'
           b'"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":5}]}]}],'
           b'"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}', 400),
    (JSON, b'[' * 100000, 400),
    (JSON, b'{"a":' * 50000, 400),
    (JSON, b'\xff\xfe\x00', 400),
    ({**PROTO, 'Content-Encoding': 'gzip'}, b'not gzip', 400),
    ({**PROTO, 'Content-Encoding': 'gzip'}, gzip.compress(b'x' * 1000)[:15], 400),
    ({**PROTO, 'Content-Encoding': 'zstd'}, b'\x28\xb5\x2f\xfdgarbage', 400),
    ({**PROTO, 'Content-Encoding': 'zstd'}, zstandard.compress(b'x' * 1000)[:10], 400),
    ({**PROTO, 'Content-Encoding': 'br'}, b'x', 415),
], ids=lambda v: repr(v)[:30])
def test_bad_otlp(server, signal, headers, body, status):
    check_error(requests.post(f'{server.otlp_url}/v1/{signal}', data=body, headers=headers, timeout=20), status)


def test_otlp_error_has_the_protocols_form(server):
    r = requests.post(f'{server.otlp_url}/v1/traces', data=b'nonsense', headers=JSON, timeout=5)
    assert r.headers['Content-Type'].startswith('application/json')
    assert r.json()['message']
    r = requests.post(f'{server.otlp_url}/v1/traces', data=b'\xff\xff', headers=PROTO, timeout=5)
    assert r.headers['Content-Type'] == 'application/x-protobuf'


def gzip_bomb(size):
    c = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(MIB)
    return b''.join(c.compress(block) for _ in range(size // MIB)) + c.flush()


def zstd_bomb(size):
    c = zstandard.ZstdCompressor(level=19).compressobj()
    block = bytes(MIB)
    return b''.join(c.compress(block) for _ in range(size // MIB)) + c.flush()


def snappy_bomb(size):
    """One literal byte and copies of it, by the snappy format description."""
    out = bytearray(wire.varint(size)) + b'\x00a'
    left = size - 1
    while left > 0:
        n = min(64, left)
        out += bytes([(n - 1) << 2 | 2]) + struct.pack('<H', 1)
        left -= n
    return bytes(out)


@pytest.mark.parametrize('encoding,bomb', [('gzip', gzip_bomb), ('zstd', zstd_bomb)])
@pytest.mark.parametrize('signal', SIGNALS)
def test_compression_bomb(server, signal, encoding, bomb):
    before = rss_bytes(server.pid)
    body = bomb(512 * MIB if not SANITIZED else 256 * MIB)
    r = requests.post(f'{server.otlp_url}/v1/{signal}', data=body, headers={**PROTO, 'Content-Encoding': encoding},
                      timeout=60)
    check_error(r, 413)
    if not SANITIZED:
        assert rss_bytes(server.pid) - before < 160 * MIB


@pytest.mark.parametrize('body', [snappy_bomb(512 * MIB), wire.varint(1 << 31) + b'\x00a', wire.varint((1 << 32) - 1)],
                         ids=['copies', 'claims 2 GiB', 'claims 4 GiB'])
def test_snappy_bomb(server, body):
    r = server.remote_write(body)
    assert r.status_code in (400, 413) and r.text


def test_oversized_body(server):
    for url in (f'{server.otlp_url}/v1/traces', f'{server.url}/otlp/v1/logs', f'{server.url}/api/v1/write'):
        port = url.split('/')[2].rsplit(':', 1)[1]
        path = '/' + url.split('/', 3)[3]
        head = f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n' \
               f'Content-Length: {4096 * MIB}\r\n\r\n'.encode()
        answer = raw(('127.0.0.1', int(port)), head + b'x' * 100, half_close=False)
        assert answer.startswith(b'HTTP/1.1 413'), answer[:80]

    def endless():
        for _ in range(400):
            yield b'\x0a' * MIB
    try:
        r = requests.post(f'{server.otlp_url}/v1/traces', data=endless(), headers=PROTO, timeout=60)
        check_error(r, 413)
    except requests.ConnectionError:
        pass  # closed while we were still sending: as good


@pytest.mark.parametrize('body', [b'', b'garbage', snappy_bomb(100)[:20], b'\xff' * 50], ids=repr)
def test_bad_remote_write(server, body):
    check_error(server.remote_write(body), 400)


def write(server, *series):
    return server.remote_write(wire.remote_write_body([wire.series(*s) for s in series]))


def test_remote_write_refuses_bad_series_by_name(server):
    now = int(time.time() * 1000)
    cases = [({'a': 'no name'}, 'name'), ({'__name__': 'ok', 'l': 'x' * MIB}, 'l')]
    for labels, says in cases:
        r = write(server, (labels, [(1.0, now)]), ({'__name__': 'good_neighbour'}, [(1.0, now)]))
        check_error(r, 400)
        assert says in r.text
    assert server.value('good_neighbour') == 1  # the others were stored
    # Names are any UTF-8 since Prometheus 3.
    assert write(server, ({'__name__': 'a name', '0th': '\u2603'}, [(1.0, now)])).status_code == 204
    assert server.value('{"a name", "0th"="\u2603"}') == 1
    raw_body = wire.blob(1, wire.blob(1, wire.blob(1, '__name__') + wire.blob(2, b'bad_\xff')) +
                         wire.blob(2, wire.double(1, 1.0) + wire.uint(2, now)))
    import snappy
    check_error(server.remote_write(snappy.compress(raw_body)), 400)
    r = write(server, ({'__name__': 'future'}, [(1.0, now + 86400000)]))
    check_error(r, 400)


def test_not_utf8_in_otlp(server):
    now = time.time_ns()
    tid = os.urandom(16)
    bad = wire.span(tid, b'\x01' * 8, b'bad \xff\xfe name', now, now, attrs={'k': 'v'})
    r = server.otlp('traces', wire.traces([bad]))
    assert r.status_code in (200, 400)
    if r.status_code == 200:  # kept with the bytes replaced: the API's JSON must be valid UTF-8
        body = server.get(f'/api/v1/traces/{tid.hex()}').content
        assert '\ufffd' in json.loads(body.decode('utf-8'))['spans'][0]['name']


def test_deep_values(server):
    now = time.time_ns()
    value = 'leaf'
    for _ in range(60):
        value = [value]
    assert server.otlp('logs', wire.logs([wire.log_record(now, value)])).status_code in (200, 400)
    body = wire.blob(1, 'leaf')
    for _ in range(20000):
        body = wire.blob(5, wire.blob(1, body))
    record = wire.fixed64(1, now) + wire.blob(5, body)
    r = server.otlp('logs', wire.logs([record]))
    assert r.status_code in (200, 400)
    if r.status_code == 200:  # kept down to the depth limit, and counted
        cut = [l for l in server.get('/metrics').text.splitlines()
               if l.startswith('bongsu_ingest_altered_total') and 'reason="nesting_cut"' in l and 'signal="logs"' in l]
        assert cut and float(cut[0].split()[-1]) >= 1, cut


def test_bad_ids_are_refused(server):
    now = time.time_ns()
    good = wire.span(os.urandom(16), os.urandom(8), 'good', now, now)
    for tid, sid in ((b'', b'\x01' * 8), (b'\0' * 16, b'\x01' * 8), (b'\x01' * 16, b''), (b'\x01' * 5, b'\x01' * 8),
                     (b'\x01' * 16, b'\0' * 8)):
        r = server.otlp('traces', wire.traces([wire.span(tid, sid, 'bad', now, now), good]))
        assert r.status_code == 200 and r.content, 'no partial_success'
        assert b'\x08\x01' in r.content  # rejected_spans = 1


PROMQL = ['', '{', 'sum(', 'rate(x)', 'x[5m', '(' * 10000, '"' * 1001, '1 +', '\x00', 'x{a=~"("}',
          'x{a=~"(a+)+$"} ' + '+' * 5000, '-' * 50000 + '1', 'x offset 1000000y', '\u202e']


@pytest.mark.parametrize('expr', PROMQL, ids=lambda e: repr(e[:15]))
def test_bad_promql(server, expr):
    r = requests.post(server.url + '/api/v1/query', data={'query': expr}, timeout=20)
    assert r.status_code in (400, 413, 422), f'{r.status_code} {r.text[:200]}'
    assert r.json()['status'] == 'error' and r.json()['error']


@pytest.mark.parametrize('params', [
    {'start': 'x', 'end': '1', 'step': '1'}, {'start': '0', 'end': '1', 'step': '0'},
    {'start': '2', 'end': '1', 'step': '1'}, {'start': '0', 'end': '100000', 'step': '1'},
    {'start': '0', 'end': '1e300', 'step': '1'}, {'start': 'NaN', 'end': '1', 'step': '1'}, {'end': '1', 'step': '1'},
    {'start': '0', 'end': '1', 'step': '-5'}, {'start': '0', 'end': '1', 'step': '1', 'timeout': 'never'},
], ids=str)
def test_bad_range(server, params):
    r = server.get('/api/v1/query_range', query='up', **params)
    check_error(r, 400)
    assert r.json()['errorType'] == 'bad_data'


@pytest.mark.parametrize('path,params', [
    ('/api/v1/traces/xyz', {}), ('/api/v1/traces', {'limit': '0'}), ('/api/v1/traces', {'limit': '100000'}),
    ('/api/v1/traces', {'min_duration': 'x'}), ('/api/v1/traces', {'start_ms': 'x'}), ('/api/v1/traces', {'status': 'x'}),
    ('/api/v1/traces', {'attr': 'a=~('}), ('/api/v1/logs', {'severity': 'x'}), ('/api/v1/logs', {'cursor': '!!'}),
    ('/api/v1/logs', {'start_ms': '5', 'end_ms': '1'}), ('/api/v1/logs/histogram', {'buckets': '0'}),
    ('/api/v1/series', {}), ('/api/v1/series', {'match[]': '{}'}),
    ('/api/v1/traces/query', {'q': '{'}), ('/api/v1/traces/query', {'limit': '10001'}), ('/api/v1/traces/query', {'q': '{} | rate()'}),
], ids=str)
def test_bad_parameters(server, path, params):
    r = server.get(path, **params)
    check_error(r, 400)
    assert r.json()['status'] == 'error' and r.json()['error']


def test_unknown_trace(server):
    r = server.get('/api/v1/traces/' + '0123456789abcdef' * 2)
    check_error(r, 404)


def test_slow_senders_do_not_stop_others(server):
    held = []
    for door in DOORS:
        for i in range(60):
            c = socket.create_connection(server.address(door), timeout=5)
            c.sendall(b'POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n'
                      b'Content-Length: 1000\r\n\r\n'[:20 + i * 2])
            held.append(c)
    began = time.monotonic()
    useful(server)
    assert time.monotonic() - began < 3
    for c in held:
        c.close()


def test_many_connections_then_room_again(server):
    held = []
    try:
        for _ in range(1500):
            held.append(socket.create_connection(server.address('http'), timeout=1))
    except OSError:
        pass  # a limit is fine
    for c in held:
        c.close()
    wait_for('room for a request', lambda: requests.get(server.url + '/-/healthy', timeout=5).ok, 10)


def test_reader_that_leaves(server):
    """Clients that hang up in the middle of an answer."""
    now = int(time.time() * 1000)
    write(server, *[({'__name__': 'wide', 'i': str(i)}, [(float(i), now)]) for i in range(2000)])
    request = b'GET /api/v1/query?query=wide HTTP/1.1\r\nHost: x\r\n\r\n'
    for _ in range(30):
        with socket.create_connection(server.address('http'), timeout=5) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            c.sendall(request)
            c.recv(10)


def test_refused_input_is_counted(server):
    """What was refused above shows in the server's own measurements."""
    text = server.get('/metrics').text
    dropped = re.findall(r'^bongsu_\w*(?:reject|refus|drop|error)\w*(?:\{[^}]*\})? ([1-9]\d*)', text, re.MULTILINE)
    assert dropped, 'no counter of refused input moved'
