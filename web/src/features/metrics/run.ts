// What the explorer asks for and how its answers become charts, tables and files; pure.
import {
  legendText,
  type MatrixSeries,
  type PromAnswer,
  type RangeRequest,
  sampleNumber,
  seriesName,
} from '@/api/prom'
import type { ChartSeries } from '@/charts/options'
import { type ColorScheme, seriesColor } from '@/charts/palette'
import { matrixOf, promChart } from '@/charts/promChart'
import { letter, type MetricQuery } from '@/features/metrics/codec'
import { type Expanded, expand } from '@/features/metrics/formula'
import { matcherLabels } from '@/lib/correlate'
import { alignRange, parseDuration, type ResolvedRange, stepFor } from '@/lib/time'

export interface Active {
  index: number
  query: MetricQuery
  /** PromQL with formulas written out. */
  expr: string
}

export interface Plan {
  active: Active[]
  /** Formulas that cannot be asked, by place. */
  broken: Map<number, Extract<Expanded, { problem: string }>>
}

export function planOf(queries: MetricQuery[]): Plan {
  const plan: Plan = { active: [], broken: new Map() }
  queries.forEach((query, index) => {
    if (!query.on || query.expr.trim() === '') {
      return
    }
    const e = expand(queries, index)
    if ('problem' in e) {
      plan.broken.set(index, e)
    } else {
      plan.active.push({ index, query, expr: e.expr })
    }
  })
  return plan
}

const MAX_POINTS = 11_000

/** The step of the link, or what the width asks for; never more points than the server gives. */
export function stepOf(step: string, range: ResolvedRange, width: number): number {
  const span = (range.endMs - range.startMs) / 1_000
  const chosen = (parseDuration(step) ?? 0) / 1_000
  if (chosen <= 0) {
    return stepFor(range, width)
  }
  return Math.max(chosen, Math.ceil(span / (MAX_POINTS - 1)))
}

export function requestOf(expr: string, range: ResolvedRange, width: number, step = ''): RangeRequest {
  const stepS = stepOf(step, range, width)
  return { query: expr, stepS, ...alignRange(range, stepS) }
}

/** The same question about an earlier time, on a grid that lies exactly under the first. */
export function shifted(request: RangeRequest, compare: string): RangeRequest {
  const by = parseDuration(compare) ?? 0
  const step = request.stepS * 1_000
  const whole = Math.max(step, Math.round(by / step) * step)
  return { ...request, startMs: request.startMs - whole, endMs: request.endMs - whole }
}

export interface DrawnChart {
  times: number[]
  series: ChartSeries[]
  omitted: number
}

/** The labels that tell the series of one answer apart, as a legend template; empty for one series. */
export function telling(matrix: MatrixSeries[]): string {
  const first = matrix[0]
  if (first === undefined || matrix.length < 2) {
    return ''
  }
  const names = new Set(matrix.flatMap(s => Object.keys(s.metric)))
  const differ = [...names].filter(k => matrix.some(s => s.metric[k] !== first.metric[k])).sort()
  // a name among them needs the whole text, and a single label reads well with its name
  return differ.length === 0 || differ.includes('__name__') || differ.some(k => !/^[\w.]+$/.test(k))
    ? ''
    : differ.map(k => `${k}="{{${k}}}"`).join(', ')
}

/** All queries in one chart; colours run on, so that A and B never start with the same one. */
export function drawChart(
  active: Active[],
  answers: (PromAnswer | undefined)[],
  requests: RangeRequest[],
  scheme: ColorScheme,
  maxSeries: number,
): DrawnChart {
  const out: DrawnChart = { times: [], series: [], omitted: 0 }
  const used = new Set<string>()
  active.forEach((a, i) => {
    const request = requests[i]
    if (request === undefined) {
      return
    }
    const left = Math.max(0, maxSeries - out.series.length)
    const legend = a.query.legend || telling(matrixOf(answers[i]))
    const c = promChart(answers[i], request, legend, scheme, 0, left)
    out.omitted += c.omitted
    out.times = c.times
    for (const s of c.series) {
      const own = a.query.formula === true && s.label === '{}' ? a.query.expr : s.label
      const label = used.has(own) ? `${letter(a.index)}: ${own}` : own
      used.add(label)
      const labels = { ...matcherLabels(a.query.expr), ...s.labels }
      out.series.push({ ...s, label, labels, color: seriesColor(out.series.length, scheme) })
    }
  })
  return out
}

