// Rows of the result list: order, which columns, and the matching spans opened below a trace. Pure.
import type { FoundTrace, MatchedSpan } from '@/api/traceql'
import type { TracesState } from '@/features/traces/codec'
import { attributeText } from '@/lib/attributes'
import { readPreference, writePreference } from '@/lib/storage'

export type ListRow =
  | { kind: 'trace'; trace: FoundTrace }
  | { kind: 'span'; trace: FoundTrace; span: MatchedSpan }
  | { kind: 'rest'; trace: FoundTrace; count: number }

export const matchedOf = (t: FoundTrace) => t.spansets.reduce((n, s) => n + s.matched, 0)

const compareNs = (a: string, b: string) => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0)

/** Newest, longest, biggest first; names from A; `up` turns it round. */
export function sortTraces(traces: FoundTrace[], sort: TracesState['sort'], up: boolean): FoundTrace[] {
  const by: Record<TracesState['sort'], (a: FoundTrace, b: FoundTrace) => number> = {
    start: (a, b) => compareNs(b.start_ns, a.start_ns),
    duration: (a, b) => compareNs(b.duration_ns, a.duration_ns),
    spans: (a, b) => b.span_count - a.span_count,
    errors: (a, b) => b.error_count - a.error_count,
    root: (a, b) =>
      `${a.root_service} ${a.root_name}`.localeCompare(`${b.root_service} ${b.root_name}`) ||
      compareNs(b.start_ns, a.start_ns),
  }
  const sorted = [...traces].sort(by[sort])
  return up ? sorted.reverse() : sorted
}

export function listRows(traces: FoundTrace[], open: ReadonlySet<string>): ListRow[] {
  return traces.flatMap((trace): ListRow[] => {
    if (!open.has(trace.trace_id)) {
      return [{ kind: 'trace', trace }]
    }
    const spans = trace.spansets.flatMap(s => s.spans)
    const left = matchedOf(trace) - spans.length
    return [
      { kind: 'trace', trace },
      ...spans.map((span): ListRow => ({ kind: 'span', trace, span })),
      ...(left > 0 ? [{ kind: 'rest' as const, trace, count: left }] : []),
    ]
  })
}

/** A field's value on the matching spans of a trace; the answer names it without its scope. */
export function selectedText(trace: FoundTrace, field: string): string {
  const bare = field.replace(/^(resource|span|event|link|instrumentation)?\./, '').replaceAll('"', '')
  const values = new Set<string>()
  for (const set of trace.spansets) {
    for (const span of set.spans) {
      const v = span.attributes[bare] ?? span.attributes[field]
      if (v !== undefined) {
        values.add(attributeText(v))
      }
    }
  }
  return [...values].join(', ')
}

export const COLUMNS = ['start', 'root', 'duration', 'spans', 'errors', 'services', 'matched', 'id'] as const
export type ColumnKey = (typeof COLUMNS)[number]

export interface ColumnChoice {
  shown: ColumnKey[]
  /** Fields asked for with select(). */
  fields: string[]
}

const DEFAULT: ColumnChoice = {
  shown: ['start', 'root', 'duration', 'spans', 'errors', 'services', 'matched'],
  fields: [],
}

export function readColumns(): ColumnChoice {
  try {
    const v = JSON.parse(readPreference('trace-columns') ?? '') as Partial<ColumnChoice>
    const shown = COLUMNS.filter(c => v.shown?.includes(c))
    return shown.length === 0 || !Array.isArray(v.fields)
      ? DEFAULT
      : { shown, fields: v.fields.filter(f => typeof f === 'string') }
  } catch {
    return DEFAULT
  }
}

export function writeColumns(c: ColumnChoice): void {
  writePreference('trace-columns', JSON.stringify(c))
}

/** The list as CSV rows, head first. */
export function tracesCsv(traces: FoundTrace[], fields: string[]): (string | number)[][] {
  return [
    [
      'trace_id',
      'start',
      'root_service',
      'root_name',
      'duration_ns',
      'spans',
      'errors',
      'services',
      'matched',
      ...fields,
    ],
    ...traces.map(t => [
      t.trace_id,
      new Date(Number(BigInt(t.start_ns) / 1_000_000n)).toISOString(),
      t.root_service,
      t.root_name,
      t.duration_ns,
      t.span_count,
      t.error_count,
      t.services.map(s => s.name).join(' '),
      matchedOf(t),
      ...fields.map(f => selectedText(t, f)),
    ]),
  ]
}

/** The duration that fills the bar: the 95th percentile, so that one odd trace does not flatten the rest. */
export function fullBar(durations: number[]): number {
  const sorted = [...durations].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0
}
