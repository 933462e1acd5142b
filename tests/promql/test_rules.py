# SPDX-License-Identifier: Apache-2.0
"""One rule file, the same samples, in Bongsu and in a current Prometheus: the same series recorded, the same alerts in
the same states, the same /api/v1/rules."""
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

import dataset
from harness.server import SERVER, wait_for
from harness import wire
from test_differential import Peer

sys.path.append(str(Path(__file__).resolve().parents[1] / 'integration'))
from test_native_histograms import Hist, same_histogram, series  # noqa: E402

RULES = '''
groups:
  - name: recording
    interval: 1s
    labels: {team: core}
    rules:
      - record: job:load:sum
        expr: sum by (job) (load)
      - record: job:load:double
        expr: 2 * job:load:sum
        labels: {kind: derived}
      - record: gone:soon
        expr: load{instance="c"}
      - record: broken
        expr: load + on() load
      - record: "utf8.name"
        expr: count(load)
  - name: limited
    interval: 1s
    limit: 1
    rules:
      - record: too:many
        expr: load
  - name: histograms
    interval: 1s
    rules:
      - record: lat:sum
        expr: sum by (job) (lat)
      - record: lat:half
        expr: lat:sum / 2
      - record: lat:p90
        expr: histogram_quantile(0.9, lat:sum)
      - record: lat:negative
        expr: -1 * lat{instance="a"}
      - record: lat:mixed
        expr: sum({__name__=~"lat|load"})
      - alert: HasLatency
        expr: lat
        labels: {severity: none}
      - alert: SlowRequests
        expr: histogram_quantile(0.9, lat) > 3
        for: 1s
  - name: alerts
    interval: 1s
    rules:
      - alert: High
        expr: load > 1.5
        for: 2s
        labels: {severity: page}
        annotations: {summary: load is high}
      - alert: Slow
        expr: load > 0
        for: 1h
      - alert: Quiet
        expr: load > 1000
'''


LATENCIES = {'a': Hist(0, {0: 4, 1: 5, 3: 1}, total_sum=21.5), 'b': Hist(0, {1: 2, 2: 7}, zero=1, total_sum=30.25),
             'c': Hist(1, {4: 3, 7: 2}, total_sum=22.0)}


def feed(urls, values):
    now = int(time.time() * 1000)
    body = b''
    for instance, v in values.items():
        labels = (('__name__', 'load'), ('instance', instance), ('job', 'j'))
        body += wire.blob(1, b''.join(wire.blob(1, wire.blob(1, k) + wire.blob(2, w)) for k, w in labels)
                          + wire.blob(2, wire.double(1, v) + wire.varint(2 << 3) + wire.varint(now)))
    histograms = b''.join(wire.blob(1, series({'__name__': 'lat', 'job': 'j', 'instance': i}, [(now, h)]))
                          for i, h in LATENCIES.items())
    for url in urls:
        dataset.send(url, body)
        dataset.send(url, histograms)


def histogram(url, query):
    """The histograms of an answer by labels."""
    r = requests.post(url + '/api/v1/query', data={'query': query}, timeout=10).json()
    assert r['status'] == 'success', r
    return {tuple(sorted(s['metric'].items())): s['histogram'][1] for s in r['data']['result']}


def answer(url, query):
    r = requests.post(url + '/api/v1/query', data={'query': query}, timeout=10).json()
    assert r['status'] == 'success', r
    return sorted((tuple(sorted(s['metric'].items())), s['value'][1]) for s in r['data']['result'])


def rules(url):
    """Groups without what differs from run to run."""
    groups = requests.get(url + '/api/v1/rules', timeout=10).json()['data']['groups']
    for g in groups:
        for key in ('file', 'evaluationTime', 'lastEvaluation'):
            assert key in g
            del g[key]
        for rule in g['rules']:
            for key in ('evaluationTime', 'lastEvaluation'):
                del rule[key]
            for a in rule.get('alerts', []):
                assert a.pop('activeAt')
            rule.get('alerts', []).sort(key=str)
            if 'many-to-many' in rule.get('lastError', ''):
                rule['lastError'] = 'many-to-many'
    return sorted(groups, key=lambda g: g['name'])


@pytest.fixture(scope='module')
def pair(start_shared, prometheus3):
    folder = start_shared.folder
    (folder / 'rules.yml').write_text(RULES)
    peer = Peer(start_shared, 'prometheus3', prometheus3, 
                '--enable-feature=native-histograms', config='rule_files: [rules.yml]\n')
    ours = start_shared.server(args=['--rules-file', str(folder / 'rul*.yml')])
    return ours, peer


def same(pair, what):
    """Both give this answer at some moment, after a sample of now."""
    ours, peer = pair
    seen = []

    def look():
        feed((ours.url, peer.url), {'a': 1.0, 'b': 2.0, 'c': 3.0})
        seen[:] = [what(ours.url), what(peer.url)]
        return seen[0] == seen[1] and seen[0]
    try:
        return wait_for('the same answer', look, 15, 0.3)
    except AssertionError:
        raise AssertionError(f'Bongsu {seen[0]}\nPrometheus {seen[1]}')


