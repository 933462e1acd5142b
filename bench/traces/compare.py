#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traces beside Jaeger (Badger): ingest, memory, disk, look-ups and searches, one server after the other.

  bench/traces/compare.py                        2 M spans, every server; then the tables
  bench/traces/compare.py --sizes small --servers bongsu
  bench/traces/compare.py --tables               results of the runs so far as results.md

One run: start on an empty directory, post (OTLP/HTTP, 4 connections, requests of about 1,000 spans encoded beforehand),
wait until the server is idle, look 200 traces up by id, time the searches one after the other (the first alone, 2 to warm
up, then 15, fewer if the budget of seconds is not enough), bring the data to rest, read the size on disk. Jaeger answers
before it stores and drops what its queue does not hold, so it gets no more spans a second than --peer-rate.
"""
import json
import random
import statistics

import servers
from servers import GEN, WORK
import comparison
import measure
from measure import cell

SIZES = {"full": 2000000, "small": 200000, "tiny": 20000}  # spans
RUNS, WARM, BUDGET, LOOKUPS = 15, 2, 6.0, 200
BATCH, MEAN_SPANS = 1000, 28  # of the generator
MASK = 2**64 - 1


def hash_u64(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def trace_id(n, seed=1):
    """As the generator gives them out (trace_id_of() in model.c)."""
    return (hash_u64(seed ^ n * 0x9e3779b97f4a7c15 & MASK).to_bytes(8, "little") + hash_u64(~seed + n & MASK).to_bytes(8, "little")).hex()


def look_up(srv, traces):
    """200 traces by id, each about once, after ten others."""
    dice, ms, spans, missing, c0 = random.Random(7), [], 0, 0, srv.cpu_s()
    for i in range(LOOKUPS + 10):
        status, body, seconds = srv.http(f"{srv.jaeger}/api/traces/{trace_id(dice.randrange(traces))}")
        found = sum(len(t["spans"]) for t in json.loads(body)["data"] or []) if status == 200 else 0
        missing += found == 0
        if i >= 10:
            ms.append(seconds * 1e3)
            spans += found
    ms.sort()
    return {"median_ms": round(statistics.median(ms), 3), "p99_ms": round(ms[int(len(ms) * 0.99)], 3), "max_ms": round(ms[-1], 3),
            "cpu_ms": round((srv.cpu_s() - c0) / (LOOKUPS + 10) * 1e3, 2), "answer": {"spans": spans, "missing": missing}}


def count_data(body):
    return {"n": len(json.loads(body)["data"])}


def count_traces(body, fits):
    """How many traces, and in how many one span fits all of the conditions (Jaeger lets several spans fit them together)."""
    traces = json.loads(body)["data"]
    return {"traces": len(traces), "with a span that fits": sum(any(fits(s, t["processes"]) for s in t["spans"]) for t in traces)}


def condition(service, operation=None, tags="{}", minDuration="0ms"):
    want = json.loads(tags)

    def fits(span, processes):
        has = {t["key"]: str(t["value"]).lower() for t in span["tags"]}
        return (processes[span["processID"]]["serviceName"] == service and span["operationName"] == (operation or span["operationName"]) and
                span["duration"] >= int(minDuration[:-2]) * 1000 and all(has.get(k) == v for k, v in want.items()))
    return fits


def tempo_traces(body):
    return {"traces": len(json.loads(body).get("traces") or [])}


def tempo_series(body):
    series = json.loads(body)["series"]
    return {"series": len(series)}


def searches(srv, start, end):
    """{name: (path, params, read)}; those beginning with TraceQL are asked of our server only."""
    def jaeger(limit=20, **more):
        return f"{srv.jaeger}/api/traces", {"start": start * 10**6, "end": end * 10**6, "lookback": "custom", "limit": limit, **more}, \
            lambda body: count_traces(body, condition(**more))

    def tempo(q, limit=20):
        return "/api/search", {"q": q, "start": start, "end": end, "limit": limit}, tempo_traces

    out = {
        "s01 services": (f"{srv.jaeger}/api/services", {}, count_data),
        "s02 operations of a service": (f"{srv.jaeger}/api/services/order/operations", {}, count_data),
        "s03 service + operation, 20": jaeger(service="order", operation="POST /api/orders"),
        "s04 service + failed, 20": jaeger(service="payment", tags='{"error":"true"}'),
        "s05 service + attribute, 20": jaeger(service="user", tags='{"http.response.status_code":"404"}'),
        "s06 attribute + duration, 20": jaeger(service="catalog", tags='{"http.response.status_code":"500"}', minDuration="20ms"),
        "s07 attribute + duration, all": jaeger(1500, service="shipping", tags='{"http.response.status_code":"500","http.request.method":"POST"}',
                                                minDuration="20ms"),
        "s08 slow of a service, 20": jaeger(service="checkout", minDuration="150ms"),
    }
    if srv.name == "bongsu":
        out.update({
            "TraceQL attribute + duration, 20": tempo('{ resource.service.name = "catalog" && span.http.response.status_code = 500 && duration > 20ms }'),
            "TraceQL attribute + duration, any service": tempo("{ span.http.response.status_code = 500 && duration > 100ms }"),
            "TraceQL child failed below a root": tempo('{ resource.service.name = "web-frontend" } >> { status = error && resource.service.name = "payment" }'),
            "TraceQL rate by service, 5m": ("/api/metrics/query_range", {"q": "{ } | rate() by (resource.service.name)", "start": start, "end": end,
                                                                         "step": "5m"}, tempo_series),
            "TraceQL p95 by service, 5m": ("/api/metrics/query_range", {"q": "{ kind = server } | quantile_over_time(duration, 0.95) by (resource.service.name)",
                                                                        "start": start, "end": end, "step": "5m"}, tempo_series),
            "TraceQL count of all": ("/api/metrics/query_range", {"q": "{ } | count_over_time()", "start": start - start % 300, "end": end - end % 300 + 600,
                                                                  "step": "5m"}, tempo_sum),
        })
    return out


def tempo_sum(body):
    return {"spans": sum(float(s.get("value", 0)) for x in json.loads(body)["series"] for s in x["samples"])}


def ask_all(srv, g):
    start, end = g["start"] - 300, g["end"] + 300
    traces = g["bodies"] * (BATCH // MEAN_SPANS)
    return {"s00 trace by id, of 200": look_up(srv, traces), **comparison.answers(srv, searches(srv, start, end), RUNS, WARM, BUDGET)}


def run_once(srv, size, end, rate):
    def ask(srv, r):
        r["rate"], r["dropped"], c0 = rate, srv.dropped(), srv.cpu_s()
        r["queries"] = ask_all(srv, r["gen"])
        r["queries_cpu_s"] = srv.cpu_s() - c0

    command = [GEN, "--url", srv.push_url(), "--spans", str(SIZES[size]), "--batch", str(BATCH), "--end", str(end), "--rate", str(rate)]
    r = comparison.run_once(srv, size, command, ask)
    n = max(1, r["gen"]["acked"] - r["dropped"])
    r["per_m"] = comparison.per(n, 1e6, r)
    r["bytes_per_span"] = r["compact_bytes"] / n
    return r


def save(r):
    n, g = measure.save(WORK, r), r["gen"]
    print(f"{r['server']} {r['size']} #{n}: {g['items_per_s']:,.0f} spans/s, {r['per_m']['settled_cpu_s']:.2f} CPU-s/M settled, RSS "
          f"{r['rss_peak_mb']:.0f} MB, {r['bytes_per_span']:.1f} B/span, by id {r['queries']['s00 trace by id, of 200']['median_ms']} ms, "
          f"failed {g['failed']}, dropped {r['dropped']}", flush=True)


GOALS = [  # what, reading of a run, times the best peer that we may need
    ("CPU-s per million spans, settled", lambda r: r["per_m"]["settled_cpu_s"], 0.4),
    ("bytes per span on disk", lambda r: r["bytes_per_span"], 1.0),
    ("peak RSS with queries, MB", lambda r: r["rss_peak_mb"], 1.0),
]


def ingest_table(rs):
    out = ["## Ingest, memory, disk", "",
           "| size | server | spans/s | CPU-s/M at ack | settled | p50/p99 ms | peak RSS MB ingest / with queries | own memory | B/span | dropped | "
           "gen CPU s | other |",
           "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for r in rs:
        g = r["gen"]
        limited = f" (held to {r['rate']:,})" if r["rate"] else ""
        out.append(f"| {r['size']} | {r['server']} | {cell(g['items_per_s'], 0)}{limited} | {cell(r['per_m']['ingest_cpu_s'])} | "
                   f"{cell(r['per_m']['settled_cpu_s'])} | {cell(g['lat_p50_ms'], 1)}/{cell(g['lat_p99_ms'], 1)} | "
                   f"{cell(r['rss_ingest_mb'], 0)} / {cell(r['rss_peak_mb'], 0)} | {cell(r['anon_peak_mb'], 0)} | {cell(r['bytes_per_span'], 1)} | "
                   f"{r['dropped']:,} of {g['items']:,} | {cell(g['gen_cpu_s'], 1)} | {r['other_cpu_share']:.0%} |")
    return out


def query_table(mine, size):
    have = [r["server"] for r in mine]
    out = ["", f"## Queries, {size}: median ms (first; CPU ms) and what was found", "",
           "| query | " + " | ".join(have) + " |", "|---|" + "--:|" * len(have)]
    for q in mine[0]["queries"]:
        row = []
        for r in mine:
            got = r["queries"].get(q)
            if not got:
                row.append("")
            elif "error" in got:
                row.append("error: " + got["error"][:100])
            else:
                tail = f"p99 {got['p99_ms']:.2f}; {got['cpu_ms']:.1f}" if "p99_ms" in got else f"{got['first_ms']:.0f}; {got['cpu_ms']:.0f}"
                row.append(f"{got['median_ms']:.2f} ({tail}), " + ", ".join(f"{v:,.0f} {k}" for k, v in got["answer"].items()))
        out.append(f"| {q} | " + " | ".join(row) + " |")
    return out


def tables():
    comparison.tables(WORK, SIZES, servers.SERVERS, GOALS, ingest_table, query_table)


def main():
    ap = comparison.arguments(__doc__, servers.SERVERS, "full", sizes_help=", ".join(f"{k}: {v:,}" for k, v in SIZES.items()))
    ap.add_argument("--peer-rate", type=int, default=12000, help="spans a second for Jaeger")
    args = ap.parse_args()

    def run(srv, size, end):
        return run_once(srv, size, end, 0 if srv.name == "bongsu" else args.peer_rate)

    comparison.main(args, WORK, servers.make, run, save, tables)


if __name__ == "__main__":
    main()
