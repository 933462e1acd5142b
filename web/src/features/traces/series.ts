// Answers of TraceQL metrics as charts: rates, quantiles, a heat map and a distribution of durations, and
// the two sides of compare(). Pure.
import type { TraceSeries, TypedText } from '@/api/traceql'
import type { HeatData } from '@/charts/heat'
import type { ChartSeries } from '@/charts/options'
import { type ColorScheme, seriesColor, toneColor } from '@/charts/palette'
import { type ResolvedRange, stepFor } from '@/lib/time'

/** Starts of the steps of an answer, in seconds: aligned to the step, as the server aligns them. */
export function stepTimes(range: ResolvedRange, stepS: number): number[] {
  const first = Math.floor(range.startMs / 1_000 / stepS) * stepS
  const out: number[] = []
  for (let t = first; t * 1_000 < range.endMs; t += stepS) {
    out.push(t)
  }
  return out
}

/** Whole seconds; a bar about every 8 pixels. */
export function chartStep(range: ResolvedRange, width: number): number {
  return Math.max(1, Math.round(stepFor(range, width / 4, 1)))
}

export function valuesAt(series: TraceSeries, times: number[]): (number | null)[] {
  return times.map(t => series.points.get(t * 1_000) ?? null)
}

/** "a=1, b=2" of what tells a series apart; quantiles as p95. */
export function seriesLabel(labels: Record<string, TypedText>): string {
  const own = Object.entries(labels).filter(([k]) => k !== '__name__')
  const text = own
    .map(([k, v]) =>
      k === 'p'
        ? `p${Number((Number(v.text) * 100).toPrecision(6))}`
        : own.length === 1
          ? v.text
          : `${k}=${v.text}`,
    )
    .join(', ')
  return text === '' ? (labels.__name__?.text ?? '') : text
}

export interface Red {
  times: number[]
  rate: ChartSeries[]
  /** Failed of all, over the whole range; null without spans. */
  errorRatio: number | null
  perS: number
}

/** From `rate() by (status)`. */
export function redOf(
  answer: TraceSeries[],
  range: ResolvedRange,
  stepS: number,
  names: { ok: string; error: string },
  scheme: ColorScheme,
): Red {
  const times = stepTimes(range, stepS)
  const ok: (number | null)[] = times.map(() => 0)
  const bad: (number | null)[] = times.map(() => 0)
  let okSum = 0
  let badSum = 0
  for (const s of answer) {
    const failed = s.labels.status?.text === 'error'
    valuesAt(s, times).forEach((v, i) => {
      const into = failed ? bad : ok
      into[i] = (into[i] ?? 0) + (v ?? 0)
      if (failed) {
        badSum += v ?? 0
      } else {
        okSum += v ?? 0
      }
    })
  }
  const series: ChartSeries[] = [
    { label: names.ok, color: toneColor('info', scheme), values: ok },
    { label: names.error, color: toneColor('bad', scheme), values: bad },
  ]
  return {
    times,
    rate: series.filter((_, i) => (i === 0 ? okSum : badSum) > 0),
    errorRatio: okSum + badSum === 0 ? null : badSum / (okSum + badSum),
    perS: times.length === 0 ? 0 : (okSum + badSum) / times.length,
  }
}

const QUANTILE_COLORS = [2, 0, 1]

/** From `quantile_over_time(duration, ...)`, in seconds. */
export function quantilesOf(answer: TraceSeries[], times: number[], scheme: ColorScheme): ChartSeries[] {
  return [...answer]
    .sort((a, b) => Number(a.labels.p?.text ?? 0) - Number(b.labels.p?.text ?? 0))
    .map((s, i) => ({
      label: seriesLabel(s.labels),
      color: seriesColor(QUANTILE_COLORS[i] ?? i, scheme),
      values: valuesAt(s, times),
    }))
}

export function chartOf(answer: TraceSeries[], times: number[], scheme: ColorScheme): ChartSeries[] {
  const used = new Map<string, number>()
  return answer.map((s, i) => {
    const label = seriesLabel(s.labels)
    const n = used.get(label) ?? 0
    used.set(label, n + 1)
    return {
      label: n === 0 ? label : `${label} (${n + 1})`,
      color: seriesColor(i, scheme),
      values: valuesAt(s, times),
    }
  })
}

export interface DurationBucket {
  /** ns; a bucket holds what is longer than lo and at most hi. */
  lo: number
  hi: number
  count: number
}

