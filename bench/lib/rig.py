# SPDX-License-Identifier: Apache-2.0
"""What all benches beside peers share: start, stop, kill -9, disk size, /proc readings, requests. Loopback only."""
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
    """A server under test, whose data lie below `work`. `cmd` is a template with {dir}, {port} and {port2}."""
    probe = None  # (path, parameters) of a request that is answered once queries are

    def __init__(self, work, name, cmd, ready="/-/ready", version="", query_extra=None, env=None):
        self.work = work
        self.env = {**os.environ, **(env or {})}
        self.name, self.cmd, self.pid, self.ready = name, cmd, None, ready
        self.version, self.query_extra = version, query_extra or {}
        self.proc, self.log, self.peak_anon, self.peak_disk, self.sampling = None, None, 0, 0, False
        self.port, self.port2 = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = Http(self.url)
        self.dir = os.path.join(work, f"{name}-{self.port}")

    # -- life -----------------------------------------------------------------------------------
    def start(self, fresh=True):
        """Start and return seconds until it is ready and answers a query."""
        if fresh and os.path.exists(self.dir):
            shutil.rmtree(self.dir)
        os.makedirs(self.dir, exist_ok=True)
        self.prepare()
        t = time.time()
        self.log = open(os.path.join(self.work, f"{self.name}.log"), "ab")
        self.proc = subprocess.Popen(shlex.split(self.cmd.format(dir=self.dir, port=self.port, port2=self.port2)), stdout=self.log, stderr=self.log, env=self.env)
        self.pid = self.proc.pid
        while time.time() - t < 300:
            if self.proc.poll() is not None:
                raise SystemExit(f"{self.name} ended at start, see {self.work}/{self.name}.log")
            try:
                if self.http(self.ready)[0] == 200 and (not self.probe or self.http(*self.probe)[0] == 200):
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


def version_of(package):
    """Of a Debian package; without one, ours."""
    if package is None:
        return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    return subprocess.run(["dpkg-query", "-W", package], capture_output=True, text=True).stdout.strip().replace("\t", "_")


def built(tool):
    """What a script of tools/ that builds a peer prints: its path or folder; None where it cannot."""
    r = subprocess.run([os.path.join(ROOT, "tools", tool)], capture_output=True, text=True)
    return r.stdout.strip() if r.returncode == 0 else None
