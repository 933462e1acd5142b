// Development only: answers every endpoint of api/openapi.yaml with made-up but repeatable data, and
// serves web/dist when it exists. Not part of the product, never shipped.
//
//   node dev/mock-server.mjs            login admin / admin-password
//   MOCK_AUTH=off | setup | empty       no login / first start (token "first") / nothing stored yet
//   PORT=7800
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { operations } from './mock-operations.mjs'
import { traceql } from './mock-traceql.mjs'

const port = Number(process.env.PORT ?? 7800)
const mode = process.env.MOCK_AUTH ?? 'on'
const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const started = Date.now() - 3 * 86_400_000 - 4 * 3_600_000

// ---- repeatable noise ------------------------------------------------------------------------
function hash(text) {
  let h = 2166136261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619) >>> 0
  return h
}
function rnd(key) {
  let h = hash(String(key))
  h = Math.imul(h ^ (h >>> 16), 2246822507)
  h = Math.imul(h ^ (h >>> 13), 3266489909)
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296
}
/** Smooth value in 0..1 at time t (s) for a key: three waves and a little noise. */
function wave(key, t) {
  const a = rnd(`${key}a`) * 6.28
  const slow =
    Math.sin(t / 2900 + a) * 0.5 + Math.sin(t / 610 + a * 2) * 0.3 + Math.sin(t / 173 + a * 3) * 0.2
  return Math.min(1, Math.max(0, 0.5 + slow * 0.38 + (rnd(`${key}${Math.floor(t / 15)}`) - 0.5) * 0.14))
}
const hex = (key, n) =>
  Array.from({ length: n }, (_, i) => Math.floor(rnd(`${key}.${i}`) * 16).toString(16)).join('')

// ---- what exists -----------------------------------------------------------------------------
const HOSTS = ['web-01', 'web-02', 'was-01', 'was-02', 'was-03', 'db-01', 'batch-01']
const SERVICES = [
  { name: 'gateway', lang: 'go', ops: ['GET /', 'GET /products', 'GET /cart', 'POST /orders'], rps: 46 },
  { name: 'catalog', lang: 'java', ops: ['GET /api/products', 'GET /api/products/{id}'], rps: 31 },
  { name: 'orders', lang: 'java', ops: ['POST /api/orders', 'GET /api/orders/{id}'], rps: 9 },
  { name: 'payment', lang: 'nodejs', ops: ['POST /pay', 'POST /refund'], rps: 6 },
  { name: 'inventory', lang: 'python', ops: ['reserve', 'release'], rps: 12 },
  { name: 'notification', lang: 'nodejs', ops: ['send mail', 'send push'], rps: 4 },
]
const METRICS = {
  system_cpu_time_seconds_total: {
    type: 'counter',
    unit: 's',
    help: 'CPU time by mode',
    labels: {
      cpu_logical_number: ['0', '1', '2', '3'],
      cpu_mode: ['user', 'system', 'iowait', 'nice', 'interrupt', 'steal', 'idle'],
    },
    base: l =>
      ({ user: 0.28, system: 0.09, iowait: 0.03, nice: 0.002, interrupt: 0.008, steal: 0.004, idle: 0.6 })[
        l.cpu_mode
      ],
  },
  system_cpu_utilization_ratio: {
    type: 'gauge',
    unit: '1',
    help: 'Share of CPU time by mode',
    labels: { cpu_mode: ['user', 'system', 'iowait', 'nice', 'interrupt', 'steal', 'idle'] },
    base: l =>
      ({ user: 0.28, system: 0.09, iowait: 0.03, nice: 0.002, interrupt: 0.008, steal: 0.004, idle: 0.6 })[
        l.cpu_mode
      ],
  },
  system_cpu_load_average_1m: {
    type: 'gauge',
    unit: '1',
    help: 'Load average of one minute',
    base: () => 1.6,
  },
  system_cpu_load_average_5m: {
    type: 'gauge',
    unit: '1',
    help: 'Load average of five minutes',
    base: () => 1.4,
  },
  system_cpu_load_average_15m: {
    type: 'gauge',
    unit: '1',
    help: 'Load average of fifteen minutes',
    base: () => 1.2,
  },
  system_cpu_logical_count: {
    type: 'gauge',
    unit: '1',
    help: 'Logical processors',
    base: () => 4,
    flat: true,
  },
  system_memory_usage_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'Memory by state',
    labels: { system_memory_state: ['used', 'cached', 'buffers', 'free'] },
    base: l => ({ used: 6.2e9, cached: 5.5e9, buffers: 4e8, free: 3.9e9 })[l.system_memory_state],
  },
  system_memory_limit_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'Memory of the machine',
    base: () => 16.6e9,
    flat: true,
  },
  system_memory_utilization_ratio: {
    type: 'gauge',
    unit: '1',
    help: 'Share of memory in use',
    labels: { system_memory_state: ['used'] },
    base: () => 0.6,
  },
  system_paging_usage_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'Swap by state',
    labels: { system_paging_state: ['used', 'free'] },
    base: l => (l.system_paging_state === 'used' ? 2e8 : 1.8e9),
  },
  system_disk_io_bytes_total: {
    type: 'counter',
    unit: 'By',
    help: 'Bytes read and written',
    labels: { system_device: ['nvme0n1', 'nvme1n1'], disk_io_direction: ['read', 'write'] },
    base: l => (l.disk_io_direction === 'read' ? 2.2e6 : 7e6),
  },
  system_disk_operations_total: {
    type: 'counter',
    unit: '{operation}',
    help: 'Disk operations',
    labels: { system_device: ['nvme0n1', 'nvme1n1'], disk_io_direction: ['read', 'write'] },
    base: () => 140,
  },
  system_disk_io_time_seconds_total: {
    type: 'counter',
    unit: 's',
    help: 'Time a disk was busy',
    labels: { system_device: ['nvme0n1', 'nvme1n1'] },
    base: () => 0.12,
  },
  system_filesystem_usage_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'File system space',
    labels: {
      fs: ['nvme0n1p1|/', 'nvme1n1|/var/lib/data'],
      system_filesystem_state: ['used', 'free', 'reserved'],
    },
    base: l => ({ used: 62e9, free: 36e9, reserved: 2e9 })[l.system_filesystem_state],
    flat: true,
  },
  system_filesystem_utilization_ratio: {
    type: 'gauge',
    unit: '1',
    help: 'Share of a file system in use',
    labels: { fs: ['nvme0n1p1|/', 'nvme1n1|/var/lib/data'] },
    base: () => 0.62,
    flat: true,
  },
  system_network_io_bytes_total: {
    type: 'counter',
    unit: 'By',
    help: 'Bytes by interface',
    labels: { network_interface_name: ['eth0', 'eth1'], network_io_direction: ['receive', 'transmit'] },
    base: () => 3.4e6,
  },
  system_network_packet_count_total: {
    type: 'counter',
    unit: '{packet}',
    help: 'Packets',
    labels: { network_interface_name: ['eth0', 'eth1'], network_io_direction: ['receive', 'transmit'] },
    base: () => 3900,
  },
  system_network_errors_total: {
    type: 'counter',
    unit: '{error}',
    help: 'Network errors',
    labels: { network_interface_name: ['eth0', 'eth1'], network_io_direction: ['receive', 'transmit'] },
    base: () => 0.02,
  },
  system_network_connection_count: {
    type: 'gauge',
    unit: '{connection}',
    help: 'Connections by state',
    labels: {
      network_connection_state: ['established', 'time_wait', 'close_wait', 'listen'],
      network_transport: ['tcp'],
    },
    base: l => ({ established: 210, time_wait: 90, close_wait: 4, listen: 22 })[l.network_connection_state],
  },
  system_process_count: {
    type: 'gauge',
    unit: '{process}',
    help: 'Processes by state',
    labels: { process_state: ['running', 'sleeping', 'stopped', 'defunct'] },
    base: l => ({ running: 3, sleeping: 180, stopped: 0, defunct: 1 })[l.process_state],
  },
  process_cpu_utilization_ratio: {
    type: 'gauge',
    unit: '1',
    help: 'CPU of the busiest processes',
    labels: {
      proc: [
        'java|2211|java -jar orders.jar',
        'nginx|812|nginx: worker process',
        'postgres|1544|postgres: checkpointer',
        'node|3320|node payment.js',
        'python3|4102|python3 -m inventory',
        'bongsu-agent|640|bongsu-agent',
      ],
    },
    base: l => 0.05 + rnd(l.process_pid) * 0.6,
  },
  process_memory_usage_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'Resident memory of the biggest processes',
    labels: {
      proc: [
        'java|2211|java -jar orders.jar',
        'nginx|812|nginx: worker process',
        'postgres|1544|postgres: checkpointer',
        'node|3320|node payment.js',
        'python3|4102|python3 -m inventory',
        'bongsu-agent|640|bongsu-agent',
      ],
    },
    base: l => 2e7 + rnd(`${l.process_pid}m`) * 1.4e9,
    flat: true,
  },
  system_uptime_seconds: {
    type: 'gauge',
    unit: 's',
    help: 'Time since the machine started',
    base: () => 1_234_567,
    flat: true,
  },
  http_server_request_duration_seconds_bucket: {
    type: 'histogram',
    unit: 's',
    help: 'Duration of requests',
    labels: { http_route: ['/products', '/cart', '/orders'], le: ['0.05', '0.1', '0.5', '1', '+Inf'] },
    base: () => 12,
  },
  bongsu_ingest_samples_total: {
    type: 'counter',
    unit: '',
    help: 'Samples taken in',
    base: () => 5200,
    global: true,
  },
  bongsu_ingest_spans_total: {
    type: 'counter',
    unit: '',
    help: 'Spans taken in',
    base: () => 640,
    global: true,
  },
  bongsu_ingest_log_records_total: {
    type: 'counter',
    unit: '',
    help: 'Log records taken in',
    base: () => 310,
    global: true,
  },
  bongsu_ingest_rejected_total: {
    type: 'counter',
    unit: '',
    help: 'Items refused, by reason',
    labels: { signal: ['metrics'], reason: ['out_of_order', 'series_limit'] },
    base: () => 0.4,
    global: true,
  },
  bongsu_process_resident_memory_bytes: {
    type: 'gauge',
    unit: 'By',
    help: 'Memory of the server',
    base: () => 1.9e8,
    global: true,
  },
  bongsu_process_cpu_seconds_total: {
    type: 'counter',
    unit: 's',
    help: 'CPU of the server',
    base: () => 0.21,
    global: true,
  },
  up: { type: 'gauge', unit: '', help: 'Scrape success', base: () => 1, flat: true },
}

