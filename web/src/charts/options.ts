// From what a panel wants to show to uPlot's options and data. Pure: no DOM, no React, tested as data
// in, data out. uPlot itself is only a type here, so that pages without charts do not load it.
import type uPlot from 'uplot'
import { CHART_INK, type ColorScheme } from '@/charts/palette'
import { formatUnit, type Unit } from '@/lib/format'

export interface ChartSeries {
  label: string
  color: string
  /** One value for each time; null is a gap. */
  values: (number | null)[]
  dashed?: boolean
  /** What is known of where it comes from; for the ways on from a point. */
  labels?: Record<string, string>
}

/** A place on the chart that was clicked, and the series nearest to it. */
export interface ChartPoint {
  /** Unix seconds. */
  time: number
  value: number
  series: ChartSeries
  /** In the window, for a menu. */
  x: number
  y: number
}

export interface Threshold {
  value: number
  label: string
  color: string
}

export type ChartKind = 'line' | 'area' | 'bars'

/** What a missing sample looks like: a hole, a straight line over it, or zero. */
export type NullMode = 'gap' | 'connect' | 'zero'

/** A single point with something behind it (an exemplar and its trace). */
export interface ChartMark {
  /** Unix seconds. */
  time: number
  value: number
  label: string
  detail: [string, string][]
  color: string
}

export interface ChartInput {
  /** Unix seconds, ascending. */
  times: number[]
  series: ChartSeries[]
  kind: ChartKind
  stacked: boolean
  unit: Unit
  width: number
  height: number
  scheme: ColorScheme
  lang: string
  /** Labels of series that are not drawn. */
  hidden: ReadonlySet<string>
  thresholds: Threshold[]
  /** Fixed time window in Unix seconds; keeps late data visible as emptiness. */
  window: [number, number] | null
  syncKey: string | null
  min?: number | undefined
  max?: number | undefined
  compact?: boolean
  log?: boolean
  nulls?: NullMode
  marks?: ChartMark[]
}

/** Running sums over visible series; a gap counts as zero only where another series has a value. */
export function stack(series: (number | null)[][]): (number | null)[][] {
  const n = series[0]?.length ?? 0
  const sum = new Array<number>(n).fill(0)
  const any = new Array<boolean>(n).fill(false)
  for (const s of series) {
    s.forEach((v, i) => {
      any[i] = any[i] || v !== null
    })
  }
  return series.map(s =>
    s.map((v, i) => {
      if (any[i] !== true) {
        return null
      }
      sum[i] = (sum[i] ?? 0) + (v ?? 0)
      return sum[i] ?? null
    }),
  )
}

/** Gaps between two samples of a series become zero; before its first and after its last they stay gaps. */
export function zeroFill(values: (number | null)[]): (number | null)[] {
  const first = values.findIndex(v => v !== null)
  const last = values.findLastIndex(v => v !== null)
  return first < 0 ? values : values.map((v, i) => (v === null && i > first && i < last ? 0 : v))
}

function drawn(input: ChartInput, values: (number | null)[]): (number | null)[] {
  const filled = input.nulls === 'zero' ? zeroFill(values) : values
  // a logarithm knows no zero and nothing below it
  return input.log === true && !input.stacked ? filled.map(v => (v !== null && v > 0 ? v : null)) : filled
}

/** Visible series in drawing order: stacks are drawn from the top sum down to the first. */
export function chartData(input: ChartInput): uPlot.AlignedData {
  const visible = input.series.filter(s => !input.hidden.has(s.label)).map(s => drawn(input, s.values))
  const rows = input.stacked ? stack(visible).reverse() : visible
  return [input.times, ...rows] as uPlot.AlignedData
}

export function visibleSeries(input: ChartInput): ChartSeries[] {
  const list = input.series.filter(s => !input.hidden.has(s.label))
  return input.stacked ? list.reverse() : list
}

