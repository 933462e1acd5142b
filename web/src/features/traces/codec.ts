// Links of the trace search and of one trace.
import type { SpanKind, SpanStatus, TraceFilter } from '@/api/queries'
import { type Codec, many, one, oneOf } from '@/lib/search'

export const STATUSES = ['', 'unset', 'ok', 'error'] as const
export const KINDS = ['', 'server', 'client', 'internal', 'producer', 'consumer', 'unspecified'] as const

export interface TracesState {
  service: string
  operation: string
  status: (typeof STATUSES)[number]
  kind: (typeof KINDS)[number]
  min: string
  max: string
  attrs: string[]
}

export const tracesCodec: Codec<TracesState> = {
  decode: raw => ({
    service: one(raw, 'service'),
    operation: one(raw, 'operation'),
    status: oneOf(raw, 'status', STATUSES, ''),
    kind: oneOf(raw, 'kind', KINDS, ''),
    min: one(raw, 'min'),
    max: one(raw, 'max'),
    attrs: many(raw, 'attr').filter(a => a !== ''),
  }),
  encode: s => ({
    service: s.service || undefined,
    operation: s.operation || undefined,
    status: s.status || undefined,
    kind: s.kind || undefined,
    min: s.min || undefined,
    max: s.max || undefined,
    attr: s.attrs.length === 0 ? undefined : s.attrs,
  }),
}

/** "100ms", "1.5s", or a bare number, which means milliseconds; "" when it cannot be read. */
export function durationParam(text: string): string {
  const t = text.trim()
  if (/^\d+(\.\d+)?$/.test(t)) {
    return `${t}ms`
  }
  return /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(t) ? t : ''
}

export function filterOf(s: TracesState): TraceFilter {
  const filter: TraceFilter = {}
  if (s.service !== '') {
    filter.service = s.service
  }
  if (s.operation !== '') {
    filter.operation = s.operation
  }
  if (s.status !== '') {
    filter.status = s.status as SpanStatus
  }
  if (s.kind !== '') {
    filter.kind = s.kind as SpanKind
  }
  if (durationParam(s.min) !== '') {
    filter.min_duration = durationParam(s.min)
  }
  if (durationParam(s.max) !== '') {
    filter.max_duration = durationParam(s.max)
  }
  if (s.attrs.length > 0) {
    filter.attr = s.attrs
  }
  return filter
}

export const TRACE_TABS = ['waterfall', 'operations', 'logs'] as const

export interface TraceState {
  tab: (typeof TRACE_TABS)[number]
  span: string
  find: string
}

export const traceCodec: Codec<TraceState> = {
  decode: raw => ({
    tab: oneOf(raw, 'tab', TRACE_TABS, 'waterfall'),
    span: one(raw, 'span'),
    find: one(raw, 'find'),
  }),
  encode: s => ({
    tab: s.tab === 'waterfall' ? undefined : s.tab,
    span: s.span || undefined,
    find: s.find || undefined,
  }),
}
