# SPDX-License-Identifier: Apache-2.0
"""Servers under test: start, stop, kill -9, flush, disk size, /proc readings. Loopback only."""
import glob
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.environ.get("BENCH_DIR", os.path.join(ROOT, "build", "bench-metrics"))
GEN = os.path.join(ROOT, "build", "release", "bench_metrics_gen")
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def loadavg():
    return float(open("/proc/loadavg").read().split()[0])


def machine_busy_s():
    """CPU seconds the whole machine has been busy since boot (all but idle and iowait)."""
    v = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / TICK


def tree_bytes(path):
    """(apparent bytes, allocated bytes) of a directory; hard links counted once."""
    size, disk, seen = 0, 0, set()
    for root, _, files in os.walk(path):
        for f in files:
            try:
                st = os.lstat(os.path.join(root, f))
            except FileNotFoundError:
                continue
            if st.st_ino not in seen:
                seen.add(st.st_ino)
                size, disk = size + st.st_size, disk + st.st_blocks * 512
    return size, disk


class Http:
    """One keep-alive connection; returns (status, body, seconds)."""

    def __init__(self, base, timeout=300):
        u = urllib.parse.urlsplit(base)
        if u.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SystemExit("loopback only: " + base)
        self.host, self.port, self.prefix, self.timeout, self.c = u.hostname, u.port or 80, u.path.rstrip("/"), timeout, None

    def __call__(self, path, params=None, method="GET"):
        q = urllib.parse.urlencode(params or {}, doseq=True)
        for attempt in (0, 1):
            if self.c is None:
                self.c = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            try:
                t = time.perf_counter()
                if method == "POST":
                    self.c.request("POST", self.prefix + path, q, {"Content-Type": "application/x-www-form-urlencoded"})
                else:
                    self.c.request("GET", self.prefix + path + ("?" + q if q else ""))
                r = self.c.getresponse()
                body = r.read()
                return r.status, body, time.perf_counter() - t
            except (http.client.HTTPException, OSError):
                self.c.close()
                self.c = None
                if attempt:
                    raise

    def json(self, path, params=None, method="POST"):
        status, body, _ = self(path, params, method)
        if status // 100 != 2:
            raise RuntimeError(f"{path} {params}: HTTP {status} {body[:300]!r}")
        return json.loads(body)["data"]