/** Upper and lower end of the value axis: zero-based unless values are far from zero, room above. */
export function valueRange(
  dataMin: number | null,
  dataMax: number | null,
  thresholds: Threshold[],
  min?: number,
  max?: number,
): [number, number] {
  let lo = dataMin ?? 0
  let hi = dataMax ?? 1
  for (const t of thresholds) {
    hi = Math.max(hi, t.value)
  }
  if (lo > 0 && lo <= hi * 0.5) {
    lo = 0
  }
  if (lo === hi) {
    if (lo === 0) {
      hi = 1
    } else {
      lo = Math.min(0, lo)
      hi = Math.max(0, hi)
    }
  }
  const room = (hi - lo) * 0.08
  const low = min ?? (lo < 0 || lo > 0 ? lo - room : 0)
  const high = max ?? (hi === 0 ? 0 : hi + room)
  return [lo >= 0 ? Math.max(0, low) : low, high]
}

/** Whole decades around the positive values. */
export function logRange(dataMin: number | null, dataMax: number | null): [number, number] {
  const hi = dataMax !== null && dataMax > 0 ? dataMax : 1
  const lo = dataMin !== null && dataMin > 0 ? dataMin : hi / 1_000
  const low = 10 ** Math.floor(Math.log10(lo))
  const high = 10 ** Math.ceil(Math.log10(hi))
  return low === high ? [low, low * 10] : [low, high]
}

/** Tick distances: 1-2-5 for numbers, powers of two for bytes, minutes and hours for seconds. */
export function increments(unit: Unit): number[] {
  if (unit === 'bytes' || unit === 'bytes_per_s') {
    return Array.from({ length: 52 }, (_, i) => 2 ** i)
  }
  const out: number[] = []
  for (let e = -9; e < 15; e++) {
    for (const m of [1, 2, 5]) {
      out.push(Number(`${m}e${e}`))
    }
  }
  return out
}

/** Indexes of points with a gap on both sides: a line cannot show them, so they get a dot. */
export function lonePoints(values: ArrayLike<number | null | undefined>): number[] {
  const out: number[] = []
  const empty = (v: number | null | undefined) => v === null || v === undefined
  for (let i = 0; i < values.length; i++) {
    if (
      !empty(values[i]) &&
      (i === 0 || empty(values[i - 1])) &&
      (i + 1 === values.length || empty(values[i + 1]))
    ) {
      out.push(i)
    }
  }
  return out
}

