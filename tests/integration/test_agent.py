# SPDX-License-Identifier: Apache-2.0
"""The agent: host metrics arrive under their OpenTelemetry names, an outage of the server loses nothing, log
files are followed and positions kept."""
import os
import re
import subprocess
import time

import pytest

from harness.server import wait_for

FAST = ('--interval', '1s')


@pytest.fixture(scope='module')
def host(start_shared):
    """(server, agent) after the first host metrics."""
    s = start_shared.server()
    a = start_shared.agent(s.url, *FAST)
    wait_for('two rounds of host metrics', lambda: (s.value('count(count_over_time(system_memory_usage_bytes[1m]) > 1)') or 0) > 0,
             40, 0.3)
    return s, a


FAMILIES = {
    'system_cpu_time_seconds_total', 'system_cpu_utilization_ratio', 'system_cpu_load_average_1m', 'system_cpu_logical_count',
    'system_memory_usage_bytes', 'system_memory_utilization_ratio', 'system_memory_limit_bytes', 'system_paging_usage_bytes',
    'system_paging_operations_total', 'system_disk_io_bytes_total', 'system_disk_operations_total',
    'system_filesystem_usage_bytes', 'system_filesystem_utilization_ratio', 'system_network_io_bytes_total',
    'system_network_packet_count_total', 'system_network_errors_total', 'system_process_count', 'system_uptime_seconds',
    'process_cpu_utilization_ratio', 'process_memory_usage_bytes'}


def test_host_metrics(host):
    s, _ = host
    names = set(s.json('/api/v1/label/__name__/values')['data'])
    assert FAMILIES <= names, FAMILIES - names


def test_values_are_this_machine(host):
    s, _ = host
    total_kib = int(re.search(r'MemTotal:\s+(\d+)', open('/proc/meminfo').read()).group(1))
    assert s.value('system_memory_limit_bytes') == total_kib * 1024
    used = s.value('sum(system_memory_usage_bytes)')
    assert 0.9 * total_kib * 1024 < used < 1.1 * total_kib * 1024
    assert s.value('count(count by (cpu_logical_number) (system_cpu_time_seconds_total))') == os.cpu_count()
    uptime = float(open('/proc/uptime').read().split()[0])
    assert abs(s.value('system_uptime_seconds') - uptime) < 60


def test_host_is_listed(host):
    s, _ = host

    def listed():
        return [h for h in s.json('/api/v1/hosts')['hosts'] if h['host'] == os.uname().nodename]
    (h,) = wait_for('host', listed, 10, 0.3)
    assert h['cpus'] == os.cpu_count()
    assert 0 <= h['cpu_ratio'] <= 1 and 0 < h['memory_ratio'] < 1 and h['os']


def test_processes(host):
    s, _ = host
    found = s.query('process_memory_usage_bytes{process_pid!=""}')
    assert found and all(float(r['value'][1]) >= 0 for r in found)
    assert all(r['metric'].get('process_executable_name') for r in found)


def test_outage_loses_nothing(start):
    """Metrics taken while the server is away arrive when it is back: no gap in the seconds."""
    s = start.server()
    http = s.doors['http']
    a = start.agent(s.url, *FAST)
    one = 'system_cpu_load_average_1m'

    def count(server):
        return server.value(f'max(count_over_time({one}[10m]))') or 0
    wait_for('first metrics', lambda: count(s) >= 2, 30, 0.2)
    assert s.stop() == 0
    time.sleep(6)
    a.must_live()
    back = start.server(data=s.data, http=http)
    wait_for('the metrics of the outage', lambda: count(back) >= 9, 40, 0.3)
    stamps = [t for t, _ in back.query(f'{one}[10m]')[0]['values']]
    gaps = [b - x for x, b in zip(stamps, stamps[1:])]
    assert max(gaps) < 2.6, f'gaps {gaps}'


def test_outage_outlives_the_agent(start):
    """What the agent could not send is on its disk: another start of it delivers."""
    s = start.server()
    url, http = s.url, s.doors['http']
    assert s.stop() == 0
    a = start.agent(url, *FAST)
    time.sleep(4)
    assert a.stop() == 0
    before_ms = int(time.time() * 1000)
    back = start.server(data=s.data, http=http)
    start.agent(url, *FAST)
    wait_for('samples from before the restart', lambda: any(
        t * 1000 < before_ms for r in back.query('system_cpu_load_average_1m[10m]') for t, _ in r['values']), 30, 0.3)


