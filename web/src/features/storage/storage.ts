// Storage figures put together for the screen: slices of the budget, days as chart series, the forecast as a
// choice of sentence; pure.
import type { Storage, StorageBytes, StorageTier } from '@/api/operations'

export const SLICES = [
  'metrics_raw',
  'metrics_1m',
  'metrics_5m',
  'metrics_1h',
  'traces',
  'logs',
  'transactions',
] as const
export type Slice = (typeof SLICES)[number]

export interface Part {
  name: Slice | 'meta' | 'wal'
  bytes: number
}

const TIER_SLICE: Record<StorageTier['tier'], Slice> = {
  raw: 'metrics_raw',
  '1m': 'metrics_1m',
  '5m': 'metrics_5m',
  '1h': 'metrics_1h',
}

/** What fills the disk, metrics by tier; parts that are empty are left out. */
export function partsOf(s: Storage): Part[] {
  const signal = (name: string) => s.signals.find(x => x.signal === name)?.bytes ?? 0
  const tiers = s.tiers.map((t): Part => ({ name: TIER_SLICE[t.tier], bytes: t.bytes }))
  const known = tiers.reduce((n, t) => n + t.bytes, 0)
  // what belongs to no tier (the index being made) counts as raw
  const rest = Math.max(0, signal('metrics') - known)
  return [
    ...tiers.map(t => (t.name === 'metrics_raw' ? { ...t, bytes: t.bytes + rest } : t)),
    { name: 'traces' as const, bytes: signal('traces') },
    { name: 'logs' as const, bytes: signal('logs') },
    { name: 'transactions' as const, bytes: signal('transactions') },
    { name: 'wal' as const, bytes: signal('wal') },
    { name: 'meta' as const, bytes: signal('meta') },
  ].filter(p => p.bytes > 0)
}

/** What the bar's full width means: the budget, or all there is room for. */
export function roomOf(s: Storage): { bytes: number; kind: 'budget' | 'disk' } {
  const disk = s.used_bytes + Math.max(0, s.free_bytes - s.min_free_bytes)
  return s.budget_bytes > 0 && s.budget_bytes <= disk
    ? { bytes: s.budget_bytes, kind: 'budget' }
    : { bytes: disk, kind: 'disk' }
}

/** Days without a hole between the first and the last, so that a missing day is seen. */
export function dayGrid(days: Storage['days']): {
  times: number[]
  values: Record<Slice, (number | null)[]>
} {
  const first = days[0]
  const last = days.at(-1)
  const values = Object.fromEntries(SLICES.map(s => [s, [] as (number | null)[]])) as Record<
    Slice,
    (number | null)[]
  >
  if (first === undefined || last === undefined) {
    return { times: [], values }
  }
  const times: number[] = []
  const byStart = new Map(days.map(d => [d.start_ms, d]))
  for (let ms = first.start_ms; ms <= last.start_ms; ms += 86_400_000) {
    times.push(ms / 1_000)
    const d: StorageBytes | undefined = byStart.get(ms)
    for (const s of SLICES) {
      values[s].push(d === undefined ? null : d[s])
    }
  }
  return { times, values }
}

export type Outlook =
  | { kind: 'full'; days: number; atMs: number }
  | { kind: 'acting' }
  | { kind: 'levels'; bytes: number }
  | { kind: 'unknown' }

/** What the forecast says, as one of four sentences. */
export function outlook(s: Storage): Outlook {
  const f = s.forecast
  if (f.days_left !== undefined) {
    return f.days_left <= 0
      ? { kind: 'acting' }
      : { kind: 'full', days: f.days_left, atMs: f.full_ms ?? s.now_ms + f.days_left * 86_400_000 }
  }
  if (s.growth.bytes_per_day <= 0) {
    return { kind: 'unknown' }
  }
  return f.levels_at_bytes === undefined ? { kind: 'unknown' } : { kind: 'levels', bytes: f.levels_at_bytes }
}

/** Bytes of one raw sample on disk. */
export function bytesPerSample(s: Storage): number | null {
  return s.tiers.find(t => t.tier === 'raw')?.bytes_per_point ?? null
}

export interface SettingRow {
  key: string
  value: string
}

/** The settings that decide how long and how much is kept, of all the server has. */
export function storageSettings(keys: { key: string; value: string }[]): SettingRow[] {
  return keys.filter(k => /^(storage|rollup|rollups|retention|metrics\.retention)\b/.test(k.key))
}
