// The Cardinality screen's link, its drill-down as selectors, and its advice; pure.
import type { Cardinality, CardinalityLimit, CardinalityRow, CardinalityWho } from '@/api/operations'
import { type Codec, many, one } from '@/lib/search'

export interface CardinalityState {
  /** [label, value] pairs that narrow everything down, in the order they were chosen. */
  path: [string, string][]
  /** Label whose values are listed. */
  focus: string
}

export const cardinalityCodec: Codec<CardinalityState> = {
  decode: raw => ({
    path: many(raw, 'by').flatMap((text): [string, string][] => {
      const at = text.indexOf('=')
      return at > 0 ? [[text.slice(0, at), text.slice(at + 1)]] : []
    }),
    focus: one(raw, 'focus'),
  }),
  encode: s => ({
    by: s.path.length === 0 ? undefined : s.path.map(([k, v]) => `${k}=${v}`),
    focus: s.focus || undefined,
  }),
}

const PLAIN = /^[a-zA-Z_][a-zA-Z0-9_]*$/

export function selectorOf(path: [string, string][]): string {
  return path.length === 0
    ? ''
    : `{${path.map(([k, v]) => `${PLAIN.test(k) ? k : JSON.stringify(k)}=${JSON.stringify(v)}`).join(', ')}}`
}

/** One more step down; a label that is fixed already gets the new value. */
export function narrow(path: [string, string][], label: string, value: string): [string, string][] {
  return [...path.filter(([k]) => k !== label), [label, value]]
}

/** Growth against the day before as a ratio; null when there was nothing then. */
export function change(row: { series?: number; total?: number; before: number }): number | null {
  const now = row.series ?? row.total ?? 0
  return row.before > 0 ? now / row.before - 1 : null
}

export type Advice =
  | {
      kind: 'label'
      label: string
      metric: string | undefined
      values: number
      share: number
      snippet: string
    }
  | { kind: 'metric'; metric: string; series: number; share: number; snippet: string }
  | { kind: 'buckets'; metric: string; series: number; snippet: string }
  | { kind: 'churn'; ratio: number; label: string | undefined; snippet: string }
  | { kind: 'growth'; name: string; ratio: number; series: number }

const escapeRegex = (s: string) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function dropLabel(label: string, metric: string | undefined): string {
  const only = metric === undefined ? '' : `      # only if ${metric} stays distinct without it\n`
  return `metric_relabel_configs:\n${only}      - action: labeldrop\n        regex: ${escapeRegex(label)}\n`.replace(
    /^ {6}/gm,
    '  ',
  )
}

function dropMetric(metric: string): string {
  return `metric_relabel_configs:\n  - source_labels: [__name__]\n    regex: ${escapeRegex(metric)}\n    action: drop\n`
}

function aggregate(metric: string): string {
  return `groups:\n  - name: less\n    rules:\n      - record: job:${metric}:rate5m\n        expr: sum without (instance) (rate(${metric}[5m]))\n`
}

/** Labels every installation has many values of; naming them would help nobody. */
const EXPECTED = new Set(['__name__', 'instance', 'job', 'le'])

const MANY_VALUES = 200

/** What to do about it, the most helpful first; empty when nothing stands out. */
export function advise(c: Cardinality): Advice[] {
  const out: Advice[] = []
  const total = c.series.total
  if (total < 500) {
    return out
  }
  const labels = c.labels.rows.filter(r => !EXPECTED.has(r.name))
  const wide = labels
    .filter(r => (r.values ?? 0) >= MANY_VALUES && r.share_ratio >= 0.05)
    .sort((a, b) => (b.values ?? 0) - (a.values ?? 0))
  for (const r of wide.slice(0, 3)) {
    // the label is all of one metric's: equal counts, but for what a sample of the series loses
    const metric = c.metrics.rows.find(m => Math.abs(m.series - r.series) <= r.series * 0.002)?.name
    out.push({
      kind: 'label',
      label: r.name,
      metric,
      values: r.values ?? 0,
      share: r.share_ratio,
      snippet: dropLabel(r.name, metric),
    })
  }
  for (const m of c.metrics.rows.slice(0, 5)) {
    const blamed = out.some(a => a.kind === 'label' && a.metric === m.name)
    if (m.name.endsWith('_bucket') && m.share_ratio >= 0.1) {
      out.push({ kind: 'buckets', metric: m.name, series: m.series, snippet: dropMetric(m.name) })
    } else if (m.share_ratio >= 0.25 && !blamed) {
      out.push({
        kind: 'metric',
        metric: m.name,
        series: m.series,
        share: m.share_ratio,
        snippet: /_total$/.test(m.name) ? aggregate(m.name) : dropMetric(m.name),
      })
    }
  }
  const churn = c.series.total > 0 ? c.series.created_24h / c.series.total : 0
  if (c.series.before > 0 && churn > 0.5) {
    const label = wide[0]?.name ?? labels.find(r => /pod|container|_id$|uid|version|pid/.test(r.name))?.name
    out.push({
      kind: 'churn',
      ratio: churn,
      label,
      snippet: dropLabel(label ?? 'pod_template_hash', undefined),
    })
  }
  for (const m of c.metrics.rows) {
    const ratio = change(m)
    if (ratio !== null && ratio > 0.5 && m.series - m.before >= 500 && out.length < 6) {
      out.push({ kind: 'growth', name: m.name, ratio, series: m.series })
    }
  }
  return out
}

export function rowKey(r: CardinalityRow): string {
  return `${r.name}\u0000${r.value ?? ''}`
}

export function whoText(who: CardinalityWho | undefined): string {
  return who === undefined
    ? ''
    : [
        who.metric,
        who.label === undefined ? undefined : `{${who.label}}`,
        who.source === undefined ? undefined : `job="${who.source}"`,
      ]
        .filter(Boolean)
        .join(' ')
}

/** Limits with somebody refused first, then by use, switched off last. */
export function sortLimits(limits: CardinalityLimit[]): CardinalityLimit[] {
  const use = (l: CardinalityLimit) => (l.max > 0 ? l.used / l.max : -1)
  return [...limits].sort((a, b) => Number(b.refused > 0) - Number(a.refused > 0) || use(b) - use(a))
}

/** Days as the engine counts them anyway: a link held still for a minute asks once. */
export function wholeMinutes(range: { startMs: number; endMs: number }): { startMs: number; endMs: number } {
  const floor = (ms: number) => Math.floor(ms / 60_000) * 60_000
  return { startMs: floor(range.startMs), endMs: floor(range.endMs) + 60_000 }
}
