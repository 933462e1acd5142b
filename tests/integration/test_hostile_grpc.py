# SPDX-License-Identifier: Apache-2.0
"""Hostile input on the gRPC port: gRPC status codes for bad calls, floods of frames end the connection or are
absorbed, the server stays useful. Runs against the sanitized binary too."""
import gzip
import os
import random
import socket
import struct
import time

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

from harness import wire
from harness.server import SANITIZED, rss_bytes

pytestmark = pytest.mark.asan
MIB = 1 << 20
TRACE = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
SERVICES = [TRACE, '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
            '/opentelemetry.proto.collector.logs.v1.LogsService/Export']
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server()
    useful(s)
    s.start_rss = rss_bytes(s.pid)
    return s


@pytest.fixture(autouse=True)
def survives(server):
    yield
    server.must_live()
    useful(server)
    if not SANITIZED:
        assert rss_bytes(server.pid) - server.start_rss < 128 * MIB


def call(server, method, body, timeout=20, **kw):
    with grpc.insecure_channel(server.grpc, options=[('grpc.max_send_message_length', -1)]) as channel:
        return channel.unary_unary(method)(body, timeout=timeout, **kw)


def useful(s):
    now = time.time_ns()
    assert call(s, TRACE, wire.traces([wire.span(os.urandom(16), os.urandom(8), 'alive', now, now)])) == b''


def code_of(server, method, body, **kw):
    with pytest.raises(grpc.RpcError) as e:
        call(server, method, body, **kw)
    assert e.value.details(), 'a status without a message'
    return e.value.code()


@pytest.mark.parametrize('method', SERVICES)
@pytest.mark.parametrize('body', [b'\xff' * 100, b'\x0a\xff\xff\xff\xff\x0f', b'\x0a\x05\x12\x03\x12\x80'], ids=repr)
def test_bad_message(server, method, body):
    assert code_of(server, method, body) == grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_method(server):
    assert code_of(server, '/no.such.Service/Export', b'') == grpc.StatusCode.UNIMPLEMENTED


