import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type PromAnswer, type RangeRequest, sampleNumber } from '@/api/prom'
import type { ChartSeries } from '@/charts/options'
import { type ColorScheme, seriesColor } from '@/charts/palette'
import { promChart } from '@/charts/promChart'
import { TimeSeries } from '@/charts/TimeSeries'
import { letter } from '@/features/metrics/codec'
import classes from '@/features/metrics/metrics.module.css'
import { type Active, tableRows } from '@/features/metrics/run'
import { formatNumber } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { CopyButton } from '@/ui/CopyButton'
import { Empty } from '@/ui/States'
import uiClasses from '@/ui/ui.module.css'

interface ChartResultProps {
  active: Active[]
  answers: (PromAnswer | undefined)[]
  requests: RangeRequest[]
  range: ResolvedRange
  stacked: boolean
  loading: boolean
  onZoom: (a: number, b: number) => void
}

export function ChartResult({
  active,
  answers,
  requests,
  range,
  stacked,
  loading,
  onZoom,
}: ChartResultProps) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const chart = useMemo(() => {
    let omitted = 0
    const used = new Set<string>()
    let times: number[] = []
    const series = active.flatMap((a, i) => {
      const request = requests[i]
      if (request === undefined) {
        return []
      }
      const c = promChart(answers[i], request, a.query.legend, scheme)
      omitted += c.omitted
      times = c.times
      return c.series.map(s => {
        const label = used.has(s.label) ? `${letter(a.index)}: ${s.label}` : s.label
        used.add(s.label)
        return { ...s, label }
      })
    })
    return { times, omitted, series: promPalette(series, scheme) }
  }, [active, answers, requests, scheme])
  return (
    <>
      <TimeSeries
        label={t('metrics.chartLabel')}
        times={chart.times}
        series={chart.series}
        unit="number"
        height={360}
        stacked={stacked}
        range={range}
        loading={loading}
        legend="list"
        empty={t('metrics.emptyResult')}
        onZoom={onZoom}
      />
      {chart.omitted > 0 && (
        <div className={classes.under}>{t('metrics.omitted', { count: chart.omitted })}</div>
      )}
    </>
  )
}

/** Colours run on over all queries, so that A and B never start with the same one. */
function promPalette(series: ChartSeries[], scheme: ColorScheme): ChartSeries[] {
  return series.map((s, i) => ({ ...s, color: seriesColor(i, scheme) }))
}

export function TableResult({ active, answers }: { active: Active[]; answers: (PromAnswer | undefined)[] }) {
  const { t, i18n } = useTranslation()
  const rows = tableRows(active, answers)
  if (rows.length === 0) {
    return <Empty compact title={t('metrics.emptyResult')} />
  }
  return (
    <div className={uiClasses.scroll} style={{ maxHeight: '60vh' }}>
      <table className={uiClasses.table}>
        <thead>
          <tr>
            {active.length > 1 && <th style={{ width: 40 }}>{t('metrics.query')}</th>}
            <th>{t('metrics.series')}</th>
            <th className={uiClasses.right}>{t('metrics.value')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, 1_000).map(r => (
            <tr key={r.key}>
              {active.length > 1 && <td className="mono">{r.query}</td>}
              <td className="mono" style={{ overflowWrap: 'anywhere' }}>
                {r.name}
              </td>
              <td className={uiClasses.right} title={r.value} style={{ whiteSpace: 'pre' }}>
                {Number.isNaN(sampleNumber(r.value))
                  ? r.value
                  : formatNumber(sampleNumber(r.value), i18n.language)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const JSON_LIMIT = 200_000

export function JsonResult({ answers }: { answers: (PromAnswer | undefined)[] }) {
  const text = useMemo(
    () =>
      JSON.stringify(
        answers.map(a => a?.data),
        null,
        2,
      ),
    [answers],
  )
  return (
    <div style={{ position: 'relative' }}>
      <div style={{ position: 'absolute', right: 16, top: 8 }}>
        <CopyButton value={text} />
      </div>
      <pre className={classes.json}>
        {text.length > JSON_LIMIT ? `${text.slice(0, JSON_LIMIT)}\n…` : text}
      </pre>
    </div>
  )
}
