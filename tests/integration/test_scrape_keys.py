# SPDX-License-Identifier: Apache-2.0
"""Keys of scrape_configs whose effect is in what is asked for and what is stored, beside a current Prometheus with the
same jobs and the same pages: native and custom-bucket histograms over protobuf and text (the protobuf page is what a real
client library serves: Prometheus' own), limits of buckets, the Accept header, the log of failures, exemplars."""
import json
import time

import requests
import yaml

from harness.server import wait_for
from test_native_histograms import difference, prometheus
from test_scrape import job, site, targets  # noqa: F401

PROTO = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited'
CLASSIC = '''# TYPE h histogram
h_bucket{a="1",le="0.1"} 3
h_bucket{a="1",le="1"} 3
h_bucket{a="1",le="2.5"} 7
h_bucket{a="1",le="+Inf"} 9
h_sum{a="1"} 11.5
h_count{a="1"} 9
h_bucket{a="2",le="+Inf"} 0
h_sum{a="2"} 0
h_count{a="2"} 0
# TYPE odd histogram
odd_bucket{le="2"} 4.5
odd_bucket{le="1"} 2
odd_sum 3
odd_count 6
# TYPE falls histogram
falls_bucket{le="1"} 3
falls_bucket{le="+Inf"} 2
# TYPE differs histogram
differs_bucket{le="1"} 3
differs_bucket{le="+Inf"} 3
differs_count 4
# TYPE s summary
s{quantile="0.5"} 1
s_sum 2
s_count 3
'''
NAMES = '{__name__!~"up|scrape_.*|ALERTS.*"}'


def page(kind, body):
    def answer(handler):
        handler.send_response(200)
        handler.send_header('Content-Type', kind)
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return answer


def config(folder, name, jobs, **settings):
    path = folder / name
    path.write_text(yaml.safe_dump({'global': {'scrape_interval': '1s', 'scrape_timeout': '1s', **settings},
                                    'scrape_configs': jobs}))
    return path


def both(start, binary, jobs, **settings):
    """(our server, address of Prometheus) with the same jobs; here native histograms are a key, there a flag."""
    ours = config(start.folder, 'ours.yml', jobs, scrape_native_histograms=True, **settings)
    theirs = prometheus(start, binary, 'reference', config(start.folder, 'theirs.yml', jobs, **settings).read_text())
    return start.server(args=['--scrape-config', str(ours)]), theirs


def ask(url, path, session=requests, **params):
    return session.get(url + path, params=params, timeout=10).json()


def test_histograms_like_prometheus(start, site, prometheus3):  # noqa: F811
    source = prometheus(start, prometheus3, 'source')
    for _ in range(30):
        requests.get(source + '/api/v1/status/config', timeout=5)
    real = requests.get(source + '/metrics', headers={'Accept': PROTO}, timeout=5)
    assert real.headers['Content-Type'].startswith('application/vnd.google.protobuf')
    web = site()
    web.pages['/proto'] = page(PROTO, real.content)
    web.pages['/text'] = page('text/plain; version=0.0.4', CLASSIC.encode())
    jobs = []
    for name, path, more in (
            ('text', '/text', {}), ('text_nhcb', '/text', {'convert_classic_histograms_to_nhcb': True}),
            ('text_both', '/text', {'convert_classic_histograms_to_nhcb': True, 'always_scrape_classic_histograms': True}),
            ('text_limit', '/text', {'convert_classic_histograms_to_nhcb': True, 'native_histogram_bucket_limit': 2}),
            ('proto', '/proto', {}), ('proto_classic', '/proto', {'always_scrape_classic_histograms': True}),
            ('proto_nhcb', '/proto', {'convert_classic_histograms_to_nhcb': True}),
            ('proto_all', '/proto', {'convert_classic_histograms_to_nhcb': True, 'always_scrape_classic_histograms': True}),
            ('proto_limit', '/proto', {'native_histogram_bucket_limit': 4}),
            ('proto_factor', '/proto', {'native_histogram_min_bucket_factor': 2.0}),
            ('proto_one', '/proto', {'native_histogram_bucket_limit': 1}),
            ('proto_coarse', '/proto', {'native_histogram_min_bucket_factor': 70000.0})):
        jobs.append(job(web.address, name, metrics_path=path, **more))
    s, theirs = both(start, prometheus3, jobs)

    def state(found):
        return {t['scrapePool']: (t['health'], t['lastError']) for t in found}

    def settled(found):
        return state(found) if len(found) == len(jobs) and all(t['health'] != 'unknown' for t in found) else None
    want = wait_for('Prometheus to scrape all', lambda: settled(ask(theirs, '/api/v1/targets')['data']['activeTargets']))
    assert wait_for('us to scrape all', lambda: settled(targets(s))) == want
    assert [(k, e) for k, (h, e) in want.items() if h == 'down'] == [('text_limit', 'histogram bucket limit exceeded')]
    for name in want:
        query = {'query': NAMES.replace('{', '{job="%s",' % name)}
        end = time.monotonic() + 10
        diff = name
        while diff:
            assert time.monotonic() < end, (name, diff)
            query['time'] = time.time()
            diff = difference(ask(s.url, '/api/v1/query', s.session, **query), ask(theirs, '/api/v1/query', **query))
    exponential = [r for r in s.query('{job="proto"}') if 'histogram' in r]
    custom = [r for r in s.query('{job="text_nhcb"}') if 'histogram' in r]
    assert len(exponential) > 3 and {r['metric']['__name__'] for r in custom} == {'h', 'odd'}
    assert s.query('{job="text_nhcb", __name__=~".*_bucket"}') == []
    assert s.value('scrape_samples_scraped{job="text_nhcb"}') == 6  # h twice, odd, three of s


