#!/usr/bin/env python3
"""Ingest bench: starts a server on an empty directory, sends one signal, reports its CPU seconds, memory and disk.

  bench/run.py                          spans and logs into build/release/bongsu
  bench/run.py --items 4000000 --signals spans

CPU is the server's own (utime + stime of /proc/PID/stat), so it depends less than wall time on what else the
machine does. Disk is what lies in the data directory after a clean stop. Loopback only; ends what it started.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf("SC_CLK_TCK")
BONGSU = ("{bin} server --data {dir} --http 127.0.0.1:{port} --otlp-grpc= --otlp-http= --no-auth --log-level warn")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def status_mib(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def tree_bytes(path):
    return sum(os.lstat(os.path.join(d, f)).st_size for d, _, files in os.walk(path) for f in files)


def wait_ready(port, proc):
    for _ in range(600):
        if proc.poll() is not None:
            raise SystemExit("the server ended at start")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as r:
                if r.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server is not ready after 30 s")


def settle(pid):
    """Until the server is below 5 % of a core for three seconds."""
    quiet = 0
    for _ in range(90):
        before = cpu_s(pid)
        time.sleep(1)
        quiet = quiet + 1 if cpu_s(pid) - before < 0.05 else 0
        if quiet == 3:
            return


def run_once(what, items, load, batch):
    port, data = free_port(), tempfile.mkdtemp(prefix="bongsu-bench-")
    try:
        proc = subprocess.Popen(BONGSU.format(dir=data, port=port, bin=load["bin"]).split(), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        try:
            wait_ready(port, proc)
            idle = status_mib(proc.pid, "VmRSS")
            gen = subprocess.Popen([load["gen"], "--signal", what, "--port", str(port), "--items", str(items), "--batch",
                                    str(batch)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            gen.stderr.readline()
            before = cpu_s(proc.pid)
            out, _ = gen.communicate()
            acked = cpu_s(proc.pid) - before
            settle(proc.pid)
            settled = cpu_s(proc.pid) - before
            peak = status_mib(proc.pid, "VmHWM")
        finally:
            proc.send_signal(signal.SIGTERM)
            proc.wait(timeout=60)
        g = json.loads(out)
        n = g["items"]
        return {"signal": what, "items": n, "failed": g["failed_requests"], "items_per_s": g["items_per_s"],
                "cpu_s_per_million": acked * 1e6 / n, "cpu_s_per_million_settled": settled * 1e6 / n,
                "rss_idle_mib": idle, "rss_peak_mib": peak, "bytes_per_item": tree_bytes(data) / n}
    finally:
        shutil.rmtree(data, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    ap.add_argument("--signals", default="spans,logs")
    ap.add_argument("--items", type=int, default=2000000)
    ap.add_argument("--batch", type=int, default=1000)
    a = ap.parse_args()
    load = {"gen": os.path.join(a.build, "bench_load"), "bin": os.path.join(a.build, "bongsu")}
    print("| signal | items/s | CPU-s/M at ack | CPU-s/M settled | RSS idle / peak MiB | bytes/item on disk | failed |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for what in a.signals.split(","):
        r = run_once(what, a.items, load, a.batch)
        print(f"| {what} | {r['items_per_s']:,.0f} | {r['cpu_s_per_million']:.2f} | {r['cpu_s_per_million_settled']:.2f} | "
              f"{r['rss_idle_mib']:.0f} / {r['rss_peak_mib']:.0f} | {r['bytes_per_item']:.2f} | {r['failed']} |", flush=True)


if __name__ == "__main__":
    main()
