// Development only: made-up answers of the endpoints behind Targets, Cardinality and Storage.
const DAY = 86_400_000

function targets() {
  const now = Date.now()
  const active = []
  const add = (pool, instance, extra = {}, path = '/metrics') => {
    const error = extra.error ?? ''
    active.push({
      discoveredLabels: {
        __address__: instance,
        __metrics_path__: path,
        __scheme__: 'http',
        __scrape_interval__: '15s',
        __scrape_timeout__: '10s',
        job: pool,
        ...(pool === 'kubernetes-pods'
          ? {
              __meta_kubernetes_namespace: 'shop',
              __meta_kubernetes_pod_name: `checkout-${instance.slice(-4)}`,
              __meta_kubernetes_pod_label_app: 'checkout',
            }
          : {}),
      },
      labels: { instance, job: pool, ...(extra.labels ?? {}) },
      scrapePool: pool,
      scrapeUrl: `http://${instance}${path}`,
      globalUrl: `http://${instance}${path}`,
      lastError: error,
      lastScrape: extra.never
        ? '0001-01-01T00:00:00Z'
        : new Date(now - (extra.age ?? (active.length * 613) % 15_000)).toISOString(),
      lastScrapeDuration: error ? 10 : (extra.took ?? 0.004 + ((active.length * 37) % 100) / 4_000),
      health: extra.never ? 'unknown' : error ? 'down' : 'up',
      scrapeInterval: '15s',
      scrapeTimeout: '10s',
    })
  }
  for (let i = 0; i < 40; i++) {
    add('node', `10.0.1.${i + 10}:9100`, { labels: { zone: i % 2 ? 'b' : 'a', rack: `r${i % 6}` } })
  }
  for (let i = 0; i < 18; i++) {
    add('kubernetes-pods', `10.42.3.${i + 4}:8080`, {
      labels: { namespace: 'shop', pod: `checkout-7d9f${i}`, app: 'checkout' },
      ...(i === 3
        ? {
            error:
              'Get "http://10.42.3.7:8080/metrics": dial tcp 10.42.3.7:8080: connect: connection refused',
          }
        : {}),
      ...(i === 5 ? { error: 'server returned HTTP status 503 Service Unavailable' } : {}),
      ...(i === 7 ? { never: true } : {}),
      ...(i === 9 ? { took: 8.7 } : {}),
      ...(i === 11 ? { age: 190_000 } : {}),
    })
  }
  add('blackbox', 'shop.example:443', { labels: { module: 'http_2xx' } }, '/probe')
  add('postgres', 'db-01:9187', { error: 'sample limit of 5000 exceeded' })
  const dropped = Array.from({ length: 25 }, (_, i) => ({
    discoveredLabels: {
      __address__: `10.42.5.${i}:9090`,
      __meta_kubernetes_namespace: 'kube-system',
      __meta_kubernetes_pod_name: `coredns-${i}`,
    },
    scrapePool: 'kubernetes-pods',
  }))
  return { activeTargets: active, droppedTargets: dropped, droppedTargetCounts: { 'kubernetes-pods': 63 } }
}