function timeTicks(
  lang: string,
): (u: uPlot, splits: number[], axis: number, space: number, incr: number) => string[] {
  const day = new Intl.DateTimeFormat(lang, { month: 'numeric', day: 'numeric' })
  const minute = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const second = new Intl.DateTimeFormat(lang, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  return (_u, splits, _axis, _space, incr) => {
    let last = ''
    return splits.map(s => {
      const d = day.format(s * 1_000)
      const clock = (incr < 60 ? second : minute).format(s * 1_000)
      const text = incr >= 86_400 ? d : last !== '' && last !== d ? `${clock}\n${d}` : clock
      last = d
      return text
    })
  }
}

function axisWidth(unit: Unit, compact: boolean): number {
  return compact ? 44 : unit === 'bytes_per_s' || unit === 'bytes' ? 72 : 56
}

export interface ChartHooks {
  onZoom?: ((start: number, end: number) => void) | undefined
  draw?: uPlot.Hooks.Defs['draw']
  setCursor?: uPlot.Hooks.Defs['setCursor']
  barsPath?: uPlot.Series.PathBuilder | undefined
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", "Noto Sans KR", "Noto Sans CJK KR", sans-serif'

function translucent(color: string, alpha: string): string {
  return /^#[0-9a-f]{6}$/i.test(color) ? color + alpha : color
}

function seriesOptions(input: ChartInput, s: ChartSeries, hooks: ChartHooks): uPlot.Series {
  const bars = input.kind === 'bars'
  const filled = bars || input.stacked || input.kind === 'area'
  const base: uPlot.Series = {
    label: s.label,
    stroke: s.color,
    width: bars ? 0 : input.stacked ? 1 : 1.5,
    spanGaps: input.nulls === 'connect',
    points: { show: !bars, size: 5, filter: (u, i) => lonePoints(u.data[i] ?? []) },
  }
  if (filled) {
    base.fill = translucent(s.color, bars ? 'ff' : input.stacked ? '8c' : '24')
  }
  if (s.dashed === true) {
    base.dash = [6, 4]
  }
  if (bars && hooks.barsPath !== undefined) {
    base.paths = hooks.barsPath
  }
  return base
}

export function buildOptions(input: ChartInput, hooks: ChartHooks = {}): uPlot.Options {
  const ink = CHART_INK[input.scheme]
  const compact = input.compact === true
  const visible = visibleSeries(input)
  // what is filled is compared by area and must start at zero
  const filled = input.stacked || input.kind !== 'line'
  const options: uPlot.Options = {
    width: input.width,
    height: input.height,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: hooks.onZoom !== undefined, y: false, setScale: false },
      points: { size: 6, show: input.kind !== 'bars' },
      focus: { prox: 24 },
    },
    focus: { alpha: 0.35 },
    scales: {
      x: { time: true },
      y: {
        ...(input.log === true ? { distr: 3 as const, log: 10 as const } : {}),
        range: (_u, lo, hi) => {
          if (input.log === true) {
            return logRange(lo, hi)
          }
          const marks = (input.marks ?? []).map(m => m.value)
          const top = marks.length === 0 ? hi : Math.max(hi ?? Number.NEGATIVE_INFINITY, ...marks)
          return valueRange(
            filled && lo !== null ? Math.min(0, lo) : lo,
            top,
            input.thresholds,
            input.min,
            input.max,
          )
        },
      },
    },
    axes: [
      {
        stroke: ink.axis,
        font: FONT,
        size: 24,
        space: 84,
        grid: { stroke: ink.grid, width: 1, show: !compact },
        ticks: { stroke: ink.grid, width: 1, size: 4 },
        values: timeTicks(input.lang),
      },
      {
        stroke: ink.axis,
        font: FONT,
        size: axisWidth(input.unit, compact),
        space: 28,
        ...(input.log === true ? {} : { incrs: increments(input.unit) }),
        grid: { stroke: ink.grid, width: 1 },
        ticks: { show: false },
        values: (_u, splits) => splits.map(v => (v === null ? '' : formatUnit(v, input.unit, input.lang))),
      },
    ],
    series: [{}, ...visible.map(s => seriesOptions(input, s, hooks))],
    hooks: {},
  }
  if (input.window !== null && options.scales?.x !== undefined) {
    const [from, to] = input.window
    options.scales.x.range = () => [from, to]
  }
  if (input.syncKey !== null && options.cursor !== undefined) {
    options.cursor.sync = { key: input.syncKey, setSeries: false, scales: ['x', null] }
  }
  if (input.stacked && input.kind !== 'bars' && visible.length > 1) {
    options.bands = visible.slice(0, -1).map((_, i) => ({ series: [i + 1, i + 2] as [number, number] }))
  }
  const { onZoom, draw, setCursor } = hooks
  options.hooks = {
    ...(draw === undefined ? {} : { draw: [draw] }),
    ...(setCursor === undefined ? {} : { setCursor: [setCursor] }),
    ...(onZoom === undefined
      ? {}
      : {
          setSelect: [
            u => {
              if (u.select.width > 6) {
                onZoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'))
              }
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
            },
          ],
        }),
  }
  return options
}

export interface SeriesSummary {
  last: number | null
  min: number | null
  max: number | null
  mean: number | null
}

export function summarize(values: (number | null)[]): SeriesSummary {
  let last: number | null = null
  let min: number | null = null
  let max: number | null = null
  let sum = 0
  let n = 0
  for (const v of values) {
    if (v !== null) {
      last = v
      min = min === null ? v : Math.min(min, v)
      max = max === null ? v : Math.max(max, v)
      sum += v
      n++
    }
  }
  return { last, min, max, mean: n === 0 ? null : sum / n }
}

/** Click: show only this series; click again (already alone): show all. */
export function isolate(label: string, all: string[], hidden: ReadonlySet<string>): Set<string> {
  const alone = !hidden.has(label) && all.every(l => l === label || hidden.has(l))
  return alone ? new Set() : new Set(all.filter(l => l !== label))
}

/** Ctrl or Shift click: switch one series. */
export function toggle(label: string, hidden: ReadonlySet<string>): Set<string> {
  const next = new Set(hidden)
  if (!next.delete(label)) {
    next.add(label)
  }
  return next
}
