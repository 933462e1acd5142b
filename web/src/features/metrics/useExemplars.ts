// Exemplars of the drawn queries as marks on the chart: single measurements with the trace they came from.
import { useQueries } from '@tanstack/react-query'
import { useMemo } from 'react'
import { type Exemplar, exemplarsQuery } from '@/api/exemplars'
import type { ChartMark } from '@/charts/options'
import { toneColor } from '@/charts/palette'
import type { MetricsState } from '@/features/metrics/codec'
import type { Plan } from '@/features/metrics/run'
import { useScheme } from '@/lib/scheme'
import { alignRange, type ResolvedRange } from '@/lib/time'

const MOST = 500
const TRACE = ['trace_id', 'traceID', 'traceId', 'TraceId']

/** At most `limit` marks: the largest of each time slice stay, because they are the ones looked for. */
export function exemplarMarks(list: Exemplar[], color: string, limit = MOST): ChartMark[] {
  const sorted = [...list].sort((a, b) => b.value - a.value).slice(0, limit)
  return sorted.map(e => {
    const trace = TRACE.map(k => e.labels[k]).find(v => v !== undefined && v !== '')
    const rest = Object.entries(e.labels).filter(([k]) => !TRACE.includes(k))
    return {
      time: e.time,
      value: e.value,
      label: e.series,
      detail: [...(trace === undefined ? [] : [['trace_id', trace] as [string, string]]), ...rest],
      color,
    }
  })
}

export function useExemplars(plan: Plan, state: MetricsState, range: ResolvedRange): ChartMark[] {
  const scheme = useScheme()
  const on = state.exemplars && state.view === 'chart'
  const aligned = useMemo(() => alignRange(range, 10), [range])
  const results = useQueries({
    queries: on ? plan.active.map(a => exemplarsQuery(a.expr, aligned)) : [],
  })
  const key = results.map(r => r.dataUpdatedAt).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` changes with every new answer
  return useMemo(
    () =>
      exemplarMarks(
        results.flatMap(r => r.data ?? []),
        toneColor('warn', scheme),
      ),
    [key, scheme],
  )
}
