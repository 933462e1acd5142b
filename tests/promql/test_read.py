# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads from Bongsu: over remote read it answers queries about samples it never had, and it scrapes
/federate."""
import time

import pytest
import requests

import dataset
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
