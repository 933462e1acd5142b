# SPDX-License-Identifier: Apache-2.0
"""Half an hour of logs in the forms that LogQL takes apart: JSON, logfmt, access logs, plain text with stack traces
and colours, packed lines; with structured metadata, and values that parsers must refuse."""
import json
import random

NS = 1_000_000_000
MINUTES = 30


def json_line(rnd, i):
    status = rnd.choice([200, 200, 200, 201, 404, 500])
    return json.dumps({
        'level': 'error' if status == 500 else 'info', 'status': status, 'took': f'{rnd.randrange(1, 900)}ms',
        'size': f'{rnd.randrange(1, 64)}KB', 'path': f'/api/v{rnd.randrange(1, 3)}/order/{i % 7}',
        'request': {'method': rnd.choice(['GET', 'POST']), 'ip': f'10.0.{i % 3}.{i % 250}', 'tags': ['a', 'b']},
        'latency': round(rnd.random() * 2, 4), 'ok': status < 400, 'note': None})


def logfmt_line(rnd, i):
    return (f'level={rnd.choice(["debug", "info", "warn", "error"])} caller=main.go:{i % 90} '
            f'msg="cart {i} of user {i % 11}" dur={rnd.randrange(1, 5000)}us bytes={rnd.randrange(100, 99999)} '
            f'code={rnd.choice(["200", "500", "-"])} empty= flag')


def access_line(rnd, i):
    return (f'192.168.{i % 4}.{i % 200} - user{i % 5} [21/Nov/2026:10:00:{i % 60:02d} +0000] '
            f'"{rnd.choice(["GET", "PUT"])} /static/{i % 9}.js HTTP/1.1" {rnd.choice([200, 304, 502])} '
            f'{rnd.randrange(50, 9000)} "-" "curl/8.{i % 4}"')


def plain_line(rnd, i):
    return rnd.choice([
        f'INFO starting worker {i % 4}',
        f'ERROR java.lang.IllegalStateException: pool {i % 3} is closed\n\tat a.b.C.run(C.java:{i % 50})',
        f'\x1b[31mWARN\x1b[0m queue depth {i}', f'주문 {i} 처리 완료', ''])


def packed_line(rnd, i):
    return json.dumps({'container': f'c{i % 3}', 'node': f'n{i % 2}', '_entry': f'level=info packed {i}'})


def odd_line(rnd, i):
    """What parsers should refuse, or take apart in an odd way."""
    return rnd.choice([
        '{"level": "error", "status": 500, "request": {"method": "GET"', f'{{"a": {i % 5}, "a": 9, " b ": {{"": 1, "키": 2}}, "9x": true}}',
        '["level", {"status": 200}]', '"level"', '{}', '   ', '{"level": null, "status": {}}',
        'level=warn=error status=200 dur', 'level="a b" status="unended', '="x" level=info', 'level="a\\"b"status=3 키=값',
        f'{{"app": "other", "env": {i % 3}, "user": "me", "level": "w\\u00e4rn\\n", "_entry": "level=info"}}',
        f'app=other env=x user=me level=debug bytes={i}KB took={i}ms status=4e2 _entry=1', 'a 10.0.1.7: b ::1 2001:db8::1 10.0.1',
        f'{{"status": "{i % 600}", "took": "1h2m", "size": "1.5 MiB", "latency": -1e3}}', '\x1b[1;32mgo\x1b[0m \x1b[K status=1'])


STREAMS = (
    ({'app': 'shop', 'env': 'prod', 'pod': 'shop-0'}, json_line, 5),
    ({'app': 'shop', 'env': 'prod', 'pod': 'shop-1'}, json_line, 7),
    ({'app': 'shop', 'env': 'dev', 'pod': 'shop-d'}, json_line, 31),
    ({'app': 'cart', 'env': 'prod', 'pod': 'cart-0'}, logfmt_line, 6),
    ({'app': 'cart', 'env': 'dev', 'pod': 'cart-d'}, logfmt_line, 13),
    ({'app': 'nginx', 'env': 'prod', 'host': 'web1'}, access_line, 4),
    ({'job': 'batch', 'env': 'prod'}, plain_line, 9),
    ({'app': 'packed', 'env': 'dev'}, packed_line, 17),
    ({'app': 'odd', 'env': 'dev'}, odd_line, 11),
)


def build(base_ns):
    """What a push request has: streams with entries a few seconds apart, oldest first."""
    rnd = random.Random(7)
    out = []
    for n, (labels, line, every_s) in enumerate(STREAMS):
        values = []
        for i in range(MINUTES * 60 // every_s):
            entry = [str(base_ns + (i * every_s + n % 3) * NS + n * 1000 + i), line(rnd, i)]
            if n % 2 == 0:
                entry.append({'trace_id': f'{rnd.randrange(1 << 64):032x}', 'user': f'u{i % 4}', **({'env': 'own'} if i % 5 == 4 else {})})
            values.append(entry)
        out.append({'stream': labels, 'values': values})
    return out
