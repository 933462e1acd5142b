// The Prometheus envelope with its untyped `result` narrowed once, and matrices put on a fixed grid.
import { http, unwrap } from '@/api/client'

export type Labels = Record<string, string>
/** A native histogram: count, sum and [rule, lower, upper, count] for each bucket. */
export interface NativeHistogram {
  count: string
  sum: string
  buckets?: [number, string, string, string][]
}
/** A sample is a number (value) or a native histogram. */
export interface VectorSample {
  metric: Labels
  value: [number, string]
  histogram?: [number, NativeHistogram]
}
export interface MatrixSeries {
  metric: Labels
  values: [number, string][]
  histograms?: [number, NativeHistogram][]
}
export type PromResult =
  | { resultType: 'vector'; result: VectorSample[] }
  | { resultType: 'matrix'; result: MatrixSeries[] }
  | { resultType: 'scalar' | 'string'; result: [number, string] }

export interface PromAnswer {
  data: PromResult
  stats: Record<string, unknown> | undefined
  warnings: string[]
  infos: string[]
}

export interface RangeRequest {
  query: string
  startMs: number
  endMs: number
  stepS: number
}

/** Native histograms come without `value` or `values`: a number that is none takes the place. */
function narrowed(resultType: string, result: unknown): PromResult {
  if (resultType === 'matrix') {
    const rows = result as MatrixSeries[]
    return { resultType, result: rows.map(r => (r.values === undefined ? { ...r, values: [] } : r)) }
  }
  if (resultType === 'vector') {
    const rows = result as VectorSample[]
    return {
      resultType,
      result: rows.map(r => (r.value === undefined ? { ...r, value: [r.histogram?.[0] ?? 0, 'NaN'] } : r)),
    }
  }
  return { resultType: resultType === 'string' ? 'string' : 'scalar', result: result as [number, string] }
}

function answer(body: {
  data: { resultType: string; result?: unknown; stats?: unknown }
  warnings?: string[]
  infos?: string[]
}): PromAnswer {
  return {
    data: narrowed(body.data.resultType, body.data.result ?? []),
    stats: body.data.stats as Record<string, unknown> | undefined,
    warnings: body.warnings ?? [],
    infos: body.infos ?? [],
  }
}

export async function queryRange(r: RangeRequest, signal?: AbortSignal): Promise<PromAnswer> {
  return answer(
    await unwrap(
      http.GET('/api/v1/query_range', {
        params: {
          query: {
            query: r.query,
            start: String(r.startMs / 1_000),
            end: String(r.endMs / 1_000),
            step: String(r.stepS),
            stats: 'all',
          },
        },
        signal,
      }),
    ),
  )
}

export async function queryInstant(query: string, timeMs: number, signal?: AbortSignal): Promise<PromAnswer> {
  return answer(
    await unwrap(
      http.GET('/api/v1/query', {
        params: { query: { query, time: String(timeMs / 1_000), stats: 'all' } },
        signal,
      }),
    ),
  )
}

/** Prometheus writes NaN and infinities as text. */
export function sampleNumber(text: string): number {
  return text === '+Inf'
    ? Number.POSITIVE_INFINITY
    : text === '-Inf'
      ? Number.NEGATIVE_INFINITY
      : Number(text)
}

/** Unix seconds of every step of the range, both ends included. */
export function gridTimes(startMs: number, endMs: number, stepS: number): number[] {
  const n = Math.max(1, Math.floor((endMs - startMs) / 1_000 / stepS) + 1)
  return Array.from({ length: n }, (_, i) => startMs / 1_000 + i * stepS)
}

/** Values of one series on the grid; null where the series has no sample (a gap, not a zero). */
export function onGrid(
  values: [number, string][],
  startMs: number,
  stepS: number,
  n: number,
): (number | null)[] {
  const out: (number | null)[] = new Array(n).fill(null)
  for (const [t, v] of values) {
    const i = Math.round((t - startMs / 1_000) / stepS)
    const x = sampleNumber(v)
    if (i >= 0 && i < n && Number.isFinite(x)) {
      out[i] = x
    }
  }
  return out
}

/** `name{a="b"}` as Prometheus prints a series. */
export function seriesName(metric: Labels): string {
  const { __name__: name = '', ...labels } = metric
  const inner = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${k}=${JSON.stringify(v)}`)
    .join(', ')
  return inner === '' && name !== '' ? name : `${name}{${inner}}`
}

/** Replaces {{label}} in a legend template; an empty template gives the whole series name. */
export function legendText(template: string, metric: Labels): string {
  if (template.trim() === '') {
    return seriesName(metric)
  }
  return template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, k: string) => metric[k] ?? '')
}

/** A value as a PromQL string literal. */
export function promString(v: string): string {
  return JSON.stringify(v)
}
