// One machine: figures on top, charts that share a cursor and the page's time range, busiest processes.
import { ActionIcon, Button } from '@mantine/core'
import { IconArrowLeft, IconFileText } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { type PromAnswer, sampleNumber } from '@/api/prom'
import { hostsQuery, instantQuery } from '@/api/queries'
import { hostTone } from '@/features/hosts/codec'
import { HostChartPanel } from '@/features/hosts/HostChartPanel'
import classes from '@/features/hosts/hosts.module.css'
import { HOST_CHARTS, type HostChartKey, memoryLimit, uptime } from '@/features/hosts/queries'
import { TopProcesses } from '@/features/hosts/TopProcesses'
import { formatAgo, formatBytes, formatNumber, formatPercent, formatUptime } from '@/lib/format'
import { useTimeRange } from '@/lib/timeRange'
import { Stat, Toned } from '@/ui/Figures'
import { Page } from '@/ui/Page'

const SECTIONS: { key: 'compute' | 'disk' | 'network'; charts: HostChartKey[] }[] = [
  { key: 'compute', charts: ['cpu', 'load', 'memory', 'swap'] },
  { key: 'disk', charts: ['filesystem', 'diskIo', 'diskOps', 'diskBusy'] },
  { key: 'network', charts: ['network', 'packets', 'networkErrors', 'connections'] },
]

function single(answer: PromAnswer | undefined): number | undefined {
  const first = answer?.data.resultType === 'vector' ? answer.data.result[0] : undefined
  return first === undefined ? undefined : sampleNumber(first.value[1])
}

function Facts({ host }: { host: string }) {
  const { t, i18n } = useTranslation()
  const { resolved } = useTimeRange()
  const lang = i18n.language
  const row = useQuery(hostsQuery(resolved)).data?.find(h => h.host === host)
  const up = single(useQuery(instantQuery(uptime(host), resolved.endMs)).data)
  const limit = single(useQuery(instantQuery(memoryLimit(host), resolved.endMs)).data) ?? row?.memory_bytes
  const tone = row === undefined ? 'none' : hostTone(row, resolved.endMs)
  return (
    <div className={classes.strip}>
      <Stat
        label={t('hosts.lastSeen')}
        value={<Toned tone={tone}>{formatAgo(row?.last_seen_ms, resolved.endMs, lang)}</Toned>}
      />
      <Stat label={t('hosts.uptime')} value={formatUptime(up, lang)} />
      <Stat
        label={t('hosts.cpu')}
        value={formatPercent(row?.cpu_ratio, lang)}
        hint={row?.cpus === undefined ? undefined : t('hosts.cores', { count: row.cpus })}
      />
      <Stat label={t('hosts.load')} value={formatNumber(row?.load1, lang)} />
      <Stat
        label={t('hosts.memory')}
        value={formatPercent(row?.memory_ratio, lang)}
        hint={formatBytes(limit, lang)}
      />
      <Stat label={t('hosts.disk')} value={formatPercent(row?.disk_ratio, lang)} hint={row?.disk_mount} />
    </div>
  )
}

export function HostPage() {
  const { t } = useTranslation()
  const { host = '' } = useParams({ strict: false })
  const { resolved } = useTimeRange()
  const row = useQuery(hostsQuery(resolved)).data?.find(h => h.host === host)
  const facts = [
    row?.os,
    row?.arch,
    row?.agent_version === undefined ? undefined : t('hosts.agentVersion', { version: row.agent_version }),
  ]
  return (
    <Page
      title={host}
      sub={facts.filter(Boolean).join(' · ')}
      lead={
        <ActionIcon component={Link} to="/hosts" variant="subtle" color="gray" aria-label={t('hosts.back')}>
          <IconArrowLeft size={16} />
        </ActionIcon>
      }
      actions={
        <Button
          component={Link}
          to="/logs"
          search={{ attr: [`resource.host.name=${host}`] } as never}
          variant="default"
          leftSection={<IconFileText size={14} />}
        >
          {t('hosts.logs')}
        </Button>
      }
    >
      <Facts host={host} />
      {SECTIONS.map(s => (
        <div key={s.key} className={classes.grid} style={{ gap: 12 }}>
          <h2 className={classes.section} style={{ gridColumn: '1 / -1' }}>
            {t(`hosts.section_${s.key}`)}
          </h2>
          {s.charts.map(key => {
            const chart = HOST_CHARTS.find(c => c.key === key)
            return chart === undefined ? null : <HostChartPanel key={key} chart={chart} host={host} />
          })}
        </div>
      ))}
      <h2 className={classes.section}>{t('hosts.section_processes')}</h2>
      <div className={classes.grid}>
        {HOST_CHARTS.filter(c => c.key === 'processes').map(c => (
          <HostChartPanel key={c.key} chart={c} host={host} />
        ))}
        <TopProcesses host={host} by="cpu" />
        <TopProcesses host={host} by="memory" />
      </div>
    </Page>
  )
}
