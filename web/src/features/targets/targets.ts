// The Targets screen's link and arithmetic; pure.
import type { DroppedTarget, ScrapeTarget } from '@/api/operations'
import { type Codec, one, oneOf } from '@/lib/search'
import { parseDuration } from '@/lib/time'

export const STATES = ['all', 'down', 'up', 'unknown', 'dropped'] as const
export type TargetState = (typeof STATES)[number]

export interface TargetsState {
  state: TargetState
  pool: string
  find: string
  /** Scrape address of the opened row. */
  open: string
}

export const targetsCodec: Codec<TargetsState> = {
  decode: raw => ({
    state: oneOf(raw, 'state', STATES, 'all'),
    pool: one(raw, 'pool'),
    find: one(raw, 'find'),
    open: one(raw, 'open'),
  }),
  encode: s => ({
    state: s.state === 'all' ? undefined : s.state,
    pool: s.pool || undefined,
    find: s.find || undefined,
    open: s.open || undefined,
  }),
}

export interface Pool {
  name: string
  up: number
  down: number
  unknown: number
  total: number
  dropped: number
}

/** Pools with what is wrong first; configured pools without targets are there too. */
export function poolsOf(
  active: ScrapeTarget[],
  dropped: DroppedTarget[],
  counts: Record<string, number>,
  names: string[],
): Pool[] {
  const pools = new Map<string, Pool>()
  const pool = (name: string) => {
    const p = pools.get(name) ?? { name, up: 0, down: 0, unknown: 0, total: 0, dropped: 0 }
    pools.set(name, p)
    return p
  }
  names.forEach(pool)
  for (const t of active) {
    const p = pool(t.scrapePool)
    p[t.health]++
    p.total++
  }
  for (const d of dropped) {
    pool(d.scrapePool).dropped++
  }
  for (const [name, n] of Object.entries(counts)) {
    const p = pool(name)
    p.dropped = Math.max(p.dropped, n)
  }
  return [...pools.values()].sort(
    (a, b) => Number(b.down > 0) - Number(a.down > 0) || a.name.localeCompare(b.name),
  )
}

/** Every word must be found: `label="value"`, `label=value`, or any part of address, labels and error. */
export function matchesText(words: string[], labels: Record<string, string>, rest: string): boolean {
  const all = `${Object.entries(labels)
    .map(([k, v]) => `${k}="${v}" ${k}=${v}`)
    .join(' ')} ${rest}`.toLowerCase()
  return words.every(w => all.includes(w))
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean)
}

const ORDER = { down: 0, unknown: 1, up: 2 } as const

export function filterTargets(active: ScrapeTarget[], s: TargetsState): ScrapeTarget[] {
  const words = wordsOf(s.find)
  return active
    .filter(
      t =>
        (s.pool === '' || t.scrapePool === s.pool) &&
        (s.state === 'all' || t.health === s.state) &&
        matchesText(words, t.labels, `${t.scrapeUrl} ${t.lastError}`),
    )
    .sort(
      (a, b) =>
        ORDER[a.health] - ORDER[b.health] ||
        a.scrapePool.localeCompare(b.scrapePool) ||
        a.scrapeUrl.localeCompare(b.scrapeUrl, undefined, { numeric: true }),
    )
}

export function filterDropped(dropped: DroppedTarget[], s: TargetsState): DroppedTarget[] {
  const words = wordsOf(s.find)
  return dropped.filter(
    d => (s.pool === '' || d.scrapePool === s.pool) && matchesText(words, d.discoveredLabels, ''),
  )
}

/** ms of the last scrape; null before the first (year 1 on the wire). */
export function lastScrapeMs(t: ScrapeTarget): number | null {
  const ms = Date.parse(t.lastScrape)
  return Number.isNaN(ms) || ms <= 0 ? null : ms
}

/** Duration of the last scrape as a share of what it may take. */
export function timeShare(t: ScrapeTarget): number | null {
  const limit = parseDuration(t.scrapeTimeout)
  return limit === null || limit <= 0 ? null : (t.lastScrapeDuration * 1_000) / limit
}

/** A target nobody has scraped for three intervals is late. */
export function isLate(t: ScrapeTarget, nowMs: number): boolean {
  const last = lastScrapeMs(t)
  const every = parseDuration(t.scrapeInterval)
  return last !== null && every !== null && nowMs - last > 3 * every
}

export interface LabelChange {
  name: string
  before: string | undefined
  after: string | undefined
  kind: 'same' | 'added' | 'changed' | 'removed'
}

/** What relabelling made of the discovered labels; meta labels that are gone come last. */
export function labelChanges(before: Record<string, string>, after: Record<string, string>): LabelChange[] {
  const rank = { added: 0, changed: 0, same: 0, removed: 1 }
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((name): LabelChange => {
      const b = before[name]
      const a = after[name]
      const kind = b === undefined ? 'added' : a === undefined ? 'removed' : a === b ? 'same' : 'changed'
      return { name, before: b, after: a, kind }
    })
    .sort((x, y) => rank[x.kind] - rank[y.kind] || x.name.localeCompare(y.name))
}

/** A selector of everything one target sent. */
export function targetSelector(labels: Record<string, string>): string {
  const keys = ['job', 'instance'].filter(k => labels[k] !== undefined)
  const used = keys.length > 0 ? keys : Object.keys(labels)
  return `{${used.map(k => `${k}=${JSON.stringify(labels[k])}`).join(', ')}}`
}

export const SAMPLE_CONFIG = `scrape_configs:
  - job_name: node
    static_configs:
      - targets: ["10.0.0.11:9100", "10.0.0.12:9100"]
`
