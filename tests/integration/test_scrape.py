# SPDX-License-Identifier: Apache-2.0
"""Scraping against real peers: node_exporter as a target, Debian's Prometheus as the oracle for targets, labels and
series from one configuration; staleness, limits, authentication, proxy and TLS against small local servers; file, HTTP
and DNS discovery. Kubernetes is a mock of the API server (list, pages, watch, bookmarks), not a cluster."""
import base64
import gzip
import http.server
import json
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from harness.server import wait_for

PAGE = '# TYPE x gauge\n# HELP x An x.\nx{a="1"} 1\nx{a="2"} 2\n'


class Site:
    """An HTTP server whose answers the test decides: pages[path] = text, (status, text) or a function of the handler."""

    def __init__(self, tls=None):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                site.seen.append((self.path, dict(self.headers)))
                url = urlsplit(self.path)
                page = site.pages.get(url.path, (404, 'nothing'))
                if callable(page):
                    page = page(self)
                    if page is None:
                        return
                status, text = page if isinstance(page, tuple) else (200, page)
                body = text if isinstance(text, bytes) else text.encode()
                self.send_response(status)
                if site.gzip and 'gzip' in self.headers.get('Accept-Encoding', ''):
                    body = gzip.compress(body)
                    self.send_header('Content-Encoding', 'gzip')
                if site.content_type:
                    self.send_header('Content-Type', site.content_type)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass

        self.pages, self.seen, self.gzip = {}, [], False
        self.content_type = 'text/plain; version=0.0.4'
        self.server = Server(('127.0.0.1', 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = '127.0.0.1:%d' % self.server.server_address[1]


@pytest.fixture
def site():
    sites = []

    def make(**options):
        sites.append(Site(**options))
        return sites[-1]
    yield make
    for s in sites:
        s.server.shutdown()
        s.server.server_close()


@pytest.fixture
def scraper(start):
    """scraper(jobs, **global) starts a server that scrapes them."""
    def make(jobs, args=(), **settings):
        path = start.folder / 'prometheus.yml'
        path.write_text(yaml.safe_dump({'global': {'scrape_interval': '300ms', 'scrape_timeout': '300ms', **settings},
                                        'scrape_configs': jobs}))
        return start.server(args=['--scrape-config', str(path), *args])
    return make


def job(address, name='j', **more):
    return {'job_name': name, 'static_configs': [{'targets': [address]}], **more}


def targets(s, state='active'):
    return s.json('/api/v1/targets', state=state)['data']['activeTargets' if state == 'active' else 'droppedTargets']


def scraped(s, n=1):
    """All targets, once each was scraped; at least n of them."""
    def look():
        found = targets(s)
        return found if len(found) >= n and all(t['health'] != 'unknown' for t in found) else None
    return wait_for('scraped targets', look, 15)


def up(s, health='up', n=1):
    def look():
        found = targets(s)
        return found if len(found) >= n and all(t['health'] == health for t in found) else None
    return wait_for(f'targets that are {health}', look, 15)


def raw(s, selector, last_s=60):
    """(time, value text) of every sample, staleness markers left out as everywhere."""
    return [(t, v) for r in s.query(f'{selector}[{last_s}s]') for t, v in r['values']]


def test_samples_and_series_about_the_scrape(site, scraper):
    web = site()
    web.gzip = True
    web.pages['/metrics'] = PAGE
    s = scraper([job(web.address, metric_relabel_configs=[{'source_labels': ['a'], 'regex': '2', 'action': 'drop'}])],
                extra_scrape_metrics=True, sample_limit=100)
    t = up(s)[0]
    assert t['labels'] == {'instance': web.address, 'job': 'j'}
    assert t['discoveredLabels'] == {
        '__address__': web.address, '__metrics_path__': '/metrics', '__scheme__': 'http',
        '__scrape_interval__': '300ms', '__scrape_timeout__': '300ms', 'job': 'j'}
    assert t['scrapeUrl'] == f'http://{web.address}/metrics' and t['lastError'] == '' and t['scrapeInterval'] == '300ms'
    assert s.json('/api/v1/scrape_pools')['data'] == {'scrapePools': ['j']}
    wait_for('two scrapes', lambda: len(raw(s, 'up')) >= 2)
    assert [r['metric'] for r in s.query('x')] == [{'__name__': 'x', 'a': '1', 'instance': web.address, 'job': 'j'}]
    for name, want in (('up', 1), ('scrape_samples_scraped', 2), ('scrape_samples_post_metric_relabeling', 1),
                       ('scrape_series_added', 0), ('scrape_timeout_seconds', 0.3), ('scrape_sample_limit', 100),
                       ('scrape_body_size_bytes', len(PAGE))):
        assert s.value(name) == want, name
    assert 0 < s.value('scrape_duration_seconds') < 5
    meta = s.json('/api/v1/targets/metadata', metric='x')['data']
    assert meta == [{'target': t['labels'], 'type': 'gauge', 'help': 'An x.', 'unit': ''}]
    assert s.json('/api/v1/targets/metadata', match_target='{job="other"}')['data'] == []
    path, headers = web.seen[0]
    assert headers['Accept'].startswith('application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,')
    assert headers['X-Prometheus-Scrape-Timeout-Seconds'] == '0.3' and headers['User-Agent'].startswith('bongsu/')
    # the planned times are exact multiples, so samples are 300 ms apart
    times = sorted({t for t, _ in raw(s, 'up')})
    assert all(abs(b - a - 0.3) < 0.15 for a, b in zip(times, times[1:]))


def test_series_that_vanish_failed_scrapes_and_targets_that_go_get_markers(site, scraper, start):
    web = site()
    web.pages['/metrics'] = PAGE
    s = scraper([job(web.address)])
    wait_for('both series', lambda: len(s.query('x')) == 2)
    web.pages['/metrics'] = 'x{a="1"} 1\n'
    wait_for('one series', lambda: [r['metric']['a'] for r in s.query('x')] == ['1'])
    web.pages['/metrics'] = (500, 'broken')
    down = up(s, 'down')
    assert down[0]['lastError'] == 'server returned HTTP status 500 Internal Server Error'
    wait_for('no series', lambda: s.query('x') == [])
    assert s.value('up') == 0
    web.pages['/metrics'] = 'x{a="1"} 1\nbroken here\n'
    wait_for('a parse error', lambda: 'line 2' in scraped(s)[0]['lastError'] or 'broken' in scraped(s)[0]['lastError'])
    assert s.query('x') == [] and s.value('up') == 0
    web.pages['/metrics'] = PAGE
    wait_for('both series again', lambda: len(s.query('x')) == 2)
    (start.folder / 'prometheus.yml').write_text('scrape_configs: []\n')
    assert s.session.post(s.url + '/-/reload').status_code == 200
    assert targets(s) == []
    wait_for('the end of all series', lambda: s.query('{job="j"}') == [])


def test_a_target_that_comes_back_keeps_its_series(site, scraper, start):
    web = site()
    web.pages['/metrics'] = PAGE
    s = scraper([job(web.address, scrape_interval='1s')])
    wait_for('series', lambda: len(s.query('x')) == 2)
    path = start.folder / 'prometheus.yml'
    path.write_text(path.read_text().replace('job_name: j', 'job_name: j\n  honor_labels: true'))
    assert s.session.post(s.url + '/-/reload').status_code == 200
    wait_for('it goes on', lambda: len(raw(s, 'up')) >= 4)
    assert len(s.query('x')) == 2
    r = s.session.post(s.url + '/-/reload') if path.write_text('scrape_configs: [{}]\n') else None
    assert r.status_code == 400 and 'prometheus.yml:1: job_name is empty' in r.json()['error']
    assert len(targets(s)) == 1


@pytest.mark.parametrize('more,page,error', [
    ({'sample_limit': 1}, PAGE, 'sample limit exceeded'),
    ({'body_size_limit': '10B'}, PAGE, 'body size limit exceeded'),
    ({'label_limit': 3}, PAGE, 'label_limit exceeded (metric: x, number of labels: 4, limit: 3)'),
    ({'label_name_length_limit': 7}, PAGE,
     'label_name_length_limit exceeded (metric: x, label name: __name__, length: 8, limit: 7)'),
    ({'label_value_length_limit': 5}, PAGE, 'label_value_length_limit exceeded (metric: x, label name: instance'),
    ({'target_limit': 1, 'static_configs': [{'targets': ['127.0.0.1:1', '127.0.0.1:2']}]}, PAGE,
     'target_limit exceeded (number of targets: 2, limit: 1)'),
    ({'metrics_path': '/none'}, PAGE, 'server returned HTTP status 404 Not Found'),
    ({'static_configs': [{'targets': ['127.0.0.1:1']}]}, PAGE, 'Get "http://127.0.0.1:1/metrics": Failed to connect'),
    ({}, lambda h: time.sleep(1) or PAGE, 'context deadline exceeded'),
], ids=lambda x: str(x)[:24] if isinstance(x, (str, dict)) else 'slow')
def test_errors_of_targets(site, scraper, more, page, error):
    web = site()
    web.pages['/metrics'] = page
    s = scraper([job(web.address) | more])
    t = up(s, 'down')
    assert all(error in x['lastError'] for x in t), t[0]['lastError']
    assert {r['value'][1] for r in s.query('up')} == {'0'}
    assert s.query('x') == []


def test_content_types(site, scraper):
    web = site()
    web.content_type = 'application/json'
    web.pages['/metrics'] = PAGE
    s = scraper([job(web.address), job(web.address, 'fallback', fallback_scrape_protocol='PrometheusText0.0.4')])
    found = {t['scrapePool']: t for t in scraped(s, 2)}
    assert found['j']['lastError'] == ('received unsupported Content-Type "application/json" and no '
                                       'fallback_scrape_protocol specified for target')
    assert found['fallback']['health'] == 'up'


def test_openmetrics_and_times(site, scraper):
    web = site()
    web.content_type = 'application/openmetrics-text; version=1.0.0'
    now = int(time.time()) - 30
    web.pages['/metrics'] = f'# TYPE c counter\n# UNIT c_seconds seconds\nc_total 5 {now}\n# EOF\n'
    s = scraper([job(web.address), job(web.address, 'own', honor_timestamps=False)])
    scraped(s, 2)
    got = {r['metric']['job']: r['value'] for r in s.query('timestamp(c_total)')}
    assert float(got['j'][1]) == now and float(got['own'][1]) > now + 20


def test_exemplars(site, scraper):
    web = site()
    web.content_type = 'application/openmetrics-text; version=1.0.0'
    now = int(time.time()) - 5
    web.pages['/metrics'] = f'# TYPE c counter\nc_total{{a="b"}} 5 # {{trace_id="abc"}} 1.5 {now}\n# EOF\n'
    s = scraper([job(web.address)])
    wait_for('two scrapes', lambda: len(raw(s, 'up')) >= 2)
    found = s.json('/api/v1/query_exemplars', query='c_total{a="b"}', start=now - 60, end=now + 60)['data']
    assert found == [{'seriesLabels': {'__name__': 'c_total', 'a': 'b', 'job': 'j', 'instance': web.address},
                      'exemplars': [{'labels': {'trace_id': 'abc'}, 'value': '1.5', 'timestamp': now}]}]


def test_start_timestamps(site, scraper):
    web = site()
    web.content_type = 'application/openmetrics-text; version=1.0.0'
    web.pages['/metrics'] = ('# TYPE c counter\nc_total{a="b"} 5\nc_created{a="b"} 1600000000.5\n'
                             '# TYPE g gauge\ng 1\n# EOF\n')
    s = scraper([job(web.address)], args=['--start-timestamps', '--query-experimental'])
    wait_for('two scrapes', lambda: len(raw(s, 'up')) >= 2)
    assert [r['value'][1] for r in s.query('start_timestamp(c_total{a="b"})')] == ['1600000000.5']
    assert [r['value'][1] for r in s.query('start_timestamp(g)')] == ['0']
    web.pages['/metrics'] = '# TYPE c counter\nc_total{a="b"} 1\nc_created{a="b"} 1700000000\n# EOF\n'
    wait_for('the new start', lambda: [r['value'][1] for r in s.query('start_timestamp(c_total)')] == ['1700000000'])


def test_labels_of_the_page_against_those_of_the_target(site, scraper):
    web = site()
    web.pages['/metrics'] = 'x{job="page",exported_job="e",instance=""} 1\n'
    s = scraper([job(web.address), job(web.address, 'honors', honor_labels=True)])
    scraped(s, 2)
    got = sorted((r['metric'] for r in s.query('x')), key=lambda m: m['job'])
    assert got == [
        {'__name__': 'x', 'job': 'j', 'exported_job': 'e', 'exported_exported_job': 'page', 'instance': web.address},
        {'__name__': 'x', 'job': 'page', 'exported_job': 'e', 'instance': web.address}]


def test_authentication_parameters_headers(site, scraper, start):
    web = site()
    web.pages['/metrics'] = PAGE
    web.pages['/token'] = lambda h: '{"access_token":"made","expires_in":3600}'
    (start.folder / 'secret').write_text('from-file\n')
    jobs = [job(web.address, 'basic', basic_auth={'username': 'u', 'password': 'p'}),
            job(web.address, 'bearer', authorization={'credentials_file': 'secret'}),
            job(web.address, 'legacy', bearer_token='old'),
            job(web.address, 'oauth', oauth2={'client_id': 'id', 'client_secret': 'sec',
                                              'token_url': f'http://{web.address}/token', 'scopes': ['a', 'b']}),
            job(web.address, 'params', params={'m': ['a b', 'c']},
                http_headers={'X-A': {'values': ['v'], 'files': ['secret']}}, enable_compression=False)]
    s = scraper(jobs)
    up(s, n=5)
    by = {}
    for path, headers in web.seen:
        by.setdefault(headers.get('Authorization'), (path, headers))
    assert 'Basic ' + base64.b64encode(b'u:p').decode() in by
    assert {'Bearer from-file', 'Bearer old', 'Bearer made', 'Basic ' + base64.b64encode(b'id:sec').decode()} <= set(by)
    path, headers = next((p, h) for p, h in web.seen if 'X-A' in h)
    assert path == '/metrics?m=a+b&m=c' and 'Accept-Encoding' not in headers


def test_proxy_and_redirects(site, scraper):
    web, proxy = site(), site()
    web.pages['/metrics'] = PAGE

    def forward(handler):
        return PAGE if handler.path.startswith(('http://far.example:80/', 'http://far.example/')) else (400, handler.path)

    def moved(handler):
        handler.send_response(302)
        handler.send_header('Location', f'http://{web.address}/metrics')
        handler.send_header('Content-Length', '0')
        handler.end_headers()
    proxy.pages['/metrics'] = forward
    web.pages['/moved'] = moved
    s = scraper([job('far.example:80', 'proxied', proxy_url=f'http://{proxy.address}'),
                 job(web.address, 'follows', metrics_path='/moved'),
                 job(web.address, 'stays', metrics_path='/moved', follow_redirects=False)])
    want = {'proxied': 'up', 'follows': 'up', 'stays': 'down'}
    found = wait_for('the proxy and the redirect', lambda: (f := {t['scrapePool']: t for t in targets(s)}) and
                     {k: v['health'] for k, v in f.items()} == want and f, 20)
    assert found['stays']['lastError'] == 'server returned HTTP status 302 Found'


def test_tls(site, scraper, start):
    cert = start.folder / 'cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                    '-keyout', str(cert), '-out', str(start.folder / 'crt'), '-days', '1', '-subj', '/CN=db.example',
                    '-addext', 'subjectAltName=DNS:db.example'], check=True, capture_output=True)
    cert.write_text(cert.read_text() + (start.folder / 'crt').read_text())
    web = site(tls=str(cert))
    web.pages['/metrics'] = PAGE
    ca = (start.folder / 'crt').read_text()
    tls = {'ca_file': 'crt', 'server_name': 'db.example'}
    s = scraper([job(web.address, 'named', scheme='https', tls_config=tls),
                 job(web.address, 'inline', scheme='https', tls_config={'ca': ca, 'server_name': 'db.example'}),
                 job(web.address, 'skips', scheme='https', tls_config={'insecure_skip_verify': True}),
                 job(web.address, 'other', scheme='https', tls_config={'ca_file': 'crt'}),
                 job(web.address, 'untrusted', scheme='https')], scrape_interval='2s', scrape_timeout='2s')
    want = {'named': 'up', 'inline': 'up', 'skips': 'up', 'other': 'down', 'untrusted': 'down'}
    found = wait_for('three that trust the server', lambda: (f := {t['scrapePool']: t for t in targets(s)}) and
                     {k: v['health'] for k, v in f.items()} == want and f, 20)
    assert 'certificate' in found['untrusted']['lastError'].lower()


