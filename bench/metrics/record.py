#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record real data: scrape prometheus-node-exporter on loopback and keep every scrape (40 minutes by default).

  bench/metrics/record.py [SCRAPES=160] [INTERVAL_S=15] [OUT]

The file holds the text exposition of each scrape after a line '# SCRAPE <unix ms>'. `*_info` metrics (machine
identity: MACs, kernel build) and HELP lines are left out. The generator replays it as N hosts, each starting at
another scrape (--recording).
"""
import gzip
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

from servers import WORK

scrapes = int(sys.argv[1]) if len(sys.argv) > 1 else 160
interval = float(sys.argv[2]) if len(sys.argv) > 2 else 15.0
out = sys.argv[3] if len(sys.argv) > 3 else os.path.join(WORK, "recording.txt.gz")
os.makedirs(os.path.dirname(out), exist_ok=True)

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
proc = subprocess.Popen(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"],
                        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
try:
    time.sleep(1)
    info = re.compile(r"^(# TYPE )?\w+_info[ {]")
    lines = 0
    with gzip.open(out + ".part", "wt", compresslevel=9) as f:
        start = time.time()
        for i in range(scrapes):
            time.sleep(max(0.0, start + i * interval - time.time()))
            now = int(time.time() * 1000)
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
            keep = [l for l in text.split("\n")
                    if l and not l.startswith("# HELP") and not info.match(l)]
            lines = sum(1 for l in keep if l[0] != "#")
            f.write(f"# SCRAPE {now}\n" + "\n".join(keep) + "\n")
    os.rename(out + ".part", out)
    print(f"{scrapes} scrapes, {lines} series in the last one -> {out}")
finally:
    proc.terminate()
    proc.wait()
