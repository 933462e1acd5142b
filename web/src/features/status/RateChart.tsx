import { useElementSize } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { rangeQuery } from '@/api/queries'
import { ingestRate, rejectRate } from '@/api/selfMetrics'
import { promChart } from '@/charts/promChart'
import { TimeSeries } from '@/charts/TimeSeries'
import { useScheme } from '@/lib/scheme'
import { alignRange, rateWindow, stepFor } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { Panel } from '@/ui/Page'
import { Failure } from '@/ui/States'

export function RateChart({ kind }: { kind: 'ingest' | 'rejected' }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const { resolved, zoomTo } = useTimeRange()
  const { ref, width } = useElementSize()
  const stepS = stepFor(resolved, width > 0 ? Math.ceil(width / 100) * 100 : 500)
  const window = rateWindow(stepS)
  const request = useMemo(
    () => ({
      query: kind === 'ingest' ? ingestRate(window) : rejectRate(window),
      stepS,
      ...alignRange(resolved, stepS),
    }),
    [kind, window, stepS, resolved],
  )
  const { data, isPending, isError, error, refetch } = useQuery(rangeQuery(width > 0 ? request : null))
  const chart = useMemo(
    () => promChart(data, request, kind === 'ingest' ? '{{signal}}' : '{{signal}} {{reason}}', scheme),
    [data, request, kind, scheme],
  )
  const title = t(kind === 'ingest' ? 'status.ingestChart' : 'status.rejectedChart')
  return (
    <Panel title={title}>
      <div ref={ref}>
        {isError && data === undefined ? (
          <Failure compact error={error} onRetry={() => void refetch()} />
        ) : (
          <TimeSeries
            label={title}
            times={chart.times}
            series={chart.series}
            unit="per_s"
            min={0}
            range={resolved}
            syncKey="status"
            height={160}
            loading={isPending}
            empty={kind === 'rejected' ? t('status.nothingRejected') : undefined}
            onZoom={zoomTo}
          />
        )}
      </div>
    </Panel>
  )
}
