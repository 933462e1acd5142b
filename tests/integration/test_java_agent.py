# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry Java agent on Debian's Tomcat: every span, log record and metric point it exported comes
back. What to expect of spans and logs is what the agent also writes into its own log as JSON lines; metrics pass a
relay that keeps a copy, since two metric exporters never see the same points."""
import http.server
import json
import math
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import requests

from harness import wire
from harness.server import ROOT, wait_for

AGENT_VERSION = '2.20.1'
LINE = re.compile(r'OtlpJsonLogging(Span|LogRecord)Exporter - (\{.*\})$', re.MULTILINE)
SERVICE = 'shop-tomcat'
KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
STATUS = ['unset', 'ok', 'error']


@pytest.fixture(scope='module')
def agent_jar():
    folder = ROOT / 'build/java'
    jar = folder / f'opentelemetry-javaagent-{AGENT_VERSION}.jar'
    if not jar.is_file():
        run = subprocess.run(
            ['mvn', '-q', '-B', 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy',
             f'-Dartifact=io.opentelemetry.javaagent:opentelemetry-javaagent:{AGENT_VERSION}',
             f'-DoutputDirectory={folder}'], capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return jar


class Relay(http.server.BaseHTTPRequestHandler):
    """Forwards metric exports and keeps those that the server took whole."""
    target, taken = '', []

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        r = requests.post(type(self).target + self.path, data=body, timeout=10,
                          headers={'Content-Type': self.headers['Content-Type']})
        if r.status_code == 200 and not r.content:
            type(self).taken.append(body)
        self.send_response(r.status_code)
        self.send_header('Content-Type', r.headers.get('Content-Type', 'text/plain'))
        self.send_header('Content-Length', str(len(r.content)))
        self.end_headers()
        self.wfile.write(r.content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def recorded(shared, start_shared, agent_jar, request):
    """(server, {'Span': [...], 'LogRecord': [...]} as the agent wrote them)."""
    Relay.target, Relay.taken = shared.otlp_url, []
    relay = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Relay)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    request.addfinalizer(relay.shutdown)
    base = start_shared.folder / 'tomcat'
    shutil.copytree(Path(__file__).parent / 'tomcat/conf', base / 'conf')
    shutil.copytree(Path(__file__).parent / 'tomcat/ROOT', base / 'webapps/ROOT')
    shutil.copy('/etc/tomcat10/web.xml', base / 'conf/web.xml')
    for d in ('logs', 'temp', 'work'):
        (base / d).mkdir()
    options = {
        'otel.service.name': SERVICE, 'otel.service.instance.id': 'one',
        'otel.resource.attributes': 'service.instance.id=one,deployment.environment.name=시험',
        'otel.exporter.otlp.protocol': 'http/protobuf', 'otel.exporter.otlp.endpoint': shared.otlp_url,
        'otel.exporter.otlp.traces.protocol': 'grpc', 'otel.exporter.otlp.traces.endpoint': f'http://{shared.grpc}',
        'otel.traces.exporter': 'otlp,logging-otlp', 'otel.metrics.exporter': 'otlp',
        'otel.exporter.otlp.metrics.endpoint': f'http://127.0.0.1:{relay.server_port}/v1/metrics',
        'otel.logs.exporter': 'otlp,logging-otlp', 'otel.metric.export.interval': '3000',
        'otel.bsp.schedule.delay': '200', 'otel.blrp.schedule.delay': '200',
    }
    (base / 'otel.properties').write_text(
        ''.join(f'{k}={v.encode("unicode_escape").decode()}\n' for k, v in options.items()))
    tomcat = start_shared.process('tomcat', ['/usr/share/tomcat10/bin/catalina.sh', 'run'], env={
        'CATALINA_HOME': '/usr/share/tomcat10', 'CATALINA_BASE': str(base), 'LC_ALL': 'C.UTF-8',
        'JAVA_HOME': os.environ.get('JAVA_HOME') or str(Path(shutil.which('javac')).resolve().parents[1]),
        'CATALINA_OPTS': f'-javaagent:{agent_jar} -Dotel.javaagent.configuration-file={base}/otel.properties '
                         '-Xmx256m -Djava.net.preferIPv4Stack=true'})
    port = tomcat.wait_log(r'Starting ProtocolHandler \["http-nio-127\.0\.0\.1-auto-\d+-(\d+)"\]', 90).group(1)
    url = f'http://127.0.0.1:{port}/order.jsp'
    for i in range(20):
        r = requests.get(url, params={'item': f'사과-{i}'}, timeout=30)
        assert r.text.strip() == f'ordered 사과-{i}'
    assert requests.get(url, timeout=30).status_code == 500
    wait_for('two metric exports with requests',
             lambda: sum(b'http.server.request.duration' in b for b in Relay.taken) >= 2, 20, 0.2)
    tomcat.stop(20)
    found = {'Span': [], 'LogRecord': []}
    for kind, text in LINE.findall(tomcat.log()):
        found[kind].append(json.loads(text))
    return shared, found


def any_value(v):
    (kind, x), = v.items()
    if kind == 'intValue':
        return int(x)
    if kind == 'arrayValue':
        return [any_value(y) for y in x.get('values', [])]
    return x


def attributes(items):
    return {a['key']: any_value(a['value']) for a in items or []}


def each(batches, scopes, items):
    for b in batches:
        for s in b[scopes]:
            for item in s.get(items, []):
                yield attributes(b['resource'].get('attributes')), s['scope'], item


def test_every_span(recorded):
    server, found = recorded
    spans = list(each(found['Span'], 'scopeSpans', 'spans'))
    assert len([s for _, _, s in spans if s['kind'] == 2]) >= 21
    for resource, scope, want in spans:
        trace = server.json(f'/api/v1/traces/{want["traceId"]}')
        (got,) = [s for s in trace['spans'] if s['span_id'] == want['spanId']]
        assert got['name'] == want['name']
        assert got['kind'] == KINDS[want['kind']]
        assert (got['start_ns'], got['end_ns']) == (want['startTimeUnixNano'], want['endTimeUnixNano'])
        assert got.get('parent_span_id') == want.get('parentSpanId')
        assert got['status'] == STATUS[want.get('status', {}).get('code', 0)]
        assert got['attributes'] == attributes(want.get('attributes'))
        assert [(e['time_ns'], e['name'], e['attributes']) for e in got['events']] == \
            [(e['timeUnixNano'], e['name'], attributes(e.get('attributes'))) for e in want.get('events', [])]
        assert trace['resources'][got['resource']] == resource
        assert trace['scopes'][got['scope']]['name'] == scope['name']
    assert any(s['status'] == 'error' for s in trace_spans(server))


def trace_spans(server):
    for t in server.json('/api/v1/traces', service=SERVICE, status='error')['traces']:
        yield from server.json(f'/api/v1/traces/{t["trace_id"]}')['spans']


def test_every_log_record(recorded):
    server, found = recorded
    want = sorted((int(r['timeUnixNano']), r['body']['stringValue'], r['severityNumber'], r.get('traceId') or '',
                   r.get('spanId') or '') for _, _, r in each(found['LogRecord'], 'scopeLogs', 'logRecords'))
    assert len([w for w in want if w[1].startswith('order of 사과')]) == 20
    got = server.json('/api/v1/logs', service=SERVICE, limit=5000)['logs']
    got = sorted((int(r['time_ns']), r['body'], r['severity_number'], r.get('trace_id') or '',
                  r.get('span_id') or '') for r in got)
    assert got == want


UNITS = {'By': 'bytes', 's': 'seconds', 'ms': 'milliseconds', 'm': 'meters'}


def prom_name(name, unit, kind, monotonic):
    name = re.sub(r'[^a-zA-Z0-9_:]', '_', name)
    suffix = UNITS.get(unit, 'ratio' if unit == '1' and kind == 'gauge' else '')
    if suffix and not name.endswith(suffix):
        name += '_' + suffix
    return name + ('_total' if monotonic else '')


def label_text(v):
    return json.dumps(v if isinstance(v, str) else json.dumps(v), ensure_ascii=False)


def test_every_metric_point(recorded):
    server, _ = recorded
    checked, points = set(), 0
    for body in Relay.taken:
        for metric, unit, kind, monotonic, attrs, time_ns, value in wire.read_metrics(body):
            name = prom_name(metric, unit, kind, kind == 'sum' and monotonic)
            labels = {re.sub(r'[^a-zA-Z0-9_]', '_', k): v for k, v in attrs.items()} | {'instance': 'one', 'job': SERVICE}
            selector = '{' + ','.join(f'{k}={label_text(v)}' for k, v in labels.items()) + '}'
            time_s = time_ns // 1000000 / 1000
            if kind == 'histogram':
                assert server.value(f'{name}_count{selector}', time_s) == value[0], name
                assert math.isclose(server.value(f'{name}_sum{selector}', time_s), value[1], rel_tol=1e-12)
            else:
                got = server.value(f'{name}{selector}', time_s)
                assert got == value, f'{name}{selector} at {time_s}'
            checked.add(name)
            points += 1
    assert points > 100
    assert {'jvm_memory_used_bytes', 'jvm_thread_count', 'http_server_request_duration_seconds'} <= checked
