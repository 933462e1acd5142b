// From a range answer to chart series: the grid of the request, a legend text and a stable colour each.
import {
  gridTimes,
  legendText,
  type MatrixSeries,
  onGrid,
  type PromAnswer,
  type RangeRequest,
} from '@/api/prom'
import type { ChartSeries } from '@/charts/options'
import { type ColorScheme, seriesColor } from '@/charts/palette'

export interface PromChart {
  times: number[]
  series: ChartSeries[]
  /** Series left out because a chart shows at most MAX_SERIES. */
  omitted: number
}

export const MAX_SERIES = 100

export function matrixOf(answer: PromAnswer | undefined): MatrixSeries[] {
  return answer?.data.resultType === 'matrix' ? answer.data.result : []
}

export function promChart(
  answer: PromAnswer | undefined,
  request: RangeRequest,
  legend: string,
  scheme: ColorScheme,
  firstColor = 0,
  maxSeries = MAX_SERIES,
): PromChart {
  const times = gridTimes(request.startMs, request.endMs, request.stepS)
  const matrix = matrixOf(answer)
  const used = new Map<string, number>()
  const series = matrix.slice(0, maxSeries).map((s, i) => {
    const text = legendText(legend, s.metric) || legendText('', s.metric)
    const n = used.get(text) ?? 0
    used.set(text, n + 1)
    return {
      label: n === 0 ? text : `${text} (${n + 1})`,
      color: seriesColor(firstColor + i, scheme),
      values: onGrid(s.values, request.startMs, request.stepS, times.length),
      labels: s.metric,
    }
  })
  return { times, series, omitted: Math.max(0, matrix.length - maxSeries) }
}
