// What the explorer's history holds: sets of queries, as they stand in its link.
import type { MetricQuery } from '@/features/metrics/codec'
import { queryStore } from '@/lib/savedQueries'

function isQuery(v: unknown): v is MetricQuery {
  const q = v as Partial<MetricQuery> | null
  return typeof q === 'object' && q !== null && typeof q.expr === 'string' && typeof q.legend === 'string'
}

export const isSet = (v: unknown): v is MetricQuery[] => Array.isArray(v) && v.length > 0 && v.every(isQuery)

/** Those that say something. */
export const written = (queries: MetricQuery[]) => queries.filter(q => q.expr.trim() !== '')

export const textOf = (queries: MetricQuery[]) => queries.map(q => q.expr).join(' · ')

export const STORE = queryStore('metrics', isSet)
