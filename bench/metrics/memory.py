#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory at a million active series: remote write of an hour of data at 15 s, default settings, one server.

  bench/metrics/memory.py                     10,000 hosts of 100 series: 240 M samples; the generator takes 8 GB
  bench/metrics/memory.py --hosts 2000 --minutes 20

Peak is VmHWM: everything the process ever had resident, mapped files, flushes and merges included. Exit status 1 above
1 KiB a series.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

import servers

WATCHED = ("series_active", "head_samples", "head_sample_bytes", "parts")


def head(server):
    """What the server says of its head, by the last words of the name."""
    said = {}
    for line in server.http("/metrics")[1].decode().splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("bongsu_tsdb_") and name[len("bongsu_tsdb_"):] in WATCHED:
            said[name[len("bongsu_tsdb_"):]] = float(value)
    return said


def follow(server, rows, stop):
    while not stop.is_set():
        try:
            rows.append({"rss": server.status_mb("VmRSS"), "anon": server.status_mb("RssAnon"), "file": server.status_mb("RssFile"),
                         **head(server)})
        except (OSError, RuntimeError):
            pass
        stop.wait(1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--hosts", type=int, default=10000)
    ap.add_argument("--minutes", type=int, default=60)
    ap.add_argument("--bin", default=os.path.join(servers.ROOT, "build", "release", "bongsu"))
    a = ap.parse_args()
    os.makedirs(servers.WORK, exist_ok=True)
    server = servers.Server("bongsu-memory", a.bin + " server --data {dir} --http 127.0.0.1:{port} --otlp-grpc 127.0.0.1:0 "
                            "--otlp-http 127.0.0.1:0 --no-auth")
    rows, stop = [], threading.Event()
    server.start()
    try:
        gen = subprocess.Popen([servers.GEN, "--url", server.url, "--hosts", str(a.hosts), "--range", str(a.minutes * 60)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        gen.stderr.readline()  # printed when all requests are made
        before, t0 = server.cpu_s(), time.time()
        follower = threading.Thread(target=follow, args=(server, rows, stop), daemon=True)
        follower.start()
        g = json.loads(gen.communicate()[0])
        took, cpu = time.time() - t0, server.cpu_s() - before
        server.settle(limit=180)
        stop.set()
        follower.join()
        hwm, settled, all_cpu = server.status_mb("VmHWM"), server.status_mb("VmRSS"), server.cpu_s() - before
    finally:
        stop.set()
        server.clean()
    series = max(r.get("series_active", 0) for r in rows)
    top = max(rows, key=lambda r: r["rss"])
    per_series = hwm * 2**20 / series
    print("| series | samples | samples/s | CPU-s/M at ack / settled | peak MiB | bytes a series | settled MiB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    print(f"| {series:,.0f} | {g['acked_samples']:,} | {g['acked_samples'] / took:,.0f} | {cpu * 1e6 / g['acked_samples']:.2f} / "
          f"{all_cpu * 1e6 / g['acked_samples']:.2f} | {hwm:.0f} | {per_series:.0f} | {settled:.0f} |")
    print(f"\nat the highest reading: {top['anon']:.0f} MiB own, {top['file']:.0f} MiB of files; samples in the head "
          f"{top.get('head_sample_bytes', 0) / 2**20:.0f} MiB ({top.get('head_samples', 0) / series:.0f} a series)")
    return 1 if per_series > 1024 or g["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
