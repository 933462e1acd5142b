import type { UseQueryResult } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Host } from '@/api/queries'
import { toneColor } from '@/charts/palette'
import { Sparkline } from '@/charts/Sparkline'
import classes from '@/features/overview/overview.module.css'
import { useScheme } from '@/lib/scheme'
import { Meter } from '@/ui/Figures'
import { NoHosts } from '@/ui/Onboarding'
import { Panel } from '@/ui/Page'
import { type Column, SortableTable } from '@/ui/SortableTable'
import { Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const SHOWN = 12

function useColumns(): Column<Host>[] {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  return useMemo(
    () => [
      {
        key: 'host',
        title: t('overview.host'),
        sort: h => h.host,
        cell: h => (
          <Link to="/hosts/$host" params={{ host: h.host }} className={ui.link}>
            {h.host}
          </Link>
        ),
      },
      {
        key: 'spark',
        title: '',
        width: 84,
        cell: h => (
          <Sparkline
            width={72}
            values={h.cpu_spark ?? []}
            max={1}
            color={toneColor('info', scheme)}
            label={t('overview.cpuOf', { host: h.host })}
          />
        ),
      },
      {
        key: 'cpu',
        title: t('overview.cpu'),
        sort: h => h.cpu_ratio ?? -1,
        cell: h => (
          <div className={classes.meter}>
            <Meter ratio={h.cpu_ratio} label={t('overview.cpu')} lang={lang} />
          </div>
        ),
      },
      {
        key: 'memory',
        title: t('overview.memory'),
        sort: h => h.memory_ratio ?? -1,
        cell: h => (
          <div className={classes.meter}>
            <Meter ratio={h.memory_ratio} label={t('overview.memory')} lang={lang} />
          </div>
        ),
      },
    ],
    [t, scheme, lang],
  )
}

export function HostsPanel({ hosts }: { hosts: UseQueryResult<Host[]> }) {
  const { t } = useTranslation()
  const columns = useColumns()
  const worst = useMemo(
    () => [...(hosts.data ?? [])].sort((a, b) => (b.cpu_ratio ?? -1) - (a.cpu_ratio ?? -1)).slice(0, SHOWN),
    [hosts.data],
  )
  return (
    <Panel
      flush
      title={t('nav.hosts')}
      note={hosts.data?.length}
      actions={
        <Link to="/hosts" className={ui.link}>
          {t('overview.all')}
        </Link>
      }
    >
      {hosts.isPending ? (
        <Loading />
      ) : hosts.isError && hosts.data === undefined ? (
        <Failure compact error={hosts.error} onRetry={() => void hosts.refetch()} />
      ) : hosts.data?.length === 0 ? (
        <NoHosts />
      ) : (
        <SortableTable
          label={t('nav.hosts')}
          rows={worst}
          columns={columns}
          rowKey={h => h.host}
          initialSort={{ key: 'cpu', down: true }}
        />
      )}
    </Panel>
  )
}
