# SPDX-License-Identifier: Apache-2.0
"""Syslog over UDP, TCP and TLS, with rsyslog and util-linux's logger as senders and by hand."""
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from harness.server import SERVER, wait_for

DOORS = ('udp', 'tcp', 'tls')
RSYSLOGD = shutil.which('rsyslogd', path='/usr/sbin:/usr/bin')


def certificate(folder, name, ca=None, cn=None):
    """A key and a certificate, signed by `ca` or by itself."""
    key, cert, request = (folder / f'{name}.{x}' for x in ('key', 'pem', 'csr'))
    subject = f'/CN={cn or name}'
    if ca is None:
        cmd = [['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                '-keyout', key, '-out', cert, '-subj', subject, '-days', '2',
                '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']]
    else:
        cmd = [['openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key,
                '-out', request, '-subj', subject],
               ['openssl', 'x509', '-req', '-in', request, '-CA', ca[0], '-CAkey', ca[1], '-CAcreateserial', '-out', cert,
                '-days', '2']]
    for c in cmd:
        subprocess.run(c, check=True, capture_output=True, timeout=60)
    return cert, key


def doors(server):
    """Addresses of the syslog doors, from the server's log."""
    return {name: (host, int(port)) for name, host, port in
            re.findall(r'msg="door open" door=syslog_(\w+) address=([\d.]+):(\d+)', server.log())}


@pytest.fixture(scope='module')
def server(start_shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp('tls')
    cert, key = certificate(folder, 'server')
    s = start_shared.server(scheme='https', args=[
        '--tls-cert', cert, '--tls-key', key, '--syslog-listen-udp', '127.0.0.1:0', '--syslog-listen-tcp', '127.0.0.1:0',
        '--syslog-listen-tls', '127.0.0.1:0', '--syslog-time-zone', 'UTC', '--syslog-max-message', '8KiB'])
    s.wait_log(r'door=syslog_tls address')
    s.cert = cert
    return s


def rows(server, marker, start_ms=0):
    r = server.session.get(server.url + '/api/v1/logs', timeout=20,
                           params={'text': marker, 'limit': 1000, 'start_ms': start_ms, 'end_ms': int(time.time() * 1000) + 3600_000})
    assert r.status_code == 200, r.text
    return r.json()['logs']


def arrived(server, marker, n):
    """The n records whose text has the marker."""
    def look():
        got = rows(server, marker)
        return got if len(got) >= n else None
    got = wait_for(f'{n} records with {marker}', look, timeout=40)
    assert len(got) == n
    return got


def send(server, door, data):
    with socket.create_connection(doors(server)[door], timeout=20) as s:
        s.sendall(data)


def test_status_page_lists_the_doors(server):
    listed = {d['name']: d for d in server.session.get(server.url + '/api/v1/status/server', timeout=20).json()['doors']}
    for d in DOORS:
        assert listed[f'syslog_{d}']['on'], listed


def test_by_hand_rfc5424(server):
    now = time.time()
    stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now)) + '.123456Z'
    text = f'<165>1 {stamp} web1 shop 8710 ID47 [origin ip="192.0.2.1" software="x\\"y"] hand5424 of 10'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(text.encode(), doors(server)['udp'])
    row = arrived(server, 'hand5424', 1)[0]
    assert row['body'] == 'hand5424 of 10'
    assert row['time_ns'] == f'{int(now)}123456000'
    assert row['service'] == 'shop' and row['resource']['host.name'] == 'web1'
    assert row['severity_number'] == 10 and row['severity_text'] == 'notice'
    a = row['attributes']
    assert a['syslog.facility.code'] == 20 and a['syslog.severity.code'] == 5 and a['process.pid'] == 8710
    assert a['syslog.msg.id'] == 'ID47' and a['syslog.structured_data.origin.software'] == 'x"y'
    assert a['network.peer.address'] == '127.0.0.1'


