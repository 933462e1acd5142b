// The explorer's link: q= repeated in order, off= letters switched off, legend=A:template, view=, stack=1.
import { type Codec, many, one, oneOf } from '@/lib/search'

export interface MetricQuery {
  expr: string
  legend: string
  on: boolean
}

export const VIEWS = ['chart', 'table', 'json'] as const
export type MetricsView = (typeof VIEWS)[number]

export interface MetricsState {
  queries: MetricQuery[]
  view: MetricsView
  stacked: boolean
}

export const MAX_QUERIES = 10

export function letter(index: number): string {
  return String.fromCharCode(65 + index)
}

export const metricsCodec: Codec<MetricsState> = {
  decode(raw) {
    const off = new Set(one(raw, 'off').split(',').filter(Boolean))
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
      })),
      view: oneOf(raw, 'view', VIEWS, 'chart'),
      stacked: one(raw, 'stack') === '1',
    }
  },
  encode(state) {
    // a query without text is only a draft: it does not survive in a link
    const kept = state.queries.filter(q => q.expr.trim() !== '')
    const off = kept.flatMap((q, i) => (q.on ? [] : [letter(i)])).join(',')
    const legends = kept.flatMap((q, i) => (q.legend === '' ? [] : [`${letter(i)}:${q.legend}`]))
    return {
      q: kept.length === 0 ? undefined : kept.map(q => q.expr),
      off: off === '' ? undefined : off,
      legend: legends.length === 0 ? undefined : legends,
      view: state.view === 'chart' ? undefined : state.view,
      stack: state.stacked ? '1' : undefined,
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
  const m = /(?:^|[\s:])(\d+):(\d+):\s*(?:parse error:\s*)?(.+)$/s.exec(error)
  return m === null ? null : { line: Number(m[1]), column: Number(m[2]), message: m[3] ?? '' }
}
