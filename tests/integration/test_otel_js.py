# SPDX-License-Identifier: Apache-2.0
"""What the OpenTelemetry JS SDK recorded comes back from the API: every span, log record and metric point, over
each of the three OTLP transports."""
import json
import math
import subprocess
import uuid

import pytest

from harness.server import wait_for

TRANSPORTS = ['grpc', 'proto', 'json']


@pytest.fixture(scope='module', params=TRANSPORTS)
def recorded(request, shared, otel_js, tmp_path_factory):
    """(server, what the SDK recorded, run id) after one run of the recorder."""
    out = tmp_path_factory.mktemp('rec') / 'recorded.json'
    run = uuid.uuid4().hex[:12]
    done = subprocess.run(['node', 'record.mjs', request.param, f'http://{shared.grpc}', shared.otlp_url, run,
                           str(out)], cwd=otel_js, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return shared, json.loads(out.read_text()), run


def plain(v):
    """The API's form of an attribute value back to what the recorder wrote."""
    if isinstance(v, dict):
        if set(v) == {'int'}:
            return int(v['int'])
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    return v


def compare_span(want, got, trace):
    for key in ('trace_id', 'span_id', 'name', 'kind', 'start_ns', 'end_ns', 'status'):
        assert got[key] == want[key], key
    assert got.get('parent_span_id') == want.get('parent_span_id')
    assert got.get('status_message', '') == want.get('status_message', '')
    assert got.get('trace_state', '') == want.get('trace_state', '')
    assert plain(got['attributes']) == want['attributes']
    assert [(e['time_ns'], e['name'], plain(e['attributes'])) for e in got['events']] == \
        [(e['time_ns'], e['name'], e['attributes']) for e in want['events']]
    assert [(x['trace_id'], x['span_id'], plain(x['attributes'])) for x in got['links']] == \
        [(x['trace_id'], x['span_id'], x['attributes']) for x in want['links']]
    scope = trace['scopes'][got['scope']]
    assert (scope['name'], scope['version']) == (want['scope']['name'], want['scope']['version'])


def test_every_span(recorded):
    server, rec, _ = recorded
    by_trace = {}
    for s in rec['spans']:
        by_trace.setdefault(s['trace_id'], {})[s['span_id']] = s
    assert sum(map(len, by_trace.values())) >= 130
    for trace_id, spans in by_trace.items():
        if len(spans) == 1:  # the remote trace's id is the same in every run
            continue
        trace = server.json(f'/api/v1/traces/{trace_id}')
        got = {s['span_id']: s for s in trace['spans']}
        assert got.keys() == spans.keys()
        for span_id, want in spans.items():
            compare_span(want, got[span_id], trace)
            assert plain(trace['resources'][got[span_id]['resource']]) == rec['resource']
            assert got[span_id]['service'] == rec['resource']['service.name']


def test_span_of_remote_trace(recorded):
    server, rec, _ = recorded
    (want,) = [s for s in rec['spans'] if s['name'] == 'continues a remote trace']
    trace = server.json(f'/api/v1/traces/{want["trace_id"]}')
    (got,) = [s for s in trace['spans'] if s['span_id'] == want['span_id']]
    compare_span(want, got, trace)


def test_spans_are_found(recorded):
    server, rec, _ = recorded
    service = rec['resource']['service.name']
    errors = [s for s in rec['spans'] if s['status'] == 'error']
    found = server.json('/api/v1/traces', service=service, status='error', limit=1000)['traces']
    assert {s['trace_id'] for s in errors} == {t['trace_id'] for t in found}
    found = server.json('/api/v1/traces', service=service, operation='operation 3 / 작업')['traces']
    assert [t['root_name'] for t in found] == ['operation 3 / 작업']
    assert found[0]['span_count'] == 11
    found = server.json('/api/v1/traces', service=service, attr='http.response.status_code=503', limit=1000)['traces']
    assert len(found) == 12


def test_every_log_record(recorded):
    server, rec, run = recorded
    service = rec['resource']['service.name']
    got = server.json('/api/v1/logs', service=service, limit=1000,
                      attr=f'resource.service.instance.id={run}')['logs']
    want = sorted(rec['logs'], key=lambda r: int(r['time_ns']))
    got = sorted(got, key=lambda r: int(r['time_ns']))
    assert len(got) == len(want)
    for w, g in zip(want, got):
        for key in ('time_ns', 'observed_ns', 'severity_number'):
            assert g[key] == w[key], key
        for key in ('severity_text', 'trace_id', 'span_id', 'event_name'):
            assert (g.get(key) or '') == (w.get(key) or ''), key
        assert plain(g['body']) == w['body']
        assert plain(g['attributes']) == w['attributes']
        assert plain(g['resource']) == rec['resource']
        assert (g['scope']['name'], g['scope']['version']) == (w['scope']['name'], w['scope']['version'])


# Instrument -> its name in PromQL ("Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification).
PROM_NAMES = {'shop.orders': 'shop_orders_total', 'shop.revenue': 'shop_revenue_bytes_total',
              'shop.queue.length': 'shop_queue_length', 'shop.temperature': 'shop_temperature_celsius',
              'shop.utilization': 'shop_utilization_ratio', 'shop.latency': 'shop_latency_milliseconds'}


def test_every_metric_point(recorded):
    server, rec, run = recorded
    seen = 0
    for m in rec['metrics']:
        name = PROM_NAMES.get(m['name'])
        if name is None:
            continue
        seen += 1
        time_s = int(m['time_ns']) / 1e9
        labels = {**m['attributes'], 'instance': run, 'job': f'checks/{rec["resource"]["service.name"]}'}
        selector = '{' + ','.join(f'{k}="{v}"' for k, v in labels.items()) + '}'
        if isinstance(m['value'], dict):
            counts, total = m['value']['buckets']['counts'], 0
            for le, n in zip([*m['value']['buckets']['boundaries'], math.inf], counts):
                total += n
                le_text = '+Inf' if le == math.inf else f'{le:g}'
                bucket = server.query(f'{name}_bucket{selector[:-1]},le=~"{le_text.replace("+", "[+]")}(\\\\.0)?"}}', time_s)
                assert [float(b['value'][1]) for b in bucket] == [total], (name, le_text)
            assert server.value(f'{name}_sum{selector}', time_s) == m['value']['sum']
            assert server.value(f'{name}_count{selector}', time_s) == m['value']['count']
        else:
            assert server.value(f'{name}{selector}', time_s) == m['value'], name
            assert server.value(f'timestamp({name}{selector})', time_s) == pytest.approx(time_s, abs=0.0011)
    assert seen == 7


def test_exponential_histogram(recorded):
    server, rec, run = recorded
    (m,) = [m for m in rec['metrics'] if m['name'] == 'shop.size.exponential']
    time_s = int(m['time_ns']) / 1e9
    name, who = 'shop_size_exponential_bytes', f'instance="{run}"'
    series = f'{name}{{{who}}}'
    count = server.value(f'histogram_count({series})', time_s)
    total = server.value(f'histogram_sum({series})', time_s)
    assert (count, total) == (m['value']['count'], m['value']['sum'])
    # The values were 0, 1, 2, 3, 100, 1e6: between two of them lies what is left below the upper one.
    for bound, below in ((0.5, 1), (1.5, 2), (2.5, 3), (50, 4), (1e5, 5), (1e7, 6)):
        share = server.value(f'histogram_fraction(-Inf, {bound}, {series})', time_s)
        assert abs(share - below / 6) < 1e-9, (bound, share)
    assert abs(server.value(f'histogram_quantile(1, {series})', time_s) / 1e6 - 1) < 0.2


def test_target_info(recorded):
    server, rec, run = recorded
    (found,) = server.query(f'target_info{{instance="{run}"}}')
    assert found['metric']['deployment_environment_name'] == '시험'
    assert found['metric']['job'] == f'checks/{rec["resource"]["service.name"]}'


def test_service_is_listed(recorded):
    server, rec, _ = recorded
    name = rec['resource']['service.name']

    def listed():
        return [s for s in server.json('/api/v1/services')['services'] if s['service'] == name]
    (service,) = wait_for('service', listed, 5)
    assert service['requests'] > 0