def test_same_series(pair):
    def recorded(url):
        return [answer(url, q) for q in ('job:load:sum', 'job:load:double', 'gone:soon', '{"utf8.name"}')]
    got = same(pair, lambda url: all(recorded(url)) and recorded(url))
    assert got[0] == [((('__name__', 'job:load:sum'), ('job', 'j'), ('team', 'core')), '6')]
    assert not answer(pair[0].url, 'too:many') and not answer(pair[0].url, 'broken')


def test_same_histograms(pair):
    """Recorded as what they are; what arithmetic made impossible is refused by both, and so is a mix."""
    def recorded(url):
        return [histogram(url, q) for q in ('lat:sum', 'lat:half')], answer(url, 'lat:p90')
    ours, theirs = (None, None)

    def look():
        nonlocal ours, theirs
        feed((pair[0].url, pair[1].url), {'a': 1.0})
        ours, theirs = recorded(pair[0].url), recorded(pair[1].url)
        return all(ours[0]) and all(theirs[0]) and ours[1] and ours[1] == theirs[1]
    wait_for('recorded histograms', look, 15, 0.3)
    for a, b in zip(ours[0], theirs[0]):
        assert a.keys() == b.keys()
        assert all(same_histogram(h, b[k]) for k, h in a.items())
    assert ours[0][0][(('__name__', 'lat:sum'), ('job', 'j'))]['count'] == '25'
    for url in (pair[0].url, pair[1].url):
        assert not histogram(url, 'lat:negative') and not histogram(url, 'lat:mixed')


def test_same_states(pair):
    def firing(url):
        states = answer(url, 'ALERTS')
        return any(('alertstate', 'firing') in labels for labels, _ in states) and states
    got = same(pair, firing)
    assert len(got) == 11  # two High, three Slow, three of each about latencies
    same(pair, rules)
    for url in (pair[0].url, pair[1].url):
        alerts = requests.get(url + '/api/v1/alerts', timeout=10).json()['data']['alerts']
        assert len(alerts) == 11 and {a['state'] for a in alerts} == {'pending', 'firing'}


def test_filters(pair):
    url = pair[0].url + '/api/v1/rules'
    peer = pair[1].url + '/api/v1/rules'
    for params in ({'type': 'alert'}, {'type': 'record'}, {'rule_name[]': 'High'}, {'rule_group[]': 'recording'},
                   {'type': 'alert', 'exclude_alerts': 'true'}, {'rule_name[]': ['High', 'gone:soon']}):
        names = [sorted((g['name'], r['name'], len(r.get('alerts') or [])) for g in
                        requests.get(u, params=params, timeout=10).json()['data']['groups'] for r in g['rules'])
                 for u in (url, peer)]
        assert names[0] == names[1], params
    assert requests.get(url, params={'type': 'x'}, timeout=10).status_code == 400


def test_vanished_series_end(pair):
    ours, peer = pair
    stale = struct.unpack('<d', struct.pack('<Q', 0x7ff0000000000002))[0]
    feed((ours.url, peer.url), {'c': stale})
    for url in (ours.url, peer.url):
        wait_for('the end of gone:soon', lambda: not answer(url, 'gone:soon'), 10, 0.2)


def test_reload(pair):
    ours, _ = pair
    path = ours.folder / 'rules.yml'
    path.write_text('groups: [{name: x, rules: [{record: a, expr: "sum("}]}]')
    assert requests.post(ours.url + '/-/reload', timeout=10).status_code >= 400
    assert len(rules(ours.url)) == 4
    path.write_text('groups: [{name: x, interval: 1s, rules: [{record: again, expr: "vector(7)"}]}]')
    ours.signal(signal.SIGHUP)
    wait_for('the new rule', lambda: answer(ours.url, 'again'), 10, 0.2)
    assert [g['name'] for g in rules(ours.url)] == ['x']
    assert not answer(ours.url, 'job:load:sum')  # ended, not left to the lookback
    text = requests.get(ours.url + '/metrics', timeout=10).text
    assert 'rule_evaluations_total' in text and 'rule_evaluation_failures_total' in text


def test_check(tmp_path):
    good, bad = tmp_path / 'good.yml', tmp_path / 'bad.yml'
    good.write_text(RULES)
    bad.write_text('groups:\n- name: g\n  rules:\n  - record: a\n')
    run = subprocess.run([SERVER, 'check', 'rules', good, bad], capture_output=True, text=True)
    assert run.returncode == 1
    assert f'{good}: ok, 4 groups, 16 rules' in run.stdout
    assert f"{bad}:4:5: field 'expr' must be set in rule" in run.stderr
