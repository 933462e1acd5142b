# SPDX-License-Identifier: Apache-2.0
"""Logs over Fluent's forward protocol, Elasticsearch's _bulk and JSON lines: with the clients of PyPI and by hand."""
import base64
import gzip
import json
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness.server import SERVER, wait_for

KEY = 'not a secret'
NS = 1_000_000_000


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server(args=['--fluent-listen', '127.0.0.1:0'])
    s.wait_log(r'door=fluent address')
    return s


def door(server, name):
    host, port = re.search(rf'msg="door open" door={name} address=([\d.]+):(\d+)', server.log()).groups()
    return host, int(port)


def rows(server, marker):
    r = server.session.get(server.url + '/api/v1/logs', timeout=20, params={
        'text': marker, 'limit': 5000, 'start_ms': 0, 'end_ms': int(time.time() * 1000) + 3600_000})
    assert r.status_code == 200, r.text
    return r.json()['logs']


def arrived(server, marker, n):
    def look():
        got = rows(server, marker)
        return got if len(got) >= n else None
    got = wait_for(f'{n} records with {marker}', look, timeout=40)
    assert len(got) == n
    return got


# ---- Fluent ----

FORWARD = r'''
import hashlib, os, socket, struct, sys, zlib, gzip, json, time
import msgpack

mode, host, port, marker, n, key = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), sys.argv[6]
user, password = (sys.argv[7:] + ['', ''])[:2]
s = socket.create_connection((host, port), timeout=60)
unpacker = msgpack.Unpacker(raw=False)

def read():
    while True:
        for m in unpacker:
            return m
        data = s.recv(65536)
        if not data:
            sys.exit('closed')
        unpacker.feed(data)

if key or user:
    helo = read()
    assert helo[0] == 'HELO', helo
    salt, name = os.urandom(16), 'client.example'
    digest = hashlib.sha512(salt + name.encode() + helo[1]['nonce'] + key.encode()).hexdigest()
    auth = helo[1]['auth']
    assert bool(auth) == bool(user), helo
    proof = hashlib.sha512(auth + user.encode() + password.encode()).hexdigest() if auth else ''
    s.sendall(msgpack.packb(['PING', name, salt, digest, user, proof]))
    pong = read()
    assert pong[0] == 'PONG' and pong[1] is True, pong
    assert pong[4] == hashlib.sha512(salt + pong[3].encode() + helo[1]['nonce'] + key.encode()).hexdigest(), pong

def event_time(i):
    return msgpack.ExtType(0, struct.pack('>II', int(time.time()) - 5, i))

def record(i):
    return {'log': f'{marker} {i}', 'level': 'error', 'n': i, 'kubernetes': {'pod_name': 'p-1', 'labels': {'app': 'cart'}}}

for chunk in range(3):
    option = {'chunk': f'{marker}-{chunk}', 'size': n}
    entries = [[event_time(chunk * n + i), record(chunk * n + i)] for i in range(n)]
    packed = b''.join(msgpack.packb(e) for e in entries)
    if mode == 'forward':
        message = ['shop.web', entries, option]
    elif mode == 'packed':
        message = ['shop.web', packed, option]
    elif mode == 'gzip':
        message = ['shop.web', gzip.compress(packed[:100]) + gzip.compress(packed[100:]), {**option, 'compressed': 'gzip'}]
    data = msgpack.packb(message)
    for at in range(0, len(data), 7001):
        s.sendall(data[at:at + 7001])
    assert read() == {'ack': f'{marker}-{chunk}'}
    print('acked', chunk, flush=True)
'''


@pytest.mark.parametrize('mode', ['forward', 'packed', 'gzip'])
def test_forward_modes(server, log_clients, mode):
    host, port = door(server, 'fluent')
    run = subprocess.run([log_clients, '-c', FORWARD, mode, host, str(port), f'fwd{mode}', '500', ''], capture_output=True, text=True,
                         timeout=120)
    assert run.returncode == 0, run.stderr
    got = arrived(server, f'fwd{mode}', 1500)
    row = got[0]
    assert {r['attributes']['n'] for r in got} == set(range(1500))
    assert row['severity'] == 'error' and row['service'] == 'cart'
    assert row['resource']['fluent.tag'] == 'shop.web' and row['resource']['k8s.pod.name'] == 'p-1'
    assert int(row['time_ns']) % NS == row['attributes']['n']