def test_file_and_http_discovery(site, scraper, start):
    web = site()
    web.pages['/metrics'] = PAGE
    web.pages['/sd'] = json.dumps([{'targets': [web.address], 'labels': {'__meta_x': 'y', 'found': 'http'}}])
    (start.folder / 'a.json').write_text(json.dumps([{'targets': [web.address], 'labels': {'n': '1'}}]))
    (start.folder / 'b.yml').write_text(f'- targets: ["{web.address}", "gone:1"]\n  labels: {{n: "2"}}\n')
    s = scraper([{'job_name': 'f', 'file_sd_configs': [{'files': ['*.json', 'b.yml']}],
                  'relabel_configs': [{'source_labels': ['__address__'], 'regex': 'gone:1', 'action': 'drop'}]},
                 {'job_name': 'h', 'http_sd_configs': [{'url': f'http://{web.address}/sd', 'refresh_interval': '1s'}]}])
    found = up(s, n=3)
    assert sorted(t['labels'].get('n', '') for t in found) == ['', '1', '2']
    line = 1 + next(i for i, x in enumerate((start.folder / 'prometheus.yml').read_text().splitlines()) if 'action: drop' in x)
    assert targets(s, 'dropped')[0]['reason'] == f'drop: __address__ matches gone:1 (rule 1, line {line})'
    h = next(t for t in found if t['scrapePool'] == 'h')
    assert h['labels']['found'] == 'http' and h['discoveredLabels']['__meta_url'] == f'http://{web.address}/sd'
    assert next(t for t in found if t['labels'].get('n') == '1')['discoveredLabels']['__meta_filepath'].endswith('/a.json')
    dropped = targets(s, 'dropped')
    assert [d['discoveredLabels']['__address__'] for d in dropped] == ['gone:1'] and dropped[0]['scrapePool'] == 'f'
    (start.folder / 'a.json').write_text('[{"targets": 1}]')
    web.pages['/sd'] = (500, 'no')
    wait_for('failures', lambda: s.metric('bongsu_scrape_discovery_failures_total') >= 2)
    assert len(targets(s)) == 3  # what was known stays
    (start.folder / 'a.json').unlink()
    web.pages['/sd'] = '[]'
    wait_for('one target', lambda: [t['labels'].get('n') for t in targets(s)] == ['2'])


