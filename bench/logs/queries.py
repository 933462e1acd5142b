# SPDX-License-Identifier: Apache-2.0
"""The same questions in LogQL (Loki and our server) and LogsQL (VictoriaLogs), and what their answers have in common."""
import json

ALL = '{service_name=~".+"}'


class Window:
    """All of the data: from a minute before the first record to a minute after the last."""

    def __init__(self, start, end):
        self.start, self.end = start - start % 300 - 300, end - end % 300 + 300
        self.seconds = self.end - self.start


def numbers(pairs):
    """{key: number}, numbers as they are; keys in lower case, since levels are spelled in several ways."""
    out = {}
    for k, v in pairs:
        k = str(k).lower()
        out[k] = out.get(k, 0) + float(v)
    return {k: v for k, v in out.items() if v}  # nothing counted is no row in LogQL and a zero in LogsQL


# ---- answers of LogQL

def vector(body):
    """{labels' values: value} of an instant query."""
    return numbers((",".join(map(str, s["metric"].values())), s["value"][1]) for s in json.loads(body)["data"]["result"])


def matrix(body):
    """{labels' values: sum over the steps} of a range query."""
    return numbers((",".join(s["metric"].values()), sum(float(v) for _, v in s["values"])) for s in json.loads(body)["data"]["result"])


