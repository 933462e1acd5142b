# SPDX-License-Identifier: Apache-2.0
"""Who may do what: first admin by the one-time link, sessions with CSRF, roles, token scopes, the brake on
guessing, the audit trail, TLS."""
import subprocess
import time

import pytest
import requests

from harness import wire
from harness.server import wait_for

pytestmark = pytest.mark.asan
ADMIN, PASSWORD = 'admin', 'correct horse battery'


class Client:
    """A browser: a cookie jar and the CSRF token it was given."""

    def __init__(self, server):
        self.server = server
        self.http = requests.Session()
        self.http.verify = False
        self.csrf = None

    def call(self, method, path, body=None, csrf=True, **kw):
        headers = {'X-CSRF-Token': self.csrf} if csrf and self.csrf else {}
        return self.http.request(method, self.server.url + path, json=body, headers=headers, timeout=20, **kw)

    def login(self, user, password):
        r = self.call('POST', '/api/v1/session', {'user': user, 'password': password})
        if r.status_code == 200:
            self.csrf = r.json()['csrf_token']
        return r


@pytest.fixture(scope='module')
def server(start_shared):
    s = start_shared.server(auth=True)
    first = Client(s)
    assert first.call('GET', '/api/v1/session').json() == {
        'authenticated': False, 'auth_enabled': True, 'setup_required': True}
    secret = s.setup_token
    bad = {'token': 'f' * len(secret), 'user': ADMIN, 'password': PASSWORD}
    assert first.call('POST', '/api/v1/setup', bad).status_code == 403
    assert first.call('POST', '/api/v1/setup', {'token': secret, 'user': ADMIN, 'password': 'short'}).status_code == 400
    r = first.call('POST', '/api/v1/setup', {'token': secret, 'user': ADMIN, 'password': PASSWORD})
    assert r.status_code == 200 and r.json()['role'] == 'admin'
    again = {'token': secret, 'user': 'second', 'password': PASSWORD}
    assert Client(s).call('POST', '/api/v1/setup', again).status_code == 403, 'the link worked twice'
    return s


@pytest.fixture
def admin(server):
    c = Client(server)
    assert c.login(ADMIN, PASSWORD).status_code == 200
    return c


@pytest.mark.parametrize('path', [
    '/api/v1/query?query=1', '/api/v1/traces', '/api/v1/logs', '/api/v1/status/server', '/api/v1/users', '/api/v1/tokens',
    '/api/v1/audit', '/api/v1/hosts', '/api/v1/services', '/api/v1/labels', '/metrics', '/api/v1/logs/tail',
    '/api/v1/status/config'])
def test_closed_without_login(server, path):
    r = requests.get(server.url + path, timeout=5)
    assert r.status_code == 401 and r.json()['errorType'] == 'unauthorized'


@pytest.mark.parametrize('path', ['/-/healthy', '/-/ready', '/api/v1/session'])
def test_open_without_login(server, path):
    assert requests.get(server.url + path, timeout=5).status_code == 200


def test_ingest_needs_a_token(server):
    now = time.time_ns()
    body = wire.traces([wire.span(b'a' * 16, b'b' * 8, 'x', now, now)])
    assert server.otlp('traces', body).status_code == 401
    assert server.remote_write(b'x').status_code == 401
    import grpc
    with grpc.insecure_channel(server.grpc) as ch, pytest.raises(grpc.RpcError) as e:
        ch.unary_unary('/opentelemetry.proto.collector.trace.v1.TraceService/Export')(body, timeout=5)
    assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_session_cookie_is_protected(server):
    c = Client(server)
    r = c.login(ADMIN, PASSWORD)
    cookie = r.headers['Set-Cookie']
    assert 'bongsu_session=' in cookie and 'HttpOnly' in cookie and 'SameSite' in cookie and 'Path=/' in cookie
    assert 'no-store' in r.headers.get('Cache-Control', '')
    assert c.call('GET', '/api/v1/query?query=1').status_code == 200
    assert c.call('DELETE', '/api/v1/session').status_code == 204
    assert c.call('GET', '/api/v1/query?query=1').status_code == 401


def test_changes_need_the_csrf_token(admin):
    body = {'name': 'x', 'scopes': ['read']}
    assert admin.call('POST', '/api/v1/tokens', body, csrf=False).status_code == 403
    admin.csrf, kept = 'f' * 64, admin.csrf
    assert admin.call('POST', '/api/v1/tokens', body).status_code == 403
    admin.csrf = kept
    assert admin.call('POST', '/api/v1/tokens', body).status_code == 201