def dns_name(name):
    return b''.join(bytes([len(p)]) + p.encode() for p in name.split('.') if p) + b'\0'


class Dns(socketserver.BaseRequestHandler):
    """SRV and A from a table, NXDOMAIN for the rest."""
    table = {}

    def handle(self):
        data, sock = self.request
        end = data.index(b'\0', 12) + 5
        kind = struct.unpack('>H', data[end - 4:end - 2])[0]
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        answers = self.table.get(('.'.join(labels), kind), None)
        head = data[:2] + struct.pack('>HHHHH', 0x8180 if answers is not None else 0x8183, 1, len(answers or ()), 0, 0)
        body = b''.join(b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, 5, len(a)) + a for a in answers or ())
        sock.sendto(head + data[12:end] + body, self.client_address)


def test_dns_discovery(site, scraper):
    web = site()
    web.pages['/metrics'] = PAGE
    port = int(web.address.split(':')[1])
    Dns.table = {('_m._tcp.example', 33): [struct.pack('>HHH', 1, 1, port) + dns_name('host.example'),
                                           struct.pack('>HHH', 1, 1, 9) + dns_name('other.example')],
                 ('a.example', 1): [socket.inet_aton('127.0.0.1')],
                 ('a.example', 28): [socket.inet_pton(socket.AF_INET6, '::1')],
                 ('m.example', 15): [struct.pack('>H', 10) + dns_name('mail.example')],
                 ('n.example', 2): [dns_name('ns.example')]}
    with socketserver.ThreadingUDPServer(('127.0.0.1', 0), Dns) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sd = [{'names': ['_m._tcp.example', 'gone.example'], 'refresh_interval': '1s'}]
        sd += [{'names': [n], 'type': t, 'port': port} for n, t in
               (('a.example', 'A'), ('a.example', 'AAAA'), ('m.example', 'MX'), ('n.example', 'NS'))]
        s = scraper([{'job_name': 'd', 'dns_sd_configs': sd}],
                    args=['--scrape-dns-server', '127.0.0.1:%d' % server.server_address[1]])
        found = {t['labels']['instance']: t['discoveredLabels'] for t in wait_for(
            'six targets', lambda: len(targets(s)) == 6 and targets(s))}
        server.shutdown()
    assert set(found) == {f'host.example:{port}', 'other.example:9', f'127.0.0.1:{port}', f'[::1]:{port}',
                          f'mail.example:{port}', f'ns.example:{port}'}
    srv = found[f'host.example:{port}']
    assert srv['__meta_dns_name'] == '_m._tcp.example' and srv['__meta_dns_srv_record_target'] == 'host.example.'
    assert srv['__meta_dns_srv_record_port'] == str(port)
    assert found[f'mail.example:{port}']['__meta_dns_mx_record_target'] == 'mail.example.'
    assert found[f'ns.example:{port}']['__meta_dns_ns_record_target'] == 'ns.example.'


