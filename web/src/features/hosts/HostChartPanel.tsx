import { ActionIcon, Tooltip } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconExternalLink } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { rangeQuery } from '@/api/queries'
import { seriesColor, toneColor } from '@/charts/palette'
import { promChart } from '@/charts/promChart'
import { TimeSeries } from '@/charts/TimeSeries'
import { type HostChart, inOrder, shortLegend } from '@/features/hosts/queries'
import { formatUnit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { alignRange, rateWindow, stepFor } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { Panel } from '@/ui/Page'
import { Failure } from '@/ui/States'

export function HostChartPanel({ chart, host }: { chart: HostChart; host: string }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { resolved, zoomTo } = useTimeRange()
  const { ref, width } = useElementSize()
  const stepS = stepFor(resolved, width > 0 ? Math.ceil(width / 100) * 100 : 500)
  const promql = chart.query(host, rateWindow(stepS))
  const request = useMemo(
    () => ({ query: promql, stepS, ...alignRange(resolved, stepS) }),
    [promql, stepS, resolved],
  )
  const { data, isPending, isError, error, refetch } = useQuery(rangeQuery(width > 0 ? request : null))
  const { times, series } = useMemo(() => {
    const c = promChart(data, request, chart.legend, scheme)
    const named = c.series.map(s => ({ ...s, label: shortLegend(s.label) }))
    const series = inOrder(named, chart.order).map((s, i) => ({ ...s, color: seriesColor(i, scheme) }))
    return { times: c.times, series }
  }, [data, request, chart, scheme])
  const thresholds = useMemo(
    () =>
      chart.threshold === undefined
        ? []
        : [
            {
              value: chart.threshold,
              label: formatUnit(chart.threshold, chart.unit, i18n.language),
              color: toneColor('bad', scheme),
            },
          ],
    [chart, i18n.language, scheme],
  )
  const title = t(`hosts.chart_${chart.key}`)
  return (
    <Panel
      title={title}
      actions={
        <Tooltip label={t('hosts.openInExplorer')}>
          <ActionIcon
            component={Link}
            to="/explore"
            search={
              { q: [promql], legend: [`A:${chart.legend}`], stack: chart.stacked ? '1' : undefined } as never
            }
            size="sm"
            variant="subtle"
            color="gray"
            aria-label={t('hosts.openInExplorer')}
          >
            <IconExternalLink size={14} />
          </ActionIcon>
        </Tooltip>
      }
    >
      <div ref={ref}>
        {isError && data === undefined ? (
          <Failure compact error={error} onRetry={() => void refetch()} />
        ) : (
          <TimeSeries
            label={title}
            times={times}
            series={series}
            unit={chart.unit}
            kind={chart.kind}
            stacked={chart.stacked}
            min={chart.min}
            max={chart.max}
            thresholds={thresholds}
            range={resolved}
            syncKey="host"
            height={170}
            loading={isPending}
            onZoom={zoomTo}
          />
        )}
      </div>
    </Panel>
  )
}
