#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 a server during ingest, restart it, count the acknowledged records it lost.

  bench/logs/crash.py [--servers bongsu,victorialogs,loki] [--kills 3,8,15] [--rate 50000]

The generator stops each connection at its first failure and writes how many requests each had acknowledged. Request r
holds the records of its own 50 seconds of the day, so after the restart the records of all acknowledged requests are
counted by time; lost = acknowledged - counted. The process dies, the machine does not: this tests the server's own
buffers, not fsync or power loss.
"""
import argparse
import json
import os
import signal
import subprocess
import time

import servers
from servers import GEN, WORK

BATCH, RECORDS, SLICE_S = 1000, 1728000, 50  # 86,400 s / 1,728 requests


def slices(acked, conns, start):
    """[(first s, end s)] of the acknowledged requests, neighbours joined."""
    out = []
    for r in sorted(r for c, n in acked.items() for r in range(c, c + n * conns, conns)):
        first = start + r * SLICE_S
        if out and out[-1][1] == first:
            out[-1] = out[-1][0], first + SLICE_S
        else:
            out.append((first, first + SLICE_S))
    return out


def count(srv, first, end):
    if srv.name == "victorialogs":
        r = srv.http.json("/select/logsql/stats_query", {"query": "* | stats count() n", "start": first, "end": end, "time": end}, "GET")
    else:
        q = '{service_name=~".+"}'
        r = srv.http.json("/loki/api/v1/query", {"query": f"sum(count_over_time({q}[{end - first}s]))", "time": end}, "GET")
    return int(float(r["result"][0]["value"][1])) if r["result"] else 0


def crash_once(srv, kill_after, rate, end):
    acklog = os.path.join(WORK, "ack.tsv")
    r = {"server": srv.name, "kill_after_s": kill_after}
    srv.start()
    try:
        gen = subprocess.Popen([GEN, "--url", srv.url + srv.push, "--records", str(RECORDS), "--batch", str(BATCH), "--end", str(end), "--rate", str(rate),
                                "--stop-on-error", "--acklog", acklog], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        gen.stderr.readline()
        time.sleep(kill_after)
        if gen.poll() is not None:
            raise SystemExit("gen was done before the kill: lower --rate or --kills")
        srv.end(signal.SIGKILL)
        g = json.loads(gen.communicate()[0])
        r["recovery_s"], r["recovery_cpu_s"] = srv.start(fresh=False), srv.cpu_s()
        time.sleep(3)  # peers may show replayed data a moment later
        with open(acklog, encoding="utf-8") as f:
            acked = {int(c): int(n) for c, n in (line.split() for line in f)}
        r["acked"] = sum(acked.values()) * BATCH
        if r["acked"] != g["acked"]:
            raise SystemExit(f"ack log says {r['acked']} records, gen says {g['acked']}")
        r["stored"] = sum(count(srv, a, b) for a, b in slices(acked, g["conns"], g["start"]))
    finally:
        srv.clean()
    return r


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--servers", default=",".join(servers.SERVERS))
    ap.add_argument("--kills", default="3,8,15", help="seconds of ingest before each kill")
    ap.add_argument("--rate", type=int, default=50000, help="records a second")
    a = ap.parse_args()
    os.makedirs(WORK, exist_ok=True)
    end = int(time.time()) - 60
    end -= end % 300
    print("| server | kill at s | acknowledged | lost | lost % | recovery s | recovery CPU s |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in a.servers.split(","):
        for k in a.kills.split(","):
            srv = servers.make(name)
            if srv is None:
                continue
            r = crash_once(srv, float(k), a.rate, end)
            lost = r["acked"] - r["stored"]
            print(f"| {r['server']} | {r['kill_after_s']:g} | {r['acked']:,} | {lost:,} | {lost / max(1, r['acked']):.2%} | "
                  f"{r['recovery_s']:.2f} | {r['recovery_cpu_s']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
