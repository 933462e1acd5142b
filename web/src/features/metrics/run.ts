// What the explorer asks for and how its answers become tables and files; pure.
import { legendText, type PromAnswer, type RangeRequest, seriesName } from '@/api/prom'
import { promChart } from '@/charts/promChart'
import { letter, type MetricQuery } from '@/features/metrics/codec'
import { alignRange, type ResolvedRange, stepFor } from '@/lib/time'

export interface Active {
  index: number
  query: MetricQuery
}

export function activeQueries(queries: MetricQuery[]): Active[] {
  return queries
    .map((query, index) => ({ index, query }))
    .filter(a => a.query.on && a.query.expr.trim() !== '')
}

export function requestOf(expr: string, range: ResolvedRange, width: number): RangeRequest {
  const stepS = stepFor(range, width)
  return { query: expr, stepS, ...alignRange(range, stepS) }
}

export interface TableRow {
  key: string
  query: string
  name: string
  value: string
}

export function tableRows(active: Active[], answers: (PromAnswer | undefined)[]): TableRow[] {
  return active.flatMap(({ index, query }, i) => {
    const data = answers[i]?.data
    if (data === undefined) {
      return []
    }
    if (data.resultType === 'vector') {
      return data.result.map((s, n) => ({
        key: `${index}.${n}`,
        query: letter(index),
        name: query.legend === '' ? seriesName(s.metric) : legendText(query.legend, s.metric),
        value: s.value[1],
      }))
    }
    if (data.resultType === 'matrix') {
      return data.result.map((s, n) => ({
        key: `${index}.${n}`,
        query: letter(index),
        name: seriesName(s.metric),
        value: s.values.map(([t, v]) => `${v} @${t}`).join('\n'),
      }))
    }
    return [{ key: `${index}`, query: letter(index), name: data.resultType, value: data.result[1] }]
  })
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
  const charts = active.map((a, i) => promChart(answers[i], requests[i] ?? first, a.query.legend, 'light'))
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

export interface StatsFigures {
  series: number
  evalMs: number | null
  samples: number | null
}

/** The few figures of Prometheus' `stats` that are worth a line. */
export function statsOf(answer: PromAnswer): StatsFigures {
  const r = answer.data.result
  const timings = answer.stats?.timings as Record<string, unknown> | undefined
  const samples = answer.stats?.samples as Record<string, unknown> | undefined
  const evalS = timings?.evalTotalTime
  const total = samples?.totalQueryableSamples
  return {
    series: answer.data.resultType === 'matrix' || answer.data.resultType === 'vector' ? r.length : 1,
    evalMs: typeof evalS === 'number' ? evalS * 1_000 : null,
    samples: typeof total === 'number' ? total : null,
  }
}
