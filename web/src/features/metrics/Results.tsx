// The views of an answer: chart, table, heat map, single figures, JSON.
import { Button } from '@mantine/core'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { gridTimes, type PromAnswer, type RangeRequest, sampleNumber } from '@/api/prom'
import { Heatmap } from '@/charts/Heatmap'
import { heatOf } from '@/charts/heat'
import type { ChartMark, ChartPoint, ChartSeries, Threshold } from '@/charts/options'
import { seriesColor, toneColor } from '@/charts/palette'
import { MAX_SERIES } from '@/charts/promChart'
import { Sparkline } from '@/charts/Sparkline'
import { TimeSeries } from '@/charts/TimeSeries'
import type { MetricsState } from '@/features/metrics/codec'
import { ExemplarList } from '@/features/metrics/ExemplarList'
import classes from '@/features/metrics/metrics.module.css'
import {
  type Active,
  drawChart,
  drawEarlier,
  histogramSeries,
  resultTable,
  statRows,
  type TableRow,
} from '@/features/metrics/run'
import { formatNumber, formatPercent, formatUnit, type Unit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { CopyButton } from '@/ui/CopyButton'
import { PointMenu } from '@/ui/PointMenu'
import { Empty } from '@/ui/States'
import uiClasses from '@/ui/ui.module.css'

export const ALL_SERIES = 5_000

interface ChartResultProps {
  active: Active[]
  answers: (PromAnswer | undefined)[]
  requests: RangeRequest[]
  earlier: { answers: (PromAnswer | undefined)[]; requests: RangeRequest[]; text: string } | null
  range: ResolvedRange
  state: MetricsState
  unit: Unit
  marks: ChartMark[]
  onMark: (mark: ChartMark) => void
  loading: boolean
  onZoom: (a: number, b: number) => void
  box: RefObject<HTMLDivElement | null>
}

export function ChartResult(props: ChartResultProps) {
  const { active, answers, requests, earlier, range, state, unit, marks, onMark, loading, onZoom, box } =
    props
  const { t } = useTranslation()
  const scheme = useScheme()
  const [all, setAll] = useState(false)
  const [point, setPoint] = useState<ChartPoint | null>(null)
  const limit = all ? ALL_SERIES : MAX_SERIES
  const chart = useMemo(() => {
    const now = drawChart(active, answers, requests, scheme, limit)
    const before: ChartSeries[] =
      earlier === null
        ? []
        : drawEarlier(now, active, earlier.answers, earlier.requests, scheme, limit, earlier.text)
    return { ...now, series: [...now.series, ...before] }
  }, [active, answers, requests, earlier, scheme, limit])
  const thresholds = useMemo<Threshold[]>(
    () =>
      state.threshold === null
        ? []
        : [{ value: state.threshold, label: t('metrics.threshold'), color: toneColor('bad', scheme) }],
    [state.threshold, scheme, t],
  )
  return (
    <div ref={box}>
      {chart.omitted > 0 && (
        <div className={classes.omitted} role="status">
          {t('chart.omitted', { count: chart.omitted })}
          <Button size="compact-xs" variant="default" onClick={() => setAll(true)}>
            {t('metrics.showAll')}
          </Button>
        </div>
      )}
      {all && (
        <div className={classes.omitted}>
          <Button size="compact-xs" variant="default" onClick={() => setAll(false)}>
            {t('metrics.showFirst', { count: MAX_SERIES })}
          </Button>
        </div>
      )}
      {state.exemplars && (
        <div className={classes.exemplarBar}>
          <ExemplarList marks={marks} unit={unit} />
        </div>
      )}
      <TimeSeries
        label={t('metrics.chartLabel')}
        times={chart.times}
        series={chart.series}
        unit={unit}
        height={360}
        kind={state.style === 'stacked' ? 'area' : state.style}
        stacked={state.style === 'stacked'}
        log={state.log && state.style !== 'stacked'}
        nulls={state.nulls}
        thresholds={thresholds}
        marks={marks}
        onMark={onMark}
        onPoint={setPoint}
        range={range}
        loading={loading}
        legend="table"
        syncKey="metrics"
        empty={
          histogramSeries(answers).some(s => (s.histograms?.length ?? 0) > 0)
            ? t('metrics.onlyHistograms')
            : t('chart.emptyResult')
        }
        onZoom={onZoom}
      />
      <PointMenu point={point} onClose={() => setPoint(null)} />
    </div>
  )
}

export function HeatResult({
  answers,
  request,
  range,
  unit,
  box,
  onZoom,
}: {
  answers: (PromAnswer | undefined)[]
  request: RangeRequest | undefined
  range: ResolvedRange
  unit: Unit
  box: RefObject<HTMLDivElement | null>
  onZoom: (a: number, b: number) => void
}) {
  const { t } = useTranslation()
  const data = useMemo(() => {
    const series = histogramSeries(answers)
    return request === undefined || series.length === 0
      ? null
      : heatOf(series, gridTimes(request.startMs, request.endMs, request.stepS))
  }, [answers, request])
  if (data === null || data.rows.length === 0) {
    return (
      <Empty
        compact
        title={t('metrics.noHeat')}
        text={t('metrics.noHeatText')}
        snippet={'sum by (le) (increase(http_server_request_duration_seconds_bucket[1m]))'}
      />
    )
  }
  return (
    <div ref={box}>
      <Heatmap label={t('metrics.chartLabel')} data={data} unit={unit} range={range} onZoom={onZoom} />
    </div>
  )
}

const MAX_STATS = 60

export function StatResult({
  active,
  answers,
  requests,
  unit,
}: {
  active: Active[]
  answers: (PromAnswer | undefined)[]
  requests: RangeRequest[]
  unit: Unit
}) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const rows = useMemo(
    () => statRows(drawChart(active, answers, requests, scheme, ALL_SERIES)),
    [active, answers, requests, scheme],
  )
  if (rows.length === 0) {
    return <Empty compact title={t('chart.emptyResult')} />
  }
  return (
    <>
      <div className={classes.stats}>
        {rows.slice(0, MAX_STATS).map((r, i) => {
          const change = r.first !== null && r.last !== null && r.first !== 0 ? r.last / r.first - 1 : null
          return (
            <div key={r.key} className={classes.statCard}>
              <div className={classes.statName} title={r.name}>
                {r.name}
              </div>
              <div className={classes.statBig}>{formatUnit(r.last, unit, i18n.language)}</div>
              <div className={classes.statChange}>
                {change === null
                  ? ' '
                  : t('metrics.sinceStart', {
                      change: `${change > 0 ? '▲ +' : change < 0 ? '▼ ' : ''}${formatPercent(change, i18n.language)}`,
                    })}
              </div>
              <Sparkline fluid height={34} values={r.values} color={seriesColor(i, scheme)} label={r.name} />
            </div>
          )
        })}
      </div>
      {rows.length > MAX_STATS && (
        <div className={classes.omitted}>{t('chart.omitted', { count: rows.length - MAX_STATS })}</div>
      )}
    </>
  )
}