def test_native_parts_are_left_out_unless_asked_for(start, site, prometheus3):  # noqa: F811
    source = prometheus(start, prometheus3, 'source')
    real = requests.get(source + '/metrics', headers={'Accept': PROTO}, timeout=5)
    web = site()
    web.pages['/proto'] = page(PROTO, real.content)
    jobs = [job(web.address, 'plain', metrics_path='/proto'),
            job(web.address, 'native', metrics_path='/proto', scrape_native_histograms=True)]
    s = start.server(args=['--scrape-config', str(config(start.folder, 'p.yml', jobs))])
    wait_for('both', lambda: len([t for t in targets(s) if t['health'] == 'up']) == 2)
    assert [r for r in s.query('{job="plain"}') if 'histogram' in r] == []
    assert len(s.query('{job="plain",__name__="prometheus_http_request_duration_seconds_bucket"}')) > 0
    assert [r for r in s.query('{job="native"}') if 'histogram' in r] != []
    accepts = {h['Accept'].split(';')[0] for _, h in web.seen}
    assert accepts == {'application/openmetrics-text', 'application/vnd.google.protobuf'}


def test_accept_headers_are_those_of_prometheus(start, site, prometheus3):  # noqa: F811
    web = site()
    rows = {'default': {}, 'dots': {'metric_name_escaping_scheme': 'dots', 'enable_compression': False},
            'values': {'metric_name_escaping_scheme': 'values',
                       'scrape_protocols': ['PrometheusText1.0.0', 'PrometheusProto']},
            'under': {'metric_name_escaping_scheme': 'underscores', 'metric_name_validation_scheme': 'legacy'},
            'one': {'scrape_protocols': ['OpenMetricsText0.0.1']}}
    jobs = []
    for name, more in rows.items():
        web.pages[f'/{name}'] = 'x 1\n'
        jobs.append(job(web.address, name, metrics_path=f'/{name}', **more))
    both(start, prometheus3, jobs)

    def seen(us):
        return {p: h['Accept'] for p, h in web.seen if h['User-Agent'].startswith('bongsu') == us}
    wait_for('requests of both', lambda: len(seen(True)) == len(seen(False)) == len(rows), 20)
    assert seen(True) == seen(False)


