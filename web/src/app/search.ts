// Matching of the search box; pure, so that its order is tested.

export type FoundKind = 'trace' | 'host' | 'service' | 'metric' | 'logs'

export interface Found {
  kind: FoundKind
  name: string
}

export interface Known {
  hosts: string[]
  services: string[]
  metrics: string[]
}

const LIMIT = 8

/** Names that start with the text first, then those that contain all its words. */
export function rank(names: string[], text: string, limit = LIMIT): string[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const matching = names.filter(n => words.every(w => n.toLowerCase().includes(w)))
  const starts = (n: string) => (n.toLowerCase().startsWith(words[0] ?? '') ? 0 : 1)
  return matching
    .sort((a, b) => starts(a) - starts(b) || a.length - b.length || a.localeCompare(b))
    .slice(0, limit)
}

export function findAnything(input: string, known: Known): Found[] {
  const text = input.trim()
  if (text === '') {
    return []
  }
  const out: Found[] = []
  const id = text.replaceAll('-', '').toLowerCase()
  if (/^[0-9a-f]{32}$/.test(id)) {
    out.push({ kind: 'trace', name: id })
  }
  for (const [kind, names] of [
    ['host', known.hosts],
    ['service', known.services],
    ['metric', known.metrics],
  ] as const) {
    out.push(...rank([...new Set(names)], text).map(name => ({ kind, name })))
  }
  out.push({ kind: 'logs', name: text })
  return out
}
