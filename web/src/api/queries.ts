// Every request of the console as TanStack Query options: key = request, cancelled by its AbortSignal.
// Nothing else keeps server state.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, type Schemas, setCsrfToken, unwrap } from '@/api/client'
import { type PromAnswer, queryInstant, queryRange, type RangeRequest } from '@/api/prom'
import type { ResolvedRange } from '@/lib/time'

export type Session = Schemas['Session']
export type Host = Schemas['Host']
export type Service = Schemas['Service']
export type Span = Schemas['Span']
export type Trace = Schemas['Trace']
export type TraceSummary = Schemas['TraceSummary']
export type LogRecord = Schemas['LogRecord']
export type Histogram = Schemas['Histogram']
export type ServerStatus = Schemas['ServerStatus']
export type Processing = Schemas['Processing']
export type ProcessingResult = Schemas['ProcessingResult']
export type Role = Schemas['Role']
export type Scope = Schemas['Scope']
export type SpanKind = Span['kind']
export type SpanStatus = Span['status']
export type Severity = LogRecord['severity']

export interface TraceFilter {
  service?: string
  operation?: string
  status?: SpanStatus
  kind?: SpanKind
  min_duration?: string
  max_duration?: string
  attr?: string[]
}

export interface LogFilter {
  text?: string
  severity?: Severity[]
  service?: string
  trace_id?: string
  attr?: string[]
}

const live = { placeholderData: keepPreviousData, gcTime: 60_000 } as const

function bounds(r: ResolvedRange) {
  return { start_ms: r.startMs, end_ms: r.endMs }
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => {
    const session = await unwrap(http.GET('/api/v1/session', { signal }))
    setCsrfToken(session.csrf_token)
    return session
  },
  staleTime: 60_000,
})

export const serverStatusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/status/server', { signal })),
  refetchInterval: 5_000,
  staleTime: 4_000,
})

export const configQuery = queryOptions({
  queryKey: ['config'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/status/config', { signal }))).data,
})

export const processingQuery = queryOptions({
  queryKey: ['processing'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/processing', { signal })),
  refetchInterval: 5_000,
})

export const buildInfoQuery = queryOptions({
  queryKey: ['buildinfo'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/status/buildinfo', { signal }))).data,
  staleTime: Number.POSITIVE_INFINITY,
})

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/users', { signal }))).users,
})

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/tokens', { signal }))).tokens,
})

const AUDIT_PAGE = 100

export const auditQuery = infiniteQueryOptions({
  queryKey: ['audit'],
  initialPageParam: undefined as number | undefined,
  queryFn: async ({ pageParam, signal }) =>
    (
      await unwrap(
        http.GET('/api/v1/audit', { params: { query: { limit: AUDIT_PAGE, before_id: pageParam } }, signal }),
      )
    ).entries,
  getNextPageParam: page => (page.length < AUDIT_PAGE ? undefined : page.at(-1)?.id),
})

export function hostsQuery(range: ResolvedRange) {
  return queryOptions({
    queryKey: ['hosts', range],
    queryFn: async ({ signal }) =>
      (await unwrap(http.GET('/api/v1/hosts', { params: { query: bounds(range) }, signal }))).hosts,
    ...live,
  })
}

export function servicesQuery(range: ResolvedRange) {
  return queryOptions({
    queryKey: ['services', range],
    queryFn: async ({ signal }) =>
      (await unwrap(http.GET('/api/v1/services', { params: { query: bounds(range) }, signal }))).services,
    ...live,
  })
}

export function rangeQuery(request: RangeRequest | null) {
  return queryOptions<PromAnswer>({
    queryKey: ['query_range', request],
    queryFn: ({ signal }) => {
      if (request === null) {
        throw new Error('disabled')
      }
      return queryRange(request, signal)
    },
    enabled: request !== null,
    retry: false,
    ...live,
  })
}

export function instantQuery(query: string, timeMs: number, enabled = true) {
  return queryOptions<PromAnswer>({
    queryKey: ['query', query, timeMs],
    queryFn: ({ signal }) => queryInstant(query, timeMs, signal),
    enabled: enabled && query !== '',
    retry: false,
    ...live,
  })
}

