// Log search by LogQL, counts and fields through Loki's API, and live tail. Nothing else keeps log data.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, type Schemas, serverUrl, unwrap } from '@/api/client'
import type { PromAnswer, PromResult } from '@/api/prom'
import type { LogRecord } from '@/api/queries'
import type { ResolvedRange } from '@/lib/time'

const live = { placeholderData: keepPreviousData, gcTime: 60_000 } as const

export interface LogPage {
  logs: LogRecord[]
  next_cursor?: string
  stats?: { rows_scanned?: number; elapsed_ms?: number; blocks_read?: number; blocks_pruned?: number }
}

export interface LogAsk {
  query: string
  range: ResolvedRange
  oldestFirst: boolean
  limit: number
  cursor?: string | undefined
}

export async function searchLogs(ask: LogAsk, signal?: AbortSignal): Promise<LogPage> {
  const { query, range, oldestFirst, limit, cursor } = ask
  const params = {
    query,
    start_ms: range.startMs,
    end_ms: range.endMs,
    direction: oldestFirst ? ('forward' as const) : ('backward' as const),
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  }
  return unwrap(http.GET('/api/v1/logs', { params: { query: params }, ...(signal ? { signal } : {}) }))
}

export const PAGE = 300

export function logSearchQuery(query: string, range: ResolvedRange, oldestFirst: boolean) {
  return infiniteQueryOptions({
    queryKey: ['log_search', query, range, oldestFirst],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      // the first page is for the eye, further ones are for the wheel
      searchLogs(
        { query, range, oldestFirst, limit: pageParam === undefined ? PAGE : 1_000, cursor: pageParam },
        signal,
      ),
    getNextPageParam: page => page.next_cursor,
    retry: false,
    ...live,
  })
}

const ns = (ms: number) => `${BigInt(Math.round(ms)) * 1_000_000n}`

function lokiResult(data: { resultType: string; result: unknown[] }): PromResult {
  return data as unknown as PromResult
}

export interface LokiRange {
  query: string
  startNs: string
  endNs: string
  stepS: number
}

export async function lokiRange(r: LokiRange, signal?: AbortSignal): Promise<PromAnswer> {
  const query = { query: r.query, start: r.startNs, end: r.endNs, step: String(r.stepS) }
  const body = await unwrap(
    http.GET('/loki/api/v1/query_range', { params: { query }, ...(signal ? { signal } : {}) }),
  )
  return { data: lokiResult(body.data), stats: undefined, warnings: [], infos: [] }
}

export async function lokiInstant(query: string, timeMs: number, signal?: AbortSignal): Promise<PromAnswer> {
  const params = { query, time: ns(timeMs) }
  const body = await unwrap(
    http.GET('/loki/api/v1/query', { params: { query: params }, ...(signal ? { signal } : {}) }),
  )
  return { data: lokiResult(body.data), stats: undefined, warnings: [], infos: [] }
}

export function metricLogQuery(query: string, startMs: number, endMs: number, stepS: number, on: boolean) {
  return queryOptions({
    queryKey: ['loki_range', query, startMs, endMs, stepS],
    queryFn: ({ signal }) => lokiRange({ query, startNs: ns(startMs), endNs: ns(endMs), stepS }, signal),
    enabled: on,
    retry: false,
    ...live,
  })
}

/* ---- counts ---- */

const MAY_FAIL = /\|\s*(?:json|logfmt|regexp|pattern|unpack|line_format|label_format|unwrap)\b|[<>]=?\s*[\d.]/

/**
 * The query as the inside of a range aggregation: a line that a parser could not read counts as the list shows
 * it, instead of failing the whole.
 */
export function countable(query: string): string {
  const text = query.includes('#') ? `${query}\n` : query
  return MAY_FAIL.test(query) ? `${text} | drop __error__, __error_details__` : text
}

export interface LevelCounts {
  startMs: number
  stepMs: number
  /** By LogQL's name of the level. */
  levels: Map<string, number[]>
}

/** Buckets [from, to) of a grid that begins at startMs, counted by level, added to `into`. */
async function countSlice(
  query: string,
  into: LevelCounts,
  from: number,
  to: number,
  n: number,
  signal: AbortSignal,
): Promise<void> {
  const { startMs, stepMs } = into
  const stepS = stepMs / 1_000
  // a window ends at its time inclusively: one nanosecond less makes it a bucket
  const at = (i: number) => `${BigInt(startMs + i * stepMs) * 1_000_000n - 1n}`
  const answer = await lokiRange(
    {
      query: `sum by (detected_level) (count_over_time(${countable(query)}[${stepS}s]))`,
      startNs: at(from + 1),
      endNs: at(to),
      stepS,
    },
    signal,
  )
  if (answer.data.resultType !== 'matrix') {
    return
  }
  for (const s of answer.data.result) {
    const name = s.metric.detected_level ?? 'unknown'
    const counts = into.levels.get(name) ?? new Array<number>(n).fill(0)
    for (const [t, v] of s.values) {
      const i = Math.round((t * 1_000 - startMs) / stepMs) - 1
      counts[i] = Number(v)
    }
    into.levels.set(name, counts)
  }
}

export interface CountProgress {
  key: string
  counts: LevelCounts
  done: number
  of: number
}

const SLICED_FROM_MS = 6 * 3_600_000
const SLICES = 6

