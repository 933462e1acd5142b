// The Logs page's link: q= is LogQL, and everything seen on screen is in it too. Links of other pages may name
// what they look for (text, severity, service, trace_id, attr); they become a query.

import {
  addFilter,
  compile,
  EMPTY_QUERY,
  type FieldFilter,
  parseTerms,
  type SimpleQuery,
  withLevels,
} from '@/features/logs/builder'
import type { FilterOperator } from '@/features/logs/logql'
import { parseAttrFilter } from '@/lib/attributes'
import { labelName } from '@/lib/correlate'
import { type Codec, many, one, oneOf } from '@/lib/search'

export const TABS = ['logs', 'patterns'] as const
export const MODES = ['simple', 'code'] as const
export const ZONES = ['local', 'utc'] as const
export const TIMES = ['clock', 'relative'] as const

export interface LogColumn {
  name: string
  /** Pixels; 0 is the column's own. */
  width: number
}

export interface LogsState {
  q: string
  mode: (typeof MODES)[number]
  tab: (typeof TABS)[number]
  columns: LogColumn[]
  oldestFirst: boolean
  wrap: boolean
  zone: (typeof ZONES)[number]
  times: (typeof TIMES)[number]
  tail: boolean
  /** TIME_NS-ID of the record whose surroundings are open. */
  around: string
}

/** Columns are named as LogQL names their field; the message is always the last one. */
export const LEVEL_COLUMN = 'detected_level'
export const SERVICE_COLUMN = 'service_name'
export const DEFAULT_COLUMNS: LogColumn[] = [
  { name: LEVEL_COLUMN, width: 0 },
  { name: SERVICE_COLUMN, width: 0 },
]

function columnOf(text: string): LogColumn {
  const m = /^(.*)@(\d{2,4})$/.exec(text)
  return m === null ? { name: text, width: 0 } : { name: m[1] ?? '', width: Number(m[2]) }
}

const columnText = (c: LogColumn) => (c.width === 0 ? c.name : `${c.name}@${c.width}`)
const NO_COLUMNS = '-'

export const LEVEL_NAMES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'unset'] as const
export type LevelName = (typeof LEVEL_NAMES)[number]

/** What LogQL calls our levels: 18 to 20 are what syslog calls critical, shown as errors. */
const LOKI_LEVELS: Record<LevelName, string[]> = {
  trace: ['trace'],
  debug: ['debug'],
  info: ['info'],
  warn: ['warn'],
  error: ['error', 'critical'],
  fatal: ['fatal'],
  unset: ['unknown'],
}

export function lokiLevels(levels: readonly LevelName[]): string[] {
  return levels.flatMap(l => LOKI_LEVELS[l])
}

export function levelOf(loki: string): LevelName {
  return LEVEL_NAMES.find(l => LOKI_LEVELS[l].includes(loki)) ?? 'unset'
}

export function isLevel(text: string): text is LevelName {
  return (LEVEL_NAMES as readonly string[]).includes(text)
}

/** Filters of other pages' links as a query; '' when there are none. */
export function queryOfFilters(raw: Record<string, unknown>): string {
  let q: SimpleQuery = { ...EMPTY_QUERY, terms: parseTerms(one(raw, 'text')) }
  const service = one(raw, 'service')
  if (service !== '') {
    q.streams = [{ name: 'service_name', op: '=', value: service }]
  }
  q = withLevels(q, lokiLevels(many(raw, 'severity').filter(isLevel)))
  const trace = one(raw, 'trace_id')
  if (trace !== '') {
    q.fields = [...q.fields, { name: 'trace_id', op: '=', value: trace }]
  }
  for (const text of many(raw, 'attr')) {
    const a = parseAttrFilter(text)
    if (a !== null) {
      const f: FieldFilter =
        a.op === 'exists'
          ? { name: labelName(a.key), op: '!=', value: '' }
          : { name: labelName(a.key), op: a.op as FilterOperator, value: a.value }
      if (a.key.startsWith('resource.') && !['>', '<', '>=', '<='].includes(f.op)) {
        q.streams = addFilter(q.streams, f)
      } else {
        q.fields = addFilter(q.fields, f)
      }
    }
  }
  const empty = q.streams.length + q.terms.length + q.fields.length === 0
  return empty ? '' : compile(q)
}

export const logsCodec: Codec<LogsState> = {
  decode(raw) {
    const cols = many(raw, 'col').filter(c => c !== '')
    return {
      q: one(raw, 'q') || queryOfFilters(raw),
      mode: oneOf(raw, 'mode', MODES, 'simple'),
      tab: oneOf(raw, 'tab', TABS, 'logs'),
      columns: cols.length === 0 ? DEFAULT_COLUMNS : cols.filter(c => c !== NO_COLUMNS).map(columnOf),
      oldestFirst: one(raw, 'dir') === 'asc',
      wrap: one(raw, 'wrap') === '1',
      zone: oneOf(raw, 'tz', ZONES, 'local'),
      times: oneOf(raw, 'times', TIMES, 'clock'),
      tail: one(raw, 'tail') === '1',
      around: /^-?\d+-\d+$/.test(one(raw, 'around')) ? one(raw, 'around') : '',
    }
  },
  encode(s) {
    const cols = s.columns.map(columnText)
    const usual = cols.join() === DEFAULT_COLUMNS.map(columnText).join()
    return {
      q: s.q || undefined,
      text: undefined,
      severity: undefined,
      service: undefined,
      trace_id: undefined,
      attr: undefined,
      mode: s.mode === 'simple' ? undefined : s.mode,
      tab: s.tab === 'logs' ? undefined : s.tab,
      col: usual ? undefined : cols.length === 0 ? [NO_COLUMNS] : cols,
      dir: s.oldestFirst ? 'asc' : undefined,
      wrap: s.wrap ? '1' : undefined,
      tz: s.zone === 'local' ? undefined : s.zone,
      times: s.times === 'clock' ? undefined : s.times,
      tail: s.tail ? '1' : undefined,
      around: s.around || undefined,
    }
  },
}
