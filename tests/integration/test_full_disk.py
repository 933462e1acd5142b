# SPDX-License-Identifier: Apache-2.0
"""A real file system that is full, in bytes and in inodes, in a mount namespace of its own: writes are refused with
a clear message and nothing acknowledged is lost; queries go on; when there is room again everything recovers by
itself."""
import os
import random
import struct
import subprocess
import time

import pytest
import requests

from harness.server import SERVER, Bongsu, wait_for
from harness.wire import remote_write_body, series

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='mounting a file system of the test needs root')


class Boxed(Bongsu):
    """The server with its data on a small tmpfs that only it sees."""

    def __init__(self, folder, options, **kwargs):
        self.mount = folder / 'disk'
        self.mount.mkdir()
        wrapper = folder / 'bongsu'
        wrapper.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'mount --make-rprivate / && '
                           f'mount -t tmpfs -o {options} none {self.mount} && exec {SERVER} "$@"\' sh "$@"\n')
        wrapper.chmod(0o755)
        super().__init__(folder, data=self.mount / 'data', program=str(wrapper), **kwargs)

    def remount(self, options):
        subprocess.run(['nsenter', '-t', str(self.pid), '-m', 'mount', '-o', f'remount,{options}', str(self.mount)],
                       check=True, timeout=20)


def batch(rnd, step):
    """200 series of noise that does not compress, one sample each."""
    now = int(time.time() * 1000)
    return remote_write_body([series({'__name__': 'full_test', 'i': str(i)},
                                     [(struct.unpack('<d', struct.pack('<Q', rnd.getrandbits(62)))[0],
                                       now - 7200_000 + step * 20 + k) for k in range(10)]) for i in range(200)])


def put(server, body):
    return requests.post(server.url + '/api/v1/write', data=body, timeout=30,
                         headers={'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'})


def stored(server):
    got = requests.get(server.url + '/api/v1/query', timeout=60,
                       params={'query': 'sum(count_over_time(full_test[3h]))'}).json()
    assert got['status'] == 'success', got
    return int(float(got['data']['result'][0]['value'][1]))


def fill(server, rnd, limit):
    """Write until it is refused. -> (acknowledged steps, the refusal)"""
    for step in range(limit):
        answer = put(server, batch(rnd, step))
        if answer.status_code >= 300:
            return step, answer
        assert server.alive()
    raise AssertionError('the disk never filled')


def run(start, tmp_path, small, large, limit):
    rnd = random.Random(3)
    server = Boxed(tmp_path, small, args=('--min-free', '1', '--max-size', '0'))
    start.all.append(server)
    server.start()
    steps, refusal = fill(server, rnd, limit)
    assert steps > 0
    assert refusal.status_code in (429, 500, 503, 507), refusal.text
    assert 'space' in refusal.text.lower(), refusal.text
    assert requests.get(server.url + '/-/healthy', timeout=10).status_code == 200
    assert stored(server) == steps * 2000  # nothing acknowledged is lost, nothing refused is there
    server.remount(large)
    done = wait_for('ingest after the disk has room again', lambda: put(server, batch(rnd, steps)).status_code < 300, 60,
                    step=0.5)
    assert done
    assert stored(server) == (steps + 1) * 2000
    server.must_live()


def test_no_bytes_left(start, tmp_path):
    run(start, tmp_path, 'size=24m', 'size=400m', 3000)


def test_no_inodes_left(start, tmp_path):
    """A flush needs new files. Without inodes it fails, and goes on by itself when there are some."""
    server = Boxed(tmp_path, 'size=400m,nr_inodes=64', args=('--min-free', '1', '--max-size', '0'))
    start.all.append(server)
    server.start()
    rnd = random.Random(4)
    assert put(server, batch(rnd, 0)).status_code < 300
    eater = subprocess.run(['nsenter', '-t', str(server.pid), '-m', 'sh', '-c',
                            f'cd {server.mount} && i=0; while : > eat-$i; do i=$((i+1)); done'],
                           capture_output=True, text=True, timeout=60)
    assert 'No space left' in eater.stderr
    answer = requests.post(server.url + '/api/v1/admin/tsdb/snapshot', timeout=60)  # begins with a flush
    assert answer.status_code >= 500 and 'space' in answer.text.lower(), answer.text
    assert put(server, batch(rnd, 1)).status_code < 300  # the log is an open file: it takes more
    assert stored(server) == 2 * 2000
    server.remount('nr_inodes=10000')
    answer = requests.post(server.url + '/api/v1/admin/tsdb/snapshot', timeout=60)
    assert answer.status_code == 200, answer.text
    assert stored(server) == 2 * 2000
    server.must_live()


def test_snapshots_go_before_data(start, tmp_path):
    """What a snapshot holds is not freed by dropping data: with too little room the snapshot goes."""
    server = Boxed(tmp_path, 'size=60m', args=('--min-free', '20MiB', '--max-size', '0'))
    start.all.append(server)
    server.start()
    rnd = random.Random(5)
    for step in range(100):
        assert put(server, batch(rnd, step)).status_code < 300
    assert requests.post(server.url + '/api/v1/admin/tsdb/snapshot', timeout=60).status_code == 200
    subprocess.run(['nsenter', '-t', str(server.pid), '-m', 'dd', 'if=/dev/zero', f'of={server.mount}/eaten',
                    'bs=1M', 'count=48'], capture_output=True, timeout=60)
    server.wait_log('snapshot removed', 30)
    assert requests.get(server.url + '/api/v1/admin/snapshots', timeout=10).json()['snapshots'] == []