def meta(name, ns=None, version='1', **more):
    return {'name': name, **({'namespace': ns} if ns else {}), 'resourceVersion': version, 'uid': f'u-{name}', **more}


def pod(name, ip, version='1', port=8080):
    return {'metadata': meta(name, 'n', version, labels={'app.k8s/name': 'a', 'env': 'p'}, annotations={'x/y': 'z'},
                             ownerReferences=[{'controller': True, 'kind': 'ReplicaSet', 'name': 'rs'}],
                             managedFields=[{'big': 1}]),
            'spec': {'nodeName': 'node1', 'containers': [
                {'name': 'c', 'image': 'img:1', 'env': [{'name': 'E'}],
                 'ports': [{'name': 'web', 'containerPort': port}, {'name': 'adm', 'containerPort': 9, 'protocol': 'UDP'}]}]},
            'status': {'podIP': ip, 'hostIP': '10.0.0.1', 'phase': 'Running',
                       'conditions': [{'type': 'Ready', 'status': 'True'}],
                       'containerStatuses': [{'name': 'c', 'containerID': 'cri://1'}]}}


class Api:
    """A mock of the Kubernetes API server: lists in pages of one, and watches the test writes events to."""

    def __init__(self, web):
        self.objects, self.watches, self.gone = {}, {}, False
        web.content_type = 'application/json'
        for path in ('/api/v1/nodes', '/api/v1/namespaces', '/api/v1/pods', '/api/v1/services', '/api/v1/endpoints',
                     '/apis/discovery.k8s.io/v1/endpointslices', '/apis/networking.k8s.io/v1/ingresses',
                     '/api/v1/namespaces/n/pods'):
            web.pages[path] = self.answer

    def answer(self, handler):
        url = urlsplit(handler.path)
        query = parse_qs(url.query)
        name = url.path.rsplit('/', 1)[1]
        items = self.objects.get(name, [])
        if 'watch' in query:
            if self.gone:
                self.gone = False
                return 410, '{}'
            return self.watch(handler, name)
        at = int(query.get('continue', ['0'])[0])
        more = {'continue': str(at + 1)} if at + 1 < len(items) else {}
        return json.dumps({'kind': 'List', 'metadata': {'resourceVersion': '100', **more}, 'items': items[at:at + 1]})

    def watch(self, handler, name):
        handler.send_response(200)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.end_headers()
        handler.close_connection = True
        queue = []
        self.watches[name] = queue
        end = time.monotonic() + 30
        while time.monotonic() < end:
            while queue:
                event = queue.pop(0)
                if event is None:
                    handler.wfile.write(b'0\r\n\r\n')
                    return
                data = (json.dumps(event) + '\n').encode()
                for part in (data[:7], data[7:]):  # events may be cut anywhere
                    handler.wfile.write(b'%x\r\n%s\r\n' % (len(part), part))
                    handler.wfile.flush()
            time.sleep(0.02)


