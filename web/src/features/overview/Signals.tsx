import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { rangeQuery, serverStatusQuery } from '@/api/queries'
import { ingestRate } from '@/api/selfMetrics'
import { toneColor } from '@/charts/palette'
import { promChart } from '@/charts/promChart'
import { Sparkline } from '@/charts/Sparkline'
import classes from '@/features/overview/overview.module.css'
import { formatDurationMs, formatShort } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { alignRange, rateWindow, stepFor } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { Stat, Toned } from '@/ui/Figures'

const SIGNALS = ['metrics', 'traces', 'logs'] as const
const LATE_MS = 60_000

export function Signals() {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { resolved } = useTimeRange()
  const { data } = useQuery(serverStatusQuery)
  const stepS = stepFor(resolved, 240, 15)
  const request = useMemo(
    () => ({ query: ingestRate(rateWindow(stepS)), stepS, ...alignRange(resolved, stepS) }),
    [stepS, resolved],
  )
  const rates = useQuery(rangeQuery(request))
  const chart = useMemo(
    () => promChart(rates.data, request, '{{signal}}', scheme),
    [rates.data, request, scheme],
  )
  const lang = i18n.language
  return (
    <div className={classes.signals}>
      {SIGNALS.map(signal => {
        const s = data?.ingest.find(i => i.signal === signal)
        const late = (s?.lag_ms ?? 0) > LATE_MS
        const dropped = s?.dropped.reduce((n, d) => n + d.total, 0) ?? 0
        const hint =
          s === undefined || s.total === 0
            ? t('overview.nothingYet')
            : dropped > 0
              ? t('overview.totalDropped', {
                  total: formatShort(s.total, lang),
                  dropped: formatShort(dropped, lang),
                })
              : t('overview.total', { total: formatShort(s.total, lang) })
        return (
          <section key={signal} className={classes.signal} aria-label={t(`signal.${signal}`)}>
            <Stat
              label={t(`signal.${signal}`)}
              value={s === undefined ? '–' : `${formatShort(s.per_s, lang)}/s`}
              hint={
                late ? (
                  <Toned tone="warn">{t('overview.late', { lag: formatDurationMs(s?.lag_ms, lang) })}</Toned>
                ) : (
                  hint
                )
              }
            />
            <div className={classes.spark}>
              <Sparkline
                fluid
                height={36}
                values={chart.series.find(c => c.label === signal)?.values ?? []}
                color={toneColor('info', scheme)}
                label={t('overview.rateOf', { signal: t(`signal.${signal}`) })}
              />
            </div>
          </section>
        )
      })}
    </div>
  )
}