class Server:
    """A server under test. `cmd` is a template with {dir} and {port}."""

    def __init__(self, name, cmd, ready="/-/ready", version="", query_extra=None, env=None):
        self.env = {**os.environ, **(env or {})}
        self.name, self.cmd, self.pid, self.ready = name, cmd, None, ready
        self.version, self.query_extra = version, query_extra or {}
        self.proc, self.log, self.peak_anon, self.peak_disk, self.sampling = None, None, 0, 0, False
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = Http(self.url)
        self.dir = os.path.join(WORK, f"{name}-{self.port}")

    # -- life -----------------------------------------------------------------------------------
    def start(self, fresh=True):
        """Start and return seconds until it is ready and answers a query."""
        if fresh and os.path.exists(self.dir):
            shutil.rmtree(self.dir)
        os.makedirs(self.dir, exist_ok=True)
        self.prepare()
        t = time.time()
        self.log = open(os.path.join(WORK, f"{self.name}.log"), "ab")
        self.proc = subprocess.Popen(shlex.split(self.cmd.format(dir=self.dir, port=self.port)), stdout=self.log, stderr=self.log, env=self.env)
        self.pid = self.proc.pid
        while time.time() - t < 300:
            if self.proc.poll() is not None:
                raise SystemExit(f"{self.name} ended at start, see {WORK}/{self.name}.log")
            try:
                if self.http(self.ready)[0] == 200 and self.http("/api/v1/query", {"query": "1"})[0] == 200:
                    return time.time() - t
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"{self.name} is not ready after 300 s")

    def prepare(self):
        pass

    def end(self, sig=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            self.proc.wait(timeout=120)
        self.proc = None

    def clean(self):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- readings -------------------------------------------------------------------------------
    def cpu_s(self):
        f = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / TICK

    def status_mb(self, key):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def sample(self):
        """Follow peak anonymous RSS and peak data directory size in the background."""
        def loop():
            i = 0
            while self.sampling:
                try:
                    self.peak_anon = max(self.peak_anon, self.status_mb("RssAnon"))
                    if i % 8 == 0:
                        self.peak_disk = max(self.peak_disk, tree_bytes(self.dir)[0])
                except OSError:
                    pass
                i += 1
                time.sleep(0.25)
        self.sampling = True
        threading.Thread(target=loop, daemon=True).start()

    def settle(self, least=8, limit=90):
        """Wait until the server uses under 5% of a core for 3 s in a row, at least 8 s (background
        flushes come every 5 s in VictoriaMetrics); return the seconds waited."""
        t0, quiet = time.time(), 0
        while (quiet < 3 or time.time() - t0 < least) and time.time() - t0 < limit:
            c = self.cpu_s()
            time.sleep(1)
            quiet = quiet + 1 if self.cpu_s() - c < 0.05 else 0
        return time.time() - t0

    def compact(self):
        """Bring the data to its resting form; return (bytes on disk of that form, how)."""
        self.end()
        self.start(fresh=False)
        self.settle()
        return tree_bytes(self.dir)[0], "clean restart, whole data directory"


class Prometheus(Server):
    def prepare(self):
        with open(os.path.join(self.dir, "prometheus.yml"), "w") as f:
            f.write("global: {scrape_interval: 1h}\n")

    def compact(self):
        name = self.http.json("/api/v1/admin/tsdb/snapshot")["name"]
        path = os.path.join(self.dir, "tsdb", "snapshots", name)
        size = tree_bytes(path)[0]
        self.parts = {"data": sum(os.path.getsize(f) for f in glob.glob(path + "/*/chunks/*")),
                      "index": sum(os.path.getsize(f) for f in glob.glob(path + "/*/index"))}
        shutil.rmtree(path)
        return size, "admin/tsdb/snapshot: compacted blocks + the head written as one block"


class Victoria(Server):
    def compact(self):
        self.http("/internal/force_flush")
        for prefix in sorted({time.strftime("%Y_%m", time.gmtime(time.time() - d * 86400)) for d in (0, 1)}):
            self.http("/internal/force_merge", {"partition_prefix": prefix})
        time.sleep(1)
        for _ in range(240):
            m = self.http("/metrics")[1].decode()
            if all(l.split()[1] == "0" for l in m.split("\n") if l.startswith(("vm_active_force_merges", "vm_active_merges{type=\"storage"))):
                break
            time.sleep(0.5)
        self.settle()
        index = tree_bytes(self.dir + "/indexdb")[0], tree_bytes(self.dir + "/data/indexdb")[0]  # it moved in newer versions
        self.parts = {"data": tree_bytes(self.dir + "/data")[0] - index[1], "index": sum(index)}
        return tree_bytes(self.dir)[0], "internal/force_flush + force_merge, whole data directory"


UNPACKED = os.path.join(WORK, "sid", "x")  # by new_peers.sh
PROMETHEUS = ("{bin} --config.file={{dir}}/prometheus.yml --storage.tsdb.path={{dir}}/tsdb --web.listen-address=127.0.0.1:{{port}} "
              "--web.enable-remote-write-receiver --web.enable-admin-api --storage.tsdb.retention.time=30d --log.level=warn")
VICTORIA = "{bin} -storageDataPath={{dir}} -httpListenAddr=127.0.0.1:{{port}} -retentionPeriod=2 -loggerLevel=WARN"
BONGSU = "{bin} server --data {{dir}} --http 127.0.0.1:{{port}} --otlp-grpc= --otlp-http= --no-auth --log-level warn"
SERVERS = {  # name: (class, command, binary, Debian package or its file)
    "bongsu": (Server, BONGSU, os.path.join(ROOT, "build", "release", "bongsu"), None),
    "prometheus": (Prometheus, PROMETHEUS, "/usr/bin/prometheus", "prometheus"),
    "victoria": (Victoria, VICTORIA, "/usr/bin/victoria-metrics", "victoria-metrics"),
    "prometheus-new": (Prometheus, PROMETHEUS, UNPACKED + "/usr/bin/prometheus", "prometheus_*.deb"),
    "victoria-new": (Victoria, VICTORIA, UNPACKED + "/usr/bin/victoria-metrics", "victoria-metrics_*.deb"),
}


def version_of(package):
    if package is None:
        return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    if package.endswith(".deb"):
        return ", ".join(os.path.basename(f)[:-4] for f in glob.glob(os.path.dirname(UNPACKED) + "/" + package))
    return subprocess.run(["dpkg-query", "-W", package], capture_output=True, text=True).stdout.strip().replace("\t", "_")


def available(name):
    return os.path.exists(SERVERS[name][2])


def make(name):
    cls, cmd, binary, package = SERVERS[name]
    env = {"LD_LIBRARY_PATH": UNPACKED + "/usr/lib/x86_64-linux-gnu"} if binary.startswith(UNPACKED) else {}
    extra = {"ready": "/health", "query_extra": {"nocache": "1"}} if cls is Victoria else {}
    return cls(name, cmd.format(bin=binary), version=version_of(package), env=env, **extra)


def stored_samples(http, extra, end, window, selector="", names=None):
    """Samples stored in the window before `end`, by count_over_time, one metric name at a time
    (a selector over all names would give Prometheus series that differ in name only: an error)."""
    total = 0
    for n in names or http.json("/api/v1/label/__name__/values", method="GET"):
        r = http.json("/api/v1/query", {"query": f"sum(count_over_time({n}{{job=\"node\"{selector}}}[{int(window)}s]))",
                                        "time": f"{end:.3f}", **extra})["result"]
        total += int(float(r[0]["value"][1])) if r else 0
    return total
