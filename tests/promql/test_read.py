# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads from Bongsu: over remote read it answers queries about samples it never had, and it scrapes
/federate."""
import time

import pytest
import requests

import dataset
from harness import wire
from harness.server import wait_for
from test_differential import Peer, difference

QUERIES = ['load1', 'rate(cpu_seconds_total{mode="user"}[5m])', 'sum by (job) (up)', '{"http.servers"}',
           '{"http.server.requests"}', 'special{kind=~"n.*|inf"}', 'load1{instance!="a:9100"}', 'cpu_seconds_total{cpu!~"1|2"}']


@pytest.fixture(scope='module')
def pair(start_shared, prometheus3):
    ours = start_shared.server()
    base_ms = int(time.time() - 7200 - 1800) // 3600 * 3600 * 1000
    dataset.write(ours.url, dataset.build(base_ms))
    host = ours.url.split('//')[1]
    peer = Peer(start_shared, 'reader', prometheus3, config=f'''
remote_read: [{{url: "{ours.url}/api/v1/read", read_recent: true}}]
scrape_configs:
  - job_name: federate
    scrape_interval: 1s
    honor_labels: true
    metrics_path: /federate
    params: {{"match[]": ['{{__name__=~"fed.*"}}', 'fed_b']}}
    static_configs: [{{targets: ["{host}"]}}]
''')
    return ours, peer, base_ms // 1000


@pytest.mark.parametrize('expr', QUERIES)
def test_remote_read(pair, expr):
    ours, peer, base = pair
    params = {'query': expr, 'start': base + 60, 'end': base + 7000, 'step': 61}
    want, got = (requests.post(p.url + '/api/v1/query_range', data=params, timeout=60).json() for p in (ours, peer))
    assert got['status'] == 'success', got
    assert difference(got, want, False) is None
    if 'servers' not in expr:
        assert want['data']['result']


def uvarint(data, at):
    v = shift = 0
    while True:
        b = data[at]
        at += 1
        v |= (b & 0x7f) << shift
        shift += 7
        if b < 0x80:
            return v, at


def fields(data):
    """(number, value) of a protobuf message of varints and bytes."""
    at = 0
    while at < len(data):
        tag, at = uvarint(data, at)
        v, at = uvarint(data, at)
        if tag & 7 == 2:
            v, at = data[at:at + v], at + v
        yield tag >> 3, v


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def frames(body):
    at = 0
    while at < len(body):
        n, at = uvarint(body, at)
        crc, message = int.from_bytes(body[at:at + 4], 'big'), body[at + 4:at + 4 + n]
        assert crc == crc32c(message)
        at += 4 + n
        yield list(fields(message))


def read_request(base, name, *types):
    matcher = wire.blob(3, wire.blob(2, '__name__') + wire.blob(3, name))
    query = wire.blob(1, wire.uint(1, base * 1000) + wire.uint(2, (base + 7200) * 1000) + matcher)
    return dataset.snappy.compress(query + b''.join(wire.uint(2, t) for t in types))


def test_streamed_chunks(pair):
    """Frames of chunks for who prefers them, all samples of all series; the first type that is known counts."""
    ours, _, base = pair
    post = [requests.post(ours.url + '/api/v1/read', data=read_request(base, 'load1', *types), timeout=30,
                          headers={'Accept-Encoding': 'snappy'}) for types in ((1, 0), (7, 0, 1), (), (7,))]
    assert [r.status_code for r in post] == [200, 200, 200, 400]
    assert post[0].headers['Content-Type'] == 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse'
    assert {r.headers['Content-Encoding'] for r in post[1:3]} == {'snappy'} and 'Content-Encoding' not in post[0].headers
    samples = {}
    for frame in frames(post[0].content):
        series = [v for k, v in frame if k == 1]
        assert len(series) == 1 and all(v == 0 for k, v in frame if k == 2)
        labels = tuple(bytes(v) for k, v in fields(series[0]) if k == 1)
        chunks = [dict(fields(v)) for k, v in fields(series[0]) if k == 2]
        assert all(c[3] == 1 and c[1] <= c[2] and 0 < int.from_bytes(c[4][:2], 'big') <= 120 for c in chunks)
        assert all(a[2] < b[1] for a, b in zip(chunks, chunks[1:]))
        samples[labels] = samples.get(labels, 0) + sum(int.from_bytes(c[4][:2], 'big') for c in chunks)
    plain = dataset.snappy.decompress(post[2].content)
    result = next(v for k, v in fields(plain) if k == 1)
    want = {tuple(bytes(v) for k, v in fields(s) if k == 1): sum(k == 2 for k, _ in fields(s))
            for k, s in fields(result) if k == 1}
    assert samples == want and len(want) > 1 and min(want.values()) > 120


def test_bad_reads(pair):
    ours = pair[0]
    for body in (b'', b'\xff\xff', dataset.snappy.compress(b'\x0a\x00'), dataset.snappy.compress(b'\x0a\xff')):
        r = requests.post(ours.url + '/api/v1/read', data=body, timeout=10)
        assert r.status_code == 400, body


def test_federation(pair):
    ours, peer, _ = pair
    now = int(time.time() * 1000) - 1000
    series = {(('__name__', name), ('x', x)): [(now, v)] for name, x, v in
              (('fed_a', '1', 1.5), ('fed_a', '2', float('nan')), ('fed_b', 'q"\\', -0.25))}
    dataset.write(ours.url, series)
    text = requests.get(ours.url + '/federate', params={'match[]': ['{__name__=~"fed.*"}', 'fed_b']}, timeout=10).text
    assert text.count('# TYPE') == 2 and text.count('fed_b{') == 1 and f' {now}\n' in text

    def scraped():
        r = requests.post(peer.url + '/api/v1/query', data={'query': 'scrape_samples_scraped{job="federate"}'}, timeout=10)
        found = r.json()['data']['result']
        return found and float(found[0]['value'][1]) == 3
    wait_for('Prometheus to take all three', scraped, 15, 0.3)
    assert requests.get(ours.url + '/federate', params={'match[]': 'x{'}, timeout=10).status_code == 400
