# SPDX-License-Identifier: Apache-2.0
"""Answers have the form api/openapi.yaml promises: every GET of the contract is called with real data behind it
and its JSON validated against the schema."""
import copy
import os
import re
import time

import jsonschema
import pytest
import requests
import yaml

from harness import wire
from harness.server import ROOT

pytestmark = pytest.mark.asan


class Loader(yaml.SafeLoader):
    """YAML 1.2, as OpenAPI has it: `on` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rx) for tag, rx in resolvers if tag != 'tag:yaml.org,2002:bool' or first in 'tTfF']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
DOC = yaml.load((ROOT / 'api/openapi.yaml').read_text(), Loader)
TID = os.urandom(16)


def json_schema(node):
    """OpenAPI 3.0 schema as JSON Schema: nullable becomes a type, references point into the document."""
    if isinstance(node, dict):
        node = {k: json_schema(v) for k, v in node.items()}
        if node.pop('nullable', False):
            node = {'anyOf': [node, {'type': 'null'}]}
        return node
    return [json_schema(v) for v in node] if isinstance(node, list) else node


SCHEMAS = json_schema(copy.deepcopy(DOC))


def validate(schema, instance):
    resolver = jsonschema.RefResolver('', SCHEMAS)
    jsonschema.Draft7Validator(json_schema(schema), resolver=resolver).validate(instance)


def deref(node):
    while '$ref' in node:
        target = DOC
        for part in node['$ref'].removeprefix('#/').split('/'):
            target = target[part]
        node = target
    return node


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server()
    now = time.time_ns()
    res = {'service.name': 'contract', 'host.name': 'h1'}
    spans = [wire.span(TID, bytes([i + 1]) * 8, f'op{i}', now - 10**9, now, parent=b'\x01' * 8 if i else b'', kind=2,
                       attrs={'a': i, 'list': [1, 'x'], 'm': {'k': 0.5}, 'big': 2**60, 'raw': b'\0\xff'}, status=2 * (i == 2),
                       events=[(now, 'ev', {'e': True})], links=[(TID, b'\x01' * 8, {})]) for i in range(4)]
    assert s.otlp('traces', wire.traces(spans, res)).status_code == 200
    assert s.otlp('logs', wire.logs([wire.log_record(now, {'structured': [1, 2]}, 17, 'ERROR', {'k': 'v'}, TID, b'\x01' * 8),
                                     wire.log_record(now, 'plain')], res)).status_code == 200
    assert s.otlp('metrics', wire.metrics([wire.gauge('contract.gauge', [(now, 1.5, {'x': 'y'})], 's')], res)).status_code == 200
    return s


ARGS = {'query': '1', 'match[]': '{__name__=~".+"}', 'trace_id': TID.hex(), 'name': '__name__', 'step': '15',
        'service': 'contract', 'group': 'contract', 'group*': 'contract', 'q': 'SHOW DATABASES', 'format': '__name__,__value__'}
ARGS_OF = {path: ARGS | {'q': '{} | rate()', 'name': 'name'} for path in DOC['paths'] if '/api/metrics/' in path or '/api/v2/search' in path}
ARGS_OF['/loki/api/v1/patterns'] = ARGS | {'query': '{service_name="contract"}'}
ARGS_OF['/api/v1/apm/transactions'] = ARGS | {'format': 'json'}
GETS = [(path, item['get']) for path, item in DOC['paths'].items()
        if 'get' in item and path not in ('/api/v1/logs/tail', '/loki/api/v1/tail', '/api/v1/apm/live', '/api/v1/apm/tmap/live') and not path.startswith('/api/v1/users/')]


@pytest.mark.parametrize('path,op', GETS, ids=[p for p, _ in GETS])
def test_answer_has_the_promised_form(server, path, op):
    params, url, args = {}, path, ARGS_OF.get(path, ARGS)
    for p in map(deref, op.get('parameters', [])):
        if p['in'] == 'path':
            url = url.replace('{' + p['name'] + '}', args[p['name']])
        elif p.get('required') and p['name'] in ('start', 'end'):
            params[p['name']] = str(int(time.time()) - (60 if p['name'] == 'start' else 0))
        elif p.get('required') or p['name'] == 'service':
            params[p['name']] = args[p['name']]
    r = server.get(url, **params)
    assert r.status_code == min(int(code) for code in op['responses']), f'{r.status_code} {r.text[:300]}'
    content = deref(op['responses'][str(r.status_code)]).get('content', {})
    if 'application/json' in content:
        assert r.headers['Content-Type'].startswith('application/json')
        validate(content['application/json']['schema'], r.json())


def test_answers_are_not_empty(server):
    """The forms above were checked on real rows, not on empty lists."""
    trace = server.json(f'/api/v1/traces/{TID.hex()}')
    assert len(trace['spans']) == 4
    root = next(s for s in trace['spans'] if 'parent_span_id' not in s)
    assert root['attributes'] == {'a': 0, 'list': [1, 'x'], 'm': {'k': 0.5}, 'big': {'int': str(2**60)}, 'raw': {'bytes': 'AP8='}}
    assert len(server.json('/api/v1/traces', service='contract')['traces']) == 1
    assert len(server.json('/api/v1/logs', service='contract')['logs']) == 2
    assert any(s['service'] == 'contract' for s in server.json('/api/v1/services')['services'])
    hist = server.json('/api/v1/logs/histogram', service='contract')
    assert sum(sum(x['counts']) for x in hist['series']) == 2
    hist = server.json('/api/v1/traces/histogram', service='contract')
    assert sum(sum(x['counts']) for x in hist['series']) == 4


@pytest.mark.parametrize('path', ['/api/v1/query?query=(', '/api/v1/traces/xyz', '/api/v1/nothing', '/api/v1/logs?limit=x'])
def test_errors_have_the_promised_form(server, path):
    r = server.get(path)
    assert r.status_code >= 400
    validate(DOC['components']['schemas']['Error'], r.json())


def test_live_tail(server):
    with server.session.get(server.url + '/api/v1/logs/tail', params={'service': 'tailed'}, stream=True, timeout=20) as r:
        assert r.headers['Content-Type'].startswith('text/event-stream')
        now = time.time_ns()
        body = wire.logs([wire.log_record(now, 'live line')], {'service.name': 'tailed'})
        other = wire.logs([wire.log_record(now, 'not this one')], {'service.name': 'other'})
        for b in (other, body):
            assert requests.post(server.otlp_url + '/v1/logs', data=b, timeout=5,
                                   headers={'Content-Type': 'application/x-protobuf'}).status_code == 200
        text = ''
        for chunk in r.iter_content(None):
            text += chunk.decode()
            if 'live line' in text:
                break
        assert re.search(r'event: logs\n', text) and 'not this one' not in text


def test_live_tail_form(server):
    assert 'text/event-stream' in deref(DOC['paths']['/api/v1/logs/tail']['get']['responses']['200'])['content']
