// Counts over time as stacked bars (log records by severity, spans by outcome); a drag zooms.
import { useMemo } from 'react'
import type { Histogram } from '@/api/queries'
import type { ChartSeries } from '@/charts/options'
import { TimeSeries } from '@/charts/TimeSeries'
import type { ResolvedRange } from '@/lib/time'

interface CountHistogramProps {
  label: string
  data: Histogram | undefined
  /** Bottom first. */
  order: readonly string[]
  color: (name: string) => string
  name: (name: string) => string
  range: ResolvedRange
  loading: boolean
  height?: number
  empty?: string | undefined
  onZoom: (startMs: number, endMs: number) => void
}

export function CountHistogram(props: CountHistogramProps) {
  const { label, data, order, color, name, range, loading, height = 110, empty, onZoom } = props
  const { times, series } = useMemo(() => {
    if (data === undefined) {
      return { times: [], series: [] }
    }
    const n = Math.max(0, ...data.series.map(s => s.counts.length))
    const sorted = data.series
      .filter(s => s.counts.some(c => c > 0))
      .sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
    return {
      times: Array.from({ length: n }, (_, i) => (data.start_ms + i * data.step_ms) / 1_000),
      series: sorted.map(
        (s): ChartSeries => ({ label: name(s.name), color: color(s.name), values: s.counts.map(c => c) }),
      ),
    }
  }, [data, order, color, name])
  return (
    <TimeSeries
      label={label}
      times={times}
      series={series}
      unit="count"
      kind="bars"
      stacked
      height={height}
      range={range}
      loading={loading}
      empty={empty}
      compact
      onZoom={onZoom}
    />
  )
}