const isBucket = (s: TraceSeries) => s.labels.__bucket !== undefined

/** Buckets of histogram_over_time(), which are powers of two of nanoseconds, without gaps. */
export function durationBuckets(answer: TraceSeries[]): DurationBucket[] {
  const counts = new Map<number, number>()
  for (const s of answer.filter(isBucket)) {
    const power = Math.round(Math.log2(Number(s.labels.__bucket?.text) * 1e9))
    let sum = s.value
    for (const v of s.points.values()) {
      sum += v
    }
    counts.set(power, (counts.get(power) ?? 0) + sum)
  }
  const powers = [...counts].filter(([p, n]) => Number.isFinite(p) && n > 0).map(([p]) => p)
  if (powers.length === 0) {
    return []
  }
  const [first, last] = [Math.min(...powers), Math.max(...powers)]
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const p = first + i
    return { lo: 2 ** (p - 1), hi: 2 ** p, count: counts.get(p) ?? 0 }
  })
}

/** The heat map draws a column before its time, so the end of a step stands for it. */
export function heatOfBuckets(answer: TraceSeries[], times: number[], stepS: number): HeatData {
  const buckets = durationBuckets(answer)
  const byPower = new Map<number, TraceSeries[]>()
  for (const s of answer.filter(isBucket)) {
    const power = Math.round(Math.log2(Number(s.labels.__bucket?.text) * 1e9))
    byPower.set(power, [...(byPower.get(power) ?? []), s])
  }
  let max = 0
  const counts = times.map(t => {
    const column = Float64Array.from(buckets, b => {
      const list = byPower.get(Math.round(Math.log2(b.hi))) ?? []
      return list.reduce((n, s) => n + (s.points.get(t * 1_000) ?? 0), 0)
    })
    for (const v of column) {
      max = Math.max(max, v)
    }
    return column
  })
  return {
    times: times.map(t => t + stepS),
    rows: buckets.map(b => ({ lo: b.lo / 1e9, hi: b.hi / 1e9 })),
    counts,
    max,
  }
}

export interface CompareValue {
  text: TypedText
  /** Share of the spans on that side that have the value, 0..1. */
  baseline: number
  selection: number
}

export interface CompareRow {
  field: string
  values: CompareValue[]
  /** Largest difference of one value's shares: how much the field tells the sides apart. */
  difference: number
}

/** The answer of compare(): by attribute, values of the selection against all others. */
export function compareRows(answer: TraceSeries[]): CompareRow[] {
  const sumOf = (s: TraceSeries) => [...s.points.values()].reduce((a, b) => a + b, s.value)
  const totals = new Map<string, number>()
  const cells = new Map<string, Map<string, CompareValue>>()
  const fieldIn = (s: TraceSeries) => Object.keys(s.labels).find(k => !k.startsWith('__'))
  const each = (kind: string, work: (field: string, text: TypedText, n: number, side: string) => void) => {
    // an attribute with too many values to follow says so in a series of its own
    for (const s of answer.filter(x => x.labels.__meta_error === undefined)) {
      const type = s.labels.__meta_type?.text ?? ''
      const field = fieldIn(s)
      const value = field === undefined ? undefined : s.labels[field]
      const total = type.endsWith('_total')
      if (field !== undefined && value !== undefined && total === (kind === 'total')) {
        work(field, value, sumOf(s), type.startsWith('selection') ? 'selection' : 'baseline')
      }
    }
  }
  each('total', (field, _, n, side) =>
    totals.set(`${field}|${side}`, (totals.get(`${field}|${side}`) ?? 0) + n),
  )
  each('value', (field, text, n, side) => {
    const row = cells.get(field) ?? new Map<string, CompareValue>()
    cells.set(field, row)
    const cell = row.get(text.text) ?? { text, baseline: 0, selection: 0 }
    row.set(text.text, cell)
    const all = totals.get(`${field}|${side}`) ?? 0
    const share = all > 0 ? n / all : 0
    if (side === 'selection') {
      cell.selection += share
    } else {
      cell.baseline += share
    }
  })
  return [...cells]
    .map(([field, values]) => {
      const list = [...values.values()].sort(
        (a, b) => Math.abs(b.selection - b.baseline) - Math.abs(a.selection - a.baseline),
      )
      const top = list[0]
      return {
        field,
        values: list,
        difference: top === undefined ? 0 : Math.abs(top.selection - top.baseline),
      }
    })
    .sort((a, b) => b.difference - a.difference)
}