def k8s(web, role, **more):
    return {'job_name': role, 'kubernetes_sd_configs': [{'role': role, 'api_server': f'http://{web.address}', **more}]}


def discovered(s, pool):
    return {t['labels']['instance']: t['discoveredLabels'] for t in targets(s) if t['scrapePool'] == pool}


def test_kubernetes_roles(site, scraper):
    web = site()
    api = Api(web)
    api.objects = {
        'nodes': [{'metadata': meta('node1', labels={'zone': 'z1'}), 'spec': {'providerID': 'aws://1'},
                   'status': {'daemonEndpoints': {'kubeletEndpoint': {'Port': 10250}}, 'addresses': [
                       {'type': 'Hostname', 'address': 'h1'}, {'type': 'InternalIP', 'address': '10.0.0.1'}]}}],
        'namespaces': [{'metadata': meta('n', labels={'team': 'core'})}],
        'pods': [pod('p1', '10.1.0.1'), pod('p2', '10.1.0.2'), pod('pending', '')],
        'services': [{'metadata': meta('svc', 'n', labels={'s': '1'}), 'spec': {
            'type': 'ClusterIP', 'clusterIP': '10.2.0.1', 'ports': [{'name': 'http', 'port': 80}]}}],
        'endpoints': [{'metadata': meta('svc', 'n'), 'subsets': [{
            'ports': [{'name': 'http', 'port': 8080}],
            'addresses': [{'ip': '10.1.0.1', 'nodeName': 'node1', 'targetRef': {'kind': 'Pod', 'name': 'p1', 'namespace': 'n'}}],
            'notReadyAddresses': [{'ip': '10.1.0.9'}]}]}],
        'endpointslices': [{'metadata': meta('svc-1', 'n', labels={'kubernetes.io/service-name': 'svc'}),
                            'addressType': 'IPv4', 'ports': [{'name': 'http', 'port': 8080, 'protocol': 'TCP'}],
                            'endpoints': [{'addresses': ['10.1.0.2'], 'nodeName': 'node1', 'zone': 'z1',
                                           'conditions': {'ready': True, 'serving': True, 'terminating': False},
                                           'targetRef': {'kind': 'Pod', 'name': 'p2', 'namespace': 'n'}}]}],
        'ingresses': [{'metadata': meta('ing', 'n'), 'spec': {
            'ingressClassName': 'nginx', 'tls': [{'hosts': ['*.example.com']}],
            'rules': [{'host': 'a.example.com', 'http': {'paths': [{'path': '/x'}, {}]}}, {'host': 'b.org'}]}}],
    }
    roles = ('node', 'service', 'endpoints', 'endpointslice', 'ingress')
    s = scraper([k8s(web, r) for r in roles] + [k8s(web, 'pod', attach_metadata={'node': True, 'namespace': True},
                                                   selectors=[{'role': 'pod', 'label': 'a=b'}])])
    wait_for('all roles', lambda: all(discovered(s, r) for r in (*roles, 'pod')))
    m = '__meta_kubernetes_'
    node = discovered(s, 'node')['node1']
    assert node['__address__'] == '10.0.0.1:10250' and node[m + 'node_label_zone'] == 'z1'
    assert node[m + 'node_address_Hostname'] == 'h1' and node[m + 'node_provider_id'] == 'aws://1'
    pods = discovered(s, 'pod')
    assert set(pods) == {'10.1.0.1:8080', '10.1.0.1:9', '10.1.0.2:8080', '10.1.0.2:9'}
    p = pods['10.1.0.1:8080']
    assert p.items() >= {m + 'namespace': 'n', m + 'pod_name': 'p1', m + 'pod_ip': '10.1.0.1', m + 'pod_ready': 'true',
                         m + 'pod_phase': 'Running', m + 'pod_node_name': 'node1', m + 'pod_host_ip': '10.0.0.1',
                         m + 'pod_uid': 'u-p1', m + 'pod_controller_kind': 'ReplicaSet', m + 'pod_controller_name': 'rs',
                         m + 'pod_label_app_k8s_name': 'a', m + 'pod_labelpresent_app_k8s_name': 'true',
                         m + 'pod_label_env': 'p', m + 'pod_annotation_x_y': 'z', m + 'pod_container_name': 'c',
                         m + 'pod_container_image': 'img:1', m + 'pod_container_id': 'cri://1',
                         m + 'pod_container_init': 'false', m + 'pod_container_port_name': 'web',
                         m + 'pod_container_port_number': '8080', m + 'pod_container_port_protocol': 'TCP',
                         m + 'node_label_zone': 'z1', m + 'namespace_label_team': 'core'}.items()
    assert any('labelSelector=a%3Db' in path and '/pods' in path for path, _ in web.seen)
    svc = discovered(s, 'service')['svc.n.svc:80']
    assert svc.items() >= {m + 'service_name': 'svc', m + 'service_label_s': '1', m + 'service_port_name': 'http',
                           m + 'service_port_number': '80', m + 'service_type': 'ClusterIP',
                           m + 'service_cluster_ip': '10.2.0.1', m + 'namespace': 'n'}.items()
    ends = discovered(s, 'endpoints')
    assert set(ends) == {'10.1.0.1:8080', '10.1.0.9:8080', '10.1.0.1:9'}  # the last: a port no endpoint covers
    assert ends['10.1.0.1:8080'].items() >= {
        m + 'endpoints_name': 'svc', m + 'service_name': 'svc', m + 'endpoint_ready': 'true', m + 'pod_name': 'p1',
        m + 'endpoint_address_target_kind': 'Pod', m + 'endpoint_node_name': 'node1',
        m + 'pod_container_port_name': 'web'}.items()
    assert ends['10.1.0.9:8080'][m + 'endpoint_ready'] == 'false'
    part = discovered(s, 'endpointslice')['10.1.0.2:8080']
    assert part.items() >= {m + 'endpointslice_name': 'svc-1', m + 'endpointslice_address_type': 'IPv4',
                            m + 'endpointslice_port': '8080', m + 'endpointslice_endpoint_conditions_ready': 'true',
                            m + 'endpointslice_endpoint_conditions_terminating': 'false',
                            m + 'endpointslice_endpoint_zone': 'z1', m + 'service_name': 'svc',
                            m + 'pod_name': 'p2'}.items()
    ing = [t['discoveredLabels'] for t in targets(s) if t['scrapePool'] == 'ingress']
    assert sorted((i['__address__'], i[m + 'ingress_scheme'], i[m + 'ingress_path']) for i in ing) == [
        ('a.example.com', 'https', '/x'), ('b.org', 'http', '/')]  # "/" and "/x" of one host are one address


