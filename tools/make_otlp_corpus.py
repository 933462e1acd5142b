#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write src/ingest/tests/data/corpus: OTLP requests made by the official protobuf library.

For every message a .pb (wire bytes) and a .json (OTLP/JSON of the same message, ids in hex) that must
leave the same in the store, and index.json with what must be stored. Run it again after a change of
opentelemetry-proto:

    python3 -m venv build/venv && build/venv/bin/pip install opentelemetry-proto==1.36.0
    build/venv/bin/python tools/make_otlp_corpus.py
"""
import base64
import json
import math
import pathlib
import random

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.metrics.v1 import metrics_pb2 as mp

OUT = pathlib.Path(__file__).resolve().parent.parent / "src/ingest/tests/data/corpus"
RNG = random.Random(20240229)
T0 = 1_700_000_000_000_000_000


def any_value(value, depth=0):
    v = common.AnyValue()
    kind = RNG.randrange(8 if depth < 3 else 6)
    if value is not None:
        v.string_value = value
    elif kind == 0:
        v.string_value = RNG.choice(["", "x", "봉수", "a" * 300, "tab\t\"quote\"\u0001"])
    elif kind == 1:
        v.bool_value = RNG.random() < 0.5
    elif kind == 2:
        v.int_value = RNG.choice([0, 1, -1, 2**63 - 1, -(2**63), RNG.randrange(10**12)])
    elif kind == 3:
        v.double_value = RNG.choice([0.0, -0.0, 0.1, 1e300, -2.5e-9, math.inf, -math.inf, math.nan])
    elif kind == 4:
        v.bytes_value = RNG.randbytes(RNG.randrange(20))
    elif kind == 5:
        pass  # nothing set
    elif kind == 6:
        v.array_value.SetInParent()
        for _ in range(RNG.randrange(4)):
            v.array_value.values.append(any_value(None, depth + 1))
    else:
        v.kvlist_value.SetInParent()
        attributes(v.kvlist_value.values, RNG.randrange(4), depth + 1)
    return v


def attributes(target, n, depth=0):
    for i in range(n):
        kv = target.add()
        kv.key = RNG.choice(["http.method", "k", "한글", "a.b.c", "x" * 130, "0", f"key{i}"])
        kv.value.CopyFrom(any_value(None, depth))


def resource(r, name):
    kv = r.attributes.add()
    kv.key = "service.name"
    kv.value.string_value = name
    attributes(r.attributes, RNG.randrange(5))
    r.dropped_attributes_count = RNG.choice([0, 0, 7])


def scope(s):
    s.name = RNG.choice(["", "lib", "io.opentelemetry.x"])
    s.version = RNG.choice(["", "1.0"])
    attributes(s.attributes, RNG.randrange(3))


def make_traces(size):
    request = traces.ExportTraceServiceRequest()
    rows = 0
    for i in range(1 + size // 10):
        rs = request.resource_spans.add()
        resource(rs.resource, f"service-{i}")
        rs.schema_url = RNG.choice(["", "https://opentelemetry.io/schemas/1.27.0"])
        for _ in range(RNG.randrange(1, 3)):
            ss = rs.scope_spans.add()
            scope(ss.scope)
            for _ in range(size):
                s = ss.spans.add()
                s.trace_id = RNG.randbytes(16)
                s.span_id = RNG.randbytes(8)
                s.parent_span_id = RNG.choice([b"", RNG.randbytes(8)])
                s.trace_state = RNG.choice(["", "a=1,b=2"])
                s.name = RNG.choice(["", "GET /", "긴 이름 " * 40])
                s.kind = RNG.randrange(6)
                s.start_time_unix_nano = T0 + RNG.randrange(10**9)
                s.end_time_unix_nano = s.start_time_unix_nano + RNG.randrange(10**9)
                s.flags = RNG.choice([0, 1, 0x101, 0x301])
                attributes(s.attributes, RNG.randrange(9))
                s.dropped_attributes_count = RNG.choice([0, 3])
                for _ in range(RNG.choice([0, 0, 1, 3])):
                    e = s.events.add()
                    e.time_unix_nano = T0 + RNG.randrange(10**9)
                    e.name = RNG.choice(["", "exception"])
                    attributes(e.attributes, RNG.randrange(3))
                s.dropped_events_count = RNG.choice([0, 2**32 - 1])
                for _ in range(RNG.choice([0, 0, 1])):
                    link = s.links.add()
                    link.trace_id = RNG.randbytes(16)
                    link.span_id = RNG.randbytes(8)
                    link.trace_state = RNG.choice(["", "l=1"])
                    link.flags = RNG.choice([0, 1])
                    attributes(link.attributes, RNG.randrange(3))
                s.dropped_links_count = RNG.choice([0, 9])
                s.status.code = RNG.randrange(3)
                s.status.message = RNG.choice(["", "boom"])
                rows += 1
    return request, {"rows": rows}


def make_logs(size):
    request = logs.ExportLogsServiceRequest()
    rows = 0
    for i in range(1 + size // 10):
        rl = request.resource_logs.add()
        resource(rl.resource, f"service-{i}")
        sl = rl.scope_logs.add()
        scope(sl.scope)
        for _ in range(size):
            r = sl.log_records.add()
            r.time_unix_nano = RNG.choice([0, T0 + RNG.randrange(10**9)])
            r.observed_time_unix_nano = T0 + RNG.randrange(10**9)
            r.severity_number = RNG.randrange(25)
            r.severity_text = RNG.choice(["", "INFO", "weird"])
            r.body.CopyFrom(any_value(None))
            attributes(r.attributes, RNG.randrange(6))
            r.dropped_attributes_count = RNG.choice([0, 3])
            r.flags = RNG.choice([0, 1])
            r.trace_id = RNG.choice([b"", RNG.randbytes(16)])
            r.span_id = RNG.choice([b"", RNG.randbytes(8)])
            r.event_name = RNG.choice(["", "app.start"])
            rows += 1
    return request, {"rows": rows}


def point_attributes(target):
    for key in RNG.sample(["route", "http.method", "code", "x-y", "한글"], RNG.randrange(4)):
        kv = target.add()
        kv.key = key
        kv.value.CopyFrom(any_value(RNG.choice(["a", "b", None])))


def number_points(target, n):
    for i in range(n):
        p = target.add()
        p.start_time_unix_nano = T0
        p.time_unix_nano = T0 + (i + 1) * 10**9
        point_attributes(p.attributes)
        if RNG.random() < 0.5:
            p.as_int = RNG.randrange(-(10**6), 10**6)
        else:
            p.as_double = RNG.choice([0.5, -1e-9, math.nan, math.inf])
    return n


def histogram_point(p, i):
    p.start_time_unix_nano = T0
    p.time_unix_nano = T0 + (i + 1) * 10**9
    point_attributes(p.attributes)
    p.sum = 12.5


def one_metric(m, samples):
    m.unit = RNG.choice(["", "s", "By", "1", "{request}", "By/s"])
    m.description = RNG.choice(["", "설명", "help"])
    kind = RNG.randrange(5)
    n = RNG.randrange(1, 4)
    m.name = f"m.{kind}.{samples}"
    if kind == 0:
        return number_points(m.gauge.data_points, n)
    if kind == 1:
        m.sum.aggregation_temporality = RNG.choice([1, 2])
        m.sum.is_monotonic = RNG.random() < 0.5
        return number_points(m.sum.data_points, n)
    count = 0
    for i in range(n):
        if kind == 2:
            m.histogram.aggregation_temporality = 2
            p = m.histogram.data_points.add()
            histogram_point(p, i)
            p.explicit_bounds.extend([0.005, 0.1, 1, 10])
            p.bucket_counts.extend(RNG.randrange(1000) for _ in range(5))
            p.count = sum(p.bucket_counts)
            count += 4 + 3
        elif kind == 3:
            m.exponential_histogram.aggregation_temporality = 2
            p = m.exponential_histogram.data_points.add()
            histogram_point(p, i)
            p.scale = RNG.choice([-2, 0, 3])
            p.positive.offset = RNG.randrange(-20, 20)
            p.positive.bucket_counts.extend(RNG.randrange(1, 300) for _ in range(6))
            p.negative.offset = -3
            p.negative.bucket_counts.extend([1, 2])
            p.zero_count = 5
            p.zero_threshold = 1e-9
            p.count = sum(p.positive.bucket_counts) + 3 + 5
            count += 6 + 2 + 5  # buckets; count, sum, schema, zero bucket and its threshold
        else:
            p = m.summary.data_points.add()
            histogram_point(p, i)
            p.count = 5
            for q in (0.5, 0.99):
                v = p.quantile_values.add()
                v.quantile = q
                v.value = q * 10
            count += 2 + 2
    return count


def make_metrics(size):
    request = metrics.ExportMetricsServiceRequest()
    samples = 0
    for i in range(1 + size // 10):
        rm = request.resource_metrics.add()
        kv = rm.resource.attributes.add()
        kv.key = "service.name"
        kv.value.string_value = f"service-{i}"
        sm = rm.scope_metrics.add()
        scope(sm.scope)
        for _ in range(size):
            samples += one_metric(sm.metrics.add(), samples)
    return request, {"samples": samples}


def hex_ids(node):
    """The OTLP deviation from proto3 JSON: ids are hex, and enumerations must be numbers."""
    if isinstance(node, list):
        for item in node:
            hex_ids(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                node[key] = base64.b64decode(value).hex()
            else:
                hex_ids(value)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    index = []
    makers = {"traces": make_traces, "logs": make_logs, "metrics": make_metrics}
    for signal, make in makers.items():
        for size in (1, 5, 20):
            message, expected = make(size)
            name = f"{signal}-{size}"
            body = json_format.MessageToDict(message, use_integers_for_enums=True)
            hex_ids(body)
            (OUT / f"{name}.pb").write_bytes(message.SerializeToString(deterministic=True))
            (OUT / f"{name}.json").write_text(json.dumps(body, ensure_ascii=False) + "\n")
            index.append({"name": name, "signal": signal, **expected})
    (OUT / "index.json").write_text(json.dumps(index, indent=1) + "\n")


main()
