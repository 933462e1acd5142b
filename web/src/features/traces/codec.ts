// Links of the trace search and of one trace. The search is one TraceQL text; links that name service,
// operation, status, kind, min, max and attr (other pages, bookmarks) are read into it.
import { type Condition, compileConditions, literalOf, type Operator, quoted } from '@/features/traces/query'
import { parseAttrFilter } from '@/lib/attributes'
import { type Codec, many, one, oneOf } from '@/lib/search'

/** Which spans the charts tell of: the first of a trace, those that entered a service, or all. */
export const SPAN_SETS = ['root', 'entry', 'all'] as const
export type SpanSet = (typeof SPAN_SETS)[number]
export const RESULT_VIEWS = ['table', 'scatter', 'heatmap'] as const
export const SORTS = ['start', 'duration', 'spans', 'errors', 'root'] as const

export interface TracesState {
  q: string
  /** '' is the one that fits the query. */
  spans: SpanSet | ''
  view: (typeof RESULT_VIEWS)[number]
  sort: (typeof SORTS)[number]
  up: boolean
}

/** "100ms", "1.5s", or a bare number, which means milliseconds; "" when it cannot be read. */
export function durationParam(text: string): string {
  return literalOf('duration', '>=', text) ?? ''
}

function attrCondition(text: string): Condition | null {
  const f = parseAttrFilter(text)
  if (f === null) {
    return null
  }
  const field = /^(span|resource|event|link|instrumentation)\./.test(f.key) ? f.key : `.${f.key}`
  if (f.op === 'exists') {
    return { field, op: '!=', literals: ['nil'] }
  }
  const literal = literalOf(field, f.op as Operator, f.value)
  return literal === null ? null : { field, op: f.op as Operator, literals: [literal] }
}

/** What links of other pages ask for, as TraceQL. */
export function legacyQuery(raw: Record<string, unknown>): string {
  const out: Condition[] = []
  const add = (field: string, op: Operator, literal: string) => out.push({ field, op, literals: [literal] })
  const service = one(raw, 'service')
  const operation = one(raw, 'operation')
  if (service !== '') {
    add('resource.service.name', '=', quoted(service))
  }
  if (operation !== '') {
    add('name', '=', quoted(operation))
  }
  for (const [key, words] of [
    ['status', /^(unset|ok|error)$/],
    ['kind', /^(server|client|internal|producer|consumer|unspecified)$/],
  ] as const) {
    const v = one(raw, key)
    if (words.test(v)) {
      add(key, '=', v)
    }
  }
  const [min, max] = [durationParam(one(raw, 'min')), durationParam(one(raw, 'max'))]
  if (min !== '') {
    add('duration', '>=', min)
  }
  if (max !== '') {
    add('duration', '<=', max)
  }
  for (const text of many(raw, 'attr')) {
    const c = attrCondition(text)
    if (c !== null) {
      out.push(c)
    }
  }
  return compileConditions(out)
}

export const tracesCodec: Codec<TracesState> = {
  decode: raw => ({
    q: one(raw, 'q') || legacyQuery(raw),
    spans: oneOf(raw, 'spans', ['', ...SPAN_SETS], ''),
    view: oneOf(raw, 'view', RESULT_VIEWS, 'table'),
    sort: oneOf(raw, 'sort', SORTS, 'start'),
    up: one(raw, 'up') === '1',
  }),
  encode: s => ({
    q: s.q.trim() || undefined,
    spans: s.spans || undefined,
    view: s.view === 'table' ? undefined : s.view,
    sort: s.sort === 'start' ? undefined : s.sort,
    up: s.up ? '1' : undefined,
    ...Object.fromEntries(
      ['service', 'operation', 'status', 'kind', 'min', 'max', 'attr'].map(k => [k, undefined]),
    ),
  }),
}

/** Without a question the first spans of traces; a question about other spans would find none among those. */
export function spanSetOf(s: TracesState): SpanSet {
  return s.spans !== '' ? s.spans : s.q.replace(/[\s{}]/g, '') === '' ? 'root' : 'all'
}

export const SPAN_CONDITION: Record<SpanSet, string> = {
  root: 'nestedSetParent < 0',
  entry: '(kind = server || kind = consumer)',
  all: '',
}

export const TRACE_TABS = ['waterfall', 'flame', 'spans', 'services', 'compare', 'logs'] as const

export interface TraceState {
  tab: (typeof TRACE_TABS)[number]
  span: string
  find: string
  /** Show times as they were sent, without moving spans whose clock was wrong. */
  rawClock: boolean
  /** The trace this one is compared with. */
  other: string
}

export const traceCodec: Codec<TraceState> = {
  decode: raw => ({
    // "operations" was the name of the span table
    tab: one(raw, 'tab') === 'operations' ? 'spans' : oneOf(raw, 'tab', TRACE_TABS, 'waterfall'),
    span: one(raw, 'span'),
    find: one(raw, 'find'),
    rawClock: one(raw, 'clock') === 'raw',
    other: one(raw, 'other'),
  }),
  encode: s => ({
    tab: s.tab === 'waterfall' ? undefined : s.tab,
    span: s.span || undefined,
    find: s.find || undefined,
    clock: s.rawClock ? 'raw' : undefined,
    other: s.other || undefined,
  }),
}
