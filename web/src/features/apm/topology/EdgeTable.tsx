// The map as a table: for screen readers, for sorting, and for those who like rows.
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import {
  changeOf,
  edgeId,
  errorTone,
  type Topology,
  type TopologyEdge,
  timeTone,
} from '@/features/apm/topology/topology'
import { formatDurationMs, formatPercent, formatShort } from '@/lib/format'
import { Toned } from '@/ui/Figures'
import { type Column, SortableTable } from '@/ui/SortableTable'
import ui from '@/ui/ui.module.css'

interface EdgeTableProps {
  topology: Topology
  near: Set<string> | null
  onSelect: (sel: string) => void
}

export function EdgeTable({ topology, near, onSelect }: EdgeTableProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows = useMemo(
    () => topology.edges.filter(e => near === null || (near.has(e.client) && near.has(e.server))),
    [topology.edges, near],
  )
  const end = (key: 'client' | 'server'): Column<TopologyEdge> => ({
    key,
    title: t(`topology.${key}`),
    sort: e => e[key],
    cell: e => (
      <button type="button" className={`${ui.sort} ${ui.link}`} onClick={() => onSelect(`n:${e[key]}`)}>
        {e[key]}
      </button>
    ),
  })
  const columns: Column<TopologyEdge>[] = [
    end('client'),
    end('server'),
    {
      key: 'type',
      title: t('topology.type'),
      sort: e => e.connection_type,
      cell: e => (
        <button type="button" className={`${ui.sort} ${ui.link}`} onClick={() => onSelect(`e:${edgeId(e)}`)}>
          {t(`topology.link.${e.connection_type || 'direct'}`)}
        </button>
      ),
    },
    { key: 'tps', title: 'TPS', right: true, sort: e => e.tps, cell: e => `${formatShort(e.tps, lang)}/s` },
    {
      key: 'mean',
      title: t('topology.mean'),
      right: true,
      sort: e => e.mean_ms ?? -1,
      cell: e => formatDurationMs(e.mean_ms, lang),
    },
    {
      key: 'p95',
      title: 'p95',
      right: true,
      sort: e => e.p95_ms ?? -1,
      cell: e => <Toned tone={timeTone(e)}>{formatDurationMs(e.p95_ms, lang)}</Toned>,
    },
    {
      key: 'errors',
      title: t('topology.errors'),
      right: true,
      sort: e => e.error_ratio ?? 0,
      cell: e => <Toned tone={errorTone(e)}>{formatPercent(e.error_ratio ?? 0, lang)}</Toned>,
    },
  ]
  if (topology.compare !== undefined) {
    columns.push({
      key: 'change',
      title: t('topology.change'),
      right: true,
      sort: e => changeOf(e)?.mean ?? 0,
      cell: e => {
        const c = changeOf(e)
        const mean =
          c?.mean === undefined
            ? '–'
            : `${c.mean >= 1 ? '+' : '−'}${formatPercent(Math.abs(c.mean - 1), lang)}`
        return (
          <Toned tone={c?.tone ?? 'none'}>
            {c?.what === 'new' ? t('topology.new') : c?.what === 'gone' ? t('topology.gone') : mean}
          </Toned>
        )
      },
    })
  }
  return (
    <SortableTable
      rows={rows}
      columns={columns}
      rowKey={edgeId}
      initialSort={{ key: 'tps', down: true }}
      label={t('topology.edges')}
    />
  )
}