def test_too_large_message(server):
    assert code_of(server, TRACE, b'\x0a' * (200 * MIB), timeout=60) in (
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


def test_gzip_bomb(server):
    before = rss_bytes(server.pid)
    with grpc.insecure_channel(server.grpc, options=[('grpc.max_send_message_length', -1)]) as channel:
        with pytest.raises(grpc.RpcError) as e:
            channel.unary_unary(TRACE)(bytes(512 * MIB if not SANITIZED else 128 * MIB), timeout=60,
                                       compression=grpc.Compression.Gzip)
    assert e.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    if not SANITIZED:
        assert rss_bytes(server.pid) - before < 128 * MIB


def test_gzip_is_understood(server):
    now = time.time_ns()
    body = wire.traces([wire.span(os.urandom(16), os.urandom(8), 'gz', now, now)])
    assert call(server, TRACE, body, compression=grpc.Compression.Gzip) == b''


class H2:
    """One HTTP/2 connection with a well-behaved protocol machine."""

    def __init__(self, server):
        self.socket = socket.create_connection(server.address('otlp_grpc'), timeout=10)
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
        self.conn.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.conn.data_to_send())

    def headers(self, path=TRACE, **extra):
        return [(':method', 'POST'), (':scheme', 'http'), (':path', path), (':authority', 'x'), ('te', 'trailers'),
                ('content-type', 'application/grpc'), *[(k.replace('_', '-'), v) for k, v in extra.items()]]

    def request(self, headers, data):
        """Send one request; the answer's headers and trailers as a dictionary, '' key: reset or closed."""
        sid = self.conn.get_next_available_stream_id()
        self.conn.send_headers(sid, headers)
        for at in range(0, len(data), 16000):
            self.conn.send_data(sid, data[at:at + 16000])
        self.conn.end_stream(sid)
        self.flush()
        got = {}
        while True:
            data = self.socket.recv(65536)
            if not data:
                return got | {'': 'closed'}
            for e in self.conn.receive_data(data):
                if isinstance(e, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    got |= {k.decode() if isinstance(k, bytes) else k: v.decode() if isinstance(v, bytes) else v
                            for k, v in e.headers}
                if isinstance(e, h2.events.StreamReset):
                    return got | {'': 'reset'}
                if isinstance(e, h2.events.StreamEnded):
                    self.flush()
                    return got
            self.flush()


GOOD = wire.traces([wire.span(b'\x05' * 16, b'\x06' * 8, 'h2', time.time_ns(), time.time_ns())])


def message(body, flag=0):
    return bytes([flag]) + struct.pack('>I', len(body)) + body


@pytest.mark.parametrize('data,extra,status', [
    (message(GOOD), {}, '0'),
    (b'', {}, None),
    (b'\x00\x00', {}, None),
    (message(GOOD)[:-3], {}, None),
    (message(GOOD) + message(GOOD), {}, None),
    (b'\x00\xff\xff\xff\xff' + GOOD, {}, None),
    (message(b'not gzip', 1), {'grpc_encoding': 'gzip'}, None),
    (message(gzip.compress(GOOD), 1), {'grpc_encoding': 'gzip'}, '0'),
    (message(gzip.compress(GOOD), 1), {}, None),
    (message(GOOD, 1), {'grpc_encoding': 'zoo'}, '12'),
    (message(GOOD, 7), {}, None),
], ids=lambda v: repr(v)[:25])
def test_framing(server, data, extra, status):
    c = H2(server)
    got = c.request(c.headers(**extra), data)
    if status == '0':
        assert got.get('grpc-status') == '0', got
    elif status:
        assert got.get('grpc-status') == status, got
    else:
        assert got.get('grpc-status', '') not in ('0',), got
        assert got, 'no answer at all'


def test_wrong_content_type(server):
    c = H2(server)
    headers = [(k, 'text/plain' if k == 'content-type' else v) for k, v in c.headers()]
    got = c.request(headers, message(GOOD))
    assert got.get(':status') == '415' or got.get('grpc-status') not in (None, '0'), got


def test_get_method(server):
    c = H2(server)
    headers = [(k, 'GET' if k == ':method' else v) for k, v in c.headers()]
    got = c.request(headers, b'')
    assert got.get(':status') in ('405', '400') or got.get('grpc-status') not in (None, '0'), got


def flood(server, frames, timeout=10, rounds=200):
    """Send frames over and over until the server ends the connection or takes them all."""
    with socket.create_connection(server.address('otlp_grpc'), timeout=timeout) as c:
        c.sendall(PREFACE + frame(4, 0, 0))
        try:
            for n in range(rounds):
                c.sendall(frames(n))
            c.settimeout(0.5)
            while c.recv(1 << 20):
                pass
        except (ConnectionError, TimeoutError):
            pass


HEADER_BLOCK = b'\x83\x86\x04\x01/\x41\x01x'  # POST, http, :path /, :authority x (HPACK static table)


@pytest.mark.parametrize('frames', [
    lambda n: b''.join(frame(1, 4, 2 * (n * 100 + i) + 1, HEADER_BLOCK) + frame(3, 0, 2 * (n * 100 + i) + 1, b'\0\0\0\x08')
                       for i in range(100)),
    lambda n: frame(4, 0, 0) * 1000,
    lambda n: frame(4, 0, 0, struct.pack('>HI', 1, 4096) * 100) * 20,
    lambda n: frame(6, 0, 0, b'\0' * 8) * 1000,
    lambda n: frame(1, 0, 1, HEADER_BLOCK) + frame(9, 0, 1, b'\x00\x01a\x01b' * 1000) * 20 if n == 0
    else frame(9, 0, 1, b'\x00\x01a\x01b' * 1000) * 20,
    lambda n: frame(8, 0, 0, struct.pack('>I', 0x7fffffff)) * 100,
    lambda n: frame(2, 0, 1, b'\0\0\0\0\x10') * 1000,
    lambda n: frame(0, 0, 0, b'x' * 1000),
    lambda n: frame(0xaa, 0xff, 0x7fffffff, b'?' * 16000),
    lambda n: b'\xff' * 16384,
    lambda n: b''.join(frame(1, 4, 2 * (n * 100 + i) + 1, HEADER_BLOCK) for i in range(100)),
], ids=['rapid reset', 'settings', 'large settings', 'ping', 'continuation', 'window overflow', 'priority',
        'data on stream 0', 'unknown frames', 'giant frames', 'streams without end'])
def test_flood(server, frames):
    flood(server, frames)


def test_not_http2(server):
    rng = random.Random(11)
    for data in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', PREFACE[:10], PREFACE, PREFACE + b'\0' * 100, rng.randbytes(5000),
                 PREFACE + rng.randbytes(5000)):
        with socket.create_connection(server.address('otlp_grpc'), timeout=3) as c:
            try:
                c.sendall(data)
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
            except OSError:
                pass


def test_slow_connections_do_not_stop_others(server):
    held = [socket.create_connection(server.address('otlp_grpc'), timeout=5) for _ in range(100)]
    for i, c in enumerate(held):
        c.sendall((PREFACE + frame(4, 0, 0) + frame(1, 4, 1, HEADER_BLOCK))[:i])
    began = time.monotonic()
    useful(server)
    assert time.monotonic() - began < 5
    for c in held:
        c.close()
