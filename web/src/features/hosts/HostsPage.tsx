import { TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type Host, hostsQuery } from '@/api/queries'
import { toneColor } from '@/charts/palette'
import { Sparkline } from '@/charts/Sparkline'
import { hostsCodec, hostTone } from '@/features/hosts/codec'
import classes from '@/features/hosts/hosts.module.css'
import { formatAgo, formatBytes, formatNumber, formatUnit } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { useTimeRange } from '@/lib/timeRange'
import { Meter, Toned } from '@/ui/Figures'
import { NoHosts } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { type Column, SortableTable } from '@/ui/SortableTable'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

function useColumns(nowMs: number): Column<Host>[] {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  return useMemo(
    () => [
      {
        key: 'host',
        title: t('hosts.host'),
        sort: h => h.host,
        cell: h => (
          <Toned
            tone={hostTone(h, nowMs)}
            title={t(`hosts.state_${hostTone(h, nowMs) === 'none' ? 'lost' : 'alive'}`)}
          >
            <Link to="/hosts/$host" params={{ host: h.host }} className={ui.link}>
              {h.host}
            </Link>
          </Toned>
        ),
      },
      {
        key: 'os',
        title: t('hosts.os'),
        sort: h => h.os ?? '',
        cell: h => <span className={classes.os}>{[h.os, h.arch].filter(Boolean).join(' · ')}</span>,
      },
      {
        key: 'spark',
        title: '',
        width: 110,
        cell: h => (
          <Sparkline
            values={h.cpu_spark ?? []}
            max={1}
            color={toneColor('info', scheme)}
            label={t('hosts.cpuOf', { host: h.host })}
          />
        ),
      },
      {
        key: 'cpu',
        title: t('hosts.cpu'),
        sort: h => h.cpu_ratio ?? -1,
        cell: h => (
          <div className={classes.meter}>
            <Meter ratio={h.cpu_ratio} label={t('hosts.cpu')} lang={lang} />
          </div>
        ),
      },
      {
        key: 'load',
        title: t('hosts.load'),
        right: true,
        sort: h => h.load1 ?? -1,
        cell: h =>
          h.cpus === undefined ? formatNumber(h.load1, lang) : `${formatNumber(h.load1, lang)} / ${h.cpus}`,
      },
      {
        key: 'memory',
        title: t('hosts.memory'),
        sort: h => h.memory_ratio ?? -1,
        cell: h => (
          <div className={classes.meter} title={formatBytes(h.memory_bytes, lang)}>
            <Meter ratio={h.memory_ratio} label={t('hosts.memory')} lang={lang} />
          </div>
        ),
      },
      {
        key: 'disk',
        title: t('hosts.disk'),
        sort: h => h.disk_ratio ?? -1,
        cell: h => (
          <div className={classes.meter} title={h.disk_mount}>
            <Meter
              ratio={h.disk_ratio}
              label={t('hosts.diskOf', { mount: h.disk_mount ?? '' })}
              lang={lang}
            />
          </div>
        ),
      },
      {
        key: 'net',
        title: t('hosts.network'),
        right: true,
        sort: h => (h.rx_bytes_per_s ?? 0) + (h.tx_bytes_per_s ?? 0),
        cell: h => (
          <span className={classes.io}>
            <span aria-hidden="true">↓</span>
            <span>{formatUnit(h.rx_bytes_per_s, 'bytes_per_s', lang)}</span>
            <span aria-hidden="true">↑</span>
            <span>{formatUnit(h.tx_bytes_per_s, 'bytes_per_s', lang)}</span>
          </span>
        ),
      },
      {
        key: 'agent',
        title: t('hosts.agent'),
        sort: h => h.agent_version ?? '',
        cell: h => h.agent_version ?? '–',
      },
      {
        key: 'seen',
        title: t('hosts.lastSeen'),
        right: true,
        sort: h => -h.last_seen_ms,
        cell: h => formatAgo(h.last_seen_ms, nowMs, lang),
      },
    ],
    [t, scheme, lang, nowMs],
  )
}

export function HostsPage() {
  const { t } = useTranslation()
  const { resolved } = useTimeRange()
  const [state, change] = usePageState(hostsCodec)
  const hosts = useQuery(hostsQuery(resolved))
  const columns = useColumns(resolved.endMs)
  const rows = useMemo(
    () => (hosts.data ?? []).filter(h => h.host.toLowerCase().includes(state.filter.toLowerCase())),
    [hosts.data, state.filter],
  )
  return (
    <Page
      title={t('nav.hosts')}
      sub={hosts.data === undefined ? undefined : t('hosts.count', { count: hosts.data.length })}
      actions={
        <TextInput
          w={240}
          value={state.filter}
          placeholder={t('hosts.filter')}
          aria-label={t('hosts.filter')}
          leftSection={<IconSearch size={14} />}
          onChange={e => change({ filter: e.currentTarget.value })}
        />
      }
    >
      <Panel flush label={t('nav.hosts')}>
        {hosts.isPending ? (
          <Loading rows={8} />
        ) : hosts.isError && hosts.data === undefined ? (
          <Failure error={hosts.error} onRetry={() => void hosts.refetch()} />
        ) : hosts.data?.length === 0 ? (
          <NoHosts />
        ) : rows.length === 0 ? (
          <Empty compact title={t('hosts.noMatch')} />
        ) : (
          <SortableTable
            label={t('nav.hosts')}
            rows={rows}
            columns={columns}
            rowKey={h => h.host}
            initialSort={{ key: 'host', down: false }}
          />
        )}
      </Panel>
    </Page>
  )
}
