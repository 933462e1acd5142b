// Heat maps from histograms: classic buckets (series with `le`) and native ones, both to rows of value
// ranges and a count for each row and time. Pure.
import type { MatrixSeries } from '@/api/prom'
import { sampleNumber } from '@/api/prom'

export interface HeatRow {
  lo: number
  hi: number
}

export interface HeatData {
  times: number[]
  /** Lowest first. */
  rows: HeatRow[]
  /** counts[column][row]; null where there was no sample at all. */
  counts: (Float64Array | null)[]
  max: number
}

const EMPTY: HeatData = { times: [], rows: [], counts: [], max: 0 }
const NATIVE_ROWS = 48

function index(times: number[], t: number): number {
  const first = times[0]
  const step = (times[1] ?? 0) - (first ?? 0)
  if (first === undefined) {
    return -1
  }
  const i = step > 0 ? Math.round((t - first) / step) : 0
  return i >= 0 && i < times.length ? i : -1
}

function topOf(counts: (Float64Array | null)[]): number {
  let max = 0
  for (const c of counts) {
    for (const v of c ?? []) {
      max = Math.max(max, v)
    }
  }
  return max
}

/** Cumulative buckets, added up over all other labels, to counts between two bounds. */
export function classicHeat(series: MatrixSeries[], times: number[]): HeatData {
  const bounds = new Map<number, Float64Array>()
  const seen = new Uint8Array(times.length)
  for (const s of series) {
    const le = s.metric.le
    if (le === undefined) {
      continue
    }
    const bound = sampleNumber(le)
    let sums = bounds.get(bound)
    if (sums === undefined) {
      sums = new Float64Array(times.length)
      bounds.set(bound, sums)
    }
    for (const [t, v] of s.values ?? []) {
      const i = index(times, t)
      const x = sampleNumber(v)
      if (i >= 0 && Number.isFinite(x)) {
        sums[i] = (sums[i] ?? 0) + x
        seen[i] = 1
      }
    }
  }
  const sorted = [...bounds.keys()].filter(b => !Number.isNaN(b)).sort((a, b) => a - b)
  if (sorted.length === 0) {
    return EMPTY
  }
  const rows = sorted.map((hi, i) => ({
    lo: i === 0 ? (hi > 0 ? 0 : Number.NEGATIVE_INFINITY) : (sorted[i - 1] ?? 0),
    hi,
  }))
  const counts = times.map((_, c) => {
    if (seen[c] !== 1) {
      return null
    }
    let below = 0
    return Float64Array.from(sorted, b => {
      const upTo = bounds.get(b)?.[c] ?? below
      const n = Math.max(0, upTo - below)
      below = Math.max(below, upTo)
      return n
    })
  })
  return trim({ times, rows, counts, max: topOf(counts) })
}

/** Empty rows at both ends say nothing; one is kept beside the data. */
function trim(d: HeatData): HeatData {
  const used = d.rows.map((_, r) => d.counts.some(c => (c?.[r] ?? 0) > 0))
  const first = Math.max(0, used.indexOf(true) - 1)
  const last = Math.min(d.rows.length - 1, used.lastIndexOf(true) + 1)
  if (!used.includes(true)) {
    return d
  }
  return {
    ...d,
    rows: d.rows.slice(first, last + 1),
    counts: d.counts.map(c => (c === null ? null : c.slice(first, last + 1))),
  }
}

/** Where |v| lies on a signed logarithm with a small zero zone, so that one grid holds both signs. */
function logRows(lo: number, hi: number): HeatRow[] {
  const a = Math.log(lo)
  const b = Math.log(hi)
  const n = Math.max(1, Math.min(NATIVE_ROWS, Math.ceil((b - a) / Math.log(2 ** 0.25))))
  return Array.from({ length: n }, (_, i) => ({
    lo: Math.exp(a + ((b - a) * i) / n),
    hi: Math.exp(a + ((b - a) * (i + 1)) / n),
  }))
}

/** Native histograms: buckets of any schema spread over rows of equal ratio. */
export function nativeHeat(series: MatrixSeries[], times: number[]): HeatData {
  let lo = Number.POSITIVE_INFINITY
  let hi = 0
  let negative = false
  let zero = false
  for (const s of series) {
    for (const [, h] of s.histograms ?? []) {
      for (const [, l, u, n] of h.buckets ?? []) {
        const a = Number(l)
        const b = Number(u)
        if (Number(n) <= 0) {
          continue
        }
        if (a > 0) {
          lo = Math.min(lo, a)
          hi = Math.max(hi, Number.isFinite(b) ? b : a * 2)
        } else if (b > 0 && a <= 0) {
          zero = true
        } else {
          negative = true
        }
      }
    }
  }
  const rows = hi > 0 && lo < hi ? logRows(lo, hi) : []
  const floor = rows[0]?.lo ?? 1
  if (zero || negative || rows.length === 0) {
    rows.unshift({ lo: negative ? Number.NEGATIVE_INFINITY : 0, hi: floor })
  }
  const counts: (Float64Array | null)[] = times.map(() => null)
  const spread = (column: Float64Array, a: number, b: number, n: number) => {
    if (a <= 0) {
      column[0] = (column[0] ?? 0) + n
      return
    }
    const end = Number.isFinite(b) ? b : a * 2
    const width = Math.log(end) - Math.log(a)
    rows.forEach((r, i) => {
      const from = Math.max(a, r.lo)
      const to = Math.min(end, r.hi)
      if (to > from && r.lo > 0) {
        column[i] = (column[i] ?? 0) + (n * (Math.log(to) - Math.log(from))) / width
      }
    })
  }
  for (const s of series) {
    for (const [t, h] of s.histograms ?? []) {
      const c = index(times, t)
      if (c < 0) {
        continue
      }
      const column = counts[c] ?? new Float64Array(rows.length)
      counts[c] = column
      for (const [, l, u, n] of h.buckets ?? []) {
        if (Number(n) > 0) {
          spread(column, Number(l), Number(u), Number(n))
        }
      }
    }
  }
  return { times, rows, counts, max: topOf(counts) }
}

export function heatOf(series: MatrixSeries[], times: number[]): HeatData {
  return series.some(s => (s.histograms?.length ?? 0) > 0)
    ? nativeHeat(series, times)
    : classicHeat(series, times)
}

/** Share of the darkest colour: a root, so that rare slow requests are seen beside many quick ones. */
export function heatLevel(count: number, max: number): number {
  return count <= 0 || max <= 0 ? 0 : Math.max(0.06, (count / max) ** 0.5)
}

/** The quantile of one column, in the units of the rows. */
export function heatQuantile(data: HeatData, column: number, q: number): number | null {
  const c = data.counts[column]
  if (c === null || c === undefined) {
    return null
  }
  const total = c.reduce((a, b) => a + b, 0)
  let left = total * q
  for (let i = 0; i < c.length; i++) {
    const n = c[i] ?? 0
    const row = data.rows[i]
    if (row !== undefined && n > 0 && left <= n) {
      return Number.isFinite(row.hi) && Number.isFinite(row.lo)
        ? row.lo + (row.hi - row.lo) * (left / n)
        : row.lo
    }
    left -= n
  }
  return null
}
