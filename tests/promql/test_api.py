# SPDX-License-Identifier: Apache-2.0
"""The query API beside a current Prometheus: trees of expressions, canonical forms, errors of texts that are none,
statistics, limit and lookback; and Bongsu's own list of running queries, which outlives a crash."""
import threading
import time

import pytest
import requests

import dataset
from harness.server import wait_for
from test_differential import Peer

EXPRESSIONS = r'''
1
-1e3
0x1F + 1_000
1h30m
"text"
up
up{job="a",instance!~"b.*",c=~"d|e",f!="g"}
{"http.requests", "service.name"="shop"}
{__name__=~"a.*"}
rate(up[5m])
up[5m] offset 1h
up[5m:30s] @ end() offset -5m
up[1h:]
up @ 1700000000.123
up @ start()
sum(up)
sum by (job, "a b") (up)
topk without (job) (3, up)
count_values("v", up)
quantile(0.9, up)
a + b
a / on (x) group_left (y, z) b
a * ignoring (x) group_right () b
a and on (x) b
a or b unless c
a == bool 1
1 + 2 * 3 ^ 2
-(a + b)
(a)
(a or b)[5m:]
label_replace(up, "a", "$1", "b", "(.*)")
round(up)
time()
histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))
sum(
up{
up[5m
up[0s]
rate(up)
sum(1)
1 + "x"
a == 1 == bool
up{a="b"} {c="d"}
foo(bar)
rate(up[5m], 1)
a + on(b) group_left(b) c
a and 1
up offset
up @ x
1..5
up{a=~"("}
{}
{a=""}
up{"x"}
sum by (a b) (up)
topk(up)
'''.strip().splitlines()


@pytest.fixture(scope='module')
def pair(start_shared, prometheus3):
    peer = Peer(start_shared, 'prometheus3', prometheus3,
                '--enable-feature=promql-experimental-functions,promql-duration-expr,promql-per-step-stats')
    ours = start_shared.server(args=['--query-experimental'])
    base_ms = int(time.time() - 7200 - 1800) // 3600 * 3600 * 1000
    series = {k: v for k, v in dataset.build(base_ms).items() if dict(k)['__name__'] in ('load1', 'many', 'up')}
    for url in (ours.url, peer.url):
        dataset.write(url, series)
    return ours, peer, base_ms // 1000


# What 3.5 says with words that later versions of 3.x changed.
OLD_WORDS = (('number or duration', 'number, duration, step(), or range()'),
             ('in subquery selector', 'in subquery or range selector'))


def known(text):
    for old, new in OLD_WORDS:
        text = text.replace(old, new)
    return text


def drop_more(tree):
    """A tree without the members that Prometheus' form does not have."""
    if isinstance(tree, list):
        return [drop_more(t) for t in tree]
    if isinstance(tree, dict):
        return {k: drop_more(v) for k, v in tree.items() if k not in ('rangeExpr', 'offsetExpr', 'stepExpr', 'span')}
    return tree


@pytest.mark.parametrize('path', ['parse_query', 'format_query'])
@pytest.mark.parametrize('expr', EXPRESSIONS)
def test_same_tree(pair, expr, path):
    ours, peer, _ = pair
    got, want = (requests.post(f'{url}/api/v1/{path}', data={'query': expr}, timeout=10).json()
                 for url in (ours.url, peer.url))
    assert got['status'] == want['status'], (got, want)
    if want['status'] == 'error':
        # Words about regular expressions are the engine's own.
        cut = (lambda s: s.split('regexp')[0]) if 'regexp' in want['error'] else known
        assert (got['errorType'], cut(got['error'])) == (want['errorType'], cut(want['error']))
    elif path == 'parse_query':
        assert drop_more(got['data']) == want['data']
    elif '"a b"' not in expr:  # 3.5 forgets the quotes
        assert got['data'] == want['data']


def query(url, expr, at, **more):
    return requests.post(url + '/api/v1/query', data={'query': expr, 'time': at, **more}, timeout=30).json()


def test_limit(pair):
    ours, peer, base = pair
    for more in ({'limit': '1'}, {'limit': '2'}, {'limit': '0'}, {'limit': '99'}, {'limit': '-1'}):
        got, want = (query(p.url, 'load1', base + 3600, **more) for p in (ours, peer))
        assert got['status'] == want['status'], more
        if got['status'] == 'success':
            assert len(got['data']['result']) == len(want['data']['result'])
            assert got.get('warnings') == want.get('warnings')


def test_lookback(pair):
    ours, peer, base = pair
    for lookback, at in (('1m', 7200 + 90), ('10m', 7200 + 400), ('', 7200 + 200), ('1s', 3600)):
        more = {'lookback_delta': lookback} if lookback else {}
        got, want = (query(p.url, 'count(up)', base + at, **more) for p in (ours, peer))
        assert got['data'] == want['data'], (lookback, at)


@pytest.mark.parametrize('expr', ['load1', 'rate(load1[5m])', 'sum(up) + count(many)', 'max_over_time(up[2m])'])
def test_statistics_by_step(pair, expr):
    ours, peer, base = pair
    got, want = (requests.post(p.url + '/api/v1/query_range', timeout=30, data={
        'query': expr, 'start': base + 3600, 'end': base + 4500, 'step': 300, 'stats': 'all'}).json()['data']['stats']
        for p in (ours, peer))
    for key in ('totalQueryableSamples', 'totalQueryableSamplesPerStep'):
        assert got['samples'][key] == want['samples'][key]
    assert got['samples']['peakSamples'] > 0 and want['timings'].keys() == got['timings'].keys()


def slow_query(url, answers):
    # Minutes of work if nothing ends it: 20 million inner steps.
    answers.append(query(url, 'sum_over_time(sum by (x) (load1 * 0 + time() or vector(1))[7d:30ms])', time.time()))


def running(ours):
    return ours.json('/api/v1/status/active_queries')['queries']


def test_running_queries(pair):
    ours = pair[0]
    answers = []
    t = threading.Thread(target=slow_query, args=(ours.url, answers))
    t.start()
    found = wait_for('the query in the list', lambda: [q for q in running(ours) if '7d' in q['query']], 10)
    assert found[0]['id'] > 0 and found[0]['since_ms'] > 1.6e12
    gone = requests.delete(ours.url + '/api/v1/status/active_queries', params={'id': 1 << 40}, timeout=10)
    assert gone.status_code == 404
    ended = requests.delete(ours.url + '/api/v1/status/active_queries', params={'id': found[0]['id']}, timeout=10)
    assert ended.status_code == 204
    t.join(20)
    assert answers[0]['status'] == 'error' and answers[0]['errorType'] == 'canceled'
    assert not [q for q in running(ours) if '7d' in q['query']]


def test_crash_names_running_queries(start):
    ours = start.server()
    t = threading.Thread(target=lambda: pytest.raises(requests.RequestException, slow_query, ours.url, []))
    t.start()
    wait_for('the query in the list', lambda: running(ours), 10)
    ours.kill()
    t.join(20)
    again = start.server(data=ours.data)
    assert 'was running when the server ended without a stop' in again.log() and '7d:30ms' in again.log()
    assert again.stop() == 0
    third = start.server(data=ours.data)
    assert 'was running when the server ended' not in third.log()