LOGGER = r'''
import sys
from fluent import sender
logger = sender.FluentSender('app', host=sys.argv[1], port=int(sys.argv[2]), nanosecond_precision=True)
for i in range(100):
    assert logger.emit('follow', {'message': f'{sys.argv[3]} {i}', 'from': 'userA', 'list': [1, 'x', {'y': None}]}), logger.last_error
logger.close()
'''


def test_fluent_logger(server, log_clients):
    """The Python client of the Fluent project."""
    host, port = door(server, 'fluent')
    subprocess.run([log_clients, '-c', LOGGER, host, str(port), 'fluentlogger'], check=True, timeout=60)
    row = arrived(server, 'fluentlogger', 100)[0]
    assert row['resource']['fluent.tag'] == 'app.follow' and row['attributes']['from'] == 'userA'


def test_shared_key(start, log_clients):
    server = start.server(args=['--fluent-listen', '127.0.0.1:0', '--fluent-shared-key', KEY])
    server.wait_log(r'door=fluent address')
    host, port = door(server, 'fluent')

    def run(key):
        return subprocess.run([log_clients, '-c', FORWARD, 'packed', host, str(port), 'keyed', '10', key], capture_output=True,
                              text=True, timeout=60)
    assert run('wrong key').returncode != 0
    with socket.create_connection((host, port), timeout=20) as s:  # without a handshake
        s.sendall(b'\x93\xa1t\x01\x81\xa3log\xa5keyed')
        s.settimeout(20)
        while s.recv(4096):
            pass
    r = run(KEY)
    assert r.returncode == 0, r.stderr
    arrived(server, 'keyed', 30)
    assert KEY not in server.session.get(server.url + '/api/v1/status/config', timeout=20).text


@pytest.mark.parametrize('key', [KEY, ''])
def test_users(start, log_clients, key):
    """user_auth of the protocol: each sender has a name and a password; also without a key (Empty_Shared_Key)."""
    args = ['--fluent-listen', '127.0.0.1:0', '--fluent-users', 'web1:pass:word', '--fluent-users', 'web2:other']
    server = start.server(args=args + (['--fluent-shared-key', key] if key else []))
    server.wait_log(r'door=fluent address')
    host, port = door(server, 'fluent')

    def run(user, password, key=key):
        return subprocess.run([log_clients, '-c', FORWARD, 'packed', host, str(port), f'of{user}', '10', key, user, password],
                              capture_output=True, text=True, timeout=60)
    for user, password in (('web1', 'pass:word'), ('web2', 'other')):
        r = run(user, password)
        assert r.returncode == 0, r.stderr
        arrived(server, f'of{user}', 30)
    r = run('web1', 'other')
    assert r.returncode != 0 and 'username/password mismatch' in r.stderr, r.stderr
    r = run('web1', 'pass:word', 'wrong key')
    assert r.returncode != 0 and 'shared_key mismatch' in r.stderr, r.stderr
    config = server.session.get(server.url + '/api/v1/status/config', timeout=20).text
    assert 'pass:word' not in config and 'fluent' in config


def test_fluent_over_tls(start, tmp_path):
    cert, key = tmp_path / 'c.pem', tmp_path / 'k.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key,
                    '-out', cert, '-subj', '/CN=localhost', '-days', '2', '-addext', 'subjectAltName=DNS:localhost'],
                   check=True, capture_output=True, timeout=60)
    server = start.server(scheme='https', args=['--tls-cert', cert, '--tls-key', key, '--fluent-listen-tls', '127.0.0.1:0'])
    server.wait_log(r'door=fluent_tls address')
    with socket.create_connection(door(server, 'fluent_tls'), timeout=20) as raw, \
            ssl.create_default_context(cafile=cert).wrap_socket(raw, server_hostname='localhost') as s:
        s.sendall(b'\x94\xa1t\x00\x81\xa3log\xa8tlsfluent'.replace(b'\xa8', b'\xa9') + b'\x81\xa5chunk\xa2c1')
        assert s.recv(100) == b'\xde\x00\x01\xa3ack\xa2c1'
    arrived(server, 'tlsfluent', 1)