/** The earlier period on the times of this one: dashed, in the colour of its series. */
export function drawEarlier(
  now: DrawnChart,
  active: Active[],
  answers: (PromAnswer | undefined)[],
  requests: RangeRequest[],
  scheme: ColorScheme,
  maxSeries: number,
  suffix: string,
): ChartSeries[] {
  const colors = new Map(now.series.map(s => [s.label, s.color]))
  return drawChart(active, answers, requests, scheme, maxSeries).series.map(s => ({
    ...s,
    label: `${s.label} (${suffix})`,
    // paler as well, so that now stays in front
    color: `${colors.get(s.label) ?? s.color}a6`,
    dashed: true,
  }))
}

/** "3m ago" texts and sizes come from the caller; here only: which series the answer holds. */
export function seriesCount(answer: PromAnswer | undefined): number {
  const r = answer?.data
  return r === undefined ? 0 : r.resultType === 'matrix' || r.resultType === 'vector' ? r.result.length : 1
}

export interface TableRow {
  key: string
  query: string
  labels: Record<string, string>
  name: string
  value: string
  histogram: boolean
}

export interface ResultTable {
  /** Labels whose values differ, in alphabetical order: the columns. */
  columns: string[]
  /** Labels all rows share. */
  constant: [string, string][]
  rows: TableRow[]
}

export function tableRows(active: Active[], answers: (PromAnswer | undefined)[]): TableRow[] {
  return active.flatMap(({ index, query }, i): TableRow[] => {
    const data = answers[i]?.data
    if (data === undefined) {
      return []
    }
    const row = (n: number, labels: Record<string, string>, value: string, histogram: boolean): TableRow => ({
      key: `${index}.${n}`,
      query: letter(index),
      labels,
      name: query.legend === '' ? seriesName(labels) : legendText(query.legend, labels),
      value,
      histogram,
    })
    if (data.resultType === 'vector') {
      return data.result.map((s, n) =>
        s.histogram === undefined
          ? row(n, s.metric, s.value[1], false)
          : row(n, s.metric, `count ${s.histogram[1].count}, sum ${s.histogram[1].sum}`, true),
      )
    }
    if (data.resultType === 'matrix') {
      return data.result.map((s, n) =>
        row(n, s.metric, s.values.map(([t, v]) => `${v} @${t}`).join('\n'), true),
      )
    }
    return [
      {
        key: `${index}`,
        query: letter(index),
        labels: {},
        name: data.resultType,
        value: data.result[1],
        histogram: false,
      },
    ]
  })
}

const MAX_COLUMNS = 12

export function resultTable(active: Active[], answers: (PromAnswer | undefined)[]): ResultTable {
  const rows = tableRows(active, answers)
  const values = new Map<string, Set<string>>()
  for (const r of rows) {
    for (const k of Object.keys(r.labels)) {
      values.set(k, values.get(k) ?? new Set())
    }
  }
  for (const r of rows) {
    for (const [k, set] of values) {
      set.add(r.labels[k] ?? '')
    }
  }
  const differ = [...values].filter(([, set]) => set.size > 1 || rows.length === 1).map(([k]) => k)
  const first = (k: string) => (k === '__name__' ? '' : k)
  return {
    columns: differ.sort((a, b) => (first(a) < first(b) ? -1 : 1)).slice(0, MAX_COLUMNS),
    constant: [...values].filter(([k]) => !differ.includes(k)).map(([k, set]) => [k, [...set][0] ?? '']),
    rows,
  }
}

