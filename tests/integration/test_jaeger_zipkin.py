# SPDX-License-Identifier: Apache-2.0
"""Spans that come in as Zipkin v2 go out as Jaeger's query service gives them: what Grafana's Jaeger data source asks."""
import gzip
import json
import os
import time

import pytest

from harness import wire

pytestmark = pytest.mark.asan

T0_US = int(time.time() * 1e6) - 600 * 10**6
RANGE = {'start': T0_US - 10**6, 'end': T0_US + 10**7}
TID = os.urandom(16).hex()


def zspan(n, parent=None, **fields):
    return {'traceId': TID, 'id': f'{n:016x}', 'name': f'op{n}', 'timestamp': T0_US + n * 1000, 'duration': 5000 * n,
            **({'parentId': f'{parent:016x}'} if parent else {}), **fields}


ZIPKIN = [
    zspan(1, kind='SERVER', localEndpoint={'serviceName': 'shop', 'ipv4': '10.0.0.1'}, tags={'http.path': '/cart', 'n': '7'}),
    zspan(2, 1, kind='CLIENT', localEndpoint={'serviceName': 'shop'}, remoteEndpoint={'serviceName': 'pay', 'port': 9000}),
    zspan(3, 2, kind='SERVER', localEndpoint={'serviceName': 'pay'}, tags={'error': 'declined', 'otel.scope.name': 'lib'},
          annotations=[{'timestamp': T0_US + 3500, 'value': 'asked the bank'}]),
]


def post(server, body, **headers):
    return server.session.post(server.url + '/api/v2/spans', data=body, timeout=30, headers={'Content-Type': 'application/json', **headers})


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server()
    assert post(s, json.dumps(ZIPKIN[:2])).status_code == 202
    assert post(s, gzip.compress(json.dumps(ZIPKIN[2:]).encode()), **{'Content-Encoding': 'gzip'}).status_code == 202
    return s


def data(server, path, **params):
    body = server.json('/jaeger/api' + path, **params)
    assert body['errors'] is None and (body['limit'], body['offset']) == (0, 0)
    return body['data']


def tags(items):
    return {t['key']: (t['type'], t['value']) for t in items}


def test_trace(server):
    (trace,) = data(server, f'/traces/{TID}')
    assert trace['traceID'] == TID
    spans = {s['operationName']: s for s in trace['spans']}
    service = {name: trace['processes'][s['processID']]['serviceName'] for name, s in spans.items()}
    assert service == {'op1': 'shop', 'op2': 'shop', 'op3': 'pay'}
    s = spans['op3']
    assert (s['spanID'], s['startTime'], s['duration']) == (f'{3:016x}', T0_US + 3000, 15000)
    assert s['references'] == [{'refType': 'CHILD_OF', 'traceID': TID, 'spanID': f'{2:016x}'}]
    got = tags(s['tags'])
    assert got['span.kind'] == ('string', 'server') and got['error'] == ('bool', True)
    assert got['otel.status_code'] == ('string', 'ERROR') and got['otel.status_description'] == ('string', 'declined')
    assert got['otel.scope.name'] == ('string', 'lib')
    assert s['logs'] == [{'timestamp': T0_US + 3500, 'fields': [{'key': 'event', 'type': 'string', 'value': 'asked the bank'}]}]
    assert spans['op1']['references'] == []
    assert tags(spans['op1']['tags'])['http.path'] == ('string', '/cart')
    assert tags(spans['op2']['tags'])['peer.service'] == ('string', 'pay')
    assert tags(spans['op2']['tags'])['network.peer.port'] == ('int64', 9000)


def test_typed_tags(server):
    tid, now = os.urandom(16), time.time_ns()
    body = wire.traces([wire.span(tid, b'\1' * 8, 'typed', now - 10**6, now, attrs={
        's': 'x', 'i': 5, 'f': 0.5, 'b': False, 'list': [1, 'y'], 'raw': b'\0\1'}, links=[(tid, b'\2' * 8, {})])],
        {'service.name': 'typed', 'host.name': 'h1'})
    assert server.otlp('traces', body).status_code == 200
    (trace,) = data(server, f'/traces/{tid.hex()}')
    (s,) = trace['spans']
    got = tags(s['tags'])
    assert (got['s'], got['i'], got['f'], got['b']) == (('string', 'x'), ('int64', 5), ('float64', 0.5), ('bool', False))
    assert (got['list'], got['raw']) == (('string', '[1,"y"]'), ('binary', 'AAE='))
    assert s['references'] == [{'refType': 'FOLLOWS_FROM', 'traceID': tid.hex(), 'spanID': '02' * 8}]
    assert tags(trace['processes']['p1']['tags']) == {'host.name': ('string', 'h1')}


