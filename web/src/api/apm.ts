// Requests of the application screens.
import { queryOptions } from '@tanstack/react-query'
import { http, type Schemas, unwrap } from '@/api/client'

export const apmGroupsQuery = queryOptions({
  queryKey: ['apm_groups'],
  queryFn: async ({ signal }) =>
    (await unwrap(http.GET('/api/v1/apm/groups', { params: { query: { window_s: 60 } }, signal }))).groups,
  refetchInterval: 5_000,
})

export function apmOperationsQuery(group: string, windowS: number) {
  return queryOptions({
    queryKey: ['apm_operations', group, windowS],
    queryFn: async ({ signal }) =>
      (
        await unwrap(
          http.GET('/api/v1/apm/operations', {
            params: { query: { group, window_s: windowS, limit: 200 } },
            signal,
          }),
        )
      ).operations,
    enabled: group !== '',
    refetchInterval: 5_000,
    retry: false,
  })
}

export const apmSettingsQuery = queryOptions({
  queryKey: ['apm_settings'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/settings', { signal })),
})

/** T of a group; what else is set for it stays. */
export function setApdexT(
  settings: Schemas['ApmSettings'],
  group: string,
  t_ms: number,
): Promise<Schemas['ApmSettings']> {
  const old = settings.groups.find(g => g.group === group)
  return unwrap(
    http.PUT('/api/v1/apm/apdex', { params: { query: { group } }, body: { ...old, group, t_ms } }),
  )
}