function expand(labels = {}) {
  let out = [{}]
  for (const [k, values] of Object.entries(labels)) {
    out = out.flatMap(o =>
      values.map(v => {
        if (k === 'fs') {
          const [system_device, system_filesystem_mountpoint] = v.split('|')
          return { ...o, system_device, system_filesystem_mountpoint }
        }
        if (k === 'proc') {
          const [process_executable_name, process_pid, process_command_line] = v.split('|')
          return { ...o, process_executable_name, process_pid, process_command_line, process_owner: 'app' }
        }
        return { ...o, [k]: v }
      }),
    )
  }
  return out
}
function allSeries(name) {
  const m = METRICS[name]
  const inner = expand(m.labels)
  if (m.global) return inner.map(l => ({ __name__: name, ...l }))
  return HOSTS.flatMap(h =>
    inner.map(l => ({ __name__: name, host_name: h, instance: h, job: 'bongsu-agent', ...l })),
  )
}

// ---- a very small reading of PromQL: names, matchers, by(), rate(), topk --------------------------
function parseError(q) {
  let depth = 0
  for (let i = 0; i < q.length; i++) {
    if (q[i] === '(') depth++
    if (q[i] === ')') depth--
    if (depth < 0) return `1:${i + 1}: parse error: unexpected right parenthesis ')'`
  }
  if (depth > 0) return `1:${q.indexOf('(') + 1}: parse error: unclosed left parenthesis`
  if (/[+\-*/]\s*$/.test(q)) return `1:${q.length + 1}: parse error: unexpected end of input`
  return null
}
function evaluate(query) {
  if (/\) or /.test(query)) return query.split(/ or (?=label_replace)/).flatMap(evaluate)
  const lr = /^label_replace\((.*), "(\w+)", "(\w+)", "", ""\)$/.exec(query)
  if (lr) return evaluate(lr[1]).map(x => ({ ...x, labels: { ...x.labels, [lr[2]]: lr[3] } }))
  if (/__name__=~"system_cpu_load_average/.test(query))
    return ['1m', '5m', '15m'].flatMap(w =>
      evaluate(query.replace(/\{__name__=~"[^"]*",/, `system_cpu_load_average_${w}{`)),
    )
  const name = Object.keys(METRICS)
    .sort((a, b) => b.length - a.length)
    .find(n => query.includes(n))
  if (!name) return /^\s*[\d.]+\s*$/.test(query) ? [{ labels: {}, at: () => Number(query) }] : []
  const m = METRICS[name]
  const rest = query.slice(query.indexOf(name) + name.length)
  const sel = /^\{([^}]*)\}/.exec(rest)?.[1] ?? ''
  const matchers = [...sel.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(x => ({
    k: x[1],
    op: x[2],
    v: x[3].replaceAll('\\\\', '\\'),
  }))
  const ok = l =>
    matchers.every(({ k, op, v }) => {
      const x = l[k] ?? ''
      return op === '=' ? x === v : op === '!=' ? x !== v : new RegExp(`^(?:${v})$`).test(x) === (op === '=~')
    })
  const series = allSeries(name).filter(ok)
  const by = /\b(sum|avg|max|min|count)\s+(by|without)\s*\(([^)]*)\)/.exec(query)
  const plainAgg = /\b(sum|avg|max|min|count)\s*\(/.exec(query)
  const quantile = /histogram_quantile/.test(query)
  const counter = m.type === 'counter' || m.type === 'histogram'
  const isRate = /\brate\(|increase\(/.test(query)
  const value = (l, t) => {
    const key = JSON.stringify(l)
    const b = m.base(l) * (m.flat ? 1 + (rnd(key) - 0.5) * 0.5 : 0.4 + 1.2 * wave(key, t))
    return counter && !isRate ? b * (t - started / 1000) : b
  }
  const keep = by
    ? by[3]
        .split(',')
        .map(s => s.trim())
        .filter(Boolean)
        .filter(k => k !== 'le')
    : plainAgg || quantile
      ? []
      : null
  const groups = new Map()
  for (const s of series) {
    const { __name__, ...rest2 } = s
    const labels = keep
      ? Object.fromEntries(keep.filter(k => k in s).map(k => [k, s[k]]))
      : isRate || /[*/]/.test(query)
        ? rest2
        : s
    const id = JSON.stringify(labels)
    if (!groups.has(id)) groups.set(id, { labels, members: [] })
    groups.get(id).members.push(s)
  }
  const mean =
    quantile ||
    (by?.[1] ?? plainAgg?.[1]) === 'avg' ||
    /\/\s*(scalar|count|sum|on|system_memory_limit)/.test(query)
  let out = [...groups.values()].map(g => ({
    labels: g.labels,
    at: t => {
      const v = g.members.map(s => value(s, t))
      if (/count_over|count\b/.test(query) && /count\s*(by)?\s*\(/.test(query)) return g.members.length
      const sum = v.reduce((a, b) => a + b, 0)
      return quantile ? 0.05 + 0.4 * wave(JSON.stringify(g.labels), t) : mean ? sum / v.length : sum
    },
  }))
  const top = /topk\s*\(\s*(\d+)/.exec(query)
  if (top)
    out = out.sort((a, b) => b.at(Date.now() / 1000) - a.at(Date.now() / 1000)).slice(0, Number(top[1]))
  return out
}

// ---- traces ----------------------------------------------------------------------------------
const NS = 1_000_000n
const TRACE_GAP_MS = 4_000
const traceAt = ms => Math.floor(ms / TRACE_GAP_MS)
function attributesOf(key, service, name, error) {
  const http = /^(GET|POST) (\S+)/.exec(name)
  return http
    ? {
        'http.request.method': http[1],
        'http.route': http[2],
        'http.response.status_code': error ? 500 : 200,
        'url.path': http[2].replace('{id}', String(Math.floor(rnd(key) * 9000))),
        'server.address': `${service}.shop.svc`,
        'user.id': `u-${Math.floor(rnd(`${key}u`) * 500)}`,
      }
    : { 'code.function.name': name, 'thread.id': Math.floor(rnd(key) * 60) }
}
function buildTrace(n) {
  const key = `trace${n}`
  const trace_id = hex(key, 24) + n.toString(16).padStart(8, '0')
  const t0 = BigInt(n * TRACE_GAP_MS + Math.floor(rnd(`${key}o`) * TRACE_GAP_MS)) * NS
  const slow = rnd(`${key}s`) > 0.93 ? 6 : 1
  const failing = rnd(`${key}e`) > 0.88
  const spans = []
  const add = (service, name, kind, parent, startUs, durUs, extra = {}) => {
    const span_id = hex(`${key}.${spans.length}`, 16)
    const error = extra.error === true
    spans.push({
      trace_id,
      span_id,
      ...(parent ? { parent_span_id: parent } : {}),
      name,
      kind,
      service,
      start_ns: String(t0 + BigInt(Math.round(startUs * 1000))),
      end_ns: String(t0 + BigInt(Math.round((startUs + durUs) * 1000))),
      arrival_ns: String(t0 + 900n * NS),
      status: error ? 'error' : 'unset',
      ...(error ? { status_message: extra.message ?? 'failed' } : {}),
      attributes: { ...attributesOf(span_id, service, name, error), ...(extra.attributes ?? {}) },
      events: extra.events ?? [],
      links: extra.links ?? [],
      flags: 257,
      resource: SERVICES.findIndex(s => s.name === service),
      scope: SERVICES.findIndex(s => s.name === service) % 2,
    })
    return span_id
  }
  const u = (1200 + rnd(`${key}d`) * 2600) * slow
  const kind = rnd(`${key}k`)
  if (kind < 0.45) {
    const root = add('gateway', 'GET /products', 'server', null, 0, u * 20)
    const call = add('gateway', 'GET', 'client', root, u * 1, u * 18)
    const cat = add('catalog', 'GET /api/products', 'server', call, u * 2, u * 16)
    add('catalog', 'ProductCache.get', 'internal', cat, u * 2.2, u * 0.8)
    add('catalog', 'SELECT products', 'client', cat, u * 3.4, u * 9, {
      attributes: {
        'db.system.name': 'postgresql',
        'db.query.text': 'SELECT id, name, price FROM products WHERE category = $1 ORDER BY name LIMIT 40',
        'db.response.returned_rows': 40,
      },
    })
    add('catalog', 'render', 'internal', cat, u * 13, u * 4)
  } else {
    const root = add('gateway', 'POST /orders', 'server', null, 0, u * 60, { error: failing })
    const auth = add('gateway', 'verify token', 'internal', root, u * 0.6, u * 2)
    add('gateway', 'HGETALL session', 'client', auth, u * 0.9, u * 1, {
      attributes: { 'db.system.name': 'redis' },
    })
    const call = add('gateway', 'POST', 'client', root, u * 4, u * 54, { error: failing })
    const ord = add('orders', 'POST /api/orders', 'server', call, u * 5, u * 52, {
      error: failing,
      message: 'PaymentDeclined',
    })
    add('orders', 'SELECT customer', 'client', ord, u * 6, u * 3, {
      attributes: { 'db.system.name': 'postgresql', 'db.query.text': 'SELECT * FROM customer WHERE id = ?' },
    })
    for (let i = 0; i < 3; i++) {
      const inv = add('orders', 'inventory.reserve', 'client', ord, u * (10 + i * 4), u * 3.6)
      add('inventory', 'reserve', 'server', inv, u * (10.4 + i * 4), u * 2.8, {
        attributes: { sku: `SKU-${1000 + i}` },
      })
    }
    const pay = add('orders', 'POST', 'client', ord, u * 24, u * 24, { error: failing })
    const ps = add('payment', 'POST /pay', 'server', pay, u * 25, u * 22, {
      error: failing,
      message: 'card declined',
      events: failing
        ? [
            {
              time_ns: String(t0 + BigInt(Math.round(u * 44 * 1000))),
              name: 'exception',
              attributes: {
                'exception.type': 'PaymentDeclined',
                'exception.message': 'card declined by issuer (code 51)',
                'exception.stacktrace':
                  'PaymentDeclined: card declined by issuer (code 51)\n    at Issuer.charge (/app/issuer.js:88:13)\n    at async PaymentService.pay (/app/payment.js:41:20)\n    at async /app/routes.js:17:5',
              },
            },
          ]
        : [
            {
              time_ns: String(t0 + BigInt(Math.round(u * 30 * 1000))),
              name: 'issuer.answer',
              attributes: { code: '00' },
            },
          ],
    })
    add('payment', 'POST card-issuer', 'client', ps, u * 26, u * 18, {
      error: failing,
      attributes: { 'server.address': 'issuer.example', 'http.response.status_code': failing ? 402 : 200 },
    })
    add('orders', 'INSERT orders', 'client', ord, u * 50, u * 4, {
      attributes: {
        'db.system.name': 'postgresql',
        'db.query.text': 'INSERT INTO orders (customer_id, total) VALUES (?, ?)',
      },
    })
    const msg = add('orders', 'orders publish', 'producer', ord, u * 55, u * 1.2, {
      attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' },
    })
    add('notification', 'orders process', 'consumer', msg, u * 66, u * 9, {
      links: [
        { trace_id: traceId(n - 1), span_id: hex(`trace${n - 1}.0`, 16), attributes: { reason: 'batch' } },
      ],
    })
  }
  return {
    trace_id,
    spans,
    resources: SERVICES.map(s => ({
      'service.name': s.name,
      'service.namespace': 'shop',
      'service.version': '2.4.1',
      'telemetry.sdk.language': s.lang,
      'host.name': HOSTS[hash(s.name) % HOSTS.length],
      'k8s.pod.name': `${s.name}-7c9f-${hex(s.name, 5)}`,
    })),
    scopes: [
      { name: '@opentelemetry/instrumentation-http', version: '0.57.0' },
      { name: 'io.opentelemetry.tomcat', version: '2.11.0' },
    ],
  }
}
const traceId = n => hex(`trace${n}`, 24) + n.toString(16).padStart(8, '0')
function bigTrace() {
  const t = buildTrace(traceAt(Date.now()) - 5)
  const spans = []
  const t0 = BigInt(Date.now() - 60_000) * NS
  for (let i = 0; i < 10_000; i++) {
    const parent = i === 0 ? undefined : spans[Math.floor((i - 1) / 6)].span_id
    const s = SERVICES[i % SERVICES.length]
    const at = BigInt(Math.round(i * 90_000))
    spans.push({
      ...t.spans[0],
      trace_id: 'f'.repeat(32),
      span_id: i.toString(16).padStart(16, '0'),
      parent_span_id: parent,
      service: s.name,
      name: `${s.ops[i % s.ops.length]} #${i}`,
      resource: i % SERVICES.length,
      status: i % 97 === 0 ? 'error' : 'unset',
      start_ns: String(t0 + at),
      end_ns: String(t0 + at + BigInt(200_000 + Math.floor(rnd(i) * 5e6))),
      events: [],
      links: [],
    })
  }
  spans[0].end_ns = String(t0 + 1_000_000_000n)
  return { ...t, trace_id: 'f'.repeat(32), spans }
}
function summary(trace) {
  const starts = trace.spans.map(s => BigInt(s.start_ns)).reduce((a, b) => (a < b ? a : b))
  const ends = trace.spans.map(s => BigInt(s.end_ns)).reduce((a, b) => (a > b ? a : b))
  const by = new Map()
  for (const s of trace.spans) {
    const v = by.get(s.service) ?? { name: s.service, spans: 0, errors: 0 }
    v.spans++
    if (s.status === 'error') v.errors++
    by.set(s.service, v)
  }
  return {
    trace_id: trace.trace_id,
    start_ns: String(starts),
    duration_ns: String(ends - starts),
    root_service: trace.spans[0].service,
    root_name: trace.spans[0].name,
    span_count: trace.spans.length,
    error_count: trace.spans.filter(s => s.status === 'error').length,
    services: [...by.values()],
  }
}
function duration(text) {
  const m = /^([\d.]+)\s*(ns|us|µs|ms|s|m|h)$/.exec(text ?? '')
  return m ? Number(m[1]) * { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }[m[2]] : null
}
function attrMatch(filter, get) {
  const m = /^([^=!<>~]+)(=~|!~|!=|>=|<=|=|>|<)(.*)$/s.exec(filter)
  if (!m) return get(filter) !== undefined
  const v = get(m[1])
  const s = v === undefined ? '' : String(v)
  switch (m[2]) {
    case '=':
      return s === m[3]
    case '!=':
      return s !== m[3]
    case '=~':
      return new RegExp(m[3]).test(s)
    case '!~':
      return !new RegExp(m[3]).test(s)
    case '>':
      return Number(s) > Number(m[3])
    case '<':
      return Number(s) < Number(m[3])
    case '>=':
      return Number(s) >= Number(m[3])
    default:
      return Number(s) <= Number(m[3])
  }
}
function spanMatches(q, s, trace) {
  const d = Number(BigInt(s.end_ns) - BigInt(s.start_ns))
  const min = duration(q.get('min_duration'))
  const max = duration(q.get('max_duration'))
  const get = k =>
    s.attributes[k.replace(/^span\./, '')] ?? trace.resources[s.resource][k.replace(/^resource\./, '')]
  return (
    (!q.get('service') || s.service === q.get('service')) &&
    (!q.get('operation') || s.name === q.get('operation')) &&
    (!q.get('status') || s.status === q.get('status')) &&
    (!q.get('kind') || s.kind === q.get('kind')) &&
    (min === null || d >= min) &&
    (max === null || d <= max) &&
    q.getAll('attr').every(a => attrMatch(a, get))
  )
}
const bounds = q => {
  const end = Number(q.get('end_ms') ?? Date.now())
  return [Number(q.get('start_ms') ?? end - 3_600_000), end]
}

// ---- logs ------------------------------------------------------------------------------------
const LOG_GAP_MS = 700
const SEVERITY = { debug: 5, info: 9, warn: 13, error: 17, fatal: 21 }
const LINES = [
  ['info', 'gateway', i => `GET /products 200 ${20 + (i % 80)}ms`],
  ['info', 'catalog', i => `loaded ${30 + (i % 12)} products from cache`],
  ['info', 'orders', i => `order ${10_000 + (i % 7000)} accepted, total ${(i % 90) * 1000} KRW`],
  ['debug', 'inventory', i => `reserve sku=SKU-${1000 + (i % 40)} left=${i % 300}`],
  ['warn', 'catalog', i => `slow query took ${900 + (i % 700)}ms: SELECT id, name FROM products`],
  [
    'error',
    'payment',
    i => `PaymentDeclined: card declined by issuer (code 51) for order ${10_000 + (i % 7000)}`,
  ],
  ['info', 'notification', i => `메일을 보냈습니다: 주문 ${10_000 + (i % 7000)}`],
  ['warn', 'gateway', () => 'upstream catalog answered after 1.2 s, retrying once'],
  [
    'error',
    'orders',
    () =>
      'java.sql.SQLTransientConnectionException: pool timed out after 3000ms\n\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:181)\n\tat shop.orders.OrderRepository.save(OrderRepository.java:58)',
  ],
  ['fatal', 'inventory', () => 'out of memory: cannot allocate 512 MiB'],
]
const WEIGHTS = [30, 18, 10, 14, 5, 4, 8, 3, 1.6, 0.15]
const TOTAL = WEIGHTS.reduce((a, b) => a + b, 0)
function logAt(i) {
  let w = rnd(`log${i}`) * TOTAL
  let k = 0
  while (w > WEIGHTS[k]) w -= WEIGHTS[k++]
  const [severity, service, body] = LINES[k]
  const ns = BigInt(i) * BigInt(LOG_GAP_MS) * NS + BigInt(Math.floor(rnd(`l${i}`) * 6e8))
  const n = traceAt(Number(ns / NS)) - 1
  const traced = rnd(`lt${i}`) > 0.4
  return {
    id: i.toString(36),
    time_ns: String(ns),
    observed_ns: String(ns + 1_200_000n),
    arrival_ns: String(ns + 40_000_000n),
    severity,
    severity_number: SEVERITY[severity],
    severity_text: severity.toUpperCase(),
    body: k === 2 && i % 9 === 0 ? { message: body(i), order: { id: i, items: 3 } } : body(i),
    service,
    ...(traced ? { trace_id: traceId(n), span_id: hex(`trace${n}.0`, 16) } : {}),
    attributes: {
      'log.file.name': `${service}.log`,
      'thread.name': `worker-${i % 8}`,
      'code.file.path': `src/${service}/main`,
      ...(k === 0 ? { 'http.response.status_code': 200, 'http.route': '/products' } : {}),
      ...(k === 5 ? { 'exception.type': 'PaymentDeclined', 'payment.code': 51 } : {}),
    },
    resource: {
      'service.name': service,
      'service.namespace': 'shop',
      'host.name': HOSTS[hash(service) % HOSTS.length],
      'k8s.pod.name': `${service}-7c9f-${hex(service, 5)}`,
    },
    scope: { name: 'appender', version: '1.0' },
  }
}
function logMatches(q, l) {
  const text = q.get('text') ?? ''
  const body = (typeof l.body === 'string' ? l.body : JSON.stringify(l.body)).toLowerCase()
  const words = [...text.matchAll(/(-?)"([^"]*)"|(-?)(\S+)/g)].map(m => [
    (m[1] ?? m[3]) === '-',
    (m[2] ?? m[4]).toLowerCase(),
  ])
  const sev = q.getAll('severity')
  const get = k => l.attributes[k.replace(/^log\./, '')] ?? l.resource[k.replace(/^resource\./, '')]
  return (
    words.every(([not, w]) => body.includes(w) !== not) &&
    (sev.length === 0 || sev.includes(l.severity)) &&
    (!q.get('service') || l.service === q.get('service')) &&
    (!q.get('trace_id') || l.trace_id === q.get('trace_id')) &&
    q.getAll('attr').every(a => attrMatch(a, get))
  )
}

// ---- sessions --------------------------------------------------------------------------------
const users = new Map(
  mode === 'setup'
    ? []
    : [
        [
          'admin',
          {
            user: 'admin',
            role: 'admin',
            password: 'admin-password',
            created_ms: started,
            last_login_ms: Date.now() - 3_600_000,
          },
        ],
        [
          'minji',
          {
            user: 'minji',
            role: 'operator',
            password: 'minji-password',
            created_ms: started + 3_600_000,
            last_login_ms: Date.now() - 86_400_000,
          },
        ],
        [
          'guest',
          { user: 'guest', role: 'viewer', password: 'guest-password', created_ms: started + 7_200_000 },
        ],
      ],
)
const tokens = new Map([
  [
    't1',
    {
      id: 't1',
      name: 'collector seoul',
      scopes: ['ingest'],
      created_ms: started,
      last_used_ms: Date.now() - 4_000,
    },
  ],
  [
    't2',
    {
      id: 't2',
      name: 'grafana',
      scopes: ['read'],
      created_ms: started + 86_400_000,
      expires_ms: Date.now() + 30 * 86_400_000,
      last_used_ms: Date.now() - 7_200_000,
    },
  ],
])
const audit = []
const note = (actor, action, target, detail) =>
  audit.unshift({
    id: audit.length + 1,
    time_ms: Date.now(),
    actor,
    ip: '127.0.0.1',
    action,
    ...(target ? { target } : {}),
    ...(detail ? { detail } : {}),
  })
for (let i = 0; i < 140; i++)
  audit.unshift({
    id: i + 1,
    time_ms: started + i * 1_800_000,
    actor: ['admin', 'minji', 'guest'][i % 3],
    ip: `10.0.0.${10 + (i % 9)}`,
    action: ['login', 'login_failed', 'token_created', 'logout', 'user_changed'][i % 5],
    ...(i % 5 === 2 ? { target: 'collector seoul' } : {}),
  })
const sessions = new Map()
const publicUser = ({ password, ...u }) => u
function sessionOf(req) {
  if (mode === 'off') return { user: undefined, role: 'admin', csrf: 'none' }
  const id = /bongsu_session=(\w+)/.exec(req.headers.cookie ?? '')?.[1]
  return id ? sessions.get(id) : undefined
}
const sessionBody = s =>
  mode === 'off'
    ? { authenticated: true, auth_enabled: false, setup_required: false, role: 'admin' }
    : {
        authenticated: !!s,
        auth_enabled: true,
        setup_required: users.size === 0,
        ...(s ? { user: s.user, role: s.role, csrf_token: s.csrf, expires_ms: Date.now() + 86_400_000 } : {}),
      }
function open(res, user) {
  const id = hex(`${user.user}${Date.now()}`, 32)
  const s = { user: user.user, role: user.role, csrf: hex(`c${id}`, 32) }
  sessions.set(id, s)
  user.last_login_ms = Date.now()
  res.setHeader('Set-Cookie', `bongsu_session=${id}; Path=/; HttpOnly; SameSite=Strict`)
  return s
}

// ---- answers ---------------------------------------------------------------------------------
const CONFIG = [
  ['http.listen', '127.0.0.1:7800', '127.0.0.1:7800', '', 'default', false, 'Address of the main door'],
  ['otlp.grpc_listen', '0.0.0.0:4317', '127.0.0.1:4317', '', 'file', false, 'Address of OTLP over gRPC'],
  ['otlp.http_listen', '0.0.0.0:4318', '127.0.0.1:4318', '', 'file', false, 'Address of OTLP over HTTP'],
  ['store.path', '/var/lib/bongsu', 'data', '', 'flag', false, 'Folder of the store'],
  ['store.max_size', '20GiB', '', 'bytes', 'flag', true, 'Disk budget; the oldest data goes first'],
  ['store.retention', '30d', '30d', 'duration', 'default', true, 'Longest time anything is kept'],
  ['query.timeout', '30s', '30s', 'duration', 'default', true, 'Longest time of one query'],
  ['query.max_samples', '50000000', '50000000', '', 'default', true, 'Samples one query may hold'],
  [
    'limits.max_series',
    '2000000',
    '1000000',
    '',
    'environment',
    true,
    'Active series before new ones are refused',
  ],
  ['auth.session_secret', '********', '', '', 'file', false, 'Signs session cookies'],
].map(([key, value, dflt, unit, origin, reloadable, help]) => ({
  key,
  value,
  default: dflt,
  unit,
  origin,
  reloadable,
  flag: `--${key.replaceAll('.', '-')}`,
  env: `BONGSU_${key.replaceAll('.', '_').toUpperCase()}`,
  help,
}))

function status() {
  const now = Date.now()
  const t = now / 1000
  const up = (now - started) / 1000
  const empty = mode === 'empty'
  const per = (s, b) => (empty ? 0 : b * (0.8 + 0.4 * wave(s, t)))
  return {
    version: '0.1.0',
    start_ms: started,
    now_ms: now,
    uptime_s: up,
    ready: true,
    auth_enabled: mode !== 'off',
    cpu_ratio: 0.11 + wave('cpu', t) * 0.2,
    memory: {
      rss_bytes: 196_000_000 + Math.floor(wave('rss', t) * 2e7),
      subsystems: [
        ['tsdb head', 88e6, 512e6],
        ['columns', 41e6, 256e6],
        ['query', 6e6, 512e6],
        ['index', 33e6],
        ['http', 4e6, 64e6],
      ].map(([name, used_bytes, max_bytes]) => ({ name, used_bytes, ...(max_bytes ? { max_bytes } : {}) })),
    },
    disk: {
      path: '/var/lib/bongsu',
      used_bytes: 7_340_000_000,
      free_bytes: 58_000_000_000,
      budget_bytes: 21_474_836_480,
      retention_ms: 30 * 86_400_000,
      wal_bytes: 210_000_000,
      signals: [
        ['metrics', 1.9e9, 4.1e9],
        ['traces', 3.2e9, 6.3e7],
        ['logs', 2.0e9, 3.1e7],
        ['meta', 3e7],
        ['wal', 2.1e8],
      ].map(([signal, bytes, rows]) => ({
        signal,
        bytes,
        ...(rows ? { rows, oldest_ms: started, newest_ms: now - 2_000 } : {}),
      })),
    },
    ingest: [
      ['metrics', 5200, 1_400],
      ['traces', 640, 2_300],
      ['logs', 310, 90],
    ].map(([signal, b, lag]) => ({
      signal,
      per_s: per(signal, b),
      total: Math.floor(empty ? 0 : b * up),
      lag_ms: empty ? undefined : lag,
      newest_ms: now - lag,
      dropped: empty
        ? []
        : signal === 'metrics'
          ? [
              { reason: 'out_of_order', total: 182 },
              { reason: 'series_limit', total: 12 },
            ]
          : signal === 'logs'
            ? [{ reason: 'body_too_large', total: 3 }]
            : [],
    })),
    series: { active: empty ? 0 : 18_420, limit: 2_000_000 },
    doors: [
      ['http', '127.0.0.1:7800', 81_220, 14],
      ['otlp_grpc', '0.0.0.0:4317', 512_310, 0],
      ['otlp_http', '0.0.0.0:4318', 90_411, 3],
    ].map(([name, address, requests, errors]) => ({
      name,
      address,
      on: true,
      requests,
      errors,
      queue: name === 'http' ? 0 : 2,
    })),
    jobs: [
      ['compact metrics', 'running', 0.62, 8_210, 44],
      ['merge traces', 'idle', undefined, 1_900, 310],
      ['merge logs', 'idle', undefined, 1_100, 305],
      ['retention', 'idle', undefined, 12, 72],
    ].map(([name, state, progress_ratio, last_ms, runs]) => ({ name, state, progress_ratio, last_ms, runs })),
  }
}
function histogram(q, step, names, count) {
  const [a, b] = bounds(q)
  const n = Number(q.get('buckets') ?? 60)
  const step_ms = Math.max(1, Math.ceil((b - a) / n))
  const series = names.map(name => ({ name, counts: new Array(n).fill(0) }))
  const scale = Math.max(1, Math.ceil((b - a) / step / 20_000))
  for (let i = Math.ceil(a / step); i * step < Math.min(b, Date.now()); i += scale) {
    const hit = count(i)
    for (const [name, c] of hit) {
      const s = series.find(x => x.name === name)
      const at = Math.floor((i * step - a) / step_ms)
      if (s && at < n) s.counts[at] += c * scale
    }
  }
  return { start_ms: a, step_ms, series }
}

class Refused extends Error {
  constructor(code, type, message) {
    super(message)
    this.code = code
    this.type = type
  }
}
const prom = (data, warnings) => ({ status: 'success', data, ...(warnings ? { warnings } : {}) })
const need = (s, role) => {
  if (role === 'admin' && s.role !== 'admin') throw new Refused(403, 'forbidden', 'only an admin may do this')
}

async function route(req, res, url, body) {
  const q = url.searchParams
  const p = url.pathname
  const key = `${req.method} ${p}`
  const s = sessionOf(req)
  if (key === 'GET /api/v1/session') return sessionBody(s)
  if (key === 'POST /api/v1/session') {
    const u = users.get(body.user)
    if (!u || u.password !== body.password) {
      note(body.user, 'login_failed')
      throw new Refused(401, 'unauthorized', 'user name or password is wrong')
    }
    note(u.user, 'login')
    return sessionBody(open(res, u))
  }
  if (key === 'POST /api/v1/setup') {
    if (users.size > 0 || body.token !== 'first')
      throw new Refused(403, 'forbidden', 'the one-time link is used or wrong')
    const u = { user: body.user, role: 'admin', password: body.password, created_ms: Date.now() }
    users.set(u.user, u)
    note(u.user, 'setup')
    return sessionBody(open(res, u))
  }
  if (!s) throw new Refused(401, 'unauthorized', 'log in first')
  if (mode !== 'off' && !['GET', 'HEAD'].includes(req.method) && req.headers['x-csrf-token'] !== s.csrf)
    throw new Refused(403, 'forbidden', 'X-CSRF-Token is missing or wrong')
  if (key === 'DELETE /api/v1/session') {
    for (const [id, v] of sessions) if (v === s) sessions.delete(id)
    return null
  }
  if (p.startsWith('/api/v1/users')) {
    const name = decodeURIComponent(p.slice('/api/v1/users/'.length))
    if (req.method === 'GET') {
      need(s, 'admin')
      return { users: [...users.values()].map(publicUser) }
    }
    if (req.method === 'POST') {
      need(s, 'admin')
      if (users.has(body.user)) throw new Refused(409, 'conflict', `user "${body.user}" exists`)
      const u = { user: body.user, role: body.role, password: body.password, created_ms: Date.now() }
      users.set(u.user, u)
      note(s.user, 'user_created', u.user)
      res.statusCode = 201
      return publicUser(u)
    }
    const u = users.get(name)
    if (!u) throw new Refused(404, 'not_found', `no user "${name}"`)
    if (req.method === 'PATCH') {
      if (body.current_password !== undefined && body.current_password !== u.password)
        throw new Refused(400, 'bad_data', 'the current password is wrong')
      Object.assign(u, body.role ? { role: body.role } : {}, body.password ? { password: body.password } : {})
      note(s.user, 'user_changed', u.user)
      return publicUser(u)
    }
    if (u.role === 'admin' && [...users.values()].filter(x => x.role === 'admin').length === 1)
      throw new Refused(409, 'conflict', 'the last admin cannot be removed')
    users.delete(name)
    note(s.user, 'user_deleted', name)
    return null
  }
  if (p.startsWith('/api/v1/tokens')) {
    need(s, 'admin')
    if (req.method === 'GET') return { tokens: [...tokens.values()] }
    if (req.method === 'POST') {
      const t = {
        id: hex(`tok${Date.now()}`, 8),
        name: body.name,
        scopes: body.scopes,
        created_ms: Date.now(),
        ...(body.expires_ms ? { expires_ms: body.expires_ms } : {}),
      }
      tokens.set(t.id, t)
      note(s.user, 'token_created', t.name)
      res.statusCode = 201
      return { ...t, secret: `bsu_${hex(`sec${t.id}`, 40)}` }
    }
    tokens.delete(p.split('/').pop())
    return null
  }
  if (p === '/api/v1/audit') {
    need(s, 'admin')
    const before = Number(q.get('before_id') ?? 1e15)
    return { entries: audit.filter(e => e.id < before).slice(0, Number(q.get('limit') ?? 100)) }
  }
  const empty = mode === 'empty'
  const query = q.get('query') ?? body?.query ?? ''
  const operation = operations(p, url, mode === 'empty')
  if (operation !== undefined) return operation
  if (p === '/api/v1/query_range' || p === '/api/v1/query') {
    const bad = parseError(query)
    if (bad) throw new Refused(400, 'bad_data', `invalid parameter "query": ${bad}`)
    const list = empty ? [] : evaluate(query)
    const stats = {
      timings: { evalTotalTime: 0.0012 + list.length * 0.0004 },
      samples: { totalQueryableSamples: list.length * 240, peakSamples: list.length * 12 },
    }
    if (p === '/api/v1/query') {
      const t = Number(q.get('time') ?? Date.now() / 1000)
      return prom({
        resultType: 'vector',
        result: list.map(x => ({ metric: x.labels, value: [t, String(x.at(t))] })),
        stats,
      })
    }
    const [a, b, step] = [Number(q.get('start')), Number(q.get('end')), Number(q.get('step'))]
    if ((b - a) / step > 11_000) throw new Refused(400, 'bad_data', 'more than 11000 points per series')
    const gap = hash(query) % 5 === 0 ? [a + (b - a) * 0.4, a + (b - a) * 0.44] : [0, 0]
    return prom({
      resultType: 'matrix',
      result: list.map(x => {
        const values = []
        for (let t = a; t <= b + 1e-9 && t <= Date.now() / 1000; t += step)
          if (t < gap[0] || t > gap[1]) values.push([t, String(x.at(t))])
        return { metric: x.labels, values }
      }),
      stats,
    })
  }
  if (p === '/api/v1/labels')
    return prom(
      [
        '__name__',
        'host_name',
        'instance',
        'job',
        'cpu_mode',
        'system_device',
        'system_memory_state',
        'le',
      ].sort(),
    )
  const lv = /^\/api\/v1\/label\/([^/]+)\/values$/.exec(p)
  if (lv)
    return prom(
      empty
        ? []
        : lv[1] === '__name__'
          ? Object.keys(METRICS).sort()
          : [
              ...new Set(
                Object.keys(METRICS)
                  .flatMap(n => allSeries(n).map(l => l[lv[1]]))
                  .filter(Boolean),
              ),
            ].sort(),
    )
  if (p === '/api/v1/series')
    return prom(
      q.getAll('match[]').flatMap(m => allSeries(Object.keys(METRICS).find(n => m.startsWith(n)) ?? 'up')),
    )
  if (p === '/api/v1/metadata')
    return prom(
      Object.fromEntries(
        Object.entries(METRICS).map(([n, m]) => [n, [{ type: m.type, help: m.help, unit: m.unit }]]),
      ),
    )
  if (p === '/api/v1/status/buildinfo') return prom({ version: '0.1.0', revision: 'mock' })
  if (p === '/api/v1/status/flags') return prom({ 'store.path': '/var/lib/bongsu' })
  if (p === '/api/v1/status/config')
    return prom({ yaml: 'store:\n  path: /var/lib/bongsu\n  max_size: 20GiB\n', keys: CONFIG })
  if (p === '/api/v1/status/server') return status()
  if (p === '/api/v1/hosts') {
    const [a, b] = bounds(q)
    return {
      hosts: empty
        ? []
        : HOSTS.map((host, i) => ({
            host,
            host_id: hex(host, 32),
            os: i === 6 ? 'Debian GNU/Linux 11' : 'Debian GNU/Linux 12',
            arch: 'amd64',
            agent_version: '0.1.0',
            last_seen_ms: i === 6 ? b - 900_000 : b - 4_000 - i * 700,
            cpus: 4,
            ...(i === 6
              ? {}
              : {
                  cpu_ratio: host === 'db-01' ? 0.93 : 0.15 + 0.6 * wave(host, b / 1000),
                  load1: 0.5 + 3 * wave(`${host}l`, b / 1000),
                  memory_ratio: 0.35 + 0.5 * rnd(host),
                  memory_bytes: 16.6e9,
                  disk_ratio: host === 'db-01' ? 0.88 : 0.3 + 0.4 * rnd(`${host}d`),
                  disk_mount: host === 'db-01' ? '/var/lib/data' : '/',
                  rx_bytes_per_s: 3e6 * wave(`${host}r`, b / 1000),
                  tx_bytes_per_s: 5e6 * wave(`${host}t`, b / 1000),
                  cpu_spark: Array.from({ length: 60 }, (_, k) =>
                    host === 'was-02' && k > 20 && k < 26
                      ? null
                      : host === 'db-01'
                        ? 0.7 + 0.28 * wave(host, (a + ((b - a) * k) / 60) / 1000)
                        : 0.15 + 0.6 * wave(host, (a + ((b - a) * k) / 60) / 1000),
                  ),
                }),
          })),
    }
  }
  if (p === '/api/v1/services') {
    const [a, b] = bounds(q)
    const span = (b - a) / 1000
    return {
      services: empty
        ? []
        : SERVICES.map(v => {
            const ratio = { payment: 0.061, orders: 0.018, catalog: 0.0004 }[v.name] ?? 0.002 * rnd(v.name)
            const p95 = { orders: 620, payment: 890, gateway: 240 }[v.name] ?? 35 + 90 * rnd(v.name)
            const request_spark = Array.from({ length: 60 }, (_, k) =>
              Math.round(((v.rps * span) / 60) * (0.6 + 0.8 * wave(v.name, (a + ((b - a) * k) / 60) / 1000))),
            )
            return {
              service: v.name,
              namespace: 'shop',
              instances: 1 + (hash(v.name) % 3),
              languages: [v.lang],
              requests: Math.round(v.rps * span),
              errors: Math.round(v.rps * span * ratio),
              requests_per_s: v.rps * (0.8 + 0.4 * wave(v.name, b / 1000)),
              error_ratio: ratio,
              p50_ms: p95 / 3.2,
              p95_ms: p95,
              p99_ms: p95 * 1.9,
              last_seen_ms: b - 2_000,
              request_spark,
              error_spark: request_spark.map((x, k) => Math.round(x * ratio * 2 * rnd(`${v.name}${k}`))),
            }
          }),
    }
  }
  if (p === '/api/v1/traces/histogram')
    return empty
      ? { start_ms: 0, step_ms: 1, series: [] }
      : histogram(q, TRACE_GAP_MS, ['error', 'ok'], n => {
          const t = buildTrace(n)
          const m = t.spans.filter(x => spanMatches(q, x, t))
          const e = m.filter(x => x.status === 'error').length
          return [
            ['error', e],
            ['ok', m.length - e],
          ]
        })
  if (p === '/api/v1/traces') {
    const [a, b] = bounds(q)
    const limit = Number(q.get('limit') ?? 50)
    const traces = []
    let n = Math.min(Number(q.get('cursor') ?? 1e15), traceAt(Math.min(b, Date.now())) - 1)
    const last = Math.max(traceAt(a), n - 4_000)
    for (; n > last && traces.length < limit && !empty; n--) {
      const t = buildTrace(n)
      const matched = t.spans.filter(x => spanMatches(q, x, t)).length
      if (matched > 0) traces.push({ ...summary(t), matched })
    }
    return {
      traces,
      ...(n > last && !empty ? { next_cursor: String(n) } : {}),
      stats: { rows_scanned: 48_210, blocks_read: 12, blocks_pruned: 88, elapsed_ms: 14.2 },
    }
  }
  const asked = traceql(p, q, {
    summary,
    traces: (fromMs, toMs) => {
      const out = []
      const last = Math.max(traceAt(fromMs), traceAt(toMs) - 1_000)
      for (let n = traceAt(Math.min(toMs, Date.now())) - 1; n > last && !empty; n--) out.push(buildTrace(n))
      return out
    },
  })
  if (asked !== undefined) return asked
  const tr = /^\/api\/v1\/traces\/([0-9a-f]{32})$/.exec(p)
  if (tr) {
    if (tr[1] === 'f'.repeat(32)) return bigTrace()
    const n = Number.parseInt(tr[1].slice(24), 16)
    const t = buildTrace(n)
    if (t.trace_id !== tr[1]) throw new Refused(404, 'not_found', `no spans of trace ${tr[1]} are stored`)
    return t
  }
  if (p.startsWith('/api/v1/traces/'))
    throw new Refused(400, 'bad_data', 'trace_id must be 32 hexadecimal digits')
  if (p === '/api/v1/spans/names')
    return {
      names: [
        ...new Set(
          Array.from({ length: 60 }, (_, i) => buildTrace(traceAt(Date.now()) - i)).flatMap(t =>
            t.spans.filter(x => x.service === q.get('service')).map(x => x.name),
          ),
        ),
      ].sort(),
    }
  if (p === '/api/v1/logs/histogram')
    return empty
      ? { start_ms: 0, step_ms: 1, series: [] }
      : histogram(q, LOG_GAP_MS, Object.keys(SEVERITY), i => {
          const l = logAt(i)
          return logMatches(q, l) ? [[l.severity, 1]] : []
        })
  if (p === '/api/v1/logs/fields') {
    const end = Math.floor(Math.min(bounds(q)[1], Date.now()) / LOG_GAP_MS)
    const fields = new Map()
    let sampled = 0
    for (let i = end; i > end - 1500 && !empty; i--) {
      const l = logAt(i)
      if (!logMatches(q, l)) continue
      sampled++
      for (const [k, v] of [
        ...Object.entries(l.attributes),
        ...Object.entries(l.resource).map(([k2, v2]) => [`resource.${k2}`, v2]),
      ]) {
        const f = fields.get(k) ?? { name: k, count: 0, values: new Map() }
        f.count++
        f.values.set(String(v), (f.values.get(String(v)) ?? 0) + 1)
        fields.set(k, f)
      }
    }
    return {
      sampled,
      fields: [...fields.values()]
        .map(f => ({
          name: f.name,
          count: f.count,
          values: [...f.values]
            .map(([value, count]) => ({ value, count }))
            .sort((x, y) => y.count - x.count)
            .slice(0, 10),
        }))
        .sort((x, y) => x.name.localeCompare(y.name)),
    }
  }
  if (p === '/api/v1/logs') {
    const [a, b] = bounds(q)
    const limit = Number(q.get('limit') ?? 200)
    const logs = []
    const traced = q.get('trace_id')
    let i = Math.min(Number(q.get('cursor') ?? 1e15), Math.floor(Math.min(b, Date.now()) / LOG_GAP_MS))
    const last = Math.max(a / LOG_GAP_MS, i - (traced ? 20_000 : 30_000))
    for (; i >= last && logs.length < limit && !empty; i--) {
      const l = logAt(i)
      if (logMatches(q, l)) logs.push(l)
    }
    return {
      logs,
      ...(i >= last && !empty ? { next_cursor: String(i) } : {}),
      stats: { rows_scanned: 120_400, blocks_read: 9, blocks_pruned: 140, elapsed_ms: 8.7 },
    }
  }
  if (p === '/api/v1/logs/tail') {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    let last = Math.floor(Date.now() / LOG_GAP_MS) - 20
    const tick = () => {
      const now = Math.floor(Date.now() / LOG_GAP_MS)
      const logs = []
      for (; last < now; last++) {
        const l = logAt(last)
        if (logMatches(q, l)) logs.push(l)
      }
      if (logs.length > 0) res.write(`event: logs\ndata: ${JSON.stringify({ logs })}\n\n`)
    }
    tick()
    const id = setInterval(tick, 1_000)
    req.on('close', () => clearInterval(id))
    return undefined
  }
  throw new Refused(404, 'not_found', `no such endpoint: ${p}`)
}

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
async function file(path, res) {
  const name = normalize(path).replace(/^[/\\]+/, '') || 'index.html'
  try {
    const data = await readFile(join(dist, name))
    res.writeHead(200, {
      'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
      'Content-Security-Policy': CSP,
    })
    res.end(data)
  } catch {
    if (extname(name) !== '') {
      res.writeHead(404)
      res.end()
      return
    }
    res.writeHead(200, { 'Content-Type': TYPES['.html'], 'Content-Security-Policy': CSP })
    res.end(await readFile(join(dist, 'index.html')).catch(() => 'npm run build first'))
  }
}

createServer(async (req, res) => {
  const url = new URL(req.url, 'http://localhost')
  if (url.pathname === '/metrics') {
    res.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' })
    res.end('# own measurements of the server; the console has its explorer at /explore\n')
    return
  }
  if (!url.pathname.startsWith('/api/')) {
    await file(url.pathname, res)
    return
  }
  let text = ''
  for await (const part of req) text += part
  try {
    const answer = await route(req, res, url, text.startsWith('{') ? JSON.parse(text) : undefined)
    if (answer === undefined) return
    if (answer === null) {
      res.writeHead(204)
      res.end()
      return
    }
    res.writeHead(res.statusCode, { 'Content-Type': 'application/json' })
    res.end(JSON.stringify(answer))
  } catch (e) {
    const known = e instanceof Refused
    if (!known) console.error(e)
    res.writeHead(known ? e.code : 500, { 'Content-Type': 'application/json' })
    res.end(JSON.stringify({ status: 'error', errorType: known ? e.type : 'internal', error: e.message }))
  }
}).listen(port, '127.0.0.1', () => console.log(`mock server on http://127.0.0.1:${port} (${mode})`))