def test_acknowledged_survives_kill(start, log_clients):
    """kill -9 at any moment: every chunk that was acknowledged is there."""
    server = start.server(args=['--fluent-listen', '127.0.0.1:0'])
    server.wait_log(r'door=fluent address')
    host, port = door(server, 'fluent')
    run = subprocess.run([log_clients, '-c', FORWARD, 'packed', host, str(port), 'killed', '200', ''], capture_output=True, text=True,
                         timeout=120)
    assert run.stdout.count('acked') == 3, run.stderr
    server.signal(signal.SIGKILL)
    server.child.wait(timeout=30)
    again = start.server(data=server.data)
    arrived(again, 'killed', 600)


def test_what_is_not_fluent(server):
    for junk in (b'GET / HTTP/1.1\r\n\r\n', b'\xc1', b'\x91' * 100, b'\xdd\xff\xff\xff\xff' + b'\x01' * 1000, b'\xdb\xff\xff\xff\xff'):
        with socket.create_connection(door(server, 'fluent'), timeout=20) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(20)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    server.must_live()


def test_settings_are_checked(start):
    for args, why in ((['--fluent-listen-tls', '127.0.0.1:0'], 'needs --tls-cert'),
                      (['--fluent-listen', '0.0.0.0:0'], 'needs --fluent-shared-key'),
                      (['--fluent-listen', '127.0.0.1:0', '--fluent-users', 'web1'], 'NAME:PASSWORD'),
                      (['--fluent-listen', '127.0.0.1:0', '--fluent-users', ':x'], 'NAME:PASSWORD')):
        r = subprocess.run([SERVER, 'server', '--data', start.folder / 'x', '--http', '127.0.0.1:0', '--otlp-grpc', '', '--otlp-http', '',
                            *args], capture_output=True, text=True, timeout=60)
        assert r.returncode != 0 and why in r.stderr, (args, r.stderr)


# ---- Elasticsearch ----

BULK = r'''
import sys, time
from elasticsearch import Elasticsearch, helpers
es = Elasticsearch(sys.argv[1], http_compress=True, **({'api_key': sys.argv[3]} if len(sys.argv) > 3 else {}))
assert es.ping()
assert es.info()['version']['number'].startswith('8.')
now = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())
docs = [{'_op_type': 'create', '_index': 'logs-shop-default', '@timestamp': f'{now}.{i:03d}Z', 'message': f'{sys.argv[2]} {i}',
         'log': {'level': 'warn'}, 'service': {'name': 'shop'}, 'host': {'name': 'web1', 'ip': ['10.0.0.1']}, 'n': i} for i in range(500)]
docs.append({'_op_type': 'create', '_index': 'logs-shop-default', '@timestamp': 'never', 'message': 'bad'})
ok, errors = helpers.bulk(es, docs, raise_on_error=False, chunk_size=100)
assert ok == 500 and len(errors) == 1, (ok, errors)
assert errors[0]['create']['error']['type'] == 'document_parsing_exception', errors
'''


