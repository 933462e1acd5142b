# SPDX-License-Identifier: Apache-2.0
"""kill -9 while four connections ingest, ten times over the same data directory: whatever was acknowledged is
there after the restart, exactly once per query."""
import os
import random
import threading
import time

import grpc
import requests

from harness import wire
from harness.server import SLOW

ROUNDS = int(os.environ.get('BONGSU_CRASH_ROUNDS', '10'))
SERIES = 20


class Sender(threading.Thread):
    """Sends batch after batch on one connection until the server dies; `acked` holds the numbers of those that
    were answered with success."""

    def __init__(self, server, round_n):
        super().__init__(daemon=True)
        self.server, self.round = server, round_n
        self.acked, self.refused = [], []

    def run(self):
        n = 0
        try:
            while True:
                if self.send(n):
                    self.acked.append(n)
                else:
                    self.refused.append(n)
                n += 1
        except (requests.RequestException, grpc.RpcError, OSError):
            pass  # the server is dead


class Samples(Sender):
    """Remote write: SERIES series, one sample each, a new millisecond per batch."""

    def run(self):
        self.http = requests.Session()
        self.base_ms = int(time.time() * 1000) - 60000
        super().run()

    def send(self, n):
        body = wire.remote_write_body([
            wire.series({'__name__': 'crash_sample', 'round': str(self.round), 's': str(s)},
                        [(n * 1000 + s, self.base_ms + n * 10)]) for s in range(SERIES)])
        r = self.http.post(self.server.url + '/api/v1/write', data=body, timeout=10,
                           headers={'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'})
        return r.status_code == 204

    def check(self, server):
        span_ms = (max(self.acked, default=0) + 2) * 10
        result = server.query(f'crash_sample{{round="{self.round}"}}[{span_ms}ms]',
                              (self.base_ms + span_ms - 5) / 1000)
        got = {s['metric']['s']: {round(t * 1000): float(v) for t, v in s['values']} for s in result}
        missing = [(n, s) for n in self.acked for s in range(SERIES)
                   if got.get(str(s), {}).get(self.base_ms + n * 10) != n * 1000 + s]
        assert not missing, f'{len(missing)} samples lost, first {missing[:3]}'
        return len(self.acked) * SERIES


def trace_id(sender, n):
    return bytes([sender.kind, sender.round]) + n.to_bytes(6, 'big') + b'crashtst'


class Spans(Sender):
    """OTLP/HTTP protobuf: ten spans of one trace per batch."""
    kind = 1

    def run(self):
        self.http = requests.Session()
        super().run()

    def body(self, n):
        now = time.time_ns()
        tid = trace_id(self, n)
        return wire.traces([wire.span(tid, bytes([k + 1]) * 8, f'op {k}', now - 1000000, now,
                                      attrs={'n': n, 'k': k, 'pad': 'x' * 50}) for k in range(10)],
                           {'service.name': 'crash'})

    def send(self, n):
        r = self.http.post(self.server.otlp_url + '/v1/traces', data=self.body(n), timeout=10,
                           headers={'Content-Type': 'application/x-protobuf'})
        return r.status_code == 200 and not r.content

    def check(self, server):
        for n in self.acked:
            trace = server.json(f'/api/v1/traces/{trace_id(self, n).hex()}')
            got = sorted((s['span_id'], s['attributes']['n'], s['attributes']['k']) for s in trace['spans'])
            assert got == [((bytes([k + 1]) * 8).hex(), n, k) for k in range(10)], f'batch {n}'
        return len(self.acked) * 10


class GrpcSpans(Spans):
    """The same over gRPC."""
    kind = 2

    def run(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            self.export = channel.unary_unary('/opentelemetry.proto.collector.trace.v1.TraceService/Export')
            Sender.run(self)

    def send(self, n):
        return self.export(self.body(n), timeout=10) == b''


class Logs(Sender):
    """OTLP/HTTP protobuf: ten records per batch."""

    def run(self):
        self.http = requests.Session()
        super().run()

    def send(self, n):
        now = time.time_ns()
        body = wire.logs([wire.log_record(now + k, f'record {n} {k}', attrs={'n': n, 'k': k}) for k in range(10)],
                         {'service.name': f'crash-logs-{self.round}'})
        r = self.http.post(self.server.otlp_url + '/v1/logs', data=body, timeout=10,
                           headers={'Content-Type': 'application/x-protobuf'})
        return r.status_code == 200 and not r.content

    def check(self, server):
        got, cursor = [], None
        while True:
            page = server.json('/api/v1/logs', service=f'crash-logs-{self.round}', limit=5000,
                               **({'cursor': cursor} if cursor else {}))
            got += [(r['attributes']['n'], r['attributes']['k']) for r in page['logs']]
            cursor = page.get('next_cursor')
            if not cursor:
                break
        assert len(got) == len(set(got)), 'a record came back twice'
        missing = {(n, k) for n in self.acked for k in range(10)} - set(got)
        assert not missing, f'{len(missing)} log records lost, first {sorted(missing)[:3]}'
        return len(self.acked) * 10


def test_kill_during_ingest(start):
    rng = random.Random(20260101)
    data = start.folder / 'data'
    done, total = [], 0
    for round_n in range(ROUNDS):
        server = start.server(data=data)
        senders = [kind(server, round_n) for kind in (Samples, Spans, GrpcSpans, Logs)]
        for s in senders:
            s.start()
        time.sleep(rng.uniform(0.2, 1.0) * SLOW)
        assert server.alive(), server.log()[-3000:]
        server.kill()
        for s in senders:
            s.join(15)
            assert not s.is_alive()
            assert s.acked, f'{type(s).__name__} sent nothing in round {round_n}'
            assert not s.refused, f'{type(s).__name__}: batches refused: {s.refused[:5]}'
        done += senders
        server = start.server(data=data)
        total += sum(s.check(server) for s in senders)
        server.kill() if round_n % 2 else server.stop()
    server = start.server(data=data)
    assert sum(s.check(server) for s in done) == total
    print(f'{total} acknowledged items survived {ROUNDS} kills')
