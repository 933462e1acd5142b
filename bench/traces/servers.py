# SPDX-License-Identifier: Apache-2.0
"""Jaeger and our own server as senders and readers of traces see them."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rig  # noqa: E402
from rig import ROOT  # noqa: E402

WORK = os.environ.get("BENCH_DIR", os.path.join(ROOT, "build", "bench-traces"))
GEN = os.path.join(ROOT, "build", "release", "bench_traces_gen")


class Bongsu(rig.Server):
    jaeger = "/jaeger"

    def push_url(self):
        return self.url + "/otlp/v1/traces"

    def dropped(self):
        return 0


class Jaeger(rig.Server):
    """Its collector answers before it stores and drops what its queue does not hold: dropped() tells."""
    jaeger = ""
    QUEUE = 200000

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.otlp, self.admin = rig.free_port(), rig.free_port()

    def prepare(self):
        self.said = rig.Http(f"http://127.0.0.1:{self.admin}")
        for d in ("key", "value"):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        self.cmd = self.binary + (
            " --badger.ephemeral=false --badger.directory-key={dir}/key --badger.directory-value={dir}/value --log-level=error"
            " --query.http-server.host-port=127.0.0.1:{port} --query.grpc-server.host-port=127.0.0.1:{port2}"
            f" --collector.otlp.http.host-port=127.0.0.1:{self.otlp} --collector.otlp.grpc.host-port=127.0.0.1:0"
            " --collector.http-server.host-port=127.0.0.1:0 --collector.grpc-server.host-port=127.0.0.1:0"
            f" --admin.http.host-port=127.0.0.1:{self.admin} --collector.queue-size={self.QUEUE}")

    def push_url(self):
        return f"http://127.0.0.1:{self.otlp}/v1/traces"

    def counter(self, name):
        text = self.said("/metrics")[1].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def dropped(self):
        return int(self.counter("jaeger_collector_spans_dropped_total"))

    def compact(self):
        """Badger reserves its files ahead: what they take, once closed."""
        self.end()
        size = rig.tree_bytes(self.dir)[1]
        self.start(fresh=False)
        return size, "clean stop, blocks taken by the whole data directory"

    def settle(self, least=8, limit=300):
        """Until the queue is empty too."""
        t = time.time()
        while self.counter("jaeger_collector_queue_length") and time.time() - t < limit:
            time.sleep(0.5)
        return time.time() - t + super().settle(least, limit)


def make(name):
    """None where the server cannot be had."""
    if name == "bongsu":
        path = os.path.join(ROOT, "build", "release", "bongsu")
        cmd = path + " server --data {dir} --http 127.0.0.1:{port} --otlp-grpc= --otlp-http= --no-auth --log-level warn"
        return Bongsu(WORK, name, cmd, ready="/-/ready", version=rig.version_of(None)) if os.path.exists(path) else None
    path = rig.built("jaeger")
    if not path:
        return None
    srv = Jaeger(WORK, name, "", ready="/api/services", version="1.76.0, Badger", env={"SPAN_STORAGE_TYPE": "badger", "OTEL_TRACES_SAMPLER": "always_off"})
    srv.binary = path
    return srv


SERVERS = ["bongsu", "jaeger"]
