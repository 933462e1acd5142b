// Feeds the PromQL editor from the console's own typed client.
import type { PrometheusClient } from '@prometheus-io/codemirror-promql'
import { http, unwrap } from '@/api/client'
import { labelNames, labelValues, seriesLabels } from '@/api/queries'

interface MatcherLike {
  name: string
  type: number
  value: string
  matchesEmpty?: () => boolean
}

function selector(metric: string | undefined, matchers: MatcherLike[] | undefined): string[] {
  const inner = (matchers ?? [])
    .filter(m => m.value !== '' && m.name !== '__name__')
    .map(m => `${m.name}=${JSON.stringify(m.value)}`)
    .join(',')
  const name = metric ?? ''
  return name === '' && inner === '' ? [] : [inner === '' ? name : `${name}{${inner}}`]
}

/** Completion never disturbs typing: a failed look-up is an empty list. */
async function quiet<T>(work: Promise<T>, empty: T): Promise<T> {
  try {
    return await work
  } catch {
    return empty
  }
}

export const completionClient: PrometheusClient = {
  labelNames: metric => quiet(labelNames(selector(metric, [])), []),
  labelValues: (name, metric, matchers) => quiet(labelValues(name, selector(metric, matchers)), []),
  metricMetadata: () =>
    quiet(
      unwrap(http.GET('/api/v1/metadata')).then(r => r.data),
      {},
    ),
  series: async (metric, matchers) => {
    const match = selector(metric, matchers)
    const rows = match.length === 0 ? [] : await quiet(seriesLabels(match), [])
    return rows.map(r => new Map(Object.entries(r)))
  },
  metricNames: () => quiet(labelValues('__name__', []), []),
  flags: async () => ({}),
}
