# SPDX-License-Identifier: Apache-2.0
"""Log lines as real programs write them, for the console's tests: Java with stack traces, JSON, logfmt, coloured terminals."""
import json
import random
import time

from harness import wire

RNG = random.Random(7)
ESC = '\033'
TRACE = '''java.lang.IllegalStateException: no stock for sku-{sku}
\tat com.shop.stock.Reservation.take(Reservation.java:88)
\tat com.shop.stock.StockService.reserve(StockService.java:41)
\tat org.springframework.aop.framework.CglibAopProxy.intercept(CglibAopProxy.java:773)
\tat org.springframework.transaction.interceptor.TransactionAspectSupport.invoke(TransactionAspectSupport.java:388)
\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)
\tat org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:166)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30000ms
\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197)
\tat com.shop.stock.StockRepository.lock(StockRepository.java:23)
\t... 48 more'''


def java(at):
    if RNG.random() < 0.03:
        return wire.log_record(at, f'Reservation failed\n{TRACE.format(sku=RNG.randint(1, 9))}', 17, 'ERROR',
                               {'logger.name': 'com.shop.stock.StockService', 'thread.name': f'http-{RNG.randint(1, 8)}',
                                'exception.type': 'java.lang.IllegalStateException'}, RNG.randbytes(16), RNG.randbytes(8))
    slow = RNG.random() < 0.06
    took = RNG.randint(900, 4000) if slow else RNG.randint(3, 90)
    return wire.log_record(at, f'{"Slow query" if slow else "Reserved"} sku-{RNG.randint(1, 40)} in {took} ms', 13 if slow else 9,
                           'WARN' if slow else 'INFO', {'logger.name': 'com.shop.stock.StockRepository', 'took.ms': took,
                                                        'thread.name': f'http-{RNG.randint(1, 8)}'})


def structured(at):
    status = RNG.choices((200, 201, 404, 500), (80, 12, 6, 2))[0]
    body = {'msg': 'request finished', 'method': RNG.choice(('GET', 'POST')), 'path': RNG.choice(('/cart', '/checkout', '/items/7')),
            'status': status, 'duration_ms': round(RNG.expovariate(1 / 40), 1), 'user': {'id': f'user-{RNG.randint(1, 30)}', 'plan': 'pro'}}
    level = 17 if status == 500 else 13 if status == 404 else 9
    return wire.log_record(at, json.dumps(body), level, {17: 'ERROR', 13: 'WARN', 9: 'INFO'}[level],
                           {'http.route': body['path']}, RNG.randbytes(16) if status == 500 else b'')


def logfmt(at):
    return wire.log_record(at, f'level=info msg="connection accepted" client=10.0.{RNG.randint(0, 9)}.{RNG.randint(1, 250)} '
                               f'bytes={RNG.randint(200, 90000)} took={RNG.randint(1, 40)}ms', 9, 'INFO', {})


def coloured(at):
    if RNG.random() < 0.2:
        return wire.log_record(at, f'{ESC}[2m[worker]{ESC}[0m {ESC}[1;33mWARN{ESC}[0m retry {ESC}[36m#{RNG.randint(1, 5)}{ESC}[0m of mail job',
                               13, 'WARN', {'job': 'mail'})
    return wire.log_record(at, f'{ESC}[2m[worker]{ESC}[0m {ESC}[32mdone{ESC}[0m job {RNG.randint(1000, 9999)}', 5, 'DEBUG', {'job': 'mail'})


PROGRAMS = (('stock', java, 'node-1', 'stock-7d9f-x2'), ('gateway', structured, 'node-2', 'gateway-55c8-k9'),
            ('proxy', logfmt, 'node-1', 'proxy-0'), ('worker', coloured, 'node-2', 'worker-3'))


def fill(server, headers, minutes=45, per_minute=30, now=None):
    """The last `minutes` of four programs, each as one stream."""
    now = now or time.time_ns()
    for name, line, host, pod in PROGRAMS:
        times = sorted(now - RNG.randint(1, minutes * 60 * 1000) * 10**6 for _ in range(minutes * per_minute))
        res = {'service.name': name, 'service.namespace': 'shop', 'service.version': '2.4.1', 'host.name': host,
               'k8s.pod.name': pod, 'k8s.namespace.name': 'prod'}
        for i in range(0, len(times), 500):
            r = server.otlp('logs', wire.logs([line(t) for t in times[i:i + 500]], res), **headers)
            assert r.status_code == 200 and not r.content, r.text