def test_failure_log_as_prometheus_writes_it(start, site, prometheus3):  # noqa: F811
    web = site()
    web.pages['/500'] = (500, 'no')
    web.pages['/bad'] = 'x{ 1\n'
    jobs = [job(web.address, 'status', metrics_path='/500'), job(web.address, 'page', metrics_path='/bad'),
            job('127.0.0.1:1', 'dead'), job(web.address, 'own', metrics_path='/500', scrape_failure_log_file='OWN')]

    def lines(name):
        try:
            return [json.loads(x) for x in (start.folder / name).read_text().splitlines()]
        except FileNotFoundError:
            return []
    texts = {}
    for who in ('ours', 'theirs'):
        jobs[3]['scrape_failure_log_file'] = f'{who}.own.log'
        texts[who] = config(start.folder, f'{who}.yml', jobs, scrape_failure_log_file=f'{who}.log')
    prometheus(start, prometheus3, 'reference', texts['theirs'].read_text())
    s = start.server(args=['--scrape-config', str(texts['ours'])])

    def complete(who):
        return {x['job_name'] for x in lines(f'{who}.log')} == {'status', 'dead'} and lines(f'{who}.own.log')
    wait_for('both logs', lambda: complete('ours') and complete('theirs'), 20)
    pick = lambda x: {k: x[k] for k in ('level', 'msg', 'job_name', 'target')}  # noqa: E731
    for name in ('.log', '.own.log'):
        ours, theirs = lines('ours' + name), lines('theirs' + name)
        assert set(ours[0]) == set(theirs[0])
        find = lambda v, j: next(pick(x) for x in v if x['job_name'] == j)  # noqa: E731
        which = 'status' if name == '.log' else 'own'
        assert find(ours, which) == find(theirs, which)
    dead = next(x for x in lines('ours.log') if x['job_name'] == 'dead')
    assert dead['msg'].startswith('Get "http://127.0.0.1:1/metrics": ')
    # moved away, it is begun anew with the next reload
    (start.folder / 'ours.log').rename(start.folder / 'old.log')
    assert s.session.post(s.url + '/-/reload').status_code == 200
    wait_for('a new file', lambda: lines('ours.log'), 10)


def test_exemplars_without_a_time_take_that_of_the_scrape_once(start, site, prometheus3):  # noqa: F811
    web = site()
    now = int(time.time()) - 2
    body = ('# TYPE c counter\nc_total{a="b"} 5 # {trace_id="abc"} 1.5 %d\nc_total{a="c"} 5 # {trace_id="no time"} 1.5\n'
            '# TYPE h histogram\nh_bucket{le="1"} 1 # {trace_id="bucket"} 0.5\nh_bucket{le="+Inf"} 1\nh_count 1\nh_sum 1\n'
            '# EOF\n' % now)
    web.pages['/metrics'] = page('application/openmetrics-text; version=1.0.0', body.encode())
    s, theirs = both(start, prometheus3, [job(web.address),
                                          job(web.address, 'nhcb', convert_classic_histograms_to_nhcb=True)])

    def exemplars(url, session=requests):
        found = ask(url, '/api/v1/query_exemplars', session, query='{__name__=~"c_total|h_bucket|h"}', start=now - 60,
                    end=now + 600)['data']
        return {json.dumps(f['seriesLabels'], sort_keys=True): [
            (e['labels'], float(e['value']), e['timestamp'] if e['labels']['trace_id'] == 'abc' else 0)
            for e in f['exemplars']] for f in found}
    wait_for('three scrapes', lambda: [r for r in s.query('up[60s]') if len(r['values']) >= 3])
    ours = exemplars(s.url, s.session)
    assert len(ours) == 5 and all(len(v) == 1 for v in ours.values())
    del theirs  # Prometheus stores exemplars behind a flag only
    for f in ask(s.url, '/api/v1/query_exemplars', s.session, query='c_total{a="c"}', start=now - 60, end=now + 600)['data']:
        assert abs(f['exemplars'][0]['timestamp'] - time.time()) < 60


def test_zeros_where_counters_began(start, site):  # noqa: F811
    web = site()
    began = int(time.time()) - 600
    body = ('# TYPE c counter\nc_total 5\nc_created %d\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 1\n'
            'h_created %d\n# TYPE old counter\nold_total 3\nold_created 1000\n# EOF\n' % (began, began))
    web.pages['/metrics'] = page('application/openmetrics-text; version=1.0.0', body.encode())
    path = config(start.folder, 'p.yml', [job(web.address), job(web.address, 'nhcb', convert_classic_histograms_to_nhcb=True)])
    s = start.server(args=['--scrape-config', str(path), '--scrape-created-timestamps'])
    wait_for('scrapes', lambda: len([t for t in targets(s) if t['health'] == 'up']) == 2)
    first = s.query('c_total{job="j"}[1h]')[0]['values']
    assert (first[0][0], first[0][1]) == (began, '0') and first[1][1] == '5'
    assert s.query('h_count{job="j"}[1h]')[0]['values'][0] == [began, '0']
    assert s.query('h{job="nhcb"}[1h]')[0]['histograms'][0][0] == began
    assert s.query('old_total{job="j"}[1h]')[0]['values'][0][1] == '3'
    assert s.query('{__name__=~".*_created"}') == []