function compareRows(a: TableRow, b: TableRow, key: string): number {
  if (key === 'value') {
    const x = sampleNumber(a.value)
    const y = sampleNumber(b.value)
    return (Number.isNaN(x) ? Number.NEGATIVE_INFINITY : x) - (Number.isNaN(y) ? Number.NEGATIVE_INFINITY : y)
  }
  return key === 'query'
    ? a.query.localeCompare(b.query)
    : (a.labels[key] ?? '').localeCompare(b.labels[key] ?? '', undefined, { numeric: true })
}

export function TableResult({
  active,
  answers,
  unit,
}: {
  active: Active[]
  answers: (PromAnswer | undefined)[]
  unit: Unit
}) {
  const { t, i18n } = useTranslation()
  const [order, setOrder] = useState<{ key: string; down: boolean } | null>(null)
  const scroll = useRef<HTMLDivElement>(null)
  const table = useMemo(() => resultTable(active, answers), [active, answers])
  const rows = useMemo(
    () =>
      order === null
        ? table.rows
        : [...table.rows].sort((a, b) => compareRows(a, b, order.key) * (order.down ? -1 : 1)),
    [table, order],
  )
  const long = rows.length > 200
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 30,
    overscan: 20,
    enabled: long,
  })
  if (rows.length === 0) {
    return <Empty compact title={t('chart.emptyResult')} />
  }
  const several = active.length > 1
  const legend = active.some(a => a.query.legend !== '')
  const head = (key: string, title: string, right = false) => (
    <th
      key={key}
      className={right ? uiClasses.right : undefined}
      aria-sort={order?.key === key ? (order.down ? 'descending' : 'ascending') : undefined}
    >
      <button
        type="button"
        className={uiClasses.sort}
        onClick={() => setOrder({ key, down: order?.key === key ? !order.down : right })}
      >
        {title}
        {order?.key === key && (order.down ? ' ↓' : ' ↑')}
      </button>
    </th>
  )
  const items = long
    ? virtual.getVirtualItems().map(v => ({ row: rows[v.index], start: v.start, end: v.end }))
    : rows.map(row => ({ row, start: 0, end: 0 }))
  const before = long ? (items[0]?.start ?? 0) : 0
  const after = long ? virtual.getTotalSize() - (items.at(-1)?.end ?? 0) : 0
  return (
    <div className={classes.tableBox}>
      {table.constant.length > 0 && (
        <div className={classes.constant}>
          {table.constant.map(([k, v]) => (
            <span key={k} className={classes.labelTag}>
              {k === '__name__' ? v : `${k}=${JSON.stringify(v)}`}
            </span>
          ))}
        </div>
      )}
      <div ref={scroll} className={uiClasses.scroll} style={{ maxHeight: '62vh' }}>
        <table className={uiClasses.table} aria-label={t('chart.result')}>
          <thead>
            <tr>
              {several && head('query', t('metrics.query'))}
              {legend && <th>{t('metrics.series')}</th>}
              {table.columns.map(c => head(c, c === '__name__' ? t('metrics.metric') : c))}
              {table.columns.length === 0 && !legend && <th>{t('metrics.series')}</th>}
              {head('value', t('metrics.value'), true)}
            </tr>
          </thead>
          <tbody>
            {before > 0 && (
              <tr>
                <td style={{ height: before, padding: 0 }} />
              </tr>
            )}
            {items.map(({ row: r }) =>
              r === undefined ? null : (
                <tr key={r.key}>
                  {several && <td>{r.query}</td>}
                  {legend && <td>{r.name}</td>}
                  {table.columns.map(c => (
                    <td key={c} className="mono" style={{ overflowWrap: 'anywhere' }}>
                      {r.labels[c] ?? ''}
                    </td>
                  ))}
                  {table.columns.length === 0 && !legend && <td className="mono">{r.name}</td>}
                  <td className={uiClasses.right} title={r.value} style={{ whiteSpace: 'pre' }}>
                    {r.histogram || Number.isNaN(sampleNumber(r.value))
                      ? r.value
                      : unit === 'number'
                        ? formatNumber(sampleNumber(r.value), i18n.language)
                        : formatUnit(sampleNumber(r.value), unit, i18n.language)}
                  </td>
                </tr>
              ),
            )}
            {after > 0 && (
              <tr>
                <td style={{ height: after, padding: 0 }} />
              </tr>
            )}
          </tbody>
        </table>
      </div>
      <div className={classes.under}>{t('metrics.rowCount', { count: rows.length })}</div>
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