def test_kubernetes_watch(site, scraper):
    web = site()
    api = Api(web)
    api.objects = {'pods': [pod('p1', '10.1.0.1'), pod('p2', '10.1.0.2')]}
    s = scraper([k8s(web, 'pod', namespaces={'names': ['n']})])
    wait_for('two pods', lambda: len(discovered(s, 'pod')) == 4)
    queue = wait_for('a watch', lambda: api.watches.get('pods') is not None and [api.watches['pods']])[0]
    queue.append({'type': 'ADDED', 'object': pod('p3', '10.1.0.3', '101')})
    queue.append({'type': 'DELETED', 'object': pod('p1', '10.1.0.1', '102')})
    queue.append({'type': 'MODIFIED', 'object': pod('p2', '10.1.0.22', '103')})
    wait_for('the changes', lambda: {i.split(':')[0] for i in discovered(s, 'pod')} == {'10.1.0.3', '10.1.0.22'})
    queue.append({'type': 'BOOKMARK', 'object': {'kind': 'Pod', 'metadata': {'resourceVersion': '150'}}})
    queue.append(None)  # the server's time is up: it goes on from the bookmark
    wait_for('a resumed watch', lambda: any('resourceVersion=150' in path for path, _ in web.seen))
    api.objects['pods'] = [pod('p9', '10.1.0.9')]
    api.gone = True
    wait_for('the watch of version 150', lambda: api.watches['pods'] is not queue)
    api.watches['pods'].append(None)
    wait_for('a new list', lambda: {i.split(':')[0] for i in discovered(s, 'pod')} == {'10.1.0.9'})