function cardinality(url) {
  const now = Date.now()
  const by = url.searchParams.get('match[]')
  const scale = by ? 0.3 : 1
  const total = Math.round(184_320 * scale)
  const row = (name, share, before, more = {}) => ({
    name,
    series: Math.round(total * share),
    before: Math.round(total * share * before),
    share_ratio: share,
    ...more,
  })
  const focus = url.searchParams.get('focus')
  return {
    start_ms: now - DAY,
    end_ms: now,
    looked_at_ratio: 1,
    series: {
      total,
      before: Math.round(total * 0.82),
      active: 171_006,
      created_1h: Math.round(total * 0.02),
      created_24h: Math.round(total * 0.58),
    },
    metrics: {
      total: 1_204,
      rows: [
        row('http_request_duration_seconds_bucket', 0.31, 0.98),
        row('container_network_receive_bytes_total', 0.12, 0.4),
        row('session_events_total', 0.11, 0),
        row('node_cpu_seconds_total', 0.05, 1),
        row('kube_pod_status_phase', 0.04, 0.9),
        row('up', 0.01, 1),
      ],
    },
    labels: {
      total: 96,
      rows: [
        row('session_id', 0.11, 0, { values: 20_275 }),
        row('pod', 0.4, 0.6, { values: 3_120 }),
        row('instance', 1, 0.82, { values: 640 }),
        row('le', 0.31, 0.98, { values: 14 }),
        row('job', 1, 0.82, { values: 12 }),
      ],
    },
    pairs: {
      total: 41_020,
      rows: [
        row('job', 0.52, 0.9, { value: 'kubernetes-pods' }),
        row('namespace', 0.4, 0.9, { value: 'shop' }),
        row('__name__', 0.31, 0.98, { value: 'http_request_duration_seconds_bucket' }),
      ],
    },
    jobs: {
      total: 12,
      rows: [
        row('kubernetes-pods', 0.52, 0.9, { samples_per_s: 6_300 }),
        row('node', 0.22, 1, { samples_per_s: 2_700 }),
        row('sessions', 0.11, 0),
      ],
    },
    instances: {
      total: 640,
      rows: [
        row('kubernetes-pods', 0.03, 1, { value: '10.42.3.7:8080', samples_per_s: 200 }),
        row('node', 0.006, 1, { value: '10.0.1.10:9100', samples_per_s: 68 }),
      ],
    },
    ...(focus
      ? {
          focus: {
            label: focus,
            total: 20_275,
            rows: Array.from({ length: 20 }, (_, i) => row(`${focus}-${i}`, 0.2 / (i + 1), 0.9)),
          },
        }
      : {}),
  }
}

function limits() {
  const now = Date.now()
  return {
    limits: [
      { name: 'series', key: 'storage.max_series', max: 1_000_000, used: 171_006, refused: 0, offenders: [] },
      {
        name: 'series_per_metric',
        key: 'limits.series_per_metric',
        max: 60_000,
        used: 57_139,
        used_by: { metric: 'http_request_duration_seconds_bucket' },
        refused: 0,
        offenders: [],
      },
      {
        name: 'series_per_source',
        key: 'limits.series_per_source',
        max: 0,
        used: 0,
        refused: 0,
        offenders: [],
      },
      {
        name: 'values_per_label',
        key: 'limits.values_per_label',
        max: 20_000,
        used: 20_000,
        used_by: { metric: 'session_events_total', label: 'session_id' },
        refused: 81_220,
        offenders: [
          {
            who: { metric: 'session_events_total', label: 'session_id', source: 'sessions' },
            refused: 81_220,
            since_ms: now - 5_400_000,
            last_ms: now - 2_000,
            example: 'session_events_total{instance="s1:80", job="sessions", session_id="9f31c2"}',
          },
        ],
      },
    ],
  }
}

