// The program about itself: what arrives, what was refused and why, where memory and disk go.
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type ServerStatus, serverStatusQuery } from '@/api/queries'
import { DiskPanel } from '@/features/status/DiskPanel'
import { IngestPanel } from '@/features/status/IngestPanel'
import { RateChart } from '@/features/status/RateChart'
import classes from '@/features/status/status.module.css'
import { DoorsPanel, JobsPanel, MemoryPanel } from '@/features/status/Tables'
import { formatBytes, formatDateTime, formatNumber, formatShort, formatUptime } from '@/lib/format'
import { Stat, Toned } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Failure, Loading } from '@/ui/States'

function Facts({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const { series } = status
  return (
    <div className={classes.strip}>
      <Stat
        label={t('status.state')}
        value={
          <Toned tone={status.ready ? 'good' : 'warn'}>
            {t(status.ready ? 'status.ready' : 'status.starting')}
          </Toned>
        }
        hint={t('status.version', { version: status.version })}
      />
      <Stat
        label={t('status.uptime')}
        value={formatUptime(status.uptime_s, lang)}
        hint={t('status.since', { time: formatDateTime(status.start_ms, lang) })}
      />
      <Stat label={t('status.cpu')} value={formatNumber(status.cpu_ratio, lang)} hint={t('status.cpuHint')} />
      <Stat label={t('status.memory')} value={formatBytes(status.memory.rss_bytes, lang)} />
      <Stat
        label={t('status.series')}
        value={formatShort(series?.active, lang)}
        hint={
          series?.limit === undefined
            ? undefined
            : t('status.limit', { limit: formatShort(series.limit, lang) })
        }
      />
      <Stat
        label={t('status.login')}
        value={
          <Toned tone={status.auth_enabled === false ? 'warn' : 'good'}>
            {t(status.auth_enabled === false ? 'status.loginOff' : 'status.loginOn')}
          </Toned>
        }
      />
    </div>
  )
}

export function StatusPage() {
  const { t } = useTranslation()
  const { data, isPending, isError, error, refetch } = useQuery(serverStatusQuery)
  return (
    <Page title={t('nav.status')}>
      {isPending ? (
        <Panel>
          <Loading rows={12} />
        </Panel>
      ) : isError && data === undefined ? (
        <Panel>
          <Failure error={error} onRetry={() => void refetch()} />
        </Panel>
      ) : (
        data !== undefined && (
          <>
            <Facts status={data} />
            <IngestPanel status={data} />
            <div className={classes.columns}>
              <RateChart kind="ingest" />
              <RateChart kind="rejected" />
              <DiskPanel status={data} />
              <MemoryPanel status={data} />
              <DoorsPanel status={data} />
              <JobsPanel status={data} />
            </div>
          </>
        )
      )}
    </Page>
  )
}
