// A LogQL query that counts: its chart, and each series with its figures below.
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { metricLogQuery } from '@/api/logs'
import { promChart } from '@/charts/promChart'
import { TimeSeries } from '@/charts/TimeSeries'
import classes from '@/features/logs/logs.module.css'
import { formatSpan } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { alignRange, durationText, type ResolvedRange, stepFor } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { Failure } from '@/ui/States'

export function useMetricAnswer(query: string, range: ResolvedRange, width: number, on: boolean) {
  const stepS = stepFor(range, width || 1_000, 1)
  const aligned = alignRange(range, stepS)
  const answer = useQuery(metricLogQuery(query, aligned.startMs, aligned.endMs, stepS, on && width > 0))
  return { answer, stepS, ...aligned }
}

interface MetricResultProps {
  query: string
  range: ResolvedRange
  metric: ReturnType<typeof useMetricAnswer>
  onZoom: (a: number, b: number) => void
}

export function MetricResult({ query, range, metric, onZoom }: MetricResultProps) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { answer, stepS, startMs, endMs } = metric
  const { data } = answer
  const chart = useMemo(
    () => promChart(data, { query, startMs, endMs, stepS }, '', scheme),
    [data, query, startMs, endMs, stepS, scheme],
  )
  if (answer.isError && data === undefined) {
    return (
      <Panel label={t('chart.result')}>
        <Failure error={answer.error} onRetry={() => void answer.refetch()} />
      </Panel>
    )
  }
  return (
    <Panel label={t('chart.result')}>
      <div className={classes.countsHead}>
        <span>{t('logs.step', { span: formatSpan(durationText(stepS * 1_000), i18n.language) })}</span>
        {chart.omitted > 0 && <span role="status">{t('chart.omitted', { count: chart.omitted })}</span>}
      </div>
      <TimeSeries
        label={t('logs.metricChart')}
        times={chart.times}
        series={chart.series}
        unit="number"
        height={320}
        range={range}
        loading={answer.isPending}
        legend="table"
        empty={t('chart.emptyResult')}
        onZoom={onZoom}
      />
    </Panel>
  )
}
