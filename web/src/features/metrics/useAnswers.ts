// The requests behind the explorer: one for each query that is on, again for the earlier period.
import { useQueries } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { PromAnswer, RangeRequest } from '@/api/prom'
import { instantQuery, rangeQuery } from '@/api/queries'
import type { MetricsState } from '@/features/metrics/codec'
import { type Plan, requestOf, shifted } from '@/features/metrics/run'
import type { ResolvedRange } from '@/lib/time'

export interface Answers {
  plan: Plan
  requests: RangeRequest[]
  now: (PromAnswer | undefined)[]
  errors: (Error | null)[]
  earlier: { answers: (PromAnswer | undefined)[]; requests: RangeRequest[] } | null
  loading: boolean
  ranged: boolean
}

export function useAnswers(plan: Plan, state: MetricsState, range: ResolvedRange, width: number): Answers {
  const { active } = plan
  const ranged = state.view === 'chart' || state.view === 'heatmap' || state.view === 'stat'
  const requests = useMemo(
    () => active.map(a => requestOf(a.expr, range, width, state.step)),
    [active, range, width, state.step],
  )
  const compare = state.view === 'chart' ? state.compare : ''
  const before = useMemo(
    () => (compare === '' ? [] : requests.map(r => shifted(r, compare))),
    [requests, compare],
  )
  const results = useQueries({
    queries: active.map((a, i) =>
      ranged ? rangeQuery(requests[i] ?? null) : instantQuery(a.expr, range.endMs),
    ),
  })
  const older = useQueries({ queries: before.map(r => rangeQuery(r)) })
  const key = (list: typeof results) => list.map(r => `${r.dataUpdatedAt}.${r.isError}`).join()
  const nowKey = key(results)
  const olderKey = key(older)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `nowKey` changes with every new answer
  const now = useMemo(() => results.map(r => (r.isError ? undefined : r.data)), [nowKey, active, ranged])
  // biome-ignore lint/correctness/useExhaustiveDependencies: `olderKey` changes with every new answer
  const earlier = useMemo(
    () =>
      compare === '' ? null : { answers: older.map(r => (r.isError ? undefined : r.data)), requests: before },
    [olderKey, before, compare],
  )
  return {
    plan,
    requests,
    now,
    errors: results.map(r => r.error),
    earlier,
    loading: results.some(r => r.isPending),
    ranged,
  }
}
