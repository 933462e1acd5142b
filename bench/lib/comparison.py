# SPDX-License-Identifier: Apache-2.0
"""The frame of a compare.py: one run of one server, the tables of many, the command line. What is asked, read and shown of
a signal stays in its own folder; all sizes of a comparison end at the same time, so that all servers get the same bytes."""
import argparse
import os
import sys
import time

import measure
import rig


def run_once(srv, size, command, ask):
    """Start empty, ingest, ask(srv, r) (which adds its readings), bring the data to rest; the readings as a dictionary."""
    r = {"server": srv.name, "version": srv.version, "size": size, "time": time.strftime("%F %T")}
    srv.start()
    srv.sample()
    try:
        r.update(measure.ingest(srv, command))
        ask(srv, r)
        r["rss_peak_mb"], r["anon_peak_mb"] = srv.status_mb("VmHWM"), srv.peak_anon
        t = time.time()
        r["compact_bytes"], r["compact_how"] = srv.compact()
        r["compact_s"] = time.time() - t
        r["dir_peak_bytes"], r["load_after"] = srv.peak_disk, rig.loadavg()
    finally:
        srv.sampling = False
        srv.clean()
    return r


def answers(srv, asked, runs, warm, budget):
    """Times of all requests {name: (path, params, read)} and what read() makes of each first answer."""
    out = {}
    for name, (path, params, read) in asked.items():
        body, out[name] = measure.time_request(srv, path, params, runs, warm, budget, 3)
        if body is not None:
            try:
                out[name]["answer"] = read(body)
            except (KeyError, ValueError, TypeError, StopIteration) as e:
                out[name] = {"error": f"answer not read: {e!r} {body[:100]!r}"}
    return out


def per(n, unit, r):
    """CPU seconds of ingest for each `unit` of the n that were taken."""
    return {k: r[k] * unit / n for k in ("ingest_cpu_s", "settled_cpu_s")}


def verdicts(rs, sizes, goals):
    """goals: (what, reading of a run, times the best peer that we may need)."""
    out = ["", "## Against the goals: ours, the best peer figure by figure", ""] + measure.VERDICT_HEAD
    for size in sizes:
        runs = {r["server"]: r for r in rs if r["size"] == size}
        ours = runs.pop("bongsu", None)
        if ours and runs:
            out += [measure.verdict(size, what, fn(ours), {s: fn(r) for s, r in runs.items()}, goal) for what, fn, goal in goals]
            out += measure.query_verdicts(size, ours, runs)
    return out


def tables(work, sizes, order, goals, ingest_table, query_table):
    """results.md of the newest run of each size and server; query_table(runs of one size, size)."""
    rs = measure.newest_results(work, list(sizes), list(order))
    out = ingest_table(rs)
    for size in sizes:
        mine = [r for r in rs if r["size"] == size and "queries" in r]
        if mine:
            out += query_table(mine, size)
    out += verdicts(rs, sizes, goals)
    out += ["", "Versions: " + "; ".join(sorted({f"{r['server']} {r['version']}" for r in rs}))]
    with open(work + "/results.md", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
    print(work + "/results.md written")


def arguments(doc, servers, sizes, word="sizes", sizes_help=None):
    """The parser of all: --servers, --sizes (or another word for them), --tables."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--servers", default=",".join(servers))
    ap.add_argument("--" + word, dest="sizes", metavar=word.upper(), default=sizes, help=sizes_help)
    ap.add_argument("--tables", action="store_true", help="only write the tables")
    return ap


def main(args, work, make, run, save, write_tables):
    """Every size with every server: make(name) is a server or None, run(srv, size, end) a result or None (left out)."""
    os.makedirs(work + "/results", exist_ok=True)
    end = int(time.time()) - 60
    end -= end % 300
    for size in [] if args.tables else filter(None, args.sizes.split(",")):
        for name in args.servers.split(","):
            srv = make(name)
            if srv is None:
                print(f"{name} left out: it cannot be built here", file=sys.stderr)
                continue
            r = run(srv, size, end)
            if r is not None:
                save(r)
    write_tables()
