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
import json

import servers
from servers import GEN, WORK
import comparison
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
    return comparison.answers(srv, asked, RUNS, WARM, BUDGET)


def run_once(srv, size, end):
    if srv.name == "loki" and SIZES[size] > LOKI_MOST:
        return None

    def ask(srv, r):
        c0 = srv.cpu_s()
        r["queries"] = ask_all(srv, Window(r["gen"]["start"], r["gen"]["end"]))
        r["queries_cpu_s"] = srv.cpu_s() - c0

    r = comparison.run_once(srv, size, [GEN, "--url", srv.url + srv.push, "--records", str(SIZES[size]), "--end", str(end)], ask)
    g = r["gen"]
    gb = g["text_bytes"] * g["acked"] / max(1, g["items"]) / 1e9 or 1
    r["per_gb"] = comparison.per(gb, 1, r)
    r["disk_share"] = {"settled": r["dir_bytes_settled"] / gb / 1e9, "compact": r["compact_bytes"] / gb / 1e9}
    r["stored"] = int(sum(r["queries"]["q01 count of all"].get("answer", {}).values()))
    r["stored_all"] = r["stored"] == g["acked"] == g["items"]
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


def tables():
    comparison.tables(WORK, SIZES, servers.SERVERS, GOALS, ingest_table, query_table)


def main():
    args = comparison.arguments(__doc__, servers.SERVERS, "full,small", sizes_help=", ".join(f"{k}: {v:,}" for k, v in SIZES.items())).parse_args()
    comparison.main(args, WORK, servers.make, run_once, save, tables)


if __name__ == "__main__":
    main()
