// TraceQL for the mock server: conditions joined by && are understood, everything else matches. Answers
// have the form of the real ones; figures are counted over the made-up traces.
const FIELD = {
  'resource.service.name': s => s.service,
  name: s => s.name,
  status: s => s.status,
  kind: s => s.kind,
}
const NS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9 }

function value(span, trace, field) {
  const known = FIELD[field]
  if (known !== undefined) return known(span)
  const name = field.replace(/^(span|resource)?\./, '')
  return span.attributes[name] ?? trace.resources[span.resource]?.[name]
}

function matches(text, span, trace) {
  const inner = /^\s*\{([^{}]*)\}/.exec(text)?.[1] ?? ''
  return inner.split('&&').every(c => {
    const m = /^\s*\(?\s*([\w.:]+)\s*(!=|>=|<=|=|>|<)\s*("[^"]*"|[\w.-]+)/.exec(c)
    if (m === null) return true
    const [, field, op, literal] = m
    if (field === 'nestedSetParent') return span.parent_span_id === undefined
    const took = Number(BigInt(span.end_ns) - BigInt(span.start_ns))
    const d = /^([\d.]+)(ns|us|ms|s|m)$/.exec(literal)
    const a = field === 'duration' ? took : value(span, trace, field)
    const b = d !== null ? Number(d[1]) * NS[d[2]] : literal.replaceAll('"', '')
    if (b === 'nil') return op === '=' ? a === undefined : a !== undefined
    return op === '='
      ? String(a) === String(b)
      : op === '!='
        ? a !== undefined && String(a) !== String(b)
        : op.startsWith('>')
          ? Number(a) >= Number(b)
          : Number(a) <= Number(b)
  })
}

const label = (key, v) => ({
  key,
  value: typeof v === 'number' ? { doubleValue: v } : { stringValue: String(v ?? 'nil') },
})

function series(q, traces, steps, startMs, stepMs) {
  const by = /by\s*\(([^)]*)\)/.exec(q)?.[1].trim()
  const quantiles = /quantile_over_time\(([^)]*)\)/.exec(q)?.[1].split(',').slice(1).map(Number)
  const histogram = q.includes('histogram_over_time')
  const rows = new Map()
  for (const t of traces) {
    for (const s of t.spans.filter(x => matches(q, x, t))) {
      const took = Number(BigInt(s.end_ns) - BigInt(s.start_ns)) / 1e9
      const keys = quantiles ?? [
        histogram ? 2 ** Math.ceil(Math.log2(took * 1e9 || 1)) / 1e9 : by ? value(s, t, by) : '',
      ]
      const step = Math.floor((Number(BigInt(s.start_ns) / 1_000_000n) - startMs) / stepMs)
      for (const k of keys) {
        const row = rows.get(k) ?? Array.from({ length: steps }, () => [])
        rows.set(k, row)
        row[step]?.push(took)
      }
    }
  }
  return [...rows].map(([k, cells]) => ({
    labels: [label(quantiles ? 'p' : histogram ? '__bucket' : (by ?? '__name__'), k)],
    values: cells.map(c =>
      quantiles
        ? c.sort((a, b) => a - b)[Math.floor(c.length * k)]
        : q.includes('rate(')
          ? c.length / (stepMs / 1_000)
          : c.length,
    ),
  }))
}

/** The answer of a TraceQL endpoint; undefined for any other path. */
export function traceql(path, params, { traces, summary }) {
  const q = params.get('q') ?? ''
  const stats = { rows_scanned: 48_210, blocks_read: 12, blocks_pruned: 88, elapsed_ms: 14.2 }
  if (path === '/api/v1/traces/query') {
    const limit = Number(params.get('limit') ?? 200)
    const found = traces(Number(params.get('start_ms')), Number(params.get('end_ms')))
      .map(t => ({ t, spans: t.spans.filter(s => matches(q, s, t)) }))
      .filter(x => x.spans.length > 0)
    return {
      traces: found.slice(0, limit).map(({ t, spans }) => ({
        ...summary(t),
        spansets: [
          {
            matched: spans.length,
            attributes: {},
            spans: spans.slice(0, 3).map(s => ({
              span_id: s.span_id,
              name: s.name,
              start_ns: s.start_ns,
              duration_ns: String(BigInt(s.end_ns) - BigInt(s.start_ns)),
              attributes: {},
            })),
          },
        ],
      })),
      more: found.length > limit,
      stats,
    }
  }
  const metrics = { inspectedTraces: 0, inspectedBytes: '0', inspectedSpans: '48210' }
  if (path === '/api/metrics/query_range' || path === '/api/metrics/query') {
    const [from, to] = ['start', 'end'].map(k => Number(params.get(k)) * 1_000)
    const stepMs = path.endsWith('range') ? Number.parseFloat(params.get('step')) * 1_000 : to - from
    const startMs = Math.floor(from / stepMs) * stepMs
    const steps = Math.max(1, Math.ceil((to - startMs) / stepMs))
    const all = series(q, traces(from, to), steps, startMs, stepMs)
    return {
      metrics,
      series: all.map(({ labels, values }) =>
        path.endsWith('range')
          ? {
              labels,
              samples: values.flatMap((v, i) =>
                v === undefined ? [] : [{ timestampMs: String(startMs + i * stepMs), value: v }],
              ),
            }
          : { labels, value: values.reduce((a, b) => a + (b ?? 0), 0) },
      ),
    }
  }
  if (path === '/api/v2/search/tags') {
    const some = traces(Date.now() - 600_000, Date.now())
    const names = pick =>
      [...new Set(some.flatMap(t => t.spans.flatMap(s => Object.keys(pick(s, t)))))].sort()
    return {
      scopes: [
        { name: 'span', tags: names(s => s.attributes) },
        { name: 'resource', tags: names((s, t) => t.resources[s.resource]) },
      ],
    }
  }
  const tag = /^\/api\/v2\/search\/tag\/([^/]+)\/values$/.exec(path)
  if (tag !== null) {
    const field = decodeURIComponent(tag[1])
    const some = traces(Date.now() - 600_000, Date.now())
    const values = new Set(
      some.flatMap(t => t.spans.map(s => value(s, t, field))).filter(v => v !== undefined),
    )
    return {
      tagValues: [...values].map(v => ({ type: typeof v === 'number' ? 'int' : 'string', value: String(v) })),
    }
  }
  return undefined
}
