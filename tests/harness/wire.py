# SPDX-License-Identifier: Apache-2.0
"""Protobuf by hand for OTLP and Prometheus remote write: written from the .proto files' field numbers, so
that the server's reader is checked by something that shares no code with it."""
import struct

import snappy


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def uint(field, n):
    return varint(field << 3) + varint(n)


def fixed64(field, n):
    return varint(field << 3 | 1) + struct.pack('<Q', n & (1 << 64) - 1)


def double(field, x):
    return varint(field << 3 | 1) + struct.pack('<d', x)


def fixed32(field, n):
    return varint(field << 3 | 5) + struct.pack('<I', n)


def blob(field, data):
    if isinstance(data, str):
        data = data.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


# --- opentelemetry.proto.common.v1 ---

def any_value(v):
    if v is None:
        return b''
    if isinstance(v, bool):
        return uint(2, int(v))
    if isinstance(v, int):
        return uint(3, v)
    if isinstance(v, float):
        return double(4, v)
    if isinstance(v, bytes):
        return blob(7, v)
    if isinstance(v, (list, tuple)):
        return blob(5, b''.join(blob(1, any_value(x)) for x in v))
    if isinstance(v, dict):
        return blob(6, attributes(1, v))
    return blob(1, v)


def attributes(field, values):
    return b''.join(blob(field, blob(1, k) + blob(2, any_value(v))) for k, v in values.items())


def resource(values):
    return blob(1, attributes(1, values))


# --- opentelemetry.proto.trace.v1 ---

def span(trace_id, span_id, name, start_ns, end_ns, parent=b'', kind=1, attrs=None, status=0,
         message='', events=(), links=()):
    out = blob(1, trace_id) + blob(2, span_id)
    if parent:
        out += blob(4, parent)
    out += blob(5, name) + uint(6, kind) + fixed64(7, start_ns) + fixed64(8, end_ns)
    out += attributes(9, attrs or {})
    for time_ns, ev_name, ev_attrs in events:
        out += blob(11, fixed64(1, time_ns) + blob(2, ev_name) + attributes(3, ev_attrs))
    for link_trace, link_span, link_attrs in links:
        out += blob(13, blob(1, link_trace) + blob(2, link_span) + attributes(4, link_attrs))
    if status or message:
        out += blob(15, (blob(2, message) if message else b'') + uint(3, status))
    return out


def traces(spans, res=None, scope='test'):
    scope_spans = blob(1, blob(1, scope)) + b''.join(blob(2, s) for s in spans)
    return blob(1, resource(res or {'service.name': 'test'}) + blob(2, scope_spans))


# --- opentelemetry.proto.logs.v1 ---

def log_record(time_ns, body, severity=9, text='INFO', attrs=None, trace_id=b'', span_id=b''):
    out = fixed64(1, time_ns) + uint(2, severity) + blob(3, text) + blob(5, any_value(body))
    out += attributes(6, attrs or {}) + fixed64(11, time_ns)
    if trace_id:
        out += blob(9, trace_id)
    if span_id:
        out += blob(10, span_id)
    return out


def logs(records, res=None, scope='test'):
    scope_logs = blob(1, blob(1, scope)) + b''.join(blob(2, r) for r in records)
    return blob(1, resource(res or {'service.name': 'test'}) + blob(2, scope_logs))


# --- opentelemetry.proto.metrics.v1 ---

def gauge(name, points, unit=''):
    """points: [(time_ns, value, attrs)]"""
    data = b''.join(blob(1, attributes(7, a) + fixed64(3, t) + double(4, float(v)))
                    for t, v, a in points)
    return blob(1, name) + (blob(3, unit) if unit else b'') + blob(5, data)


def counter(name, points, unit='', temporality=2, start_ns=0):
    data = b''.join(blob(1, attributes(7, a) + fixed64(2, start_ns) + fixed64(3, t) + double(4, float(v)))
                    for t, v, a in points)
    return blob(1, name) + (blob(3, unit) if unit else b'') + \
        blob(7, data + uint(2, temporality) + uint(3, 1))


def metrics(all_metrics, res=None, scope='test'):
    scope_metrics = blob(1, blob(1, scope)) + b''.join(blob(2, m) for m in all_metrics)
    return blob(1, resource(res or {'service.name': 'test'}) + blob(2, scope_metrics))


# --- prometheus.WriteRequest ---

def series(labels, samples):
    """labels: dict; samples: [(value, time_ms)]. Labels are sorted as the specification asks."""
    out = b''.join(blob(1, blob(1, k) + blob(2, v)) for k, v in sorted(labels.items()))
    return out + b''.join(blob(2, double(1, v) + uint(2, t)) for v, t in samples)


def write_request(all_series):
    return b''.join(blob(1, s) for s in all_series)


def remote_write_body(all_series):
    return snappy.compress(write_request(all_series))


# --- reading, for relays that look at what a client sent ---

def fields(data):
    """{field number: [values]}; varints as int, fixed64 and fixed32 as bytes, the rest as bytes."""
    out, at = {}, 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        key = read_varint()
        kind = key & 7
        if kind == 0:
            value = read_varint()
        else:
            n = {1: 8, 5: 4}.get(kind) or read_varint()
            value = data[at:at + n]
            at += n
        out.setdefault(key >> 3, []).append(value)
    return out


def read_any_value(data):
    f = fields(data)
    if 1 in f:
        return f[1][0].decode()
    if 2 in f:
        return bool(f[2][0])
    if 3 in f:
        return f[3][0] - (1 << 64) * (f[3][0] >> 63)
    if 4 in f:
        return struct.unpack('<d', f[4][0])[0]
    return None


def read_attributes(items):
    return {fields(a)[1][0].decode(): read_any_value(fields(a)[2][0]) for a in items}


def read_metrics(body):
    """Yield (name, unit, kind, monotonic, attributes, time_ns, value): a float, or (count, sum) of a histogram."""
    for rm in fields(body).get(1, []):
        for sm in fields(rm).get(2, []):
            for m in fields(sm).get(2, []):
                f = fields(m)
                kind, data = next((k, fields(f[n][0])) for n, k in ((5, 'gauge'), (7, 'sum'), (9, 'histogram')) if n in f)
                for p in map(fields, data.get(1, [])):
                    if kind == 'histogram':
                        attrs = p.get(9, [])
                        value = (struct.unpack('<Q', p[4][0])[0], struct.unpack('<d', p[5][0])[0] if 5 in p else None)
                    else:
                        attrs = p.get(7, [])
                        value = float(struct.unpack('<q', p[6][0])[0]) if 6 in p else struct.unpack('<d', p[4][0])[0]
                    yield (f[1][0].decode(), f.get(3, [b''])[0].decode(), kind, bool(data.get(3, [0])[0]),
                           read_attributes(attrs), struct.unpack('<Q', p[3][0])[0], value)
