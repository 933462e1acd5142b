# SPDX-License-Identifier: Apache-2.0
"""Tempo's HTTP API over spans that came in as OTLP: what Grafana's Tempo data source and Traces Drilldown ask, in
JSON and in protobuf, which OpenTelemetry's own Python package decodes."""
import base64
import json
import os
import subprocess
import time

import pytest

from harness import wire

pytestmark = pytest.mark.asan

S = 10**9
T0 = (time.time_ns() // (60 * S) - 10) * 60 * S  # whole minutes
RANGE = {'start': T0 // S, 'end': T0 // S + 240}
IDS = [os.urandom(16) for _ in range(3)]


def trace(n):
    """front -> (db, db); the third trace fails and its root never came."""
    t, tid = T0 + n * 60 * S, IDS[n]
    root = wire.span(tid, bytes([n + 1]) * 7 + b'\x01', 'GET /', t, t + S, kind=2,
                     attrs={'http.method': 'GET', 'http.status_code': 200, 'tags': ['x', 'y'], 'ratio': 0.5, 'hit': True})
    kids = [wire.span(tid, bytes([n + 1]) * 7 + bytes([i + 0x10]), 'SELECT', t + i * S // 10, t + i * S // 10 + i * S // 20,
                      parent=bytes([n + 1]) * 7 + b'\1', kind=3, attrs={'db.system': 'postgresql', 'rows': 10 * i},
                      status=2 if n == 2 and i == 2 else 0, message='dead' if n == 2 and i == 2 else '',
                      events=[(t + S // 10, 'exception', {'exception.message': 'boom'})] if n == 2 and i == 2 else (),
                      links=[(IDS[0], b'\1' * 8, {'ref': 'follows'})] if i == 1 else ()) for i in (1, 2)]
    return ([] if n == 2 else [root]), kids


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server()
    for n in range(3):
        front, db = trace(n)
        if front:
            assert s.otlp('traces', wire.traces(front, {'service.name': 'front', 'env': 'prod'}, 'web')).status_code == 200
        assert s.otlp('traces', wire.traces(db, {'service.name': 'db'}, 'sql')).status_code == 200
    return s


def search(server, q, **params):
    return server.json('/api/search', q=q, limit=20, **(RANGE | params))['traces']


def found(server, q):
    """Numbers of the traces found, newest first, with how many spans matched."""
    return [(IDS.index(bytes.fromhex(t['traceID'])) + 1, t['spanSets'][0]['matched']) for t in search(server, q)]


# ---- small ones ----

@pytest.mark.parametrize('base', ['', '/tempo'])
def test_data_source_is_accepted(server, base):
    r = server.get(base + '/api/echo')
    assert (r.status_code, r.text) == (200, 'echo')
    assert server.json(base + '/api/status/buildinfo')['version']
    assert len(server.json(base + '/api/search', q='{}', **RANGE)['traces']) == 3


# ---- one trace ----

DECODE = '''
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
print(json.dumps(MessageToDict(TracesData.FromString(sys.stdin.buffer.read()))))
'''


@pytest.fixture(scope='module')
def decode(otel_proto):
    """The trace as OpenTelemetry's own package reads it."""
    def run(data):
        done = subprocess.run([otel_proto, '-c', DECODE], input=data, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)['resourceSpans']
    return run


def by_span(resource_spans):
    return {base64.b64decode(s['spanId']): (s, rs['resource'], ss['scope'])
            for rs in resource_spans for ss in rs['scopeSpans'] for s in ss['spans']}


def plain(value):
    (kind, v), = value.items()
    return [plain(x) for x in v['values']] if kind == 'arrayValue' else int(v) if kind == 'intValue' else v


def attrs(items):
    return {a['key']: plain(a['value']) for a in items}


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_trace_in_protobuf(server, version, decode):
    path = f'/api/{"v2/" if version == "v2" else ""}traces/{IDS[2].hex()}'
    r = server.session.get(server.url + path, params=RANGE, headers={'Accept': 'application/protobuf'}, timeout=30)
    assert (r.status_code, r.headers['Content-Type']) == (200, 'application/protobuf')
    body = r.content
    if version == 'v2':  # TraceByIDResponse: the trace is its only field
        fields = wire.fields(body)
        assert list(fields) == [1] and len(fields[1]) == 1
        body = fields[1][0]
    spans = by_span(decode(body))
    assert len(spans) == 2
    s, resource, scope = spans[b'\3' * 7 + b'\x12']
    assert base64.b64decode(s['traceId']) == IDS[2] and base64.b64decode(s['parentSpanId']) == b'\3' * 7 + b'\1'
    assert (s['name'], s['kind']) == ('SELECT', 'SPAN_KIND_CLIENT')
    assert (s['startTimeUnixNano'], s['endTimeUnixNano']) == (str(T0 + 120 * S + S // 5), str(T0 + 120 * S + 3 * S // 10))
    assert attrs(s['attributes']) == {'db.system': 'postgresql', 'rows': 20}
    assert s['status'] == {'code': 'STATUS_CODE_ERROR', 'message': 'dead'}
    assert [(e['name'], attrs(e['attributes'])) for e in s['events']] == [('exception', {'exception.message': 'boom'})]
    assert attrs(resource['attributes']) == {'service.name': 'db'} and scope['name'] == 'sql'
    other = spans[b'\3' * 7 + b'\x11'][0]
    assert [(base64.b64decode(x['traceId']), base64.b64decode(x['spanId']), attrs(x['attributes']))
            for x in other['links']] == [(IDS[0], b'\1' * 8, {'ref': 'follows'})]


def test_values_in_protobuf(server, decode):
    r = server.session.get(f'{server.url}/api/traces/{IDS[0].hex()}', headers={'Accept': 'application/protobuf'}, timeout=30)
    spans = by_span(decode(r.content))
    assert attrs(spans[b'\1' * 8][0]['attributes']) == {
        'http.method': 'GET', 'http.status_code': 200, 'tags': ['x', 'y'], 'ratio': 0.5, 'hit': True}


def test_trace_in_json(server):
    v1 = server.json(f'/api/traces/{IDS[0].hex()}')
    v2 = server.json(f'/tempo/api/v2/traces/{IDS[0].hex()}', **RANGE)
    assert v1['batches'] == v2['trace']['resourceSpans'] and len(v1['batches']) == 2
    front = next(b for b in v1['batches'] if {'key': 'env', 'value': {'stringValue': 'prod'}} in b['resource']['attributes'])
    (s,) = front['scopeSpans'][0]['spans']
    assert front['scopeSpans'][0]['scope'] == {'name': 'web'}
    assert base64.b64decode(s['traceId']) == IDS[0] and base64.b64decode(s['spanId']) == b'\1' * 8
    assert (s['name'], s['kind'], s['startTimeUnixNano']) == ('GET /', 'SPAN_KIND_SERVER', str(T0))
    assert 'parentSpanId' not in s and s['status'] == {}
    assert {'key': 'http.status_code', 'value': {'intValue': '200'}} in s['attributes']
    assert {'key': 'tags', 'value': {'arrayValue': {'values': [{'stringValue': 'x'}, {'stringValue': 'y'}]}}} in s['attributes']


@pytest.mark.parametrize('trace_id,status,text', [
    ('0' * 30 + '1f', 404, 'trace not found'),
    ('1f', 404, 'trace not found'),
    ('xyz', 400, 'trace IDs can only contain hex characters, at most 32'),
    ('0' * 33, 400, 'trace IDs can only contain hex characters, at most 32'),
])
def test_no_such_trace(server, trace_id, status, text):
    r = server.get(f'/api/v2/traces/{trace_id}')
    assert (r.status_code, r.text) == (status, text)


# ---- search ----

@pytest.mark.parametrize('q,want', [
    ('{}', [(3, 2), (2, 3), (1, 3)]),
    ('{ name = "SELECT" && duration > 60ms }', [(3, 1), (2, 1), (1, 1)]),
    ('{ status = error }', [(3, 1)]),
    ('{ resource.service.name = "front" } >> { span.db.system = "postgresql" }', [(2, 2), (1, 2)]),
    ('{ } !< { resource.service.name = "db" }', [(3, 2), (2, 2), (1, 2)]),
    ('{ event.exception.message = "boom" }', [(3, 1)]),
    ('{ link.ref = "follows" }', [(3, 1), (2, 1), (1, 1)]),
    ('{ span.tags = "y" }', [(2, 1), (1, 1)]),
    ('{ span.hit && span.ratio < 1 }', [(2, 1), (1, 1)]),
    ('{ rootName = "GET /" }', [(2, 3), (1, 3)]),
    ('{ nestedSetParent < 0 && true }', [(2, 1), (1, 1)]),
    ('{ name = "SELECT" } | sum(span.rows) > 20', [(3, 2), (2, 2), (1, 2)]),
    ('{ name = "SELECT" } | sum(span.rows) > 30', []),
    ('{} | by(resource.service.name) | count() > 1', [(3, 2), (2, 2), (1, 2)]),
])
def test_search(server, q, want):
    assert found(server, q) == want


def test_what_is_found(server):
    (t,) = search(server, '{ status = error } | select(span.rows, resource.service.name)')
    assert t['rootServiceName'] == '<root span not yet received>'
    assert t['serviceStats'] == {'db': {'spanCount': 2, 'errorCount': 1}}
    (s,) = t['spanSets'][0]['spans']
    assert t['spanSet'] == t['spanSets'][0]
    assert (s['spanID'], s['name'], s['durationNanos']) == ('03' * 7 + '12', 'SELECT', str(S // 10))
    assert {a['key']: a['value'] for a in s['attributes']} == {
        'status': {'stringValue': 'error'}, 'rows': {'intValue': '20'}, 'service.name': {'stringValue': 'db'}}
    t = search(server, '{ name = "GET /" } &>> {}', spss=2)[0]
    assert (t['rootServiceName'], t['rootTraceName'], t['durationMs']) == ('front', 'GET /', 1000)
    assert t['startTimeUnixNano'] == str(T0 + 60 * S)
    assert len(t['spanSets'][0]['spans']) == 2 and t['spanSets'][0]['matched'] == 3
    t = search(server, '{ name = "SELECT" } | avg(duration) > 1ms')[0]
    assert t['spanSets'][0]['attributes'] == [{'key': 'avg(duration)', 'value': {'stringValue': '75ms'}}]


def test_limit_and_statistics(server):
    body = server.json('/api/search', q='{}', limit=1, **RANGE)
    assert [t['traceID'] for t in body['traces']] == [IDS[2].hex()]
    assert body['metrics']['inspectedTraces'] == 1 and int(body['metrics']['inspectedBytes']) > 0


@pytest.mark.parametrize('params,want', [
    ({'tags': 'service.name=fron'}, [2, 1]),
    ({'tags': 'db.system=POSTGRES rows=20'}, [3, 2, 1]),
    ({'tags': 'name="get /"'}, [2, 1]),
    ({'tags': 'error=true'}, [3]),
    ({'tags': 'status.code=error'}, [3]),
    ({'tags': 'hit=true'}, [2, 1]),
    ({'minDuration': '500ms'}, [2, 1]),
    ({'maxDuration': '500ms'}, [3]),
    ({}, [3, 2, 1]),
])
def test_search_by_tags(server, params, want):
    got = server.json('/api/search', **params, **RANGE)['traces']
    assert [IDS.index(bytes.fromhex(t['traceID'])) + 1 for t in got] == want


@pytest.mark.parametrize('params,text', [
    ({'q': '{'}, 'invalid TraceQL query: parse error at line 1, col 2: syntax error: unexpected $end, expecting a field expression'),
    ({'q': '{} | rate()'}, 'invalid TraceQL query: metrics queries go to /api/metrics/query_range'),
    ({'q': '{}', 'tags': 'a=b'}, "invalid request: can't specify tags and q in the same query"),
    ({'q': '{}', 'limit': '0'}, 'invalid limit: must be from 1 to 10000'),
    ({'q': '{}', 'limit': 'x'}, 'invalid limit: "x" is not a number'),
    ({'q': '{}', 'start': '5', 'end': '5'}, 'http parameter start must be before end. received start=5 end=5'),
    ({'minDuration': '5x'}, 'invalid minDuration: "5x" is not a duration'),
    ({'minDuration': '5s', 'maxDuration': '1s'}, 'invalid maxDuration: must be greater than minDuration'),
    ({'tags': 'a'}, 'invalid tags: key=value is expected before ""'),
])
def test_search_errors(server, params, text):
    r = server.get('/api/search', **params)
    assert (r.status_code, r.text) == (400, text)
    assert r.headers['Content-Type'].startswith('text/plain')


# ---- names and values ----

def test_tag_names(server):
    scopes = {s['name']: s['tags'] for s in server.json('/api/v2/search/tags', limit=5000, **RANGE)['scopes']}
    assert scopes['span'] == ['db.system', 'hit', 'http.method', 'http.status_code', 'ratio', 'rows', 'tags']
    assert scopes['resource'] == ['env', 'service.name']
    assert scopes['event'] == ['exception.message'] and scopes['link'] == ['ref']
    assert {'duration', 'trace:rootName', 'status'} <= set(scopes['intrinsic'])
    (only,) = server.json('/api/v2/search/tags', scope='resource', **RANGE)['scopes']
    assert only == {'name': 'resource', 'tags': ['env', 'service.name']}
    assert server.json('/api/search/tags', scope='event', **RANGE)['tagNames'] == ['exception.message']
    r = server.get('/api/search/tags', scope='x')
    assert (r.status_code, r.text) == (400, 'invalid scope: x')


@pytest.mark.parametrize('tag,q,want', [
    ('resource.service.name', '', [('string', 'db'), ('string', 'front')]),
    ('.service.name', '{ status = error }', [('string', 'db')]),
    ('.service.name', '{ status = error && resource.cluster = }', [('string', 'db')]),
    ('.service.name', '{ resource.cluster = ', [('string', 'db'), ('string', 'front')]),
    ('span.http.status_code', '', [('int', '200')]),
    ('span.ratio', '', [('float', '0.5')]),
    ('span.hit', '', [('bool', 'true')]),
    ('status', '', [('keyword', 'error'), ('keyword', 'unset')]),
    ('span:kind', '', [('keyword', 'client'), ('keyword', 'server')]),
    ('event:name', '', [('string', 'exception')]),
])
def test_tag_values(server, tag, q, want):
    body = server.json(f'/api/v2/search/tag/{tag}/values', **RANGE, **({'q': q} if q else {}))
    assert sorted((v['type'], v['value']) for v in body['tagValues']) == want


def test_tag_values_v1(server):
    assert sorted(server.json('/api/search/tag/service.name/values', **RANGE)['tagValues']) == ['db', 'front']
    assert sorted(server.json('/api/search/tag/name/values', **RANGE)['tagValues']) == ['GET /', 'SELECT']
    r = server.get('/api/v2/search/tag/nonsense/values')
    assert r.status_code == 400 and r.text.startswith('parse error at line 1, col 1')


# ---- metrics ----

def label(s):
    return {x['key']: next(iter(x['value'].values())) for x in s['labels']}


def series(server, q, **params):
    got = server.json('/api/metrics/query_range', q=q, start=T0 // S, end=T0 // S + 240, step='60s', **params)['series']
    return [(label(s), [(int(p['timestampMs']) - T0 // 10**6, p['value']) for p in s['samples']]) for s in got]


def test_query_range(server):
    assert series(server, '{ nestedSetParent<0 && true} | rate()  with(sample=true)') == [
        ({'__name__': 'rate'}, [(0, 1 / 60), (60000, 1 / 60), (120000, 0), (180000, 0)])]
    assert series(server, '{} | count_over_time() by(resource.service.name)') == [
        ({'resource.service.name': 'db'}, [(0, 2), (60000, 2), (120000, 2), (180000, 0)]),
        ({'resource.service.name': 'front'}, [(0, 1), (60000, 1), (120000, 0), (180000, 0)])]
    assert series(server, '{ status = error } | max_over_time(duration)') == [
        ({'__name__': 'max_over_time'}, [(120000, 0.1)])]
    (s,) = series(server, '{} | quantile_over_time(duration, .99)')
    assert s[0] == {'p': 0.99} and abs(s[1][0][1] - 1) < 0.06
    assert [x[0] for x in series(server, '{} | histogram_over_time(duration)')] == [
        {'__bucket': 0.067108864}, {'__bucket': 0.134217728}, {'__bucket': 1.073741824}]


def test_exemplars(server):
    (s,) = server.json('/api/metrics/query_range', q='{ status = error } | rate()', start=T0 // S, end=T0 // S + 240,
                       step='60s')['series']
    (e,) = s['exemplars']
    assert label(e)['trace:id'] == IDS[2].hex() and int(e['timestampMs']) == (T0 + 120 * S + S // 5) // 10**6
    (s,) = server.json('/api/metrics/query_range', q='{} | rate() with(exemplars=false)', start=T0 // S,
                       end=T0 // S + 240)['series']
    assert 'exemplars' not in s


def test_instant(server):
    body = server.json('/api/metrics/query', q='{status=error}|count_over_time()by(resource.service.name)',
                       start=T0 // S, end=T0 // S + 240)
    (s,) = body['series']
    assert (label(s), s['value']) == ({'resource.service.name': 'db'}, 1)
    body = server.json('/api/metrics/query', q='{} | compare({status = error}, 10)', start=T0, end=T0 + 240 * S)
    got = {tuple(sorted(label(s).items())): s['value'] for s in body['series']}
    assert got[(('__meta_type', 'selection'), ('span.rows', '20'))] == 1
    assert got[(('__meta_type', 'baseline'), ('resource.service.name', 'front'))] == 2


@pytest.mark.parametrize('params,status,text', [
    ({'q': '{}'}, 400, 'not a metrics query: it ends with no metrics function'),
    ({'q': '{} | rate('}, 400, 'invalid TraceQL query: parse error at line 1, col 11'),
    ({'q': '{} | rate()', 'start': '5', 'end': '4'}, 400, 'http parameter start must be before end'),
    ({'q': '{} | rate()', 'step': 'x'}, 400, "could not parse 'step' parameter: x"),
    ({'q': '{} | rate()', 'step': '1ms', 'since': '24h'}, 400, 'the range holds 864000'),
    ({'q': '{} | rate() by(span:id)', 'maxSeries': '2', 'start': str(T0 // S), 'end': str(T0 // S + 240)}, 422,
     'the query gives more than 2 series'),
])
def test_metrics_errors(server, params, status, text):
    r = server.get('/api/metrics/query_range', **params)
    assert r.status_code == status and r.text.startswith(text), r.text


def test_bombs_end(server):
    """Long and deep queries are answers, and the server goes on."""
    for q in ('{' + '(' * 5000, '{' + ' && '.join(['.a'] * 5000) + '}', '{}' + ' && {}' * 4000, '{' + '!' * 20000 + '.a}',
              '{ .a =~ "(a+)+$" }', '{' + ' || '.join(f'.a{i} =~ ".*x.*"' for i in range(300)) + '}'):
        assert server.session.get(server.url + '/api/search', params={'q': q[:30000], **RANGE}, timeout=60).status_code in (200, 400, 414, 422, 431)
    assert len(search(server, '{}')) == 3


# ---- the console's search ----

def test_console_search_gives_exact_durations_and_matches(server):
    window = {'start_ms': T0 // 10**6, 'end_ms': T0 // 10**6 + 240000}
    r = server.json('/api/v1/traces/query', q='{ .rows > 5 }', limit=2, spans=1, **window)
    assert [IDS.index(bytes.fromhex(t['trace_id'])) for t in r['traces']] == [2, 1] and r['more'] is True
    newest, second = r['traces']
    assert newest['root_missing'] is True and newest['error_count'] == 1 and 'root_missing' not in second
    assert (second['root_service'], second['root_name'], second['duration_ns']) == ('front', 'GET /', str(S))
    assert second['span_count'] == 3 and {s['name']: s['spans'] for s in second['services']} == {'front': 1, 'db': 2}
    one = second['spansets'][0]
    assert one['matched'] == 2 and len(one['spans']) == 1 and one['spans'][0]['attributes'] == {'rows': 10}
    everything = server.json('/api/v1/traces/query', **window)
    assert len(everything['traces']) == 3 and everything['more'] is False and everything['stats']['elapsed_ms'] > 0
