#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logs beside VictoriaLogs and Loki: ingest, memory, disk and queries, one server after the other.

  bench/logs/compare.py                          2 GB of text, 135 MB for Loki too; then the tables: about 8 minutes
  bench/logs/compare.py --sizes small --servers bongsu,victorialogs
  bench/logs/compare.py --tables                 results of the runs so far as results.md

One run: start on an empty directory, post (OTLP/HTTP, 4 connections, requests of 1,000 records encoded beforehand, every
status is checked), wait until the server is idle, time the queries one after the other (the first alone, 2 to warm up,
then 15, fewer if the budget of seconds is not enough), bring the data to rest, read the size on disk. CPU is the server's
own, from /proc/PID/stat. All servers of a run get the same bytes.
"""
import argparse
import json
import os
import sys
import time

import servers
from servers import GEN, WORK
import measure
from measure import cell
from queries import Window, differs, own_queries, queries

SIZES = {"full": 7500000, "half": 3750000, "small": 500000, "tiny": 50000}  # records
LOKI_MOST = 500000  # records: it reads every line of the day for most of the queries, at 2 GB for a minute each
RUNS, WARM, BUDGET = 15, 2, 6.0


def some_trace(srv, w):
    """A trace id that is in the data: the newest line of one service that has one. The same for all servers."""
    path, params, _ = queries(w, "")["q14 newest 100 of a stream"]["logsql" if srv.name == "victorialogs" else "logql"]
    text = srv.http(path, params)[1].decode()
    ids = []
    if srv.name == "victorialogs":
        rows = [json.loads(line) for line in text.splitlines()]
        ids = [(r["_time"], r["trace_id"]) for r in rows if "trace_id" in r]
    else:
        for s in json.loads(text)["data"]["result"]:
            if s["stream"].get("trace_id"):
                ids += [(v[0], s["stream"]["trace_id"]) for v in s["values"]]
    return max(ids)[1] if ids else "00"


def ask_all(srv, w):
    form = "logsql" if srv.name == "victorialogs" else "logql"
    asked = {name: forms[form] for name, forms in queries(w, some_trace(srv, w)).items()}
    if srv.name == "bongsu":
        asked.update(own_queries(w))
    out = {}
    for name, (path, params, read) in asked.items():
        body, out[name] = measure.time_request(srv, path, params, RUNS, WARM, BUDGET, 3)
        if body is not None:
            try:
                out[name]["answer"] = read(body)
            except (KeyError, ValueError, TypeError, StopIteration) as e:
                out[name] = {"error": f"answer not read: {e!r} {body[:100]!r}"}
    return out


def run_once(srv, size, end):
    r = {"server": srv.name, "version": srv.version, "size": size, "time": time.strftime("%F %T")}
    srv.start()
    srv.sample()
    try:
        r.update(measure.ingest(srv, [GEN, "--url", srv.url + srv.push, "--records", str(SIZES[size]), "--end", str(end)]))
        g = r["gen"]
        c0 = srv.cpu_s()
        r["queries"] = ask_all(srv, Window(g["start"], g["end"]))
        r["queries_cpu_s"] = srv.cpu_s() - c0
        r["rss_peak_mb"], r["anon_peak_mb"] = srv.status_mb("VmHWM"), srv.peak_anon
        c0, t = srv.cpu_s(), time.time()
        r["compact_bytes"], r["compact_how"] = srv.compact()
        r["compact_s"] = time.time() - t
        r["dir_peak_bytes"] = srv.peak_disk
        gb = g["text_bytes"] * g["acked"] / max(1, g["items"]) / 1e9 or 1
        r["per_gb"] = {"ingest_cpu_s": r["ingest_cpu_s"] / gb, "settled_cpu_s": r["settled_cpu_s"] / gb}
        r["disk_share"] = {"settled": r["dir_bytes_settled"] / gb / 1e9, "compact": r["compact_bytes"] / gb / 1e9}
        stored = r["queries"]["q01 count of all"].get("answer", {})
        r["stored"] = int(sum(stored.values()))
        r["stored_all"] = r["stored"] == g["acked"] == g["items"]
    finally:
        srv.sampling = False
        srv.clean()
    return r


def save(r):
    n, g = measure.save(WORK, r), r["gen"]
    print(f"{r['server']} {r['size']} #{n}: {g['items_per_s']:,.0f} lines/s, {r['per_gb']['ingest_cpu_s']:.2f} CPU-s/GB "
          f"({r['per_gb']['settled_cpu_s']:.2f} settled), RSS {r['rss_peak_mb']:.0f} MB, {r['disk_share']['compact']:.4f} of the text on disk, "
          f"failed {g['failed']}, stored all: {r['stored_all']}", flush=True)


GOALS = [  # what, reading of a run, times the best peer that we may need
    ("CPU-s per GB, settled", lambda r: r["per_gb"]["settled_cpu_s"], 0.5),
    ("bytes on disk per byte of text", lambda r: r["disk_share"]["compact"], 1.0),
    ("peak RSS after ingest, MB", lambda r: r["rss_ingest_mb"], 1.0),
    ("peak RSS with queries, MB", lambda r: r["rss_peak_mb"], 1.0),
]


def ingest_table(rs):
    out = ["## Ingest, memory, disk", "",
           "| size | server | lines/s | CPU-s/GB at ack | settled | p50/p99 ms | peak RSS MB ingest / with queries | own memory | "
           "disk/text settled | at rest | stored = sent | gen CPU s | other |",
           "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|"]
    for r in rs:
        g, d = r["gen"], r["disk_share"]
        stored = "yes" if r["stored_all"] else f"NO: {r['stored']:,} of {g['items']:,}"
        out.append(f"| {r['size']} | {r['server']} | {cell(g['items_per_s'], 0)} | {cell(r['per_gb']['ingest_cpu_s'])} | "
                   f"{cell(r['per_gb']['settled_cpu_s'])} | {cell(g['lat_p50_ms'], 1)}/{cell(g['lat_p99_ms'], 1)} | "
                   f"{cell(r['rss_ingest_mb'], 0)} / {cell(r['rss_peak_mb'], 0)} | {cell(r['anon_peak_mb'], 0)} | {cell(d['settled'], 4)} | "
                   f"{cell(d['compact'], 4)} | {stored} | {cell(g['gen_cpu_s'], 1)} | {r['other_cpu_share']:.0%} |")
    return out


def query_table(mine, size):
    have = [r["server"] for r in mine]
    ref_run = next((r for r in mine if r["server"] == "victorialogs"), mine[0])
    out = ["", f"## Queries, {size}: median ms (first; CPU ms); 'differs' is from {ref_run['server']}", "",
           "| query | " + " | ".join(have) + " | answer | differs |", "|---|" + "--:|" * len(have) + "---|---|"]
    for q in mine[0]["queries"]:
        ref = ref_run["queries"].get(q, mine[0]["queries"][q])
        row, diff = [], []
        for r in mine:
            got = r["queries"].get(q)
            if not got:
                row.append("")
                continue
            if "error" in got:
                row.append("error")
                diff.append(f"{r['server']}: {got['error'][:120]}")
                continue
            row.append(f"{got['median_ms']:.2f} ({got['first_ms']:.0f}; {got['cpu_ms']:.0f})")
            same = "answer" in ref and r["gen"]["hash"] == ref_run["gen"]["hash"]  # runs at other times have other data
            text = differs(ref["answer"], got["answer"]) if same else ""
            if text:
                diff.append(f"{r['server']}: {text}")
        a = ref.get("answer", {})
        said = f"{a['lines']:,.0f} lines" if "lines" in a else f"{sum(a.values()):,.0f}" if len(a) == 1 else f"{len(a)} values"
        out.append(f"| {q} | " + " | ".join(row) + f" | {said} | {'; '.join(diff)} |")
    return out


def verdicts(rs):
    out = ["", "## Against the goals: ours, the best peer figure by figure", ""] + measure.VERDICT_HEAD
    for size in SIZES:
        runs = {r["server"]: r for r in rs if r["size"] == size}
        ours = runs.pop("bongsu", None)
        if not ours or not runs:
            continue
        for what, fn, goal in GOALS:
            out.append(measure.verdict(size, what, fn(ours), {s: fn(r) for s, r in runs.items()}, goal))
        out += measure.query_verdicts(size, ours, runs)
    return out


def tables():
    rs = measure.newest_results(WORK, list(SIZES), list(servers.SERVERS))
    out = ingest_table(rs)
    for size in SIZES:
        mine = [r for r in rs if r["size"] == size]
        if mine:
            out += query_table(mine, size)
    out += verdicts(rs)
    out += ["", "Versions: " + "; ".join(sorted({f"{r['server']} {r['version']}" for r in rs}))]
    with open(WORK + "/results.md", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
    print(WORK + "/results.md written")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--servers", default=",".join(servers.SERVERS))
    ap.add_argument("--sizes", default="full,small", help=", ".join(f"{k}: {v:,}" for k, v in SIZES.items()))
    ap.add_argument("--tables", action="store_true", help="only write the tables")
    a = ap.parse_args()
    os.makedirs(WORK + "/results", exist_ok=True)
    end = int(time.time()) - 60
    end -= end % 300
    for size in [] if a.tables else a.sizes.split(","):
        for name in a.servers.split(","):
            srv = servers.make(name)
            if srv is None:
                print(f"{name} left out: it cannot be built here", file=sys.stderr)
            elif name != "loki" or SIZES[size] <= LOKI_MOST:
                save(run_once(srv, size, end))
    tables()


if __name__ == "__main__":
    main()