def test_log_files_are_followed(start):
    s = start.server()
    logs = start.folder / 'logs'
    logs.mkdir()
    (logs / 'app.log').write_text('first line\n두 번째 줄\n')
    args = (*FAST, '--log', f'{logs}/*.log service=tailed start=beginning')
    a = start.agent(s.url, *args)

    def bodies():
        return [r['body'] for r in reversed(s.json('/api/v1/logs', service='tailed', limit=1000)['logs'])]
    wait_for('both lines', lambda: set(bodies()) >= {'first line', '두 번째 줄'}, 20, 0.2)
    with open(logs / 'app.log', 'a') as f:
        f.write('appended line\nhalf a ')
    wait_for('the appended line', lambda: 'appended line' in bodies(), 20, 0.2)
    assert not any('half' in b for b in bodies())
    with open(logs / 'app.log', 'a') as f:
        f.write('line\n')
    wait_for('the completed line', lambda: 'half a line' in bodies(), 20, 0.2)
    os.rename(logs / 'app.log', logs / 'app.log.1')
    (logs / 'app.log').write_text('line after rotation\n')
    wait_for('the line after rotation', lambda: 'line after rotation' in bodies(), 20, 0.2)
    assert a.stop() == 0
    with open(logs / 'app.log', 'a') as f:
        f.write('line while away\n')
    start.agent(s.url, *args)
    wait_for('the line written while the agent was away', lambda: 'line while away' in bodies(), 20, 0.2)
    assert sorted(bodies()) == sorted(['first line', '두 번째 줄', 'appended line', 'half a line', 'line after rotation',
                                       'line while away']), 'a line came twice'


def test_agent_ends_cleanly_without_a_server(start):
    a = start.agent('http://127.0.0.1:9', *FAST)
    time.sleep(2)
    a.must_live()
    assert a.stop() == 0


def write_journal(path, entries):
    """Append (unit, priority, message) to a journal file with systemd's own writer."""
    text = ''
    for i, (unit, priority, message) in enumerate(entries):
        us = time.time_ns() // 1000 + i
        text += (f'__REALTIME_TIMESTAMP={us}\n__MONOTONIC_TIMESTAMP={us}\n_BOOT_ID={"0123456789abcdef" * 2}\n'
                 f'PRIORITY={priority}\n_SYSTEMD_UNIT={unit}\n_PID=42\nMESSAGE={message}\n\n')
    subprocess.run(['/lib/systemd/systemd-journal-remote', '-o', str(path), '-'], input=text, text=True, check=True,
                   capture_output=True)


def test_journal_is_followed(start, tmp_path):
    """Entries of the systemd journal arrive as log records, once, also over a restart of the agent."""
    s = start.server()
    (tmp_path / 'journal').mkdir()
    journal = tmp_path / 'journal' / 'system.journal'
    flags = (*FAST, '--journal', '--journal-directory', str(tmp_path / 'journal'))
    write_journal(journal, [('old.service', 6, 'before the first start')])
    a = start.agent(s.url, *flags)
    wait_for('the agent', lambda: s.value('bongsu_agent_log_lines_total') is not None, 40, 0.3)
    write_journal(journal, [('shop.service', 3, 'order 17 failed'), ('sshd.service', 6, 'session opened')])

    def logs():
        return s.json('/api/v1/logs')['logs']
    rows = wait_for('two entries', lambda: len(logs()) >= 2 and logs(), 40, 0.3)
    got = {r['body']: r for r in rows}
    assert set(got) == {'order 17 failed', 'session opened'}
    row = got['order 17 failed']
    assert row['service'] == 'shop' and row['severity'] == 'error'
    assert row['attributes']['systemd.unit'] == 'shop.service' and row['attributes']['process.pid'] in (42, '42')
    assert a.stop() == 0
    write_journal(journal, [('shop.service', 4, 'while the agent was away')])
    start.agent(s.url, *flags)
    wait_for('the third entry', lambda: len(logs()) >= 3, 40, 0.3)
    assert sorted(r['body'] for r in logs()) == ['order 17 failed', 'session opened', 'while the agent was away']
