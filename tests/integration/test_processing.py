# SPDX-License-Identifier: Apache-2.0
"""Rows pass the rules of processing whatever door they come through; tail sampling keeps what it should, also over
kill -9, with exact counts beside it; rules are replaced by file and by console."""
import os
import signal
import time

import pytest

from harness import wire
from harness.server import SLOW, wait_for

pytestmark = pytest.mark.asan
NS = 1_000_000_000

RULES = '''
redaction:
  - detector: kr_resident_number
  - detector: kr_phone
  - {detector: email, mode: label, label: "<mail>"}
  - {detector: secret}
attributes:
  - {name: env, on: resource, set: {deployment.environment: prod}}
  - {name: cookie, drop: ["http.cookie"]}
drop:
  - {name: health, when: {signals: traces, span: "GET /health*"}}
  - {name: debug, when: {signals: logs, severity_below: info}}
derive:
  - {name: ids, trace_id: true}
  - {name: order, regex: 'order=(?<order_id>\\w+)'}
'''

SAMPLING = '''
sampling:
  wait: 500ms
  policies:
    - {name: errors, type: errors}
span_metrics: {interval: 1s}
'''


def rules_file(tmp_path, text):
    path = tmp_path / 'rules.yml'
    path.write_text(text)
    return str(path)


def trace_id(i):
    return i.to_bytes(16, 'big')


def logs_of(s):
    now = int(time.time() * 1000)
    return s.json('/api/v1/logs', start_ms=now - 3600_000, end_ms=now + 60_000, limit=100)['logs']


def found(s, i):
    return s.get(f'/api/v1/traces/{trace_id(i).hex()}').status_code == 200


def status(s):
    return s.json('/api/v1/processing')


def test_every_door(start, tmp_path):
    s = start.server(args=['--processing-config', rules_file(tmp_path, RULES)])
    now = time.time_ns()
    tid = '4bf92f3577b34da6a3ce929d0e0e4736'
    line = f'user kim@example.com 900101-1234567 010-1234-5678 order=a1 trace_id={tid}'
    want = f'user <mail> 900101-******* 010-****-5678 order=a1 trace_id={tid}'
    r = s.otlp('logs', wire.logs([wire.log_record(now, line, attrs={'http.cookie': 'x', 'note': 'password=abc'}),
                                  wire.log_record(now, 'noise', severity=5)]))
    assert r.status_code == 200
    r = s.session.post(s.url + '/loki/api/v1/push', timeout=20,
                       json={'streams': [{'stream': {'app': 'shop', 'level': 'info'}, 'values': [[str(now), line]]}]})
    assert r.status_code == 204, r.text
    logs = logs_of(s)
    assert [x['body'] for x in logs] == [want, want]
    for x in logs:
        assert x['trace_id'] == tid
        assert x['attributes']['order_id'] == 'a1'
        assert x['resource']['deployment.environment'] == 'prod'
    noted = [x['attributes'].get('note') for x in logs if 'note' in x['attributes']]
    assert noted == ['password=***']
    assert not any('http.cookie' in x['attributes'] for x in logs)

    spans = [wire.span(trace_id(1), b'a' * 8, 'GET /health', now, now + 1000),
             wire.span(trace_id(2), b'b' * 8, 'GET /x', now, now + 1000, attrs={'user': 'kim@example.com'},
                       events=[(now, 'exception', {'exception.message': 'no 010-1234-5678'})])]
    assert s.otlp('traces', wire.traces(spans)).status_code == 200
    assert not found(s, 1)
    text = s.get(f'/api/v1/traces/{trace_id(2).hex()}').text
    assert '<mail>' in text and 'kim@example.com' not in text
    assert '010-****-5678' in text and '010-1234-5678' not in text

    rules = {(r['section'], r['name']): (r['matches'], r['rows']) for r in status(s)['rules']['rules']}
    assert rules[('redaction', 'email')] == (3, 3)
    assert rules[('drop', 'health')] == (1, 1)
    assert rules[('drop', 'debug')] == (1, 1)
    assert rules[('derive', 'ids')][1] == 2
    assert s.metric('bongsu_processing_rows_total', section='redaction', rule='email') == 3


def test_file_is_read_again(start, tmp_path):
    path = rules_file(tmp_path, 'redaction: [{detector: email}]')
    s = start.server(args=['--processing-config', path])
    assert status(s)['rules']['source'] == 'file'
    with open(path, 'w') as f:
        f.write('redaction:\n  - {detector: nothing}\n')
    assert s.session.post(s.url + '/-/reload', timeout=20).status_code != 200
    wait_for('the error', lambda: ':2: redaction.detector: unknown detector' in status(s)['rules']['error'], 30 * SLOW)
    assert [r['name'] for r in status(s)['rules']['rules']] == ['email']
    with open(path, 'w') as f:
        f.write('redaction: [{detector: card}]')
    os.kill(s.pid, signal.SIGHUP)
    wait_for('the new rules', lambda: [r['name'] for r in status(s)['rules']['rules']] == ['card'], 30 * SLOW)
    r = s.session.put(s.url + '/api/v1/processing', json={'config': ''}, timeout=20)
    assert r.status_code == 409, r.text