def test_roles(server, admin):
    for role in ('viewer', 'operator'):
        r = admin.call('POST', '/api/v1/users', {'user': f'a-{role}', 'password': PASSWORD, 'role': role})
        assert r.status_code == 201, r.text
        c = Client(server)
        assert c.login(f'a-{role}', PASSWORD).json()['role'] == role
        assert c.call('GET', '/api/v1/query?query=1').status_code == 200
        assert c.call('GET', '/api/v1/users').status_code == 403
        assert c.call('GET', '/api/v1/audit').status_code == 403
        assert c.call('POST', '/api/v1/users', {'user': 'no', 'password': PASSWORD, 'role': 'admin'}).status_code == 403
        assert c.call('PATCH', f'/api/v1/users/a-{role}', {'role': 'admin'}).status_code == 403
        assert c.call('POST', '/api/v1/tokens', {'name': 'no', 'scopes': ['admin']}).status_code == 403
    r = admin.call('POST', '/api/v1/users', {'user': 'a-viewer', 'password': PASSWORD, 'role': 'viewer'})
    assert r.status_code == 409


def test_role_change_acts_at_once(server, admin):
    admin.call('POST', '/api/v1/users', {'user': 'riser', 'password': PASSWORD, 'role': 'viewer'})
    c = Client(server)
    c.login('riser', PASSWORD)
    assert c.call('GET', '/api/v1/users').status_code == 403
    assert admin.call('PATCH', '/api/v1/users/riser', {'role': 'admin'}).status_code == 200
    assert c.call('GET', '/api/v1/users').status_code == 200
    assert admin.call('DELETE', '/api/v1/users/riser').status_code == 204
    assert c.call('GET', '/api/v1/query?query=1').status_code == 401


def test_last_admin_stays(admin):
    assert admin.call('DELETE', f'/api/v1/users/{ADMIN}').status_code == 409
    assert admin.call('PATCH', f'/api/v1/users/{ADMIN}', {'role': 'viewer'}).status_code == 409


def test_own_password(server, admin):
    admin.call('POST', '/api/v1/users', {'user': 'changer', 'password': PASSWORD, 'role': 'viewer'})
    c, other = Client(server), Client(server)
    c.login('changer', PASSWORD)
    other.login('changer', PASSWORD)
    new = 'another good password'
    assert c.call('PATCH', '/api/v1/users/changer', {'password': new}).status_code in (400, 401, 403)
    assert c.call('PATCH', '/api/v1/users/changer',
                  {'password': new, 'current_password': 'wrong password'}).status_code in (400, 401, 403)
    assert c.call('PATCH', '/api/v1/users/changer', {'password': new, 'current_password': PASSWORD}).status_code == 200
    assert c.call('GET', '/api/v1/query?query=1').status_code == 200
    assert other.call('GET', '/api/v1/query?query=1').status_code == 401, 'another session outlived the password'
    assert Client(server).login('changer', PASSWORD).status_code == 401
    assert Client(server).login('changer', new).status_code == 200


def bearer(server, secret, method, path, **kw):
    return requests.request(method, server.url + path, headers={'Authorization': f'Bearer {secret}', **kw.pop('headers', {})},
                            timeout=10, **kw)


def test_token_scopes(server, admin):
    secret = {}
    for scope in ('ingest', 'read', 'admin'):
        r = admin.call('POST', '/api/v1/tokens', {'name': f't-{scope}', 'scopes': [scope]})
        assert r.status_code == 201
        secret[scope] = r.json()['secret']
    now = time.time_ns()
    body = wire.traces([wire.span(b'c' * 16, b'd' * 8, 'x', now, now)])
    proto = {'Content-Type': 'application/x-protobuf'}
    status = {}
    for scope, s in secret.items():
        status[scope] = (
            bearer(server, s, 'POST', '/otlp/v1/traces', data=body, headers=proto).status_code,
            bearer(server, s, 'GET', '/api/v1/query?query=1').status_code,
            bearer(server, s, 'GET', '/api/v1/users').status_code)
    assert status['ingest'] == (200, 403, 403)
    assert status['read'] == (403, 200, 403)
    assert status['admin'][2] == 200
    assert bearer(server, 'bgs_' + 'f' * 64, 'GET', '/api/v1/query?query=1').status_code == 401
    r = requests.post(server.otlp_url + '/v1/traces', data=body, timeout=5,
                      headers={**proto, 'Authorization': f'Bearer {secret["ingest"]}'})
    assert r.status_code == 200


def test_token_list_and_revoke(server, admin):
    made = admin.call('POST', '/api/v1/tokens', {'name': 'gone', 'scopes': ['read']}).json()
    assert bearer(server, made['secret'], 'GET', '/api/v1/query?query=1').status_code == 200
    listed = admin.call('GET', '/api/v1/tokens').json()['tokens']
    (mine,) = [t for t in listed if t['id'] == made['id']]
    assert 'secret' not in mine and made['secret'] not in str(listed)
    assert admin.call('DELETE', f'/api/v1/tokens/{made["id"]}').status_code == 204
    assert bearer(server, made['secret'], 'GET', '/api/v1/query?query=1').status_code == 401