export const metricMetadataQuery = queryOptions({
  queryKey: ['metadata'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/metadata', { signal }))).data,
  staleTime: 60_000,
})

/** Series of each metric in the head, by name; empty on a server that does not tell. */
export const metricSeriesCountsQuery = queryOptions({
  queryKey: ['status_tsdb'],
  queryFn: async ({ signal }) => {
    const body = (await unwrap(
      http.GET('/api/v1/status/tsdb', { params: { query: { limit: 10_000 } }, signal }),
    )) as { data?: { seriesCountByMetricName?: { name: string; value: number }[] } }
    return new Map((body.data?.seriesCountByMetricName ?? []).map(m => [m.name, m.value]))
  },
  staleTime: 60_000,
  retry: false,
})

export async function formatQuery(query: string): Promise<string> {
  return (await unwrap(http.GET('/api/v1/format_query', { params: { query: { query } } }))).data
}

/** The server's own tree of an expression. */
export function parsedQuery(query: string) {
  return queryOptions({
    queryKey: ['parse_query', query],
    queryFn: async ({ signal }) =>
      (await unwrap(http.GET('/api/v1/parse_query', { params: { query: { query } }, signal })))
        .data as unknown,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
}

/** End what the server runs of these expressions for this user; a cut connection may not be noticed behind a proxy. */
export async function cancelRunning(expressions: string[], user: string): Promise<void> {
  const { queries } = await unwrap(http.GET('/api/v1/status/active_queries'))
  const ours = queries.filter(q => q.user === user && expressions.includes(q.query))
  await Promise.all(
    ours.map(q => http.DELETE('/api/v1/status/active_queries', { params: { query: { id: q.id } } })),
  )
}

export const metricNamesQuery = queryOptions({
  queryKey: ['label_values', '__name__'],
  queryFn: ({ signal }) => labelValues('__name__', [], signal),
  staleTime: 60_000,
})

export async function labelNames(match: string[], signal?: AbortSignal): Promise<string[]> {
  const query = match.length > 0 ? { 'match[]': match } : {}
  return (await unwrap(http.GET('/api/v1/labels', { params: { query }, signal }))).data
}

export async function labelValues(name: string, match: string[], signal?: AbortSignal): Promise<string[]> {
  const query = match.length > 0 ? { 'match[]': match } : {}
  return (
    await unwrap(http.GET('/api/v1/label/{name}/values', { params: { path: { name }, query }, signal }))
  ).data
}

export async function seriesLabels(match: string[], signal?: AbortSignal): Promise<Record<string, string>[]> {
  const query = { 'match[]': match, limit: 10_000 }
  return (await unwrap(http.GET('/api/v1/series', { params: { query }, signal }))).data
}

export function tracesQuery(filter: TraceFilter, range: ResolvedRange, limit = 50) {
  return infiniteQueryOptions({
    queryKey: ['traces', filter, range, limit],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        http.GET('/api/v1/traces', {
          params: { query: { ...filter, ...bounds(range), limit, cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: page => page.next_cursor,
    ...live,
  })
}

export function traceHistogramQuery(filter: TraceFilter, range: ResolvedRange, buckets: number) {
  return queryOptions({
    queryKey: ['traces_histogram', filter, range, buckets],
    queryFn: ({ signal }) =>
      unwrap(
        http.GET('/api/v1/traces/histogram', {
          params: { query: { ...filter, ...bounds(range), buckets } },
          signal,
        }),
      ),
    ...live,
  })
}

export function traceQuery(traceId: string) {
  return queryOptions({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) =>
      unwrap(http.GET('/api/v1/traces/{trace_id}', { params: { path: { trace_id: traceId } }, signal })),
    staleTime: 10_000,
  })
}

export function spanNamesQuery(service: string, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['span_names', service, range],
    queryFn: async ({ signal }) =>
      (
        await unwrap(
          http.GET('/api/v1/spans/names', { params: { query: { service, ...bounds(range) } }, signal }),
        )
      ).names,
    enabled: service !== '',
    ...live,
  })
}

export function logsQuery(filter: LogFilter, range: ResolvedRange, limit = 200) {
  return infiniteQueryOptions({
    queryKey: ['logs', filter, range, limit],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        http.GET('/api/v1/logs', {
          params: { query: { ...filter, ...bounds(range), limit, cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: page => page.next_cursor,
    ...live,
  })
}

export function logHistogramQuery(filter: LogFilter, range: ResolvedRange, buckets: number) {
  return queryOptions({
    queryKey: ['logs_histogram', filter, range, buckets],
    queryFn: ({ signal }) =>
      unwrap(
        http.GET('/api/v1/logs/histogram', {
          params: { query: { ...filter, ...bounds(range), buckets } },
          signal,
        }),
      ),
    ...live,
  })
}

export function logFieldsQuery(filter: LogFilter, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['logs_fields', filter, range],
    queryFn: ({ signal }) => {
      const { trace_id: _, ...rest } = filter
      return unwrap(
        http.GET('/api/v1/logs/fields', { params: { query: { ...rest, ...bounds(range) } }, signal }),
      )
    },
    ...live,
  })
}