function storage() {
  const now = Date.now()
  const today = Math.floor(now / DAY) * DAY
  const MiB = 2 ** 20
  const days = Array.from({ length: 45 }, (_, i) => {
    const age = 44 - i
    const wave = 1 + 0.25 * Math.sin(i / 3)
    return {
      day: new Date(today - age * DAY).toISOString().slice(0, 10),
      start_ms: today - age * DAY,
      metrics_raw: age < 14 ? 210 * MiB * wave : 0,
      metrics_1m: 22 * MiB * wave,
      metrics_5m: 6 * MiB * wave,
      metrics_1h: 0.7 * MiB * wave,
      traces: age < 7 ? 340 * MiB * wave : 0,
      logs: age < 30 ? 120 * MiB * wave : 0,
    }
  })
  const sum = key => days.reduce((n, d) => n + d[key], 0)
  const used = ['metrics_raw', 'metrics_1m', 'metrics_5m', 'metrics_1h', 'traces', 'logs'].reduce(
    (n, k) => n + sum(k),
    0,
  )
  const tier = (name, resolution_ms, retention_ms, key, per, age) => ({
    tier: name,
    resolution_ms,
    retention_ms,
    bytes: sum(key),
    points: Math.round(sum(key) / per),
    parts: 45,
    bytes_per_point: per,
    oldest_ms: today - age * DAY,
    newest_ms: now - (name === 'raw' ? 0 : 2 * DAY),
  })
  return {
    now_ms: now,
    path: '/var/lib/bongsu',
    used_bytes: used + 90 * MiB,
    free_bytes: 61e9,
    min_free_bytes: 512 * MiB,
    budget_bytes: 20e9,
    retention_ms: 30 * DAY,
    signals: [
      {
        signal: 'metrics',
        bytes: sum('metrics_raw') + sum('metrics_1m') + sum('metrics_5m') + sum('metrics_1h'),
        rows: 5_400_000_000,
        oldest_ms: today - 44 * DAY,
        newest_ms: now,
      },
      {
        signal: 'traces',
        bytes: sum('traces'),
        rows: 88_000_000,
        oldest_ms: today - 6 * DAY,
        newest_ms: now,
      },
      { signal: 'logs', bytes: sum('logs'), rows: 140_000_000, oldest_ms: today - 29 * DAY, newest_ms: now },
      { signal: 'meta', bytes: 400_000 },
      { signal: 'wal', bytes: 89 * MiB },
    ],
    tiers: [
      tier('raw', 0, 14 * DAY, 'metrics_raw', 0.72, 13),
      tier('1m', 60_000, 90 * DAY, 'metrics_1m', 3.1, 44),
      tier('5m', 300_000, 0, 'metrics_5m', 3.4, 44),
      tier('1h', 3_600_000, 0, 'metrics_1h', 4.4, 44),
    ],
    days,
    growth: {
      bytes_per_day: 690 * MiB,
      days_measured: 7,
      metrics_raw: 210 * MiB,
      metrics_1m: 22 * MiB,
      metrics_5m: 6 * MiB,
      metrics_1h: MiB,
      traces: 331 * MiB,
      logs: 120 * MiB,
    },
    forecast: {
      limit_bytes: 20e9,
      limited_by: 'budget',
      days_left: 14.3,
      full_ms: now + 14.3 * DAY,
      reason: 'made up',
      next: {
        signal: 'metrics',
        tier: 'raw',
        day: days[31].day,
        start_ms: days[31].start_ms,
        bytes: days[31].metrics_raw,
        reason: 'made up',
      },
    },
    jobs: [
      {
        name: 'metrics merge',
        state: 'running',
        progress_ratio: 0.42,
        runs: 812,
        last_ms: 5_300,
        last_end_ms: now - 640_000,
        failures: 0,
      },
      {
        name: 'metrics roll-up',
        state: 'idle',
        runs: 44,
        last_ms: 9_100,
        last_end_ms: now - 3_600_000 * 5,
        failures: 0,
      },
      {
        name: 'traces flush',
        state: 'idle',
        runs: 4_100,
        last_ms: 60,
        last_end_ms: now - 20_000,
        failures: 1,
      },
      {
        name: 'logs retention',
        state: 'idle',
        runs: 900,
        last_ms: 0.4,
        last_end_ms: now - 51_000,
        failures: 0,
      },
    ],
  }
}

function sources(url) {
  const by = url.searchParams.get('by') ?? 'metric'
  const names = {
    metric: [
      'http_request_duration_seconds_bucket',
      'container_network_receive_bytes_total',
      'node_cpu_seconds_total',
      'up',
    ],
    job: ['kubernetes-pods', 'node', 'sessions', ''],
    instance: ['10.42.3.7:8080', '10.0.1.10:9100'],
  }[by] ?? ['']
  return {
    by,
    day: new Date(Date.now() - DAY).toISOString().slice(0, 10),
    parts: 4,
    bytes: 210 * 2 ** 20,
    distinct: 1_204,
    other_bytes: 40 * 2 ** 20,
    sources: names.map((name, i) => ({ name, series: 57_000 >> i, bytes: (90 * 2 ** 20) >> i })),
  }
}

/** The body for a path, or undefined when it is not one of these. */
export function operations(path, url, empty) {
  switch (path) {
    case '/api/v1/targets':
      return {
        status: 'success',
        data: empty ? { activeTargets: [], droppedTargets: [], droppedTargetCounts: {} } : targets(),
      }
    case '/api/v1/scrape_pools':
      return {
        status: 'success',
        data: { scrapePools: empty ? [] : ['node', 'kubernetes-pods', 'blackbox', 'postgres', 'spare'] },
      }
    case '/api/v1/query_exemplars':
      return { status: 'success', data: [] }
    case '/api/v1/cardinality':
      return cardinality(url)
    case '/api/v1/cardinality/limits':
      return limits()
    case '/api/v1/storage':
      return storage()
    case '/api/v1/storage/sources':
      return sources(url)
    default:
      return undefined
  }
}
