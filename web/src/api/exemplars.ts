// Exemplars in Prometheus' form, flattened: one entry for each measurement.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, unwrap } from '@/api/client'
import { sampleNumber, seriesName } from '@/api/prom'
import type { ResolvedRange } from '@/lib/time'

export interface Exemplar {
  /** Unix seconds. */
  time: number
  value: number
  series: string
  labels: Record<string, string>
}

export function exemplarsQuery(query: string, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['exemplars', query, range],
    queryFn: async ({ signal }): Promise<Exemplar[]> => {
      const { data } = await unwrap(
        http.GET('/api/v1/query_exemplars', {
          params: {
            query: { query, start: String(range.startMs / 1_000), end: String(range.endMs / 1_000) },
          },
          signal,
        }),
      )
      return data.flatMap(s =>
        s.exemplars.map(e => ({
          time: e.timestamp,
          value: sampleNumber(e.value),
          series: seriesName(s.seriesLabels),
          labels: e.labels,
        })),
      )
    },
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 10_000,
  })
}