def test_kubeconfig_with_a_credential_plugin(site, scraper, start):
    """The command runs when a token is needed, again when its time is up or it is refused, and is told what it asks for."""
    web = site()
    api = Api(web)
    api.objects = {'pods': [pod('p1', '10.1.0.1')]}
    valid = {'token-1', 'token-2'}

    def guarded(handler):
        token = handler.headers.get('Authorization', '').removeprefix('Bearer ')
        return api.answer(handler) if token in valid else (401, '{}')
    web.pages['/api/v1/pods'] = guarded
    (start.folder / 'bin').mkdir()
    plugin = start.folder / 'bin/plugin'
    plugin.write_text(f"""#!/bin/sh
echo run >> {start.folder}/runs
echo "$KUBERNETES_EXEC_INFO $EXTRA $1" > {start.folder}/told
n=$(wc -l < {start.folder}/runs)
end=$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":'
echo '{{"token":"token-'$n'","expirationTimestamp":"'$end'"}}}}'
""")
    plugin.chmod(0o755)

    def kubeconfig(name, **exec_):
        (start.folder / name).write_text(yaml.safe_dump({
            'current-context': 'c', 'contexts': [{'name': 'c', 'context': {'cluster': 'k', 'user': 'u'}}],
            'clusters': [{'name': 'k', 'cluster': {'server': f'http://{web.address}', 'tls-server-name': 'kube'}}],
            'users': [{'name': 'u', 'user': {'exec': {
                'apiVersion': 'client.authentication.k8s.io/v1', 'command': './bin/plugin', **exec_}}}]}))
        return name
    job_ = {'job_name': 'pod', 'kubernetes_sd_configs': [{'role': 'pod', 'kubeconfig_file': kubeconfig(
        'good', args=['get-token'], env=[{'name': 'EXTRA', 'value': 'more'}], interactiveMode='IfAvailable',
        provideClusterInfo=True)}]}
    bad = {'job_name': 'bad', 'kubernetes_sd_configs': [{'role': 'pod', 'kubeconfig_file': kubeconfig(
        'bad', command='false')}]}
    s = scraper([job_, bad])
    wait_for('pods', lambda: len(discovered(s, 'pod')) == 2)
    info, extra, arg = (start.folder / 'told').read_text().rsplit(maxsplit=2)
    assert (extra, arg) == ('more', 'get-token')
    assert json.loads(info) == {'kind': 'ExecCredential', 'apiVersion': 'client.authentication.k8s.io/v1', 'spec': {
        'interactive': False, 'cluster': {'server': f'http://{web.address}', 'tls-server-name': 'kube'}}}
    assert len((start.folder / 'runs').read_text().split()) == 1
    # a watch ends after its token did: the next one has another
    time.sleep(4.5)
    wait_for('a watch', lambda: api.watches.get('pods') is not None)
    api.watches['pods'].append(None)
    wait_for('a second run', lambda: len((start.folder / 'runs').read_text().split()) == 2)
    # refused before its time: the command is run again at once
    wait_for('a watch with the second token', lambda: any(h.get('Authorization') == 'Bearer token-2' for _, h in web.seen))
    valid.clear()
    valid.add('token-3')
    queue = api.watches['pods']
    queue.append(None)
    wait_for('a third run', lambda: any(h.get('Authorization') == 'Bearer token-3' for _, h in web.seen), 15)
    assert len(discovered(s, 'pod')) == 2
    log = next(start.folder.glob('server*.log')).read_text()
    assert 'false failed with exit code 1' in log and 'token-' not in log


def test_same_targets_and_series_as_prometheus_2(start, site):
    same_as(start, site, 'prometheus', old=True)


def test_same_targets_and_series_as_prometheus_3(start, site, prometheus3):
    same_as(start, site, prometheus3, old=False)


