# SPDX-License-Identifier: Apache-2.0
"""One run of one server, and tables of many: posting with the generator, timing requests, results as JSON files."""
import glob
import json
import math
import os
import statistics
import subprocess
import time

import rig


def ingest(srv, command):
    """Run a generator against a started server. Readings at the last acknowledgement and once the server is idle."""
    r = {"load_before": rig.loadavg()}
    gen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    gen.stderr.readline()  # printed when the bodies are encoded and posting starts
    cpu0, busy0, t0 = srv.cpu_s(), rig.machine_busy_s(), time.time()
    out, said = gen.communicate()
    cpu1, busy1, t1 = srv.cpu_s(), rig.machine_busy_s(), time.time()
    if not out:
        raise SystemExit(f"the generator ended without a report: {said}")
    g = r["gen"] = json.loads(out)
    r["ingest_cpu_s"] = cpu1 - cpu0
    r["other_cpu_share"] = max(0.0, (busy1 - busy0 - (cpu1 - cpu0) - g["gen_cpu_s"]) / (t1 - t0) / os.cpu_count())
    r["rss_ingest_mb"], r["anon_ingest_mb"], r["load_after_ingest"] = srv.status_mb("VmHWM"), srv.peak_anon, rig.loadavg()
    r["settle_s"] = srv.settle()
    r["settled_cpu_s"] = srv.cpu_s() - cpu0
    r["dir_bytes_settled"] = rig.tree_bytes(srv.dir)[0]
    return r


def time_request(srv, path, params, runs, warm=2, budget=20.0, least=5):
    """(body of the first answer, times); fewer runs when the budget of seconds is not
    enough, one when one takes more than a third of it. The body is None on failure."""
    status, body, cold = srv.http(path, params)
    if status != 200:
        return None, {"error": f"HTTP {status} {body[:200].decode(errors='replace')}"}
    if cold > budget / 3:
        warm, least = 1, 1
    for _ in range(warm - 1):
        srv.http(path, params)
    ms, n, c0, t0 = [], 0, srv.cpu_s(), time.time()
    while len(ms) < runs and (len(ms) < least or time.time() - t0 < budget):
        ms.append(srv.http(path, params)[2] * 1e3)
    while time.time() - t0 < 0.5:  # /proc counts in 10 ms: short queries go on for their CPU reading
        srv.http(path, params)
        n += 1
    cpu = (srv.cpu_s() - c0) / (len(ms) + n) * 1e3
    ms.sort()
    return body, {"median_ms": round(statistics.median(ms), 3), "p95_ms": round(ms[math.ceil(0.95 * len(ms)) - 1], 3),
                  "first_ms": round(cold * 1e3, 3), "cpu_ms": round(cpu, 2), "runs": len(ms), "bytes": len(body)}


def save(work, r):
    n = 1
    while os.path.exists(f"{work}/results/{r['server']}-{r['size']}-{n}.json"):
        n += 1
    with open(f"{work}/results/{r['server']}-{r['size']}-{n}.json", "w", encoding="utf-8") as f:
        json.dump(r, f, indent=1)
    return n


def newest_results(work, shapes, order):
    """The newest result of each shape and server, in the order of both lists."""
    newest = {}
    for p in sorted(glob.glob(work + "/results/*.json")):
        with open(p, encoding="utf-8") as f:
            r = json.load(f)
        key = r["size"], r["server"]
        if r["size"] in shapes and r["server"] in order and r["time"] >= newest.get(key, r)["time"]:
            newest[key] = r
    return sorted(newest.values(),
                  key=lambda r: (shapes.index(r["size"]), order.index(r["server"])))


def cell(v, digits=2):
    return "-" if v is None or v != v else f"{v:,.{digits}f}"


VERDICT_HEAD = ["| shape | figure | bongsu | best peer | ratio | goal | met |", "|---|---|--:|--:|--:|--:|---|"]


def verdict(shape, what, ours, peers, goal):
    """One row; peers: {server: value}. A goal above 1 is a least, else a most."""
    best = (max if goal > 1 else min)(peers, key=peers.get)
    ratio = ours / peers[best]
    ok = ratio >= goal if goal > 1 else ratio <= goal
    return f"| {shape} | {what} | {ours:,.3f} | {peers[best]:,.3f} ({best}) | {ratio:.2f} | {goal} | {'yes' if ok else 'NO'} |"


def query_verdicts(shape, ours, peers, goal=0.7):
    """Rows for the queries of our run; peers: {server: run}. Below half a millisecond no slower is enough."""
    out = []
    for q, got in ours.get("queries", {}).items():
        have = {s: r["queries"][q]["median_ms"] for s, r in peers.items() if "median_ms" in r.get("queries", {}).get(q, {})}
        if have and "median_ms" in got:
            out.append(verdict(shape, q, got["median_ms"], have, goal if min(have.values()) >= 0.5 else 1.0))
    return out
