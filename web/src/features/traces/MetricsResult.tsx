// What a TraceQL metrics query gave: lines with a table of figures, a heat map for histograms, and for
// compare() the values that tell the selection from the rest.
import { SegmentedControl } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconMinus, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type TraceSeries, traceSeriesQuery } from '@/api/traceql'
import { Heatmap } from '@/charts/Heatmap'
import type { ChartMark } from '@/charts/options'
import { seriesColor } from '@/charts/palette'
import { TimeSeries } from '@/charts/TimeSeries'
import { facetLiteral } from '@/features/traces/Facets'
import { type Choice, lex, splitQuery } from '@/features/traces/query'
import classes from '@/features/traces/search.module.css'
import {
  chartOf,
  chartStep,
  compareRows,
  durationBuckets,
  heatOfBuckets,
  seriesLabel,
  stepTimes,
} from '@/features/traces/series'
import { formatInteger, formatNumber, formatPercent, formatUnit, type Unit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { type Column, SortableTable } from '@/ui/SortableTable'
import { Empty, Failure, Loading } from '@/ui/States'

const MAX_SERIES = 60
const MAX_MARKS = 200
const COMPARE_FIELDS = 30
const COMPARE_VALUES = 6

/** Durations come in seconds; rates per second; everything else is a number. */
export function unitOf(q: string): Unit {
  const { stages, metrics } = splitQuery(q)
  const words = lex(stages[metrics] ?? '').map(t => t.text)
  return words[0] === 'rate'
    ? 'per_s'
    : words[0] === 'count_over_time'
      ? 'count'
      : words.some(w => /^(span:|trace:)?duration$|^traceDuration$/.test(w))
        ? 's'
        : 'number'
}

interface SeriesRow {
  key: string
  label: string
  last: number | null
  min: number
  max: number
  mean: number
}

function seriesRows(series: TraceSeries[]): SeriesRow[] {
  return series.map((s, i) => {
    const all = [...s.points.values()]
    return {
      key: String(i),
      label: seriesLabel(s.labels),
      last: all.at(-1) ?? null,
      min: all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
      max: all.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
      mean: all.length === 0 ? Number.NaN : all.reduce((a, b) => a + b, 0) / all.length,
    }
  })
}

function SeriesTable({ series, unit }: { series: TraceSeries[]; unit: Unit }) {
  const { t, i18n } = useTranslation()
  const rows = useMemo(() => seriesRows(series), [series])
  const figure = (key: 'last' | 'min' | 'mean' | 'max'): Column<SeriesRow> => ({
    key,
    title: t(`chart.fig_${key}`),
    right: true,
    sort: r => r[key] ?? 0,
    cell: r => formatUnit(r[key], unit, i18n.language),
  })
  return (
    <SortableTable
      label={t('traces.seriesTable')}
      rows={rows}
      rowKey={r => r.key}
      columns={[
        { key: 'label', title: t('traces.series'), sort: r => r.label, cell: r => r.label || '{}' },
        figure('last'),
        figure('min'),
        figure('mean'),
        figure('max'),
      ]}
      initialSort={{ key: 'max', down: true }}
    />
  )
}

function Compare({ series, onChoice }: { series: TraceSeries[]; onChoice: MetricsResultProps['onChoice'] }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const rows = useMemo(() => compareRows(series), [series])
  const telling = rows.filter(r => r.difference > 0.005).slice(0, COMPARE_FIELDS)
  const [selection, baseline] = [seriesColor(1, scheme), seriesColor(7, scheme)]
  if (telling.length === 0) {
    return <Empty title={t('traces.compareSame')} text={t('traces.compareSameText')} />
  }
  return (
    <div>
      <p className={classes.facetNote} style={{ padding: '8px 12px', fontSize: 12 }}>
        <span style={{ color: selection }}>■</span> {t('traces.selection')} ·{' '}
        <span style={{ color: baseline }}>■</span> {t('traces.baseline')} — {t('traces.compareHint')}
      </p>
      {telling.map(row => (
        <div key={row.field} className={classes.compareRow}>
          <div className={classes.compareHead}>
            <span className="mono">{row.field}</span>
            <span className={classes.figure}>
              {t('traces.difference', { share: formatPercent(row.difference, i18n.language) })}
            </span>
          </div>
          {row.values.slice(0, COMPARE_VALUES).map(v => (
            <div key={v.text.text} className={classes.compareValue}>
              <span className={classes.clip} title={v.text.text}>
                {v.text.type === 'nil' ? t('traces.absent') : v.text.text}
              </span>
              <span className={classes.compareBars} aria-hidden="true">
                <span style={{ width: `${v.selection * 100}%`, background: selection }} />
                <span style={{ width: `${v.baseline * 100}%`, background: baseline }} />
              </span>
              <span className={classes.numCell} title={t('traces.selection')}>
                {formatPercent(v.selection, i18n.language)}
              </span>
              <span className={classes.numCell} title={t('traces.baseline')}>
                {formatPercent(v.baseline, i18n.language)}
              </span>
              {(['include', 'exclude'] as const).map(choice => (
                <button
                  key={choice}
                  type="button"
                  className={classes.tiny}
                  disabled={v.text.type === 'nil'}
                  aria-label={t(`traces.${choice}`, { value: v.text.text })}
                  onClick={() => onChoice(row.field, facetLiteral(row.field, v.text), choice)}
                >
                  {choice === 'include' ? <IconPlus size={12} /> : <IconMinus size={12} />}
                </button>
              ))}
            </div>
          ))}
        </div>
      ))}
    </div>
  )
}

interface MetricsResultProps {
  q: string
  range: ResolvedRange
  onZoom: (startMs: number, endMs: number) => void
  onChoice: (field: string, literal: string, choice: Choice) => void
}

export function MetricsResult({ q, range, onZoom, onChoice }: MetricsResultProps) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const navigate = useNavigate()
  const { ref, width } = useElementSize()
  const [view, setView] = useState<'chart' | 'heatmap' | 'table'>('chart')
  const stepS = chartStep(range, width || 1_000)
  const query = useQuery(traceSeriesQuery(q, range, stepS))
  const series = useMemo(() => query.data?.series ?? [], [query.data])
  const times = useMemo(() => stepTimes(range, stepS), [range, stepS])
  const { stages, metrics } = splitQuery(q)
  const isCompare = stages[metrics]?.startsWith('compare') === true
  const isHistogram = series.some(s => s.labels.__bucket !== undefined)
  const unit = unitOf(q)
  const drawn = useMemo(() => chartOf(series.slice(0, MAX_SERIES), times, scheme), [series, times, scheme])
  const marks = useMemo(
    (): ChartMark[] =>
      unit === 's'
        ? series
            .slice(0, MAX_SERIES)
            .flatMap(s => s.exemplars)
            .slice(0, MAX_MARKS)
            .map(e => ({
              time: e.timeMs / 1_000,
              value: e.value,
              label: e.traceId,
              detail: [[t('traces.column_duration'), formatUnit(e.value, 's', i18n.language)]],
              color: seriesColor(7, scheme),
            }))
        : [],
    [series, unit, scheme, t, i18n.language],
  )
  const shown = isHistogram && view === 'chart' ? 'heatmap' : view
  return (
    <Panel flush label={t('traces.metricsResult')}>
      <div className={classes.resultHead}>
        <h2>{isCompare ? t('traces.comparison') : t('traces.metricsResult')}</h2>
        {!isCompare && (
          <SegmentedControl
            size="xs"
            value={shown}
            onChange={v => setView(v as typeof view)}
            data={[
              ...(isHistogram
                ? [{ value: 'heatmap', label: t('traces.view_heatmap') }]
                : [{ value: 'chart', label: t('traces.view_chart') }]),
              { value: 'table', label: t('traces.view_figures') },
            ]}
          />
        )}
        <div className="grow" />
        {query.data !== undefined && (
          <span className={classes.figure}>
            {t('chart.series', { count: series.length })}
            {series.length > MAX_SERIES &&
              !isCompare &&
              ` (${t('traces.drawn', { drawn: formatInteger(MAX_SERIES, i18n.language) })})`}
            {` · ${t('traces.inspected', { spans: formatNumber(query.data.inspectedSpans, i18n.language) })}`}
          </span>
        )}
      </div>
      <div ref={ref} style={{ padding: shown === 'table' || isCompare ? 0 : '8px 12px 12px' }}>
        {query.isPending ? (
          <Loading rows={8} />
        ) : query.isError && query.data === undefined ? (
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        ) : series.length === 0 ? (
          <Empty title={t('traces.noneInRange')} text={t('filters.widen')} />
        ) : isCompare ? (
          <Compare series={series} onChoice={onChoice} />
        ) : shown === 'table' ? (
          <SeriesTable series={series} unit={unit} />
        ) : shown === 'heatmap' && durationBuckets(series).length > 0 ? (
          <Heatmap
            label={t('traces.view_heatmap')}
            data={heatOfBuckets(series, times, stepS)}
            unit="s"
            range={range}
            onZoom={onZoom}
          />
        ) : (
          <TimeSeries
            label={t('traces.metricsResult')}
            times={times}
            series={drawn}
            unit={unit}
            height={340}
            range={range}
            legend="table"
            marks={marks}
            onMark={m => void navigate({ to: '/traces/$traceId', params: { traceId: m.label } })}
            onZoom={onZoom}
          />
        )}
      </div>
    </Panel>
  )
}