def test_framing_on_one_connection(server):
    """Counted and ended by a line, in one write and in single bytes; the last without its end."""
    now = time.strftime('%b %e %H:%M:%S', time.gmtime())
    counted = f'<13>{now} h1 a[1]: framing one\nwith a second line'
    data = f'{len(counted)} {counted}<13>{now} h1 a: framing two\n<13>{now} h1 a: framing three'.encode()
    with socket.create_connection(doors(server)['tcp'], timeout=20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(60):
            s.sendall(data[i:i + 1])
        s.sendall(data[60:])
    got = {r['body'] for r in arrived(server, 'framing', 3)}
    assert got == {'framing one\nwith a second line', 'framing two', 'framing three'}


def test_tls(server):
    context = ssl.create_default_context(cafile=server.cert)
    with socket.create_connection(doors(server)['tls'], timeout=20) as raw, \
            context.wrap_socket(raw, server_hostname='localhost') as s:
        text = '<11>1 - h2 app - - - overtls'
        s.sendall(f'{len(text)} {text}'.encode())
    assert arrived(server, 'overtls', 1)[0]['severity'] == 'error'


def test_what_is_not_syslog(server):
    """Nothing crashes, what can be shown is shown, other connections go on."""
    junk = [b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', b'GET / HTTP/1.1\r\nHost: notsyslog\r\n\r\n', b'\0' * 5000,
            b'999999999 <13>never so long', b'<13>' + b'\xff' * 100 + b'\n', b'<' * 70000]
    for j in junk:
        for door in ('tcp', 'tls'):
            try:
                send(server, door, j)
            except OSError:
                pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(j[:60000], doors(server)['udp'])
    send(server, 'tcp', b'<13>app: stillhere\n')
    arrived(server, 'stillhere', 1)
    server.must_live()


def test_long_message_is_cut_visibly(server):
    send(server, 'tcp', b'<13>app: longmessage ' + b'x' * 20000 + b'\n<13>app: afterlong\n')
    row = arrived(server, 'longmessage', 1)[0]
    assert len(row['body']) < 8192 and row['attributes']['log.truncated'] is True
    arrived(server, 'afterlong', 1)


def test_counters(server):
    send(server, 'tcp', b'<13>app: countersmarker\n')
    send(server, 'tls', b'not TLS at all, not at all')
    arrived(server, 'countersmarker', 1)

    def look():
        metrics = server.session.get(server.url + '/metrics', timeout=20).text
        return all(name in metrics for name in (
            'bongsu_log_input_messages_total{door="syslog_tcp"}', 'bongsu_socket_connections{door="syslog_tcp"}',
            'bongsu_socket_received_bytes_total{door="syslog_udp"}', 'bongsu_ingest_log_records_total{door="syslog_udp"}',
            'bongsu_socket_rejected_total{door="syslog_tls",reason="protocol_error"}'))
    wait_for('counters', look, timeout=30)


@pytest.mark.parametrize('door,form', [('udp', 'rfc5424'), ('udp', 'rfc3164'), ('tcp', 'rfc5424'), ('tcp', 'rfc3164'),
                                       ('tcp', 'counted')])
def test_logger(server, door, form):
    marker = f'logger{door}{form}'
    flags = {'counted': ['--octet-count', '--rfc5424']}.get(form, [f'--{form}'])
    host, port = doors(server)[door]
    subprocess.run(['logger', '--server', host, '--port', str(port), f'--{door}', '--tag', 'mytag', '--priority', 'auth.warning',
                    '--id=77', *flags, f'{marker} says hello'], check=True, timeout=30)
    row = arrived(server, marker, 1)[0]
    assert row['body'] == f'{marker} says hello' and row['service'] == 'mytag'
    assert row['severity_number'] == 13 and row['attributes']['syslog.facility.code'] == 4
    assert row['attributes']['process.pid'] == 77
    assert row['resource']['host.name'].split('.')[0] == socket.gethostname().split('.')[0]
    assert abs(int(row['time_ns']) / 1e9 - time.time()) < 120


RSYSLOG = """
global(workDirectory="{work}" DefaultNetstreamDriverCAFile="{ca}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{socket}" CreatePath="on")
*.* action(type="omfwd" target="127.0.0.1" port="{udp}" protocol="udp" template="RSYSLOG_TraditionalForwardFormat")
*.* action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
*.* action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp" template="RSYSLOG_ForwardFormat")
*.* action(type="omfwd" target="127.0.0.1" port="{tls}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
           StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="anon")
"""


def test_rsyslog(server, start, tmp_path):
    """The same messages over UDP in the old form, over TCP counted and by lines, and over TLS."""
    assert RSYSLOGD is not None, 'rsyslog is one of the test packages'
    config = tmp_path / 'rsyslog.conf'
    config.write_text(RSYSLOG.format(work=tmp_path, ca=server.cert, socket=tmp_path / 'log', **{d: doors(server)[d][1] for d in DOORS}))
    rsyslog = start.process('rsyslogd', [RSYSLOGD, '-n', '-iNONE', '-f', config])
    wait_for('socket of rsyslogd', (tmp_path / 'log').exists, timeout=30)
    n = 50
    for i in range(n):
        subprocess.run(['logger', '--socket', tmp_path / 'log', '--tag', 'shop', '--priority', 'local3.err',
                        f'rsyslogmarker {i}'], check=True, timeout=30)
    got = arrived(server, 'rsyslogmarker', 4 * n)
    assert {r['body'] for r in got} == {f'rsyslogmarker {i}' for i in range(n)}
    assert {r['service'] for r in got} == {'shop'}
    assert {r['severity'] for r in got} == {'error'}
    assert {r['attributes']['syslog.facility.code'] for r in got} == {19}
    rsyslog.must_live()


def test_client_certificates(start, tmp_path):
    cert, key = certificate(tmp_path, 'server')
    ca = certificate(tmp_path, 'authority')
    client, client_key = certificate(tmp_path, 'client', ca=ca)
    server = start.server(scheme='https', args=['--tls-cert', cert, '--tls-key', key, '--syslog-listen-tls', '127.0.0.1:0',
                                                '--syslog-tls-client-ca', ca[0]])
    server.wait_log(r'door=syslog_tls address')

    def say(context, text):
        """True when the server took the connection: it then waits for more, until we close."""
        with socket.create_connection(doors(server)['tls'], timeout=20) as raw, \
                context.wrap_socket(raw, server_hostname='localhost') as s:
            s.sendall(text)
            s.settimeout(2)
            try:
                return s.recv(1) != b''
            except TimeoutError:
                return True

    context = ssl.create_default_context(cafile=cert)
    with pytest.raises(ssl.SSLError):
        say(context, b'<13>app: no certificate\n')
    context.load_cert_chain(client, client_key)
    assert say(context, b'<13>app: a certificate\n')
    assert arrived(server, 'certificate', 1)[0]['body'] == 'a certificate'


def test_settings_are_checked(start):
    for args, why in ((['--syslog-listen-tls', '127.0.0.1:0'], 'needs --tls-cert'),
                      (['--syslog-listen-udp', '127.0.0.1:0', '--syslog-time-zone', 'Mars/Olympus'], 'Mars/Olympus'),
                      (['--syslog-listen-tcp', '0.0.0.0:0'], '--no-auth is refused'),
                      (['--syslog-max-message', '1'], 'syslog')):
        r = subprocess.run([SERVER, 'server', '--data', start.folder / 'x', '--no-auth', '--http', '127.0.0.1:0', '--otlp-grpc', '',
                            '--otlp-http', '', *args], capture_output=True, text=True, timeout=60)
        assert r.returncode != 0 and why in r.stderr, (args, r.stderr)