def test_token_expires(server, admin):
    soon = int(time.time() * 1000) + 1500
    made = admin.call('POST', '/api/v1/tokens', {'name': 'short', 'scopes': ['read'], 'expires_ms': soon}).json()
    assert bearer(server, made['secret'], 'GET', '/api/v1/query?query=1').status_code == 200
    wait_for('the end of the token', lambda: bearer(server, made['secret'], 'GET', '/api/v1/query?query=1').status_code == 401,
             15, 0.3)


def test_wrong_password_and_unknown_user_answer_alike(server):
    a = Client(server).login('unknown-user-1', 'whatever it is')
    b = Client(server).login('a-viewer', 'whatever it is')
    assert a.status_code == b.status_code == 401 and a.json() == b.json()


def test_guessing_is_braked(server, admin):
    admin.call('POST', '/api/v1/users', {'user': 'victim', 'password': PASSWORD, 'role': 'viewer'})
    seen = []
    for i in range(40):
        r = Client(server).login('victim', f'guess number {i}')
        seen.append(r.status_code)
        if r.status_code == 429:
            assert int(r.headers['Retry-After']) > 0
            break
    assert seen[-1] == 429 and set(seen[:-1]) == {401}
    assert Client(server).login('victim', PASSWORD).status_code == 429, 'the right guess must wait as well'


def test_audit(start):
    s = start.server(auth=True)
    c = Client(s)
    c.csrf = c.call('POST', '/api/v1/setup', {'token': s.setup_token, 'user': ADMIN, 'password': PASSWORD}).json()['csrf_token']
    Client(s).login(ADMIN, 'not the password')
    Client(s).login(ADMIN, PASSWORD)
    c.call('POST', '/api/v1/users', {'user': 'u', 'password': PASSWORD, 'role': 'viewer'})
    c.call('PATCH', '/api/v1/users/u', {'role': 'operator'})
    t = c.call('POST', '/api/v1/tokens', {'name': 't', 'scopes': ['read']}).json()
    c.call('DELETE', f'/api/v1/tokens/{t["id"]}')
    c.call('DELETE', '/api/v1/users/u')
    entries = c.call('GET', '/api/v1/audit').json()['entries']
    assert [e['action'] for e in entries if e['actor'] == 'server'] == ['token_created']  # the agent's
    entries = [e for e in entries if e['actor'] != 'server']
    actions = [e['action'] for e in reversed(entries)]
    assert actions == ['user_created', 'setup', 'login_failed', 'login', 'user_created', 'user_changed', 'token_created',
                       'token_revoked', 'user_deleted']
    assert all(e['ip'] == '127.0.0.1' for e in entries)
    assert PASSWORD not in str(entries) and t['secret'] not in str(entries)
    again = start.server(auth=True, data=s.data) if s.stop() == 0 else None
    assert Client(again).login(ADMIN, PASSWORD).status_code == 200, 'accounts outlive a restart'


def test_security_headers(server):
    r = requests.get(server.url + '/', timeout=5)
    csp = r.headers.get('Content-Security-Policy', '')
    assert "default-src" in csp and "'unsafe-eval'" not in csp
    assert r.headers.get('X-Content-Type-Options') == 'nosniff'
    assert 'frame-ancestors' in csp or r.headers.get('X-Frame-Options')
    r = requests.get(server.url + '/api/v1/labels', timeout=5)
    assert r.headers.get('X-Content-Type-Options') == 'nosniff'
    assert r.headers['Content-Type'] == 'application/json', 'never a page'


def test_stored_files_are_private(server):
    loose = [p for p in [server.data / 'agent.token', *server.data.rglob('*')] if p.stat().st_mode & 0o077]
    assert not loose


def test_tls(start):
    cert, key = start.folder / 'cert.pem', start.folder / 'key.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', str(key), '-out', str(cert),
                    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
                   check=True, capture_output=True)
    s = start.server(args=['--tls-cert', str(cert), '--tls-key', str(key)], scheme='https')
    r = requests.get(s.url + '/-/healthy', verify=str(cert), timeout=5)
    assert r.status_code == 200
    now = time.time_ns()
    body = wire.traces([wire.span(b'e' * 16, b'f' * 8, 'tls', now, now)])
    r = requests.post(s.otlp_url + '/v1/traces', data=body, verify=str(cert), timeout=5,
                      headers={'Content-Type': 'application/x-protobuf'})
    assert r.status_code == 200
    import grpc
    creds = grpc.ssl_channel_credentials(cert.read_bytes())
    port = s.address('otlp_grpc')[1]
    with grpc.secure_channel(f'localhost:{port}', creds) as ch:
        export = ch.unary_unary('/opentelemetry.proto.collector.trace.v1.TraceService/Export')
        assert export(body, timeout=10) == b''
    with pytest.raises(requests.ConnectionError):
        requests.get(s.url.replace('https', 'http') + '/-/healthy', timeout=5).raise_for_status()
        raise requests.ConnectionError
