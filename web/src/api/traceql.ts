// TraceQL as TanStack Query options: traces with their matching spans, time series, counts, names and
// values for completion. Tempo's typed labels are narrowed to text here, once.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, type Schemas, unwrap } from '@/api/client'
import type { TraceSummary } from '@/api/queries'
import type { ResolvedRange } from '@/lib/time'

export type FoundTrace = TraceSummary & { spansets: Schemas['MatchedSpans'][] }
export type MatchedSpan = Schemas['MatchedSpans']['spans'][number]

/** A label's value with the type a query needs to name it again. */
export interface TypedText {
  text: string
  type: 'string' | 'number' | 'bool' | 'nil'
}

export interface TraceExemplar {
  traceId: string
  spanId: string
  timeMs: number
  value: number
}

export interface TraceSeries {
  labels: Record<string, TypedText>
  /** Unix ms to value. */
  points: Map<number, number>
  /** Of an instant query. */
  value: number
  exemplars: TraceExemplar[]
}

const live = { placeholderData: keepPreviousData, gcTime: 60_000, retry: false } as const

function seconds(r: ResolvedRange) {
  return { start: Math.floor(r.startMs / 1_000), end: Math.ceil(r.endMs / 1_000) }
}

/** OTLP's typed value; text that says "nil" stands for spans without the attribute. */
export function typedText(value: unknown): TypedText {
  const v = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  if (v.stringValue !== undefined) {
    const text = String(v.stringValue)
    return { text, type: text === 'nil' ? 'nil' : 'string' }
  }
  if (v.boolValue !== undefined) {
    return { text: String(v.boolValue), type: 'bool' }
  }
  return { text: String(v.intValue ?? v.doubleValue ?? ''), type: 'number' }
}

function narrowed(series: Schemas['TempoSeries'][]): TraceSeries[] {
  return series.map(s => ({
    labels: Object.fromEntries(s.labels.map(l => [l.key, typedText(l.value)])),
    points: new Map((s.samples ?? []).map(p => [Number(p.timestampMs), p.value])),
    value: s.value ?? 0,
    exemplars: (s.exemplars ?? []).map(e => {
      const of = (key: string) => typedText(e.labels.find(l => l.key === key)?.value).text
      return {
        traceId: of('trace:id'),
        spanId: of('span:id'),
        timeMs: Number(e.timestampMs),
        value: e.value,
      }
    }),
  }))
}

/** Traces of a TraceQL query; '' is every trace. */
export function foundTracesQuery(q: string, range: ResolvedRange, limit: number, enabled = true) {
  return queryOptions({
    queryKey: ['traceql', 'search', q, range, limit],
    queryFn: async ({ signal }) => {
      const answer = await unwrap(
        http.GET('/api/v1/traces/query', {
          params: { query: { q, start_ms: range.startMs, end_ms: range.endMs, limit } },
          signal,
        }),
      )
      return { ...answer, traces: answer.traces as FoundTrace[] }
    },
    enabled,
    ...live,
  })
}

/** Traces of an earlier moment, for choosing one to compare with; asked for once. */
export async function findTraces(q: string, range: ResolvedRange, limit: number): Promise<FoundTrace[]> {
  const answer = await unwrap(
    http.GET('/api/v1/traces/query', {
      params: { query: { q, start_ms: range.startMs, end_ms: range.endMs, limit } },
    }),
  )
  return answer.traces as FoundTrace[]
}

export interface SeriesAnswer {
  series: TraceSeries[]
  inspectedSpans: number
}

export function traceSeriesQuery(q: string, range: ResolvedRange, stepS: number, enabled = true) {
  return queryOptions({
    queryKey: ['traceql', 'series', q, range, stepS],
    queryFn: async ({ signal }): Promise<SeriesAnswer> => {
      const { start, end } = seconds(range)
      const answer = await unwrap(
        http.GET('/api/metrics/query_range', {
          params: { query: { q, start: String(start), end: String(end), step: `${stepS}s` } },
          signal,
        }),
      )
      return {
        series: narrowed(answer.series),
        inspectedSpans: Number(answer.metrics.inspectedSpans ?? 0),
      }
    },
    enabled,
    ...live,
  })
}

/** One value per series over the whole range. */
export function traceValuesQuery(q: string, range: ResolvedRange, enabled = true) {
  return queryOptions({
    queryKey: ['traceql', 'values', q, range],
    queryFn: async ({ signal }): Promise<TraceSeries[]> => {
      const { start, end } = seconds(range)
      const answer = await unwrap(
        http.GET('/api/metrics/query', {
          params: { query: { q, start: String(start), end: String(end) } },
          signal,
        }),
      )
      return narrowed(answer.series)
    },
    enabled,
    ...live,
  })
}

export interface TagScope {
  name: string
  tags: string[]
}

export function tagNamesQuery(range: ResolvedRange) {
  // names change slowly: a minute is one request
  const { start, end } = seconds(range)
  const coarse = { start: start - (start % 60), end: end - (end % 60) + 60 }
  return queryOptions({
    queryKey: ['traceql', 'tags', coarse],
    queryFn: async ({ signal }): Promise<TagScope[]> =>
      (await unwrap(http.GET('/api/v2/search/tags', { params: { query: coarse }, signal }))).scopes,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: false,
  })
}

export function tagValuesQuery(name: string, q: string, range: ResolvedRange) {
  const { start, end } = seconds(range)
  const coarse = { start: start - (start % 60), end: end - (end % 60) + 60 }
  return queryOptions({
    queryKey: ['traceql', 'tag_values', name, q, coarse],
    queryFn: async ({ signal }) =>
      (
        await unwrap(
          http.GET('/api/v2/search/tag/{name}/values', {
            params: { path: { name }, query: { ...coarse, ...(q === '' ? {} : { q }), limit: 200 } },
            signal,
          }),
        )
      ).tagValues,
    staleTime: 30_000,
    retry: false,
    enabled: name !== '',
  })
}
