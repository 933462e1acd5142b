# SPDX-License-Identifier: Apache-2.0
"""Real senders: Prometheus 3 with remote write 2.0 (and 1.0), a pair of them, Telegraf."""
import http.server
import threading
import time

import pytest
import requests

from harness.server import wait_for

PAGE = '''# HELP door_requests Requests.
# TYPE door_requests counter
door_requests_total{{path="/a"}} {n} # {{trace_id="trace{n}"}} 0.5
door_requests_created{{path="/a"}} {created}
# TYPE door_seconds histogram
# UNIT door_seconds seconds
door_seconds_bucket{{le="0.1"}} {n}
door_seconds_bucket{{le="+Inf"}} {n} # {{trace_id="slow{n}"}} 1.5
door_seconds_count {n}
door_seconds_sum 3.5
# TYPE "door.utf8" gauge
{{"door.utf8","label.utf8"="x"}} 4
# EOF
'''


class Page(http.server.BaseHTTPRequestHandler):
    n = 0
    created = time.time() - 30

    def do_GET(self):
        Page.n += 1
        body = PAGE.format(n=Page.n, created=Page.created).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/openmetrics-text; version=1.0.0; escaping=allow-utf-8')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def target():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'127.0.0.1:{server.server_port}'
    server.shutdown()


def sender(start, binary, name, target, server, message, external=''):
    """A Prometheus that scrapes the target every half second and writes to the server; its URL."""
    (start.folder / f'{name}.yml').write_text(f'''
global:
  scrape_interval: 500ms
  external_labels: {{{external}}}
scrape_configs:
  - job_name: door
    static_configs: [{{targets: ['{target}']}}]
remote_write:
  - url: {server.url}/api/v1/write
    protobuf_message: {message}
    send_exemplars: true
    send_native_histograms: true
    queue_config: {{batch_send_deadline: 200ms}}
    metadata_config: {{send_interval: 2s}}
''')
    process = start.process(name, [
        binary, f'--config.file={name}.yml', f'--storage.tsdb.path={name}-data', '--web.listen-address=127.0.0.1:0',
        '--enable-feature=exemplar-storage,metadata-wal-records', '--log.level=info'])
    port = process.wait_log(r'Listening on.*?127\.0\.0\.1:(\d+)', 20).group(1)
    return f'http://127.0.0.1:{port}'


def get(url, path, **params):
    answer = requests.get(url + path, params=params, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()['data']


@pytest.mark.parametrize('message', ['io.prometheus.write.v2.Request', 'prometheus.WriteRequest'])
def test_prometheus3(start, prometheus3, target, message):
    server = start.server()
    began = time.time()
    prom = sender(start, prometheus3, 'sender', target, server, message)
    wait_for('samples', lambda: get(server.url, '/api/v1/query', query='count_over_time(door_requests_total[1m]) > 5')
             ['result'], 30)
    end = time.time() - 1
    for query in ('door_requests_total', 'door_seconds_bucket', '{"door.utf8"}', 'up'):
        ranged = {'query': query, 'start': began, 'end': end, 'step': 0.25}
        wait_for(query, lambda: get(server.url, '/api/v1/query_range', **ranged)['result'] ==
                 get(prom, '/api/v1/query_range', **ranged)['result'], 10)
        assert get(prom, '/api/v1/query_range', **ranged)['result']
    ranged = {'query': '{__name__=~"door_.*"}', 'start': began, 'end': end}
    want = get(prom, '/api/v1/query_exemplars', **ranged)
    assert sum(len(s['exemplars']) for s in want) > 4
    wait_for('exemplars', lambda: get(server.url, '/api/v1/query_exemplars', **ranged) == want, 10)
    meta = wait_for('metadata', lambda: get(server.url, '/api/v1/metadata').get('door_seconds'), 70)
    assert meta[0]['type'] == 'histogram'
    assert 'status code' not in ''.join(p.log() for p in start.all if p.name == 'sender')


def test_pair(start, prometheus3, target):
    server = start.server(args=['--ha-dedup', '--ha-failover', '3s'])
    url = server.url

    def pair():
        return {c['cluster']: c for c in requests.get(url + '/api/v1/ha', timeout=5).json()['clusters']}

    sender(start, prometheus3, 'a', target, server, 'io.prometheus.write.v2.Request', 'cluster: c, __replica__: a')
    wait_for('an election', lambda: pair().get('c', {}).get('replica') == 'a', 20)
    sender(start, prometheus3, 'b', target, server, 'prometheus.WriteRequest', 'cluster: c, __replica__: b')
    wait_for('thrown away requests', lambda: pair()['c']['dropped_requests'] > 2, 20)
    series = get(url, '/api/v1/series', **{'match[]': 'door_requests_total'})
    assert len(series) == 1 and series[0]['cluster'] == 'c' and '__replica__' not in series[0]
    assert pair()['c']['replica'] == 'a'
    next(p for p in start.all if p.name == 'a').kill()
    wait_for('failover', lambda: pair()['c']['replica'] == 'b', 20)
    now = time.time()
    wait_for('samples of b', lambda: get(url, '/api/v1/query', query='door_requests_total', time=now + 2)['result'], 20)
    assert len(get(url, '/api/v1/series', **{'match[]': 'door_requests_total'})) == 1


def test_telegraf(start, telegraf):
    server = start.server()
    (start.folder / 'telegraf.conf').write_text(f'''
[agent]
  interval = "1s"
  flush_interval = "1s"
  hostname = "box"
[[inputs.cpu]]
  percpu = false
[[inputs.mem]]
[[outputs.influxdb]]
  urls = ["{server.url}"]
  database = "one"
[[outputs.influxdb_v2]]
  urls = ["{server.url}"]
  organization = "o"
  bucket = "two"
  token = "t"
[[outputs.http]]
  url = "{server.url}/api/v1/import/prometheus"
  data_format = "prometheus"
  [outputs.http.tagpass]
    host = ["box"]
[[outputs.http]]
  url = "{server.url}/api/v1/write"
  data_format = "prometheusremotewrite"
  [outputs.http.headers]
    Content-Type = "application/x-protobuf"
    Content-Encoding = "snappy"
    X-Prometheus-Remote-Write-Version = "0.1.0"
''')
    process = start.process('telegraf', [telegraf, '--config', 'telegraf.conf'])

    def stored():
        got = get(server.url, '/api/v1/query', query='mem_total')['result']
        return {r['metric'].get('db', ''): r['metric'] for r in got}
    got = wait_for('memory of all outputs', lambda: stored() if {'one', 'two', ''} <= set(stored()) else None, 30)
    assert got['one'] == {'__name__': 'mem_total', 'db': 'one', 'host': 'box'}
    assert got[''] == {'__name__': 'mem_total', 'host': 'box'}
    for metric in ('cpu_usage_idle', 'cpu_usage_user', 'mem_available_percent'):
        def from_both(m=metric):  # the outputs write one after the other
            found = get(server.url, '/api/v1/query', query=m)['result']
            return {'one', 'two'} <= {r['metric'].get('db', '') for r in found} and found
        found = wait_for(metric + ' of both outputs', from_both, 15)
    assert ' E! ' not in process.log(), process.log()
