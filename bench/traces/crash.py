#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 a server during ingest, restart it, look acknowledged traces up.

  bench/traces/crash.py [--servers bongsu,jaeger] [--kills 3,8,15] [--rate 12000]

The generator stops each connection at its first failure and writes how many requests each had acknowledged. A request
holds whole traces; after the restart the traces of the last four acknowledged requests of each connection and 500 others
are looked up. Lost is a trace that is not there or has a span whose parent is not. The process dies, the machine does
not: this tests the server's own buffers, not fsync or power loss.
"""
import argparse
import json
import os
import random
import signal
import subprocess
import time

import servers
from compare import BATCH, MEAN_SPANS, trace_id
from servers import GEN, WORK

PER_REQUEST, SPANS = BATCH // MEAN_SPANS, 1000000


def whole(srv, n):
    status, body, _ = srv.http(f"{srv.jaeger}/api/traces/{trace_id(n)}")
    traces = json.loads(body)["data"] if status == 200 else None
    if not traces:
        return False
    spans = traces[0]["spans"]
    ids = {s["spanID"] for s in spans}
    return all(r["spanID"] in ids for s in spans for r in s["references"])


def crash_once(srv, kill_after, rate):
    acklog = os.path.join(WORK, "ack.tsv")
    r = {"server": srv.name, "kill_after_s": kill_after}
    srv.start()
    try:
        gen = subprocess.Popen([GEN, "--url", srv.push_url(), "--spans", str(SPANS), "--batch", str(BATCH), "--rate", str(rate), "--stop-on-error",
                                "--acklog", acklog], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        gen.stderr.readline()
        time.sleep(kill_after)
        if gen.poll() is not None:
            raise SystemExit("gen was done before the kill: lower --rate or --kills")
        srv.end(signal.SIGKILL)
        g = json.loads(gen.communicate()[0])
        r["acked"] = g["acked"]
        r["recovery_s"], r["recovery_cpu_s"] = srv.start(fresh=False), srv.cpu_s()
        time.sleep(3)
        with open(acklog, encoding="utf-8") as f:
            acked = {int(c): int(n) for c, n in (line.split() for line in f)}
        requests = {c: list(range(c, c + n * g["conns"], g["conns"])) for c, n in acked.items()}
        newest = [q for of in requests.values() for q in of[-4:]]
        everything = [q for of in requests.values() for q in of]
        dice = random.Random(3)
        asked = {q * PER_REQUEST + i for q in newest for i in range(PER_REQUEST)}
        asked |= {dice.choice(everything) * PER_REQUEST + dice.randrange(PER_REQUEST) for _ in range(500)} if everything else set()
        r["asked"] = len(asked)
        r["lost"] = sum(not whole(srv, n) for n in asked)
    finally:
        srv.clean()
    return r


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--servers", default=",".join(servers.SERVERS))
    ap.add_argument("--kills", default="3,8,15", help="seconds of ingest before each kill")
    ap.add_argument("--rate", type=int, default=12000, help="spans a second")
    a = ap.parse_args()
    os.makedirs(WORK, exist_ok=True)
    print("| server | kill at s | spans acknowledged | traces looked up | lost | recovery s | recovery CPU s |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in a.servers.split(","):
        for k in a.kills.split(","):
            srv = servers.make(name)
            if srv is None:
                continue
            r = crash_once(srv, float(k), a.rate)
            print(f"| {r['server']} | {r['kill_after_s']:g} | {r['acked']:,} | {r['asked']:,} | {r['lost']:,} | "
                  f"{r['recovery_s']:.2f} | {r['recovery_cpu_s']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