def test_console(start):
    s = start.server()
    put = lambda text: s.session.put(s.url + '/api/v1/processing', json={'config': text}, timeout=20)  # noqa: E731
    r = put('redaction:\n  - {detector: email, mode: hide}')
    assert r.status_code == 400
    assert r.json()['error'] == 'console:2: redaction "email": mode: must be mask, label, hash, drop or replace'
    assert put('redaction: [{detector: email}]').status_code == 200

    def tried(**body):
        r = s.session.post(s.url + '/api/v1/processing/test', json=body, timeout=20)
        assert r.status_code == 200, r.text
        return r.json()

    a = tried(line='to kim@example.com now', attributes={'n': 1})
    assert a['segments'] == [{'text': 'to ', 'rule': ''}, {'text': 'k***@example.com', 'rule': 'email'},
                             {'text': ' now', 'rule': ''}]
    assert a['attributes'] == {'n': 1} and a['dropped_by'] == ''
    a = tried(signal='traces', span='GET /health', service='web',
              config='drop: [{name: h, when: {span: "*health", service: web}}]')
    assert a['dropped_by'] == 'h'
    a = tried(signal='traces', span='x', status='error', config=SAMPLING)
    assert a['kept_by'] == 'errors'
    assert s.session.post(s.url + '/api/v1/processing/test', json={'lin': 'x'}, timeout=20).status_code == 400
    assert [r['matches'] for r in status(s)['rules']['rules']] == [0], 'a dry run counts nothing'
    data = s.data
    assert s.stop() == 0
    again = start.server(data=data)
    assert status(again)['rules']['source'] == 'console'
    assert [r['name'] for r in status(again)['rules']['rules']] == ['email']


def test_sampling(start, tmp_path):
    s = start.server(args=['--processing-config', rules_file(tmp_path, SAMPLING)])
    now = time.time_ns()
    spans = [wire.span(trace_id(i), i.to_bytes(8, 'big'), 'GET /x', now, now + 5_000_000, kind=2,
                       status=2 if i % 10 == 0 else 0) for i in range(1, 101)]
    assert s.otlp('traces', wire.traces(spans, {'service.name': 'shop'})).status_code == 200
    wait_for('the decisions', lambda: status(s)['spans']['dropped_traces'] == 90, 60 * SLOW)
    wait_for('what is kept', lambda: found(s, 10), 30 * SLOW)
    assert found(s, 100) and not found(s, 11)
    late = [wire.span(trace_id(10), b'late-one', 'late', now, now + 1000),
            wire.span(trace_id(11), b'late-two', 'late', now, now + 1000, status=2)]
    assert s.otlp('traces', wire.traces(late)).status_code == 200
    assert len(s.json(f'/api/v1/traces/{trace_id(10).hex()}')['spans']) == 2
    assert not found(s, 11)
    calls = 'traces_span_metrics_calls_total{service_name="shop",span_kind="SPAN_KIND_SERVER"}'
    wait_for('exact counts', lambda: s.value(f'sum({calls})') == 100, 60 * SLOW)
    assert s.value(f'sum({calls[:-1]},status_code="STATUS_CODE_ERROR"}})') == 10
    bucket = 'traces_span_metrics_duration_milliseconds_bucket{service_name="shop",status_code="STATUS_CODE_UNSET",le='
    assert s.value(bucket + '"4"}') == 0
    assert s.value(bucket + '"6"}') == 90
    assert s.value('traces_span_metrics_duration_milliseconds_sum{service_name="shop",status_code="STATUS_CODE_UNSET"}') \
        == pytest.approx(450)


def test_kill_keeps_what_was_acknowledged(start, tmp_path):
    slow = SAMPLING.replace('500ms', '10m')
    s = start.server(args=['--processing-config', rules_file(tmp_path, slow)])
    now = time.time_ns()
    spans = [wire.span(trace_id(i), i.to_bytes(8, 'big'), 'GET /x', now, now + 1000, status=2 if i <= 10 else 0)
             for i in range(1, 21)]
    assert s.otlp('traces', wire.traces(spans)).status_code == 200
    assert status(s)['spans']['waiting_traces'] == 20
    assert not found(s, 1)
    s.kill()
    rules_file(tmp_path, SAMPLING)
    again = start.server(data=s.data, args=['--processing-config', str(tmp_path / 'rules.yml')])
    wait_for('the decisions', lambda: status(again)['spans']['dropped_traces'] == 10, 60 * SLOW)
    for i in range(1, 11):
        wait_for('a kept trace', lambda i=i: found(again, i), 30 * SLOW)
    assert not any(found(again, i) for i in range(11, 21))


def test_shutdown_decides(start, tmp_path):
    slow = SAMPLING.replace('500ms', '10m')
    s = start.server(args=['--processing-config', rules_file(tmp_path, slow)])
    now = time.time_ns()
    spans = [wire.span(trace_id(i), i.to_bytes(8, 'big'), 'GET /x', now, now + 1000, status=2 * (i == 1))
             for i in (1, 2)]
    assert s.otlp('traces', wire.traces(spans)).status_code == 200
    assert s.stop() == 0
    again = start.server(data=s.data)
    assert found(again, 1) and not found(again, 2)
