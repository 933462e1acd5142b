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

interface Answer {
  data?: {
    seriesLabels: Record<string, string>
    exemplars: { labels: Record<string, string>; value: string; timestamp: number }[]
  }[]
}

export function exemplarsQuery(query: string, range: ResolvedRange) {
  return queryOptions({
    queryKey: ['exemplars', query, range],
    queryFn: async ({ signal }): Promise<Exemplar[]> => {
      const body = (await unwrap(
        http.GET(
          '/api/v1/query_exemplars' as never,
          {
            params: {
              query: { query, start: String(range.startMs / 1_000), end: String(range.endMs / 1_000) },
            },
            signal,
          } as never,
        ),
      )) as Answer
      return (body.data ?? []).flatMap(s =>
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
