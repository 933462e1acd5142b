#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 a server during ingest, restart it, count the acknowledged samples it lost.

  bench/metrics/crash.py [--servers bongsu,prometheus] [--kills 4,12,23] [--rate 200000] [--hosts 200] [--range 5400]

The generator stops each connection at its first failure and writes, per host, how many scrapes were acknowledged. After
the restart the samples up to each host's newest acknowledged scrape are counted with count_over_time; lost = acknowledged
- counted. Later samples (sent, never acknowledged) are not counted. The process dies, the machine does not: this tests
the server's own buffers, not fsync or power loss.
"""
import argparse
import json
import os
import signal
import subprocess
import time

import servers
from servers import GEN, WORK


def crash_once(srv, kill_after, rate, hosts, span, end):
    acklog = WORK + "/ack.tsv"
    r = {"server": srv.name, "version": srv.version, "kill_after_s": kill_after}
    srv.start()
    try:
        gen = subprocess.Popen([GEN, "--url", srv.url, "--hosts", str(hosts), "--range", str(span), "--end", str(end),
                                "--rate", str(rate), "--stop-on-error", "--acklog", acklog],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        gen.stderr.readline()
        time.sleep(kill_after)
        if gen.poll() is not None:
            raise SystemExit("gen was done before the kill: raise --range or lower --rate")
        srv.end(signal.SIGKILL)
        out, _ = gen.communicate()
        r["gen"] = g = json.loads(out)
        r["dir_bytes"] = servers.tree_bytes(srv.dir)[0]
        r["recovery_s"], r["recovery_cpu_s"] = srv.start(fresh=False), srv.cpu_s()
        time.sleep(3)  # peers may show replayed data a moment later
        groups = {}
        for line in open(acklog).read().split("\n")[1:]:
            if line:
                host, acked, newest = line.split("\t")
                groups.setdefault((int(acked), int(newest)), []).append(host)
        r["acked"], r["stored"], r["lost"] = g["acked_samples"], 0, 0
        names = srv.http.json("/api/v1/label/__name__/values", {"start": g["start"], "end": end}, method="GET")
        for (acked, newest), group in groups.items():
            want = acked * len(group) * g["series_per_host"]
            have = servers.stored_samples(srv.http, srv.query_extra, newest / 1000, newest / 1000 - g["start"] + 60,
                                        ',host=~"' + "|".join(group) + '"', names) if acked else 0
            r["stored"] += have
            r["lost"] += want - have
        want_all = sum(a * len(h) for (a, _), h in groups.items()) * g["series_per_host"]
        if want_all != r["acked"]:
            raise SystemExit(f"ack log says {want_all} samples, gen says {r['acked']}")
        r["lost_share"], r["lost_s"] = r["lost"] / max(1, r["acked"]), r["lost"] / rate
    finally:
        srv.clean()
    return r


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--servers", default=",".join(servers.SERVERS))
    ap.add_argument("--kills", default="4,12,23", help="seconds of ingest before each kill")
    ap.add_argument("--rate", type=int, default=200000, help="samples a second")
    ap.add_argument("--hosts", type=int, default=200)
    ap.add_argument("--range", type=int, default=5400)
    a = ap.parse_args()
    os.makedirs(WORK, exist_ok=True)
    end = int(time.time()) - 60
    end -= end % 300
    print("| server | kill at s | acknowledged | lost | lost % | lost, s of ingest | recovery s | recovery CPU s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in [s for s in a.servers.split(",") if servers.available(s)]:
        for k in a.kills.split(","):
            r = crash_once(servers.make(name), float(k), a.rate, a.hosts, a.range, end)
            print(f"| {r['server']} | {r['kill_after_s']:g} | {r['acked']:,} | {r['lost']:,} | {r['lost_share']:.2%} | "
                  f"{r['lost_s']:.2f} | {r['recovery_s']:.2f} | {r['recovery_cpu_s']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
