// Requests of the screens that tell how data comes in and what it costs: targets, cardinality, storage.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, type Schemas, unwrap } from '@/api/client'
import { queryInstant, sampleNumber } from '@/api/prom'
import type { ResolvedRange } from '@/lib/time'

export type ScrapeTarget = Schemas['ScrapeTarget']
export type DroppedTarget = Schemas['DroppedTarget']
export type Cardinality = Schemas['Cardinality']
export type CardinalityRow = Schemas['CardinalityRow']
export type CardinalityTable = Schemas['CardinalityTable']
export type CardinalityLimit = Schemas['CardinalityLimit']
export type CardinalityWho = Schemas['CardinalityWho']
export type Storage = Schemas['Storage']
export type StorageBytes = Schemas['StorageBytes']
export type StorageTier = Schemas['StorageTier']
export type StorageSources = Schemas['StorageSources']
export type StoreJob = Schemas['StoreJob']

export interface Targets {
  active: ScrapeTarget[]
  dropped: DroppedTarget[]
  droppedCounts: Record<string, number>
}

export const targetsQuery = queryOptions({
  queryKey: ['targets'],
  queryFn: async ({ signal }): Promise<Targets> => {
    const { data } = await unwrap(http.GET('/api/v1/targets', { signal }))
    return {
      active: data.activeTargets,
      dropped: data.droppedTargets,
      droppedCounts: data.droppedTargetCounts ?? {},
    }
  },
  placeholderData: keepPreviousData,
})

export const scrapePoolsQuery = queryOptions({
  queryKey: ['scrape_pools'],
  queryFn: async ({ signal }) =>
    (await unwrap(http.GET('/api/v1/scrape_pools', { signal }))).data.scrapePools,
})

/** Key of a target among the series of its own scrapes. */
export function targetKey(labels: Record<string, string>): string {
  return `${labels.job ?? ''}\n${labels.instance ?? ''}`
}

/** Samples of the last scrape by target; targets do not tell themselves. */
export const scrapedSamplesQuery = queryOptions({
  queryKey: ['scraped_samples'],
  queryFn: async ({ signal }) => {
    const { data } = await queryInstant('scrape_samples_scraped', Date.now(), signal)
    return new Map(
      data.resultType === 'vector'
        ? data.result.map(s => [targetKey(s.metric), sampleNumber(s.value[1])] as const)
        : [],
    )
  },
  retry: false,
  placeholderData: keepPreviousData,
})

export function cardinalityQuery(match: string, focus: string, range: ResolvedRange, limit: number) {
  return queryOptions({
    queryKey: ['cardinality', match, focus, range, limit],
    queryFn: ({ signal }) =>
      unwrap(
        http.GET('/api/v1/cardinality', {
          params: {
            query: {
              ...(match === '' ? {} : { 'match[]': [match] }),
              ...(focus === '' ? {} : { focus }),
              start: String(range.startMs / 1_000),
              end: String(range.endMs / 1_000),
              limit,
            },
          },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  })
}

export const cardinalityLimitsQuery = queryOptions({
  queryKey: ['cardinality_limits'],
  queryFn: async ({ signal }) => (await unwrap(http.GET('/api/v1/cardinality/limits', { signal }))).limits,
  placeholderData: keepPreviousData,
})

export const storageQuery = queryOptions({
  queryKey: ['storage'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/storage', { signal })),
  placeholderData: keepPreviousData,
  refetchInterval: 10_000,
  staleTime: 5_000,
})

export function storageSourcesQuery(
  of: { signal: 'metrics' | 'traces' | 'logs'; by: string },
  limit: number,
) {
  return queryOptions({
    queryKey: ['storage_sources', of.signal, of.by, limit],
    queryFn: ({ signal }) =>
      unwrap(http.GET('/api/v1/storage/sources', { params: { query: { ...of, limit } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })
}