/** A long range is counted in slices, the newest first, so that something is seen early. */
export async function countLogs(
  query: string,
  range: ResolvedRange,
  stepMs: number,
  signal: AbortSignal,
  onProgress?: (counts: LevelCounts, done: number, of: number) => void,
): Promise<LevelCounts> {
  const startMs = Math.floor(range.startMs / stepMs) * stepMs
  const n = Math.max(1, Math.ceil((range.endMs - startMs) / stepMs))
  const slices = range.endMs - range.startMs >= SLICED_FROM_MS ? Math.min(SLICES, n) : 1
  const counts: LevelCounts = { startMs, stepMs, levels: new Map() }
  for (let i = slices - 1; i >= 0; i--) {
    const from = Math.round((n * i) / slices)
    const to = Math.round((n * (i + 1)) / slices)
    await countSlice(query, counts, from, to, n, signal)
    if (i > 0) {
      onProgress?.({ ...counts, levels: new Map(counts.levels) }, slices - i, slices)
    }
  }
  return counts
}

/* ---- fields ---- */

export interface DetectedField {
  label: string
  type: string
  cardinality: number
  parsers: string[] | null
}

function span(range: ResolvedRange) {
  return { start: ns(range.startMs), end: ns(range.endMs) }
}

export function detectedFieldsQuery(query: string, range: ResolvedRange, on = true) {
  return queryOptions({
    queryKey: ['detected_fields', query, range],
    queryFn: async ({ signal }): Promise<DetectedField[]> =>
      (
        await unwrap(
          http.GET('/loki/api/v1/detected_fields', {
            params: { query: { query, ...span(range), line_limit: 1_000 } },
            signal,
          }),
        )
      ).fields as DetectedField[],
    enabled: on,
    retry: false,
    ...live,
  })
}

export function detectedLabelsQuery(selector: string, range: ResolvedRange, on = true) {
  return queryOptions({
    queryKey: ['detected_labels', selector, range],
    queryFn: async ({ signal }) =>
      (
        await unwrap(
          http.GET('/loki/api/v1/detected_labels', {
            params: { query: { query: selector, ...span(range) } },
            signal,
          }),
        )
      ).detectedLabels ?? [],
    enabled: on,
    retry: false,
    ...live,
  })
}

export interface FieldValue {
  value: string
  count: number
}

/** The most frequent values of a field over the whole range, counted and not sampled. */
export function fieldValuesQuery(
  query: string,
  name: string,
  range: ResolvedRange,
  limit: number,
  on = true,
) {
  const seconds = Math.max(1, Math.ceil((range.endMs - range.startMs) / 1_000))
  return queryOptions({
    queryKey: ['field_values', query, name, range, limit],
    queryFn: async ({ signal }): Promise<FieldValue[]> => {
      const answer = await lokiInstant(
        `topk(${limit}, sum by (${name}) (count_over_time(${countable(query)}[${seconds}s])))`,
        range.endMs,
        signal,
      )
      return answer.data.resultType !== 'vector'
        ? []
        : answer.data.result
            .map(s => ({ value: s.metric[name] ?? '', count: Number(s.value[1]) }))
            .sort((a, b) => b.count - a.count)
    },
    enabled: on,
    retry: false,
    ...live,
  })
}

/* ---- patterns ---- */

export type LogPattern = Schemas['LogPattern']

export function logPatternsQuery(query: string, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['log_patterns', query, range],
    queryFn: ({ signal }) => {
      const params = { query, start_ms: range.startMs, end_ms: range.endMs, buckets: 40, limit: 300 }
      return unwrap(http.GET('/api/v1/logs/patterns', { params: { query: params }, signal }))
    },
    retry: false,
    ...live,
  })
}

/* ---- for completion ---- */

export function lokiLabelsQuery(range: ResolvedRange) {
  return queryOptions({
    queryKey: ['loki_labels', range],
    queryFn: async ({ signal }) =>
      (await unwrap(http.GET('/loki/api/v1/labels', { params: { query: span(range) }, signal }))).data ?? [],
    staleTime: 60_000,
  })
}

export function lokiLabelValuesQuery(name: string, selector: string, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['loki_label_values', name, selector, range],
    queryFn: async ({ signal }) =>
      (
        await unwrap(
          http.GET('/loki/api/v1/label/{name}/values', {
            params: {
              path: { name },
              query: { ...span(range), ...(selector === '' ? {} : { query: selector }) },
            },
            signal,
          }),
        )
      ).data ?? [],
    staleTime: 60_000,
  })
}

/* ---- live tail ---- */

export interface TailHandlers {
  onLogs: (logs: LogRecord[]) => void
  onDropped: (count: number) => void
  onState: (state: 'open' | 'lost') => void
}

export function tailUrl(query: string): string {
  return serverUrl(`/api/v1/logs/tail?${new URLSearchParams({ query })}`)
}

/** Server-Sent Events: the browser connects again by itself; the caller closes. */
export function tailLogs(query: string, handlers: TailHandlers): () => void {
  const source = new EventSource(tailUrl(query))
  source.onopen = () => handlers.onState('open')
  source.onerror = () => handlers.onState('lost')
  source.addEventListener('logs', e => {
    handlers.onLogs((JSON.parse((e as MessageEvent<string>).data) as { logs: LogRecord[] }).logs)
  })
  source.addEventListener('dropped', e => {
    handlers.onDropped((JSON.parse((e as MessageEvent<string>).data) as { count: number }).count)
  })
  return () => source.close()
}