/** Wide CSV: time, then a column for each series. */
export function chartCsv(
  active: Active[],
  answers: (PromAnswer | undefined)[],
  requests: RangeRequest[],
): (string | number)[][] {
  const first = requests[0]
  if (first === undefined) {
    return []
  }
  const charts = active.map((a, i) =>
    promChart(answers[i], requests[i] ?? first, a.query.legend, 'light', 0, Number.POSITIVE_INFINITY),
  )
  const columns = charts.flatMap((c, i) =>
    c.series.map(s => ({
      head: active.length > 1 ? `${letter(active[i]?.index ?? 0)}: ${s.label}` : s.label,
      values: s.values,
    })),
  )
  const times = charts[0]?.times ?? []
  return [
    ['time', ...columns.map(c => c.head)],
    ...times.map((t, i) => [new Date(t * 1_000).toISOString(), ...columns.map(c => c.values[i] ?? '')]),
  ]
}

export function tableCsv(active: Active[], answers: (PromAnswer | undefined)[]): string[][] {
  const rows = tableRows(active, answers)
  const keys = [...new Set(rows.flatMap(r => Object.keys(r.labels)))].sort()
  return [
    ['query', ...keys, 'value'],
    ...rows.map(r => [r.query, ...keys.map(k => r.labels[k] ?? ''), r.value]),
  ]
}

export interface StatRow {
  key: string
  name: string
  last: number | null
  first: number | null
  values: (number | null)[]
}

/** Newest value of each series with what it was at the start of the range. */
export function statRows(chart: DrawnChart): StatRow[] {
  return chart.series.map(s => ({
    key: s.label,
    name: s.label,
    last: s.values.findLast(v => v !== null) ?? null,
    first: s.values.find(v => v !== null) ?? null,
    values: s.values,
  }))
}

export function histogramSeries(answers: (PromAnswer | undefined)[]): MatrixSeries[] {
  return answers.flatMap(matrixOf).filter(s => s.metric.le !== undefined || (s.histograms?.length ?? 0) > 0)
}

export interface StatsFigures {
  series: number
  evalMs: number | null
  samples: number | null
  peak: number | null
  /** Bytes. */
  memory: number | null
  /** Everything else the server said, flattened: "timings.queueTime" -> "0.00001". */
  all: [string, string][]
}

function flat(value: unknown, path: string, out: [string, string][]): void {
  if (Array.isArray(value)) {
    return
  }
  if (typeof value === 'object' && value !== null) {
    for (const [k, v] of Object.entries(value)) {
      flat(v, path === '' ? k : `${path}.${k}`, out)
    }
  } else if (value !== undefined && value !== null) {
    out.push([path, String(value)])
  }
}

/** The few figures of Prometheus' `stats` that are worth a line. */
export function statsOf(answer: PromAnswer): StatsFigures {
  const timings = answer.stats?.timings as Record<string, unknown> | undefined
  const samples = answer.stats?.samples as Record<string, unknown> | undefined
  const number = (v: unknown) => (typeof v === 'number' ? v : null)
  const evalS = number(timings?.evalTotalTime)
  const all: [string, string][] = []
  flat(answer.stats, '', all)
  return {
    series: seriesCount(answer),
    evalMs: evalS === null ? null : evalS * 1_000,
    samples: number(samples?.totalQueryableSamples),
    peak: number(samples?.peakSamples),
    memory: number((answer.stats?.memory as Record<string, unknown> | undefined)?.peakBytes),
    all,
  }
}

/** The resolution the answer was made from, when the server says so, in ms; 0 is every sample. */
export function tierOf(answer: PromAnswer): number | null {
  const v = answer.stats?.resolutionMs
  return typeof v === 'number' ? v : null
}

/** curl that asks the same. */
export function curlOf(request: RangeRequest, server: string): string {
  const quote = (s: string) => `'${s.replaceAll("'", "'\\''")}'`
  return [
    `curl -sG ${quote(`${server}/api/v1/query_range`)}`,
    `--data-urlencode ${quote(`query=${request.query}`)}`,
    `-d start=${request.startMs / 1_000} -d end=${request.endMs / 1_000} -d step=${request.stepS}`,
    `-H "Authorization: Bearer $TOKEN"`,
  ].join(' \\\n  ')
}

export function valueText(v: string): number | string {
  const n = sampleNumber(v)
  return Number.isNaN(n) ? v : n
}
