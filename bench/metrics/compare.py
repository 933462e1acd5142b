#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics beside Prometheus and VictoriaMetrics: ingest, memory, disk and queries, one server after the other.

  bench/metrics/compare.py                             every shape, every server that is installed; then the tables
  bench/metrics/compare.py --shapes 100x6h --servers bongsu,victoria-new
  bench/metrics/compare.py --tables                    results of the runs so far as results.md

One run: start on an empty directory, post (bodies are encoded beforehand, every status is checked), wait until the
server is idle, count what it stored, time the queries one after the other (2 to warm up, then 20, fewer if 20 s are
not enough), compact, read the size on disk. CPU is the server's own, from /proc/PID/stat; `other` is the share of the
machine's CPU that neither the server nor the generator used during ingest: where it is not near 0, wall times mean
little. All shapes of a run end at the same time, so that all servers get the same bytes.
"""
import json
import math
import os
import time

import servers
from servers import GEN, WORK
import comparison
import measure
from measure import cell, time_request

RECORDING = os.path.join(WORK, "recording.txt.gz")  # by record.py
SHAPES = {  # name: (arguments of the generator, seconds of data, run queries)
    "100x6h": (["--hosts", "100", "--range", "21600"], 21600, True),
    "1000x1h": (["--hosts", "1000", "--range", "3600"], 3600, True),
    "25x24h": (["--hosts", "25", "--range", "86400"], 86400, True),
    "churn": (["--hosts", "100", "--range", "21600", "--churn", "30"], 21600, True),
    # 160 scrapes were recorded: a longer range would repeat values, which zstd inside the servers sees
    "real": (["--hosts", "180", "--range", "2400", "--recording", RECORDING], 2400, False),
}
RUNS, WARM, BUDGET = 20, 2, 20.0


def queries(end):
    def at(q):
        return "/api/v1/query", {"query": q, "time": end}

    def over(q, hours, step):
        return "/api/v1/query_range", {"query": q, "start": end - hours * 3600, "end": end, "step": step}

    rate_by_host = 'sum by (host) (rate(node_cpu_seconds_total{mode="user"}[5m]))'
    return {
        "q01 instant, 1 series": at('node_load1{host="host_7"}'),
        "q02 sum by(host)(rate[5m])": at('sum by (host) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))'),
        "q03 topk(10, rate)": at("topk(10, sum by (host) (rate(node_network_receive_bytes_total[5m])))"),
        "q04 histogram_quantile, range 1h/15s": over(
            "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", 1, 15),
        "q05 quantile_over_time[1h], all hosts": at("quantile_over_time(0.9, app_latency_seconds[1h])"),
        "q06 1 series raw, range 6h/15s": over('node_memory_MemAvailable_bytes{host="host_7"}', 6, 15),
        "q07 rate by host, range 1h/15s": over(rate_by_host, 1, 15),
        "q08 rate by host, range 6h/60s": over(rate_by_host, 6, 60),
        "q09 rate by host, range 24h/300s": over(rate_by_host, 24, 300),
        "q10 max_over_time[1h] by(host), range 6h/5m": over("max by (host) (max_over_time(app_cpu_percent[1h]))", 6, 300),
        "q11 regex on host, rate": at('sum by (device) (rate(node_disk_read_bytes_total{host=~"host_1.*|host_2[0-4]"}[5m]))'),
        "q12 count, all series": at('count({job="node"})'),
        "q13 count by name, all series": at('count by (__name__) ({job="node"})'),
        "q14 regex on name": at('sum by (__name__) ({__name__=~"node_network_.*_bytes_total"})'),
        "q15 label values (host)": ("/api/v1/label/host/values", {"start": end - 3600, "end": end}),
        "q16 label names": ("/api/v1/labels", {"start": end - 3600, "end": end}),
        "q17 series of one metric": ("/api/v1/series", {"match[]": "node_filesystem_avail_bytes", "start": end - 3600, "end": end}),
    }


def summary(data):
    """(series, points, sum of the finite values): enough to see whether two servers agree."""
    if isinstance(data, list):
        return len(data), len(data), None
    pts = [p for s in data["result"] for p in (s["values"] if "values" in s else [s["value"]])]
    vals = [float(p[1]) for p in pts]
    return len(data["result"]), len(pts), sum(v for v in vals if math.isfinite(v))


def time_query(srv, path, params, runs=RUNS):
    body, t = time_request(srv, path, params, runs, WARM, BUDGET)
    if body is not None:
        t["series"], t["points"], t["sum"] = summary(json.loads(body)["data"])
    return t


def ask_all(srv, r, span, do_queries):
    end, t = r["gen"]["end"], time.time()
    r["stored_samples"] = servers.stored_samples(srv.http, srv.query_extra, end, span + 60)
    r["count_s"] = time.time() - t
    if do_queries:
        r["queries"], c0 = {}, srv.cpu_s()
        for name, (path, params) in queries(end).items():
            q = r["queries"][name] = time_query(srv, path, {**params, **srv.query_extra})
            if srv.query_extra and path.endswith("query_range"):
                q["with_cache_ms"] = time_query(srv, path, params, 5).get("median_ms")
        r["queries_cpu_s"] = srv.cpu_s() - c0


def run_once(srv, size, end):
    args, span, do_queries = SHAPES[size]
    r = comparison.run_once(srv, size, [GEN, "--url", srv.url, "--end", str(end)] + args, lambda srv, r: ask_all(srv, r, span, do_queries))
    n = r["gen"]["acked_samples"] or 1
    r["parts"] = getattr(srv, "parts", None)
    r["per_m"] = comparison.per(n, 1e6, r)
    r["bytes_per_sample"] = {"settled": r["dir_bytes_settled"] / n, "compact": r["compact_bytes"] / n, "peak": r["dir_peak_bytes"] / n}
    r["stored_all"] = r["stored_samples"] == n == r["gen"]["samples"]
    return r


def save(r):
    n, g = measure.save(WORK, r), r["gen"]
    print(f"{r['server']} {r['size']} #{n}: {g['samples_per_s']:,.0f} samples/s, {r['per_m']['ingest_cpu_s']:.2f} CPU-s/M "
          f"({r['per_m']['settled_cpu_s']:.2f} settled), RSS {r['rss_peak_mb']:.0f} MB, {r['bytes_per_sample']['compact']:.2f} B/sample, "
          f"failed {g['failed']}, stored all: {r['stored_all']}", flush=True)


GOALS = [  # what, reading of a run, times the best peer that we may need
    ("CPU-s per million samples", lambda r: r["per_m"]["ingest_cpu_s"], 0.4),
    ("samples/s", lambda r: r["gen"]["samples_per_s"], 2.0),
    ("bytes per sample on disk", lambda r: r["bytes_per_sample"]["compact"], 0.8),
    ("peak RSS, MB", lambda r: r["rss_peak_mb"], 1.0),
]


def ingest_table(rs):
    out = ["## Ingest, memory, disk", "",
           "| shape | server | samples/s | CPU-s/M at ack | settled | p50/p99 ms | peak RSS MB | B/sample settled | compact | stored = sent | gen CPU s | other |",
           "|---|---|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|"]
    for r in rs:
        g, b = r["gen"], r["bytes_per_sample"]
        stored = "yes" if r["stored_all"] else f"NO: {r['stored_samples']:,} of {g['samples']:,}"
        out.append(f"| {r['size']} | {r['server']} | {cell(g['samples_per_s'], 0)} | {cell(r['per_m']['ingest_cpu_s'])} | "
                   f"{cell(r['per_m']['settled_cpu_s'])} | {cell(g['lat_p50_ms'], 1)}/{cell(g['lat_p99_ms'], 1)} | {cell(r['rss_peak_mb'], 0)} | "
                   f"{cell(b['settled'])} | {cell(b['compact'], 3)} | {stored} | {cell(g['gen_cpu_s'], 1)} | {r['other_cpu_share']:.0%} |")
    return out


def agrees(ref, got):
    """'' when the answers agree, else what differs."""
    if got["series"] != ref["series"]:
        return f"{got['series']} series"
    if got["sum"] is not None and abs(got["sum"] - ref["sum"]) > 1e-6 * abs(ref["sum"]):
        return f"sum {got['sum'] / ref['sum'] - 1:+.2%}, {got['points']} points"
    return ""


def query_table(mine, shape):
    have = [r["server"] for r in mine]
    ref_run = next((r for r in mine if r["server"] == "prometheus-new"), mine[0])
    out = ["", f"## Queries, {shape}: median ms (CPU ms); 'differs' is from {ref_run['server']}", "",
           "| query | " + " | ".join(have) + " | series (points) | differs |", "|---|" + "--:|" * len(have) + "---|---|"]
    for q, ref in ref_run["queries"].items():
        row, diff = [], []
        for r in mine:
            got = r["queries"].get(q, {"error": "not asked"})
            if "error" in got:
                row.append("error")
                diff.append(f"{r['server']}: {got['error'][:80]}")
                continue
            row.append(f"{got['median_ms']:.2f} ({got['cpu_ms']:.1f})")
            text = "" if "error" in ref else agrees(ref, got)
            if text:
                diff.append(f"{r['server']}: {text}")
        out.append(f"| {q} | " + " | ".join(row) + f" | {ref.get('series')} ({ref.get('points')}) | {'; '.join(diff)} |")
    return out


def tables():
    comparison.tables(WORK, SHAPES, servers.SERVERS, GOALS, ingest_table, query_table)


def main():
    args = comparison.arguments(__doc__, servers.SERVERS, ",".join(SHAPES), "shapes").parse_args()
    if "real" in args.sizes.split(",") and not args.tables and not os.path.exists(RECORDING):
        print(f"shape real left out: make {RECORDING} with record.py first")
        args.sizes = ",".join(x for x in args.sizes.split(",") if x != "real")
    comparison.main(args, WORK, lambda name: servers.make(name) if servers.available(name) else None, run_once, save, tables)


if __name__ == "__main__":
    main()