def test_elasticsearch_client(server, log_clients):
    run = subprocess.run([log_clients, '-c', BULK, server.url + '/elasticsearch', 'esclient'], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    got = arrived(server, 'esclient', 500)
    row = got[0]
    assert {r['attributes']['n'] for r in got} == set(range(500))
    assert row['service'] == 'shop' and row['severity'] == 'warn' and row['severity_text'] == 'warn'
    assert row['resource']['host.name'] == 'web1' and row['resource']['elasticsearch.index'] == 'logs-shop-default'
    assert row['attributes']['host.ip'] == ['10.0.0.1']


def test_bulk_by_hand(server):
    body = '{"index":{}}\n{"message":"bulkhand 1"}\n{"create":{"_index":"b","_id":"x1"}}\n{"message":"bulkhand 2"}\n' \
           '{"delete":{"_index":"b","_id":"x"}}\n'
    r = server.session.post(server.url + '/myindex/_bulk', data=gzip.compress(body.encode()), timeout=20,
                            headers={'Content-Encoding': 'gzip', 'Content-Type': 'application/x-ndjson'})
    assert r.status_code == 200 and r.headers['X-Elastic-Product'] == 'Elasticsearch', r.text
    a = r.json()
    assert a['errors'] and [next(iter(i.values()))['status'] for i in a['items']] == [201, 201, 400]
    assert a['items'][0]['index']['_index'] == 'myindex' and a['items'][1]['create']['_id'] == 'x1'
    assert {x['resource']['elasticsearch.index'] for x in arrived(server, 'bulkhand', 2)} == {'myindex', 'b'}
    r = server.session.post(server.url + '/_bulk?filter_path=errors,items.*.status', data=body.split('\n', 2)[0] + '\n', timeout=20)
    assert r.status_code == 400 and r.json()['error']['type'] == 'illegal_argument_exception', r.text


def test_what_clients_ask_first(server):
    """Filebeat, Logstash and Vector look at these before they send."""
    url = server.url + '/elasticsearch'
    assert server.session.get(url, timeout=20).json()['version']['number'].startswith('8.')
    assert server.session.head(url + '/', timeout=20).status_code == 200
    assert server.session.get(url + '/_license', timeout=20).json()['license']['status'] == 'active'
    assert server.session.get(url + '/_xpack', timeout=20).json()['features']['ilm']['available']
    assert server.session.get(url + '/_cluster/health', timeout=20).json()['status'] == 'green'
    for kind in ('_ilm/policy', '_index_template', '_template', '_data_stream', '_ingest/pipeline', '_component_template'):
        assert server.session.head(f'{url}/{kind}/filebeat', timeout=20).status_code == 404
        assert server.session.get(f'{url}/{kind}/filebeat', timeout=20).json()['status'] == 404
        assert server.session.put(f'{url}/{kind}/filebeat', json={}, timeout=20).json() == {'acknowledged': True}


def test_tokens(start, log_clients):
    server = start.server(auth=True)
    assert server.session.post(server.url + '/_bulk', data='{}', timeout=20).status_code == 401
    token = (server.data / 'agent.token').read_text().strip()
    for auth in (f'Bearer {token}', 'ApiKey ' + base64.b64encode(f'id:{token}'.encode()).decode(),
                 'Basic ' + base64.b64encode(f'elastic:{token}'.encode()).decode()):
        r = server.session.post(server.url + '/_bulk', data='{"create":{"_index":"a"}}\n{"message":"tokens"}\n', timeout=20,
                                headers={'Authorization': auth})
        assert r.status_code == 200 and not r.json()['errors'], (auth, r.text)


# ---- JSON lines ----

def test_json_lines(server):
    now = time.time()
    lines = [{'_time': now, '_msg': f'jsonlines {i}', 'level': 'info', 'app': 'shop', 'n': i} for i in range(10)]
    r = server.session.post(server.url + '/insert/jsonline', data='\n'.join(map(json.dumps, lines)), timeout=20,
                            params={'_stream_fields': 'app', '_time_field': '_time', '_msg_field': '_msg'})
    assert r.status_code == 200 and r.json()['accepted'] == 10, r.text
    row = arrived(server, 'jsonlines', 10)[0]
    assert row['service'] == 'shop' and row['resource']['app'] == 'shop' and row['severity'] == 'info'
    assert abs(int(row['time_ns']) / NS - now) < 0.001


def test_bad_lines_are_named(server):
    body = b'{"message":"badlines 1"}\n{"message":\n[]\n{"message":"badlines 2"}\n'
    r = server.session.post(server.url + '/api/v1/logs/import', data=body, timeout=20)
    assert r.status_code == 400, r.text
    a = r.json()
    assert a['accepted'] == 2 and a['rejected'] == 2 and [e['line'] for e in a['errors']] == [2, 3]
    arrived(server, 'badlines', 2)
    r = server.session.post(server.url + '/api/v1/logs/import', data=gzip.compress(body), timeout=20, headers={'Content-Encoding': 'br'})
    assert r.status_code == 415


def test_counters(server):
    server.session.post(server.url + '/api/v1/logs/import', data='{"message":"counted"}', timeout=20)

    def look():
        text = server.session.get(server.url + '/metrics', timeout=20).text
        return all(name in text for name in ('bongsu_ingest_log_records_total{door="json_lines"}',
                                             'bongsu_ingest_log_records_total{door="elasticsearch"}',
                                             'bongsu_ingest_log_records_total{door="fluent"}',
                                             'bongsu_log_input_messages_total{door="fluent"}',
                                             'bongsu_socket_connections{door="fluent"}'))
    wait_for('counters', look, timeout=30)
