# SPDX-License-Identifier: Apache-2.0
"""VictoriaLogs, Loki and our own server as senders and readers of logs see them."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rig  # noqa: E402
from rig import ROOT  # noqa: E402

WORK = os.environ.get("BENCH_DIR", os.path.join(ROOT, "build", "bench-logs"))
GEN = os.path.join(ROOT, "build", "release", "bench_logs_gen")


class Bongsu(rig.Server):
    push = "/otlp/v1/logs"


class VictoriaLogs(rig.Server):
    push = "/insert/opentelemetry/v1/logs"

    def compact(self):
        self.http("/internal/force_flush")
        self.http("/internal/force_merge")
        time.sleep(1)
        for _ in range(240):
            m = self.http("/metrics")[1].decode()
            if all(l.split()[1] == "0" for l in m.split("\n") if l.startswith(("vl_active_force_merges", "vl_active_merges{"))):
                break
            time.sleep(0.5)
        self.settle()
        return rig.tree_bytes(self.dir)[0], "internal/force_flush + force_merge, whole data directory"


class Loki(rig.Server):
    push = "/otlp/v1/logs"
    CONFIG = """
auth_enabled: false
analytics: {{reporting_enabled: false}}
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {port2}, log_level: error,
  grpc_server_max_recv_msg_size: 104857600, grpc_server_max_send_msg_size: 104857600, http_server_write_timeout: 5m}}
common:
  path_prefix: {dir}
  replication_factor: 1
  instance_addr: 127.0.0.1
  ring: {{kvstore: {{store: inmemory}}, instance_addr: 127.0.0.1}}
  storage: {{filesystem: {{chunks_directory: {dir}/chunks, rules_directory: {dir}/rules}}}}
schema_config:
  configs: [{{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]
memberlist: {{bind_addr: [127.0.0.1], bind_port: 0}}
pattern_ingester: {{enabled: false}}
query_range: {{cache_results: false}}
ingester: {{max_chunk_age: 48h}}
querier: {{query_ingesters_within: 0}}
limits_config: {{ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB,
  max_query_series: 5000000, query_timeout: 4m, reject_old_samples: false}}
"""

    def prepare(self):
        with open(os.path.join(self.dir, "loki.yml"), "w", encoding="utf-8") as f:
            f.write(self.CONFIG.format(dir=self.dir, port=self.port, port2=self.port2))

    def compact(self):
        self.http("/flush", method="POST")
        self.settle(least=15)
        self.end()
        self.start(fresh=False)
        self.settle()
        size = sum(rig.tree_bytes(os.path.join(self.dir, d))[0] for d in ("chunks", "tsdb-shipper-active"))
        return size, "flush and clean restart, chunks and index only (its log not counted)"


def victorialogs():
    return rig.built("victorialogs")


def loki():
    folder = rig.built("loki")
    return folder and os.path.join(folder, "loki")


SERVERS = {  # name: (class, command, binary, version)
    "bongsu": (Bongsu, "{bin} server --data {{dir}} --http 127.0.0.1:{{port}} --otlp-grpc= --otlp-http= --no-auth --log-level warn",
               lambda: os.path.join(ROOT, "build", "release", "bongsu"), None),
    "victorialogs": (VictoriaLogs, "{bin} -storageDataPath={{dir}} -httpListenAddr=127.0.0.1:{{port}} -loggerLevel=WARN -search.maxQueryDuration=4m",
                     victorialogs, "1.24.0"),
    "loki": (Loki, "{bin} -config.file={{dir}}/loki.yml", loki, "3.7.8"),
}


def make(name):
    """None where the server cannot be had."""
    cls, cmd, binary, version = SERVERS[name]
    path = binary()
    if not path or not os.path.exists(path):
        return None
    ready = {"bongsu": "/-/ready", "victorialogs": "/health", "loki": "/ready"}[name]
    return cls(WORK, name, cmd.format(bin=path), ready=ready, version=version or rig.version_of(None))
