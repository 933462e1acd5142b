// Searches this browser remembers: the last ones that ran, and those kept under a name. Local first: both
// live in localStorage and nothing else knows them.
import { readPreference, writePreference } from '@/lib/storage'

export interface SavedSearch {
  name: string
  q: string
  atMs: number
}

export type Shelf = 'trace-history' | 'trace-saved'
const KEEP = 50

export function parseSaved(text: string | null): SavedSearch[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list)
      ? list.filter(
          (s: Partial<SavedSearch>): s is SavedSearch =>
            typeof s?.name === 'string' && typeof s.q === 'string' && typeof s.atMs === 'number',
        )
      : []
  } catch {
    return []
  }
}

/** Newest first; what `same` calls equal is there once. */
export function kept(
  list: SavedSearch[],
  one: SavedSearch,
  same: (s: SavedSearch) => boolean,
): SavedSearch[] {
  return [one, ...list.filter(s => !same(s))].slice(0, KEEP)
}

export const readSearches = (shelf: Shelf) => parseSaved(readPreference(shelf))

function write(shelf: Shelf, list: SavedSearch[]): SavedSearch[] {
  writePreference(shelf, JSON.stringify(list))
  return list
}

export function addHistory(q: string): void {
  if (q.trim() !== '') {
    write(
      'trace-history',
      kept(readSearches('trace-history'), { name: '', q, atMs: Date.now() }, s => s.q === q),
    )
  }
}

export function saveSearch(name: string, q: string): SavedSearch[] {
  return write(
    'trace-saved',
    kept(readSearches('trace-saved'), { name, q, atMs: Date.now() }, s => s.name === name),
  )
}

export function removeSearch(shelf: Shelf, one: SavedSearch): SavedSearch[] {
  return write(
    shelf,
    readSearches(shelf).filter(s => s.q !== one.q || s.name !== one.name),
  )
}
