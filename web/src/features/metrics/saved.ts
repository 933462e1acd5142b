// Queries this browser remembers: the last ones that ran, and those saved under a name. Local first: both
// live in localStorage and nothing else knows them.
import { type MetricQuery, metricsCodec } from '@/features/metrics/codec'
import { parseSearch, stringifySearch } from '@/lib/search'
import { readPreference, writePreference } from '@/lib/storage'

export interface Saved {
  name: string
  queries: MetricQuery[]
  atMs: number
}

const HISTORY = 'metric-history'
const SAVED = 'metric-saved'
const KEEP = 50

function isQuery(v: unknown): v is MetricQuery {
  const q = v as Partial<MetricQuery> | null
  return typeof q === 'object' && q !== null && typeof q.expr === 'string' && typeof q.legend === 'string'
}

export function parseSaved(text: string | null): Saved[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list)
      ? list.filter(
          (s: Partial<Saved>): s is Saved =>
            typeof s?.name === 'string' &&
            typeof s.atMs === 'number' &&
            Array.isArray(s.queries) &&
            s.queries.every(isQuery),
        )
      : []
  } catch {
    return []
  }
}

const keyOf = (queries: MetricQuery[]) =>
  stringifySearch(metricsCodec.encode({ ...metricsCodec.decode({}), queries }))

/** Newest first, each set of queries once. */
export function remember(list: Saved[], queries: MetricQuery[], atMs: number): Saved[] {
  const kept = queries.filter(q => q.expr.trim() !== '')
  if (kept.length === 0) {
    return list
  }
  const key = keyOf(kept)
  const name = kept.map(q => q.expr.replace(/\s+/g, ' ')).join(' · ')
  return [{ name, queries: kept, atMs }, ...list.filter(s => keyOf(s.queries) !== key)].slice(0, KEEP)
}

export const readHistory = () => parseSaved(readPreference(HISTORY))
export const readSaved = () => parseSaved(readPreference(SAVED))

export function addHistory(queries: MetricQuery[]): void {
  writePreference(HISTORY, JSON.stringify(remember(readHistory(), queries, Date.now())))
}

export function clearHistory(): void {
  writePreference(HISTORY, '[]')
}

/** A name that exists is replaced. */
export function saveAs(name: string, queries: MetricQuery[]): Saved[] {
  const list = [
    { name, queries: queries.filter(q => q.expr.trim() !== ''), atMs: Date.now() },
    ...readSaved().filter(s => s.name !== name),
  ]
  writePreference(SAVED, JSON.stringify(list))
  return list
}

export function removeSaved(name: string): Saved[] {
  const list = readSaved().filter(s => s.name !== name)
  writePreference(SAVED, JSON.stringify(list))
  return list
}

/** Checks that a set survives its own link; used by tests and by "share". */
export function linkOf(queries: MetricQuery[]): MetricQuery[] {
  return metricsCodec.decode(parseSearch(keyOf(queries))).queries
}
