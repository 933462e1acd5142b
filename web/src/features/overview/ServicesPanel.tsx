import type { UseQueryResult } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Service } from '@/api/queries'
import { assignColors, toneColor } from '@/charts/palette'
import { Sparkline } from '@/charts/Sparkline'
import classes from '@/features/overview/overview.module.css'
import { formatDurationMs, formatPercent, formatShort } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { Dot, shareTone, Toned } from '@/ui/Figures'
import { NoTelemetry } from '@/ui/Onboarding'
import { Panel } from '@/ui/Page'
import { type Column, SortableTable } from '@/ui/SortableTable'
import { Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

export const ERROR_WARN = 0.01
export const ERROR_BAD = 0.05

function useColumns(services: Service[] | undefined): Column<Service>[] {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const colors = useMemo(() => assignColors(services?.map(s => s.service) ?? [], scheme), [services, scheme])
  return useMemo(
    () => [
      {
        key: 'service',
        title: t('overview.service'),
        sort: s => s.service,
        cell: s => (
          <span className={classes.service}>
            <Dot color={colors.get(s.service) ?? ''} />
            <Link to="/traces" search={{ service: s.service }} className={ui.link}>
              {s.service}
            </Link>
            <span className={ui.panelNote}>{s.languages?.join(', ')}</span>
          </span>
        ),
      },
      {
        key: 'spark',
        title: t('overview.requests'),
        width: 110,
        cell: s => (
          <Sparkline
            values={s.request_spark ?? []}
            color={toneColor('info', scheme)}
            label={t('overview.requestsOf', { service: s.service })}
          />
        ),
      },
      {
        key: 'rps',
        title: t('overview.perSecond'),
        right: true,
        sort: s => s.requests_per_s ?? 0,
        cell: s => formatShort(s.requests_per_s, lang),
      },
      {
        key: 'errors',
        title: t('overview.errors'),
        right: true,
        sort: s => s.error_ratio ?? 0,
        cell: s => (
          <Toned tone={s.requests === 0 ? 'none' : shareTone(s.error_ratio, ERROR_WARN, ERROR_BAD)}>
            {formatPercent(s.error_ratio, lang)}
          </Toned>
        ),
      },
      {
        key: 'p95',
        title: t('overview.p95'),
        right: true,
        sort: s => s.p95_ms ?? 0,
        cell: s => formatDurationMs(s.p95_ms, lang),
      },
      {
        key: 'p99',
        title: t('overview.p99'),
        right: true,
        sort: s => s.p99_ms ?? 0,
        cell: s => formatDurationMs(s.p99_ms, lang),
      },
    ],
    [t, scheme, lang, colors],
  )
}

export function ServicesPanel({ services }: { services: UseQueryResult<Service[]> }) {
  const { t } = useTranslation()
  const columns = useColumns(services.data)
  return (
    <Panel flush title={t('overview.services')} note={services.data?.length}>
      {services.isPending ? (
        <Loading />
      ) : services.isError && services.data === undefined ? (
        <Failure compact error={services.error} onRetry={() => void services.refetch()} />
      ) : services.data?.length === 0 ? (
        <NoTelemetry kind="services" />
      ) : (
        <SortableTable
          label={t('overview.services')}
          rows={services.data ?? []}
          columns={columns}
          rowKey={s => `${s.namespace ?? ''}/${s.service}`}
          initialSort={{ key: 'rps', down: true }}
        />
      )}
    </Panel>
  )
}
