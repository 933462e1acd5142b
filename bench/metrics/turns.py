#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Query times with the servers up side by side, asked in turns: what changes in the machine's speed changes for all.

  bench/metrics/turns.py                                  four shapes, Bongsu and the newest VictoriaMetrics
  bench/metrics/turns.py --shapes churn --servers bongsu,victoria,prometheus-new --rounds 40

compare.py asks one server after the other, minutes apart: on a machine whose speed varies that says more of the hour
than of the server where times are short. Here all have taken the same data and are idle; each query goes through the
rounds, in each round to every server, in changing order: one request to warm up, then three that count. Results:
turns.json and turns.md beside those of compare.py.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import time

import servers
from servers import GEN, WORK
from compare import SHAPES, queries
from measure import VERDICT_HEAD, query_verdicts

COUNTED = 3  # requests of a turn


def fill(name, args, end):
    srv = servers.make(name)
    srv.start()
    subprocess.run([GEN, "--url", srv.url, "--end", str(end)] + args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    srv.settle()
    return srv


def turn(srv, path, params, ms):
    for i in range(1 + COUNTED):
        status, body, s = srv.http(path, {**params, **srv.query_extra})
        if status != 200:
            raise SystemExit(f"{srv.name}: HTTP {status} {body[:200]!r}")
        if i > 0:
            ms.append(s * 1e3)


def in_turns(up, path, params, rounds):
    """{server: {median_ms, p95_ms, runs}}"""
    ms = {srv.name: [] for srv in up}
    for r in range(rounds):
        for srv in up[r % len(up):] + up[:r % len(up)]:
            turn(srv, path, params, ms[srv.name])
    return {name: {"median_ms": round(statistics.median(v), 3), "p95_ms": round(sorted(v)[math.ceil(0.95 * len(v)) - 1], 3), "runs": len(v)}
            for name, v in ms.items()}


def run_shape(shape, names, rounds, end):
    up = [fill(name, SHAPES[shape][0], end) for name in names]
    try:
        runs = {srv.name: {"server": srv.name, "version": srv.version, "size": shape, "queries": {}} for srv in up}
        for q, (path, params) in queries(end).items():
            for name, t in in_turns(up, path, params, rounds).items():
                runs[name]["queries"][q] = t
        return runs
    finally:
        for srv in up:
            srv.clean()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--shapes", default=",".join(s for s in SHAPES if SHAPES[s][2]))
    ap.add_argument("--servers", default="bongsu,victoria-new")
    ap.add_argument("--rounds", type=int, default=20)
    a = ap.parse_args()
    out, results = VERDICT_HEAD[:], []
    for shape in a.shapes.split(","):
        runs = run_shape(shape, [s for s in a.servers.split(",") if servers.available(s)], a.rounds, int(time.time()) // 60 * 60)
        results += runs.values()
        out += query_verdicts(shape, runs["bongsu"], {s: r for s, r in runs.items() if s != "bongsu"})
        print("\n".join(out), flush=True)
    os.makedirs(WORK, exist_ok=True)
    with open(f"{WORK}/turns.json", "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    with open(f"{WORK}/turns.md", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