def loki_lines(body):
    stamps = [int(v[0]) for s in json.loads(body)["data"]["result"] for v in s["values"]]
    return {"lines": len(stamps), "newest": max(stamps, default=0) // 10**6, "oldest": min(stamps, default=0) // 10**6}


# ---- answers of LogsQL

def vl_stats(body):
    def key(m):
        return ",".join(str(v) for k, v in m.items() if k != "__name__")
    return numbers((key(s["metric"]), s["value"][1]) for s in json.loads(body)["data"]["result"])


def vl_hits(body):
    return numbers((",".join(h["fields"].values()), h["total"]) for h in json.loads(body)["hits"])


def vl_rows(body):
    """Rows of `top` or `stats`: {value of the field: hits}."""
    rows = [json.loads(line) for line in body.splitlines()]
    return numbers((next(v for k, v in r.items() if k not in ("hits", "n", "rank")), r.get("hits") or r.get("n")) for r in rows)


def vl_lines(body):
    stamps = [nanoseconds(json.loads(line)["_time"]) for line in body.splitlines()]
    return {"lines": len(stamps), "newest": max(stamps, default=0) // 10**6, "oldest": min(stamps, default=0) // 10**6}


def nanoseconds(text):
    """RFC 3339 in UTC."""
    import calendar
    import time
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((part or "0").ljust(9, "0")[:9])


# ---- questions

def queries(w, trace_id):
    """{name: {"logql": (path, params, read), "logsql": ...}}"""
    span = {"start": w.start, "end": w.end}

    def ask(logql):
        return "/loki/api/v1/query", {"query": logql, "time": w.end}, vector

    def over(logql, step):
        return "/loki/api/v1/query_range", {"query": logql, "step": step, "start": w.start + step, "end": w.end}, matrix

    def lines(logql, limit=100):
        return "/loki/api/v1/query_range", {"query": logql, "limit": limit, "direction": "backward", **span}, loki_lines

    def vl_count(logsql):
        return "/select/logsql/stats_query", {"query": f"{logsql} | stats count() n", "time": w.end, **span}, vl_stats

    def vl_table(logsql):
        return "/select/logsql/query", {"query": logsql, **span}, vl_rows

    def vl_get(logsql, limit=100):
        return "/select/logsql/query", {"query": logsql, "limit": limit, **span}, vl_lines

    def count(stages, selector=ALL):
        return ask(f"sum(count_over_time({selector} {stages} [{w.seconds}s]))")

    def by(label, stages):
        return f"sum by ({label}) (count_over_time({ALL} {stages} [{w.seconds}s]))"

    return {
        "q01 count of all": {"logql": count(""), "logsql": vl_count("*")},
        "q02 rare word, lines": {"logql": lines(ALL + ' |= "quokkamarker01"'), "logsql": vl_get("quokkamarker01")},
        "q03 rare word, count": {"logql": count('|= "quokkamarker02"'), "logsql": vl_count("quokkamarker02")},
        "q04 phrase, count": {"logql": count('|= "request timed out after"'), "logsql": vl_count('"request timed out after"')},
        "q05 phrase, newest 100": {"logql": lines(ALL + ' |= "request timed out after"'),
                                   "logsql": vl_get('"request timed out after"')},
        "q06 Korean phrase, count": {"logql": count('|= "결제 승인 실패"'), "logsql": vl_count('"결제 승인 실패"')},
        "q07 regex, any case, count": {"logql": count('|~ "(?i)connection.{1,30}TIMED out"'),
                                       "logsql": vl_count('~"(?i)connection.{1,30}TIMED out"')},
        "q08 field status=500, count": {"logql": count('| status="500"'), "logsql": vl_count("status:=500")},
        "q09 field + word, count": {"logql": count('|= "checkout" | status="500"'), "logsql": vl_count("checkout status:=500")},
        "q10 field number > 2000, count": {"logql": count("| duration_ms > 2000"), "logsql": vl_count("duration_ms:>2000")},
        "q11 count by level, 5m over a day": {
            "logql": over("sum by (detected_level) (count_over_time(" + ALL + " [5m]))", 300),
            "logsql": ("/select/logsql/hits", {"query": "*", "step": "5m", "field": "severity", **span}, vl_hits)},
        "q12 top 10 of 40k IPs": {"logql": ask("topk(10, " + by("client_ip", '| client_ip!=""') + ")"),
                                  "logsql": vl_table("client_ip:* | top 10 by (client_ip)")},
        "q13 top 10 of 300k paths": {"logql": ask("topk(10, " + by("path", '| path!=""') + ")"),
                                     "logsql": vl_table("path:* | top 10 by (path)")},
        "q14 newest 100 of a stream": {"logql": lines('{service_name="order-api"}'), "logsql": vl_get('{service.name="order-api"}')},
        "q15 values of a field": {"logql": ask(by("method", '| method!=""')),
                                  "logsql": vl_table("method:* | stats by (method) count() n")},
        "q16 services": {"logql": ("/loki/api/v1/label/service_name/values", {**span}, lambda b: {"n": len(json.loads(b)["data"])}),
                         "logsql": ("/select/logsql/stream_field_values", {"query": "*", "field": "service.name", **span},
                                    lambda b: {"n": len(json.loads(b)["values"])})},
        "q17 lines of a trace": {"logql": lines(ALL + f' | trace_id="{trace_id}"'), "logsql": vl_get(f"trace_id:={trace_id}")},
        "q18 JSON in the line, count": {
            "logql": count('| json route="route" | route="/v1/price/{sku}"', '{service_name="pricing"}'),
            "logsql": vl_count('{service.name="pricing"} | unpack_json fields (route) | filter route:="/v1/price/{sku}"')},
    }


def own_queries(w):
    """What the console asks our server: its own API."""
    span = {"start_ms": w.start * 1000, "end_ms": w.end * 1000}

    def rows(**more):
        return "/api/v1/logs", {"limit": 100, **span, **more}, lambda b: {"lines": len(json.loads(b)["logs"])}

    def histogram(**more):
        def read(body):
            return {"records": sum(sum(g["counts"]) for g in json.loads(body)["series"])}
        return "/api/v1/logs/histogram", {"buckets": 96, **span, **more}, read

    return {
        "own: newest 100": rows(),
        "own: rare word": rows(text="quokkamarker01"),
        "own: count by level over the day": histogram(),
        "own: status=500, count by level over the day": histogram(attr="status=500"),
        "own: fields": ("/api/v1/logs/fields", span, lambda b: {"n": len(json.loads(b)["fields"])}),
    }


def differs(ref, got):
    """'' when the answers agree, else what differs first."""
    if set(ref) != set(got):
        only = sorted(set(ref) ^ set(got))
        return f"{len(got)} values, not {len(ref)}: {only[:2]}"
    for k, v in ref.items():
        if abs(got[k] - v) > 1e-9 * abs(v):
            return f"{k or 'value'} {got[k]:,.0f}, not {v:,.0f}"
    return ""
