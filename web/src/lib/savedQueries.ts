// Queries this browser remembers for one page: the last ones that ran, and those saved under a name. They live in
// localStorage and nothing else knows them.
import { readPreference, writePreference } from '@/lib/storage'

export interface SavedQuery<Q> {
  /** Empty in the history. */
  name: string
  query: Q
  atMs: number
}

/** Tells a query of the page from whatever else may stand in localStorage. */
export type IsQuery<Q> = (v: unknown) => v is Q

export const isText = (v: unknown): v is string => typeof v === 'string' && v.trim() !== ''

const KEEP = 50

export function parseSavedQueries<Q>(text: string | null, isQuery: IsQuery<Q>): SavedQuery<Q>[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list)
      ? list.filter(
          (s: Partial<SavedQuery<unknown>> | null): s is SavedQuery<Q> =>
            typeof s?.name === 'string' && typeof s.atMs === 'number' && isQuery(s.query),
        )
      : []
  } catch {
    return []
  }
}

/** Newest first, each query once. */
export function rememberQuery<Q>(list: SavedQuery<Q>[], query: Q, atMs: number): SavedQuery<Q>[] {
  const key = JSON.stringify(query)
  return [{ name: '', query, atMs }, ...list.filter(s => JSON.stringify(s.query) !== key)].slice(0, KEEP)
}

export interface QueryStore<Q> {
  history: () => SavedQuery<Q>[]
  saved: () => SavedQuery<Q>[]
  /** What is no query (an empty text) is not remembered. */
  remember: (query: Q) => void
  clearHistory: () => void
  /** A name that exists is replaced. */
  save: (name: string, query: Q) => SavedQuery<Q>[]
  remove: (name: string) => SavedQuery<Q>[]
}

export function queryStore<Q>(page: string, isQuery: IsQuery<Q>): QueryStore<Q> {
  const recent = `${page}-history`
  const kept = `${page}-saved`
  const saved = () => parseSavedQueries(readPreference(kept), isQuery)
  const write = (list: SavedQuery<Q>[]) => {
    writePreference(kept, JSON.stringify(list))
    return list
  }
  const history = () => parseSavedQueries(readPreference(recent), isQuery)
  return {
    history,
    saved,
    remember: query => {
      if (isQuery(query)) {
        writePreference(recent, JSON.stringify(rememberQuery(history(), query, Date.now())))
      }
    },
    clearHistory: () => writePreference(recent, '[]'),
    save: (name, query) =>
      write([{ name, query, atMs: Date.now() }, ...saved().filter(s => s.name !== name)]),
    remove: name => write(saved().filter(s => s.name !== name)),
  }
}
