// Requests of the Topology screen: live, of a range, of one moment of a replay.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, unwrap } from '@/api/client'

export interface TopologyAsk {
  level: 'group' | 'instance'
  group?: string
  /** Missing: live. */
  range?: { startMs: number; endMs: number }
  /** The same so long before: "1d", "7d". */
  compare?: string
}

export const LIVE_POLL_MS = 4_000

export function topologyQuery(ask: TopologyAsk) {
  const live = ask.range === undefined
  return queryOptions({
    queryKey: ['topology', ask],
    queryFn: ({ signal }) =>
      unwrap(
        http.GET('/api/v1/apm/topology', {
          params: {
            query: {
              level: ask.level,
              group: ask.group || undefined,
              compare: ask.compare || undefined,
              start_ms: ask.range?.startMs,
              end_ms: ask.range?.endMs,
            },
          },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: live ? (ask.compare ? 10_000 : LIVE_POLL_MS) : false,
    staleTime: live ? 2_000 : 60_000,
    gcTime: 120_000,
  })
}
