// Queries this browser remembers for one page: the last ones that ran, and those saved under a name. They live in
// localStorage and nothing else knows them.
import { readPreference, writePreference } from '@/lib/storage'

export interface SavedQuery {
  name: string
  query: string
  atMs: number
}

const KEEP = 50

export function parseSavedQueries(text: string | null): SavedQuery[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list)
      ? list.filter(
          (s: Partial<SavedQuery> | null): s is SavedQuery =>
            typeof s?.name === 'string' && typeof s.query === 'string' && typeof s.atMs === 'number',
        )
      : []
  } catch {
    return []
  }
}

/** Newest first, each query once. */
export function rememberQuery(list: SavedQuery[], query: string, atMs: number): SavedQuery[] {
  const text = query.trim()
  return text === ''
    ? list
    : [{ name: text.replace(/\s+/g, ' '), query: text, atMs }, ...list.filter(s => s.query !== text)].slice(
        0,
        KEEP,
      )
}

export interface QueryStore {
  history: () => SavedQuery[]
  saved: () => SavedQuery[]
  remember: (query: string) => void
  clearHistory: () => void
  /** A name that exists is replaced. */
  save: (name: string, query: string) => SavedQuery[]
  remove: (name: string) => SavedQuery[]
}

export function queryStore(page: string): QueryStore {
  const recent = `${page}-history`
  const kept = `${page}-saved`
  const saved = () => parseSavedQueries(readPreference(kept))
  const write = (list: SavedQuery[]) => {
    writePreference(kept, JSON.stringify(list))
    return list
  }
  const history = () => parseSavedQueries(readPreference(recent))
  return {
    history,
    saved,
    remember: query => writePreference(recent, JSON.stringify(rememberQuery(history(), query, Date.now()))),
    clearHistory: () => writePreference(recent, '[]'),
    save: (name, query) =>
      write([{ name, query, atMs: Date.now() }, ...saved().filter(s => s.name !== name)]),
    remove: name => write(saved().filter(s => s.name !== name)),
  }
}
