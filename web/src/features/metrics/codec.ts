// The explorer's link: q= repeated in order, off= letters switched off, formula= letters that are
// formulas, legend=A:template, view= and how the chart is drawn. Everything seen on screen is in it.
import type { NullMode } from '@/charts/options'
import type { Unit } from '@/lib/format'
import { type Codec, many, one, oneOf } from '@/lib/search'
import { parseDuration } from '@/lib/time'

export interface MetricQuery {
  expr: string
  legend: string
  on: boolean
  /** A formula names other queries by their letters: "A / B". */
  formula?: boolean
}

export const VIEWS = ['chart', 'table', 'heatmap', 'stat', 'json'] as const
export type MetricsView = (typeof VIEWS)[number]
export const STYLES = ['line', 'area', 'stacked', 'bars'] as const
export type MetricsStyle = (typeof STYLES)[number]
export const NULLS: readonly NullMode[] = ['gap', 'connect', 'zero']
export const UNITS = [
  'auto',
  'number',
  'count',
  'per_s',
  'bytes',
  'bytes_per_s',
  'ratio',
  'percent',
  's',
  'ms',
] as const
export type UnitChoice = 'auto' | Unit
export const COMPARE = ['', '1h', '1d', '7d', '28d'] as const
export const STEPS = ['', '5s', '15s', '30s', '1m', '5m', '15m', '1h', '6h', '1d'] as const

export interface MetricsState {
  queries: MetricQuery[]
  view: MetricsView
  style: MetricsStyle
  log: boolean
  nulls: NullMode
  unit: UnitChoice
  /** A duration, or empty for "as the width of the chart asks". */
  step: string
  /** The earlier period drawn beside this one, as a duration; empty for none. */
  compare: string
  exemplars: boolean
  /** A line drawn at this value. */
  threshold: number | null
}

export const MAX_QUERIES = 10
export const EMPTY_QUERY: MetricQuery = { expr: '', legend: '', on: true, formula: false }

export function letter(index: number): string {
  return String.fromCharCode(65 + index)
}

function duration(raw: Record<string, unknown>, key: string): string {
  const text = one(raw, key)
  return (parseDuration(text) ?? 0) > 0 ? text : ''
}

function number(text: string): number | null {
  const v = Number(text)
  return text.trim() !== '' && Number.isFinite(v) ? v : null
}

export const metricsCodec: Codec<MetricsState> = {
  decode(raw) {
    const off = new Set(one(raw, 'off').split(',').filter(Boolean))
    const formulas = new Set(one(raw, 'formula').split(',').filter(Boolean))
    const legends = new Map<string, string>()
    for (const text of many(raw, 'legend')) {
      const m = /^([A-J]):(.*)$/s.exec(text)
      if (m !== null) {
        legends.set(m[1] ?? '', m[2] ?? '')
      }
    }
    const exprs = many(raw, 'q').slice(0, MAX_QUERIES)
    return {
      queries: (exprs.length === 0 ? [''] : exprs).map((expr, i) => ({
        expr,
        legend: legends.get(letter(i)) ?? '',
        on: !off.has(letter(i)),
        formula: formulas.has(letter(i)),
      })),
      view: oneOf(raw, 'view', VIEWS, 'chart'),
      style: oneOf(raw, 'style', STYLES, one(raw, 'stack') === '1' ? 'stacked' : 'line'),
      log: one(raw, 'y') === 'log',
      nulls: oneOf(raw, 'nulls', NULLS, 'gap'),
      unit: oneOf(raw, 'unit', UNITS, 'auto'),
      step: duration(raw, 'step'),
      compare: duration(raw, 'vs'),
      exemplars: one(raw, 'ex') === '1',
      threshold: number(one(raw, 'line')),
    }
  },
  encode(state) {
    // a query without text is only a draft: it does not survive in a link
    const kept = state.queries.filter(q => q.expr.trim() !== '')
    const letters = (test: (q: MetricQuery) => boolean) =>
      kept.flatMap((q, i) => (test(q) ? [letter(i)] : [])).join(',') || undefined
    const legends = kept.flatMap((q, i) => (q.legend === '' ? [] : [`${letter(i)}:${q.legend}`]))
    return {
      q: kept.length === 0 ? undefined : kept.map(q => q.expr),
      off: letters(q => !q.on),
      formula: letters(q => q.formula === true),
      legend: legends.length === 0 ? undefined : legends,
      view: state.view === 'chart' ? undefined : state.view,
      style: state.style === 'line' ? undefined : state.style,
      stack: undefined,
      y: state.log ? 'log' : undefined,
      nulls: state.nulls === 'gap' ? undefined : state.nulls,
      unit: state.unit === 'auto' ? undefined : state.unit,
      step: state.step === '' ? undefined : state.step,
      vs: state.compare === '' ? undefined : state.compare,
      ex: state.exemplars ? '1' : undefined,
      line: state.threshold === null ? undefined : String(state.threshold),
    }
  },
}

export interface ParsePosition {
  line: number
  column: number
  message: string
}

/** "invalid parameter "query": 1:5: parse error: unexpected ..." -> where and what. */
export function parsePosition(error: string): ParsePosition | null {
  const m = /(?:^|[\s:(])(\d+):(\d+)[:)]\s*(?:parse error:\s*)?(.*)$/s.exec(error)
  return m === null ? null : { line: Number(m[1]), column: Number(m[2]), message: m[3] ?? '' }
}

/** Warnings and infos end in "(1:5)"; the offset in the text they speak of, or null. */
export function notePosition(note: string): { line: number; column: number } | null {
  const m = /\((\d+):(\d+)\)\s*$/.exec(note)
  return m === null ? null : { line: Number(m[1]), column: Number(m[2]) }
}
