# SPDX-License-Identifier: Apache-2.0
"""Prometheus, VictoriaMetrics and our own server as senders and readers of metrics see them."""
import glob
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rig  # noqa: E402
from rig import ROOT, loadavg, machine_busy_s, tree_bytes  # noqa: E402,F401

WORK = os.environ.get("BENCH_DIR", os.path.join(ROOT, "build", "bench-metrics"))
GEN = os.path.join(ROOT, "build", "release", "bench_metrics_gen")


class Server(rig.Server):
    probe = "/api/v1/query", {"query": "1"}

    def __init__(self, name, cmd, **options):
        super().__init__(WORK, name, cmd, **options)


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
    if package and package.endswith(".deb"):
        return ", ".join(os.path.basename(f)[:-4] for f in glob.glob(os.path.dirname(UNPACKED) + "/" + package))
    return rig.version_of(package)


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