@pytest.mark.parametrize('params,found', [
    ({'service': 'shop'}, True),
    ({'service': 'pay'}, True),
    ({'service': 'none'}, False),
    ({'service': 'shop', 'operation': 'op2'}, True),
    ({'service': 'shop', 'operation': 'op3'}, False),
    ({'service': 'shop', 'tags': '{"http.path":"/cart","n":"7"}'}, True),
    ({'service': 'shop', 'tags': '{"http.path":"/other"}'}, False),
    ({'service': 'shop', 'tag': 'n:7'}, True),
    ({'service': 'pay', 'tags': '{"error":"true"}'}, True),
    ({'service': 'shop', 'tags': '{"error":true}'}, False),
    ({'service': 'shop', 'tags': '{"span.kind":"client"}'}, True),
    ({'service': 'shop', 'minDuration': '8ms'}, True),
    ({'service': 'shop', 'minDuration': '11ms'}, False),
    ({'service': 'shop', 'maxDuration': '6ms'}, True),
    ({'service': 'shop', 'maxDuration': '1ms'}, False),
    ({'service': 'shop', 'start': T0_US - 5 * 10**6, 'end': T0_US - 10**6}, False),
])
def test_search(server, params, found):
    got = data(server, '/traces', **(RANGE | params))
    assert [t['traceID'] for t in got] == ([TID] if found else [])
    assert not found or len(got[0]['spans']) == 3


def test_names(server):
    assert {'shop', 'pay'} <= set(data(server, '/services'))
    assert sorted(data(server, '/services/shop/operations')) == ['op1', 'op2']
    assert data(server, '/operations', service='pay') == [{'name': 'op3', 'spanKind': 'server'}]
    assert data(server, '/operations', service='shop', spanKind='client') == [{'name': 'op2', 'spanKind': 'client'}]


def test_dependencies(server):
    assert data(server, '/dependencies', endTs=T0_US // 1000 + 10000, lookback=20000) == [
        {'parent': 'shop', 'child': 'pay', 'callCount': 1}]


@pytest.mark.parametrize('path,params,status,text', [
    ('/traces', {}, 400, "parameter 'service' is required"),
    ('/traces', {'service': 'a', 'tags': '[]'}, 400, "malformed 'tags' parameter: an object of strings is expected"),
    ('/traces', {'service': 'a', 'tag': 'x'}, 400, "malformed 'tag' parameter: key:value is expected"),
    ('/traces', {'service': 'a', 'minDuration': 'x'}, 400, 'could not parse minDuration: "x" is not a duration'),
    ('/traces', {'service': 'a', 'limit': '0'}, 400, 'limit must be from 1 to 1500'),
    ('/traces', {'service': 'a', 'start': '5', 'end': '4'}, 400, "'start' must be before 'end'"),
    ('/traces', {'traceID': 'x'}, 400, 'malformed trace ID "x"'),
    ('/traces/zz', {}, 400, 'malformed trace ID "zz"'),
    ('/traces/' + '1' * 32, {}, 404, 'trace not found'),
    ('/operations', {}, 400, "parameter 'service' is required"),
    ('/dependencies', {'endTs': '5', 'lookback': '9'}, 400, 'endTs and lookback are no time range in milliseconds'),
])
def test_errors(server, path, params, status, text):
    r = server.get('/jaeger/api' + path, **params)
    assert (r.status_code, r.json()['data'], r.json()['errors']) == (status, None, [{'code': status, 'msg': text}])


def test_zipkin_protobuf(server):
    tid = os.urandom(16)
    span = wire.blob(1, tid) + wire.blob(3, b'\7' * 8) + wire.uint(4, 1) + wire.blob(5, 'pb') + wire.fixed64(6, T0_US) \
        + wire.uint(7, 1234) + wire.blob(8, wire.blob(1, 'pbsvc')) + wire.blob(11, wire.blob(1, 'k') + wire.blob(2, 'v'))
    r = post(server, wire.blob(1, span), **{'Content-Type': 'application/x-protobuf'})
    assert (r.status_code, r.text) == (202, '')
    (trace,) = data(server, f'/traces/{tid.hex()}')
    (s,) = trace['spans']
    assert (s['operationName'], s['duration'], tags(s['tags'])['k']) == ('pb', 1234, ('string', 'v'))
    assert trace['processes']['p1']['serviceName'] == 'pbsvc'


@pytest.mark.parametrize('body,headers,status,text', [
    (b'{}', {}, 400, 'a list of spans is expected'),
    (b'[{"traceId":"zz"}]', {}, 400, 'span 0: traceId must be 16 or 32 hex digits'),
    (b'[]', {'Content-Type': 'text/html'}, 415, 'Content-Type "text/html"'),
    (b'[]', {'Content-Encoding': 'br'}, 415, 'Content-Encoding "br"'),
    (b'\x0a\xff', {'Content-Type': 'application/x-protobuf'}, 400, ''),
    (b'[' * 100000, {}, 400, ''),
])
def test_zipkin_errors(server, body, headers, status, text):
    r = post(server, body, **headers)
    assert r.status_code == status and r.text.startswith(text), r.text


def test_zipkin_is_counted(server):
    assert server.metric('bongsu_ingest_spans_total', door='zipkin') >= 3
