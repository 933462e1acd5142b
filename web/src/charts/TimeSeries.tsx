// The one time chart of the product: canvas by uPlot, legend, drag to zoom, synchronised cursor, and the
// same numbers as a table for people who cannot use a canvas.
import { ActionIcon, Skeleton, Table, Tooltip } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconChartLine, IconTable } from '@tabler/icons-react'
import { lazy, Suspense, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { LegendTable } from '@/charts/LegendTable'
import {
  type ChartInput,
  type ChartKind,
  type ChartMark,
  type ChartPoint,
  type ChartSeries,
  isolate,
  type NullMode,
  summarize,
  type Threshold,
  toggle,
} from '@/charts/options'
import classes from '@/charts/TimeSeries.module.css'
import { formatDateTime, formatUnit, type Unit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'

const UPlotView = lazy(() => import('@/charts/UPlotView'))

export interface TimeSeriesProps {
  /** Says what the chart shows; read by screen readers. */
  label: string
  times: number[]
  series: ChartSeries[]
  unit: Unit
  height?: number
  kind?: ChartKind
  stacked?: boolean
  thresholds?: Threshold[]
  range?: ResolvedRange
  syncKey?: string
  min?: number | undefined
  max?: number | undefined
  legend?: 'none' | 'inline' | 'list' | 'table'
  loading?: boolean
  empty?: string | undefined
  compact?: boolean
  onZoom?: (startMs: number, endMs: number) => void
  log?: boolean
  nulls?: NullMode
  marks?: ChartMark[]
  onMark?: ((mark: ChartMark) => void) | undefined
  /** A click beside the marks. */
  onPoint?: ((point: ChartPoint) => void) | undefined
}

const NO_THRESHOLDS: Threshold[] = []
const NO_MARKS: ChartMark[] = []
const TABLE_ROWS = 200

function DataTable({ times, series, unit }: Pick<TimeSeriesProps, 'times' | 'series' | 'unit'>) {
  const { t, i18n } = useTranslation()
  const rows = times
    .map((_, i) => i)
    .slice(-TABLE_ROWS)
    .reverse()
  return (
    <Table stickyHeader fz="xs" verticalSpacing={2}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('common.time')}</Table.Th>
          {series.map(s => (
            <Table.Th key={s.label} ta="right">
              {s.label}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map(i => (
          <Table.Tr key={i}>
            <Table.Td className="num">{formatDateTime((times[i] ?? 0) * 1_000, i18n.language)}</Table.Td>
            {series.map(s => (
              <Table.Td key={s.label} ta="right" className="num">
                {formatUnit(s.values[i], unit, i18n.language)}
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

interface LegendProps {
  series: ChartSeries[]
  unit: Unit
  list: boolean
  hidden: ReadonlySet<string>
  onChange: (hidden: ReadonlySet<string>) => void
}

function Legend({ series, unit, list, hidden, onChange }: LegendProps) {
  const { t, i18n } = useTranslation()
  const all = series.map(s => s.label)
  return (
    <div
      className={`${classes.legend} ${list ? classes.legendList : ''}`}
      aria-label={t('chart.legend')}
      role="group"
    >
      {series.map(s => (
        <button
          type="button"
          key={s.label}
          className={classes.item}
          aria-pressed={!hidden.has(s.label)}
          title={`${s.label}\n${t('chart.legendHint')}`}
          onClick={e =>
            onChange(
              e.ctrlKey || e.shiftKey || e.metaKey ? toggle(s.label, hidden) : isolate(s.label, all, hidden),
            )
          }
        >
          <span className={classes.swatch} style={{ background: s.color }} />
          <span className={classes.itemLabel}>{s.label}</span>
          {list && <b>{formatUnit(summarize(s.values).last, unit, i18n.language)}</b>}
        </button>
      ))}
    </div>
  )
}

export function TimeSeries(props: TimeSeriesProps) {
  const {
    label,
    times,
    series,
    unit,
    height = 200,
    kind = 'line',
    stacked = false,
    thresholds = NO_THRESHOLDS,
  } = props
  const {
    range,
    syncKey,
    min,
    max,
    legend = 'inline',
    loading = false,
    empty,
    compact = false,
    onZoom,
    log = false,
    nulls = 'gap',
    marks = NO_MARKS,
    onMark,
    onPoint,
  } = props
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const [asTable, setAsTable] = useState(false)
  const hasData = series.some(s => s.values.some(v => v !== null))
  const lang = i18n.language
  const startMs = range?.startMs
  const endMs = range?.endMs

  const input = useMemo<ChartInput>(
    () => ({
      times,
      series,
      kind,
      stacked,
      unit,
      width: Math.max(0, Math.floor(width)),
      height,
      scheme,
      lang,
      hidden,
      thresholds,
      window: startMs === undefined || endMs === undefined ? null : [startMs / 1_000, endMs / 1_000],
      syncKey: syncKey ?? null,
      min,
      max,
      compact,
      log,
      nulls,
      marks,
    }),
    [
      times,
      series,
      kind,
      stacked,
      unit,
      width,
      height,
      scheme,
      lang,
      hidden,
      thresholds,
      startMs,
      endMs,
      syncKey,
      min,
      max,
      compact,
      log,
      nulls,
      marks,
    ],
  )

  let body = null
  if (loading && !hasData) {
    body = <Skeleton height={height - 8} radius="sm" />
  } else if (!hasData) {
    body = (
      <div className={classes.state} style={{ height }}>
        {empty ?? t('chart.noData')}
      </div>
    )
  } else if (asTable) {
    body = (
      <div className={classes.tableWrap} style={{ height }}>
        <DataTable times={times} series={series} unit={unit} />
      </div>
    )
  } else if (width > 0) {
    body = (
      <Suspense fallback={<div style={{ height }} />}>
        <div role="img" aria-label={t('chart.summary', { label, count: series.length })}>
          <UPlotView input={input} onZoom={onZoom} onMark={onMark} onPoint={onPoint} />
        </div>
      </Suspense>
    )
  }
  return (
    <div ref={ref} className={classes.root}>
      {hasData && (
        <Tooltip label={asTable ? t('chart.asChart') : t('chart.asTable')} openDelay={400}>
          <ActionIcon
            className={classes.asTable}
            size="sm"
            variant="subtle"
            color="gray"
            aria-label={asTable ? t('chart.asChart') : t('chart.asTable')}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? <IconChartLine size={14} /> : <IconTable size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
      {body ?? <div style={{ height }} />}
      {legend === 'table' && hasData && (
        <LegendTable series={series} unit={unit} hidden={hidden} onChange={setHidden} />
      )}
      {legend !== 'none' && legend !== 'table' && hasData && series.length > 0 && (
        <Legend series={series} unit={unit} list={legend === 'list'} hidden={hidden} onChange={setHidden} />
      )}
    </div>
  )
}
