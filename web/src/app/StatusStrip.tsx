// What the visitor should know before trusting a chart: how much arrives, how late it is, and whether
// the server answers at all.
import { Button } from '@mantine/core'
import { IconAlertTriangle, IconClockExclamation, IconPlugConnectedX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { type ServerStatus, serverStatusQuery } from '@/api/queries'
import classes from '@/app/Shell.module.css'
import { toneColor } from '@/charts/palette'
import { formatDurationMs, formatShort } from '@/lib/format'
import { useScheme } from '@/lib/scheme'

const LAG_WARN_MS = 60_000
const SKEW_WARN_MS = 30_000

export function lateSignals(status: ServerStatus): ServerStatus['ingest'] {
  return status.ingest.filter(s => s.per_s > 0 && (s.lag_ms ?? 0) > LAG_WARN_MS)
}

export function StatusStrip() {
  const { t, i18n } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  if (data === undefined) {
    return <div className={classes.strip} />
  }
  return (
    <div className={classes.strip} aria-label={t('strip.label')} role="status" aria-live="off">
      {data.ingest.map(s => (
        <span key={s.signal} className={classes.stripItem}>
          <b>{formatShort(s.per_s, i18n.language)}</b> {t(`strip.${s.signal}`)}
        </span>
      ))}
    </div>
  )
}

function Banner({ tone, icon, children }: { tone: 'warn' | 'bad'; icon: ReactNode; children: ReactNode }) {
  const color = toneColor(tone, useScheme())
  return (
    <div className={classes.banner} role="alert" style={{ '--banner': color } as React.CSSProperties}>
      <span style={{ color, display: 'inline-flex' }}>{icon}</span>
      {children}
    </div>
  )
}

export function Banners() {
  const { t, i18n } = useTranslation()
  const status = useQuery(serverStatusQuery)
  const lang = i18n.language
  if (status.isError || status.failureCount > 1) {
    return (
      <Banner tone="bad" icon={<IconPlugConnectedX size={16} />}>
        <span>{t('banner.unreachable')}</span>
        <Button size="compact-xs" variant="default" onClick={() => void status.refetch()}>
          {t('common.retry')}
        </Button>
      </Banner>
    )
  }
  if (status.data === undefined) {
    return null
  }
  const late = lateSignals(status.data)
  const skew = status.dataUpdatedAt - status.data.now_ms
  return (
    <>
      {!status.data.ready && (
        <Banner tone="warn" icon={<IconAlertTriangle size={16} />}>
          {t('banner.starting')}
        </Banner>
      )}
      {late.map(s => (
        <Banner key={s.signal} tone="warn" icon={<IconClockExclamation size={16} />}>
          {t('banner.lag', { signal: t(`signal.${s.signal}`), lag: formatDurationMs(s.lag_ms, lang) })}
        </Banner>
      ))}
      {Math.abs(skew) > SKEW_WARN_MS && (
        <Banner tone="warn" icon={<IconClockExclamation size={16} />}>
          {t('banner.skew', { skew: formatDurationMs(Math.abs(skew), lang) })}
        </Banner>
      )}
    </>
  )
}