def same_as(start, site, binary, old):
    """One configuration, run by a real Prometheus (Debian's 2.42, and a current 3.x) and by us."""
    with socket.socket() as a, socket.socket() as b:
        a.bind(('127.0.0.1', 0))
        b.bind(('127.0.0.1', 0))
        node, prom = (f'127.0.0.1:{x.getsockname()[1]}' for x in (a, b))
    web = site()
    web.pages['/metrics'] = PAGE + 'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
    start.process('node_exporter', ['prometheus-node-exporter', f'--web.listen-address={node}',
                                    '--collector.disable-defaults', '--collector.meminfo', '--collector.stat'])
    (start.folder / 'sd.json').write_text(json.dumps([
        {'targets': [web.address, node], 'labels': {'tier': 'A', '__meta_own': 'Q', 'drop': 'no'}},
        {'targets': ['127.0.0.1:1'], 'labels': {'drop': 'yes'}}]))
    web.pages['/sd'] = lambda h: json.dumps([{'targets': [web.address], 'labels': {'via': 'http'}}])
    config = {'global': {'scrape_interval': '1s'}, 'scrape_configs': [
        job(node, 'node', params={'collect[]': ['meminfo', 'stat']}, metric_relabel_configs=[
            {'source_labels': ['__name__'], 'regex': 'go_.*', 'action': 'drop'},
            {'source_labels': ['__name__', 'job'], 'separator': '-', 'regex': 'node_(.+)-(.*)', 'target_label': 'of',
             'replacement': '${2}_$1'}]),
        {'job_name': 'file', 'file_sd_configs': [{'files': ['sd.json']}], 'relabel_configs': [
            {'source_labels': ['drop'], 'regex': 'yes', 'action': 'drop'},
            {'regex': 'drop', 'action': 'labeldrop'},
            {'action': 'labelmap', 'regex': '__meta_(own)', 'replacement': 'is_$1'},
            {'source_labels': ['__address__'], 'modulus': 7, 'target_label': 'shard', 'action': 'hashmod'},
            {'source_labels': ['tier'], 'target_label': 'tier', 'action': 'lowercase'},
            {'source_labels': ['__address__'], 'regex': '(.*):.*', 'target_label': 'host'}]},
        {'job_name': 'http', 'http_sd_configs': [{'url': f'http://{web.address}/sd', 'refresh_interval': '1s'}]}]}
    if not old:  # the current one is built with file discovery only
        config['scrape_configs'].pop()
    count = len(config['scrape_configs']) + 1
    web.content_type = None

    def typed(handler):
        handler.send_response(200)
        sd = handler.path == '/sd'
        body = (json.dumps([{'targets': [web.address], 'labels': {'via': 'http'}}]) if sd else PAGE).encode()
        handler.send_header('Content-Type', 'application/json' if sd else 'text/plain; version=0.0.4')
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    web.pages['/sd'] = web.pages['/metrics'] = typed
    path = start.folder / 'prometheus.yml'
    path.write_text(yaml.safe_dump(config))
    start.process('prometheus', [binary, f'--config.file={path}', f'--storage.tsdb.path={start.folder}/prom',
                                 f'--web.listen-address={prom}', '--log.level=error'])
    s = start.server(args=['--scrape-config', str(path)])
    theirs = lambda p, **q: s.session.get(f'http://{prom}{p}', params=q, timeout=10).json()['data']  # noqa: E731

    def their_targets():
        try:
            found = theirs('/api/v1/targets')
        except Exception:
            return None
        active = found['activeTargets']
        return found if len(active) == count and all(t['health'] == 'up' for t in active) else None
    reference = wait_for('all targets of Prometheus', their_targets, 30)
    up(s, n=count)
    ours = s.json('/api/v1/targets')['data']
    keys = ('discoveredLabels', 'labels', 'scrapePool', 'scrapeUrl', 'globalUrl', 'health', 'scrapeInterval',
            'scrapeTimeout', 'lastError')

    if old:  # 2.42 shows discovered labels after its rules have run over some of them (fixed later)
        for t in reference['activeTargets'] + ours['activeTargets']:
            t['discoveredLabels'] = {k: v for k, v in t['discoveredLabels'].items() if k.startswith('__')}

    def shape(found):
        return (sorted((json.dumps({k: t[k] for k in keys}, sort_keys=True) for t in found['activeTargets'])),
                sorted(json.dumps(t['discoveredLabels'], sort_keys=True) for t in found['droppedTargets']))
    for mine_, theirs_ in zip(shape(ours), shape(reference)):
        assert len(mine_) == len(theirs_)
        for x, y in zip(mine_, theirs_):
            assert json.loads(x) == json.loads(y)
    assert set(ours['activeTargets'][0]) == set(reference['activeTargets'][0])

    def names(result):  # 2.42 is given quantile="1", a current one "1.0"
        return [json.dumps(m, sort_keys=True) for m in result if not old or not {'le', 'quantile'} & set(m)]
    everything = {'match[]': '{__name__!=""}'}
    mine = lambda: [m for m in s.json('/api/v1/series', **everything)['data']  # noqa: E731
                    if m.get('job') in ('node', 'file', 'http')]

    def differences():
        return set(names(mine())) ^ set(names(theirs('/api/v1/series', **everything)))
    end = time.monotonic() + 15
    while differences() and time.monotonic() < end:
        time.sleep(0.2)
    assert not differences()
    assert len(mine()) > 60
    metric = sorted(json.dumps(m, sort_keys=True) for m in theirs('/api/v1/targets/metadata', metric='node_intr_total'))
    assert sorted(json.dumps(m, sort_keys=True)
                  for m in s.json('/api/v1/targets/metadata', metric='node_intr_total')['data']) == metric


def test_check_config(start):
    from harness.server import SERVER
    good = start.folder / 'good.yml'
    good.write_text('rule_files: [r.yml]\nscrape_configs:\n- job_name: a\n  static_configs: [{targets: [x]}]\n')
    run = subprocess.run([SERVER, 'check', 'config', '--scrape', str(good)], capture_output=True, text=True)
    assert run.returncode == 0 and f'{good}: ok' in run.stdout and 'job "a"' in run.stdout
    assert 'section rule_files is not used' in run.stderr
    bad = start.folder / 'bad.yml'
    bad.write_text('scrape_configs:\n- job_name: a\n  gce_sd_configs: [{project: p}]\n')
    run = subprocess.run([SERVER, 'check', 'config', '--scrape', str(bad)], capture_output=True, text=True)
    assert run.returncode == 1 and f'{bad}:3: gce_sd_configs is not supported' in run.stderr
