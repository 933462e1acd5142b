// What a node or an edge says in one line, for screen readers and pointers.
import type { TFunction } from 'i18next'
import type { Figures, TopologyEdge, TopologyNode } from '@/features/apm/topology/topology'
import { formatDurationMs, formatPercent, formatShort } from '@/lib/format'

function figures(f: Figures, t: TFunction, lang: string): string {
  return [
    `${formatShort(f.tps, lang)}/s`,
    `${t('topology.mean')} ${formatDurationMs(f.mean_ms, lang)}`,
    f.p95_ms === undefined ? '' : `p95 ${formatDurationMs(f.p95_ms, lang)}`,
    `${t('topology.errors')} ${formatPercent(f.error_ratio ?? 0, lang)}`,
  ]
    .filter(s => s !== '')
    .join(', ')
}

export function nodeText(n: TopologyNode, t: TFunction, lang: string): string {
  const kind = t(`topology.kind.${n.kind}`)
  const seen = n.monitored || n.kind === 'user' || n.kind === 'other' ? '' : ` (${t('topology.unseen')})`
  return `${n.id}, ${kind}${seen}: ${n.change === 'gone' ? t('topology.gone') : figures(n, t, lang)}`
}

export function edgeText(e: TopologyEdge, t: TFunction, lang: string): string {
  return e.change === 'gone' ? t('topology.gone') : figures(e, t, lang)
}
