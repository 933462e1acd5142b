import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type OperationRow, operations, type TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger, formatPercent } from '@/lib/format'
import { Dot, Toned } from '@/ui/Figures'
import { type Column, SortableTable } from '@/ui/SortableTable'

export function Operations({ tree, colors }: { tree: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows = useMemo(() => operations(tree), [tree])
  const columns = useMemo<Column<OperationRow>[]>(
    () => [
      {
        key: 'service',
        title: t('traces.service'),
        sort: r => r.service,
        cell: r => (
          <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8 }}>
            <Dot color={colors.get(r.service) ?? ''} /> {r.service}
          </span>
        ),
      },
      { key: 'name', title: t('traces.operation'), sort: r => r.name, cell: r => r.name },
      {
        key: 'count',
        title: t('trace.count'),
        right: true,
        sort: r => r.count,
        cell: r => formatInteger(r.count, lang),
      },
      {
        key: 'errors',
        title: t('traces.errors'),
        right: true,
        sort: r => r.errors,
        cell: r => (r.errors > 0 ? <Toned tone="bad">{formatInteger(r.errors, lang)}</Toned> : '0'),
      },
      {
        key: 'self',
        title: t('trace.self'),
        right: true,
        sort: r => r.self,
        cell: r => formatDurationNs(r.self, lang),
      },
      {
        key: 'share',
        title: t('trace.selfShare'),
        right: true,
        sort: r => r.self,
        cell: r => formatPercent(tree.duration === 0 ? 0 : r.self / tree.duration, lang),
      },
      {
        key: 'total',
        title: t('trace.total'),
        right: true,
        sort: r => r.total,
        cell: r => formatDurationNs(r.total, lang),
      },
      {
        key: 'mean',
        title: t('trace.mean'),
        right: true,
        sort: r => r.total / r.count,
        cell: r => formatDurationNs(r.total / r.count, lang),
      },
      {
        key: 'max',
        title: t('trace.max'),
        right: true,
        sort: r => r.max,
        cell: r => formatDurationNs(r.max, lang),
      },
    ],
    [t, lang, colors, tree.duration],
  )
  return (
    <SortableTable
      label={t('trace.tab_operations')}
      rows={rows}
      columns={columns}
      rowKey={r => `${r.service}\u0000${r.name}`}
      initialSort={{ key: 'self', down: true }}
    />
  )
}
