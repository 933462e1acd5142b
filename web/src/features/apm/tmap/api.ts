// Requests of the T-Map screen, and the live stream of columns.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { http, type Schemas, serverUrl, unwrap } from '@/api/client'
import {
  type Box,
  type Cell,
  type Class,
  merged,
  type Scale,
  type TmapCells,
} from '@/features/apm/tmap/cells'
import type { ResolvedRange } from '@/lib/time'

export type Transaction = Schemas['Transaction']
export type Order = 'newest' | 'slowest'

export interface Filter {
  groups: string[]
  instance: string
  status: Class[]
}

const kept = { placeholderData: keepPreviousData, gcTime: 60_000 } as const

function paramsOf(f: Filter) {
  return {
    group: f.groups.length > 0 ? f.groups : undefined,
    instance: f.instance === '' ? undefined : f.instance,
    status: f.status.length > 0 ? f.status : undefined,
  }
}

export function cellsQuery(f: Filter, r: ResolvedRange, scale: Scale, w: number, maxMs: number) {
  const query = {
    ...paramsOf({ ...f, status: [] }),
    start_ms: r.startMs,
    end_ms: r.endMs,
    w,
    h: 70,
    scale,
    y_max_ms: maxMs,
  }
  return queryOptions({
    queryKey: ['tmap', query],
    queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/tmap', { params: { query }, signal })),
    ...kept,
  })
}

export function pointsQuery(f: Filter, r: ResolvedRange) {
  const query = { ...paramsOf(f), start_ms: r.startMs, end_ms: r.endMs }
  return queryOptions({
    queryKey: ['tmap-points', query],
    queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/tmap/points', { params: { query }, signal })),
    ...kept,
  })
}

export const groupsQuery = queryOptions({
  queryKey: ['tmap-groups'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/tmap/groups', { signal })),
  staleTime: 30_000,
})

export function instancesQuery(groups: string[], r: ResolvedRange) {
  const query = { group: groups.length > 0 ? groups : undefined, start_ms: r.startMs, end_ms: r.endMs }
  return queryOptions({
    queryKey: ['tmap-instances', groups],
    queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/tmap/instances', { params: { query }, signal })),
    staleTime: 60_000,
  })
}

function boxParams(f: Filter, b: Box) {
  return {
    ...paramsOf(f),
    start_ms: Math.round(b.startMs),
    end_ms: Math.round(b.endMs),
    min_ms: b.minMs,
    max_ms: b.maxMs ?? undefined,
  }
}

export function boxQuery(f: Filter, b: Box, order: Order) {
  const query = { ...boxParams(f, b), order, limit: 1_000 }
  return queryOptions({
    queryKey: ['transactions', query],
    queryFn: async ({ signal }) =>
      (await unwrap(
        http.GET('/api/v1/apm/transactions', { params: { query }, signal }),
      )) as Schemas['Transactions'],
    gcTime: 300_000,
    staleTime: 10_000,
  })
}

export function differsQuery(f: Filter, b: Box, around: ResolvedRange) {
  const query = {
    ...boxParams(f, b),
    around_start_ms: Math.min(around.startMs, Math.round(b.startMs)),
    around_end_ms: Math.max(around.endMs, Math.round(b.endMs)),
  }
  return queryOptions({
    queryKey: ['differs', query],
    queryFn: ({ signal }) =>
      unwrap(http.GET('/api/v1/apm/transactions/differs', { params: { query }, signal })),
    gcTime: 300_000,
    staleTime: 60_000,
  })
}

export function csvUrl(f: Filter, b: Box): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries({ ...boxParams(f, b), format: 'csv', limit: 100_000 })) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined) {
        params.append(key, String(v))
      }
    }
  }
  return `${serverUrl('/api/v1/apm/transactions')}?${params}`
}

export interface LiveMap {
  columns: ReadonlyMap<number, Cell[]>
  nowMs: number
  failed: boolean
}

export const LIVE_MS = 600_000

/** Columns of the last 10 min; the stream ends while the tab is hidden or `on` is false. */
export function useLive(groups: string[], on: boolean): LiveMap {
  const [state, setState] = useState<LiveMap>(() => ({
    columns: new Map(),
    nowMs: Date.now(),
    failed: false,
  }))
  const [visible, setVisible] = useState(() => document.visibilityState === 'visible')
  const key = groups.map(g => `group=${encodeURIComponent(g)}`).join('&')
  useEffect(() => {
    const change = () => setVisible(document.visibilityState === 'visible')
    document.addEventListener('visibilitychange', change)
    return () => document.removeEventListener('visibilitychange', change)
  }, [])
  useEffect(() => {
    if (!on || !visible || typeof EventSource === 'undefined') {
      return
    }
    const source = new EventSource(`${serverUrl('/api/v1/apm/tmap/live')}?${key}`)
    const take = (all: boolean) => (e: MessageEvent<string>) => {
      const event = JSON.parse(e.data) as TmapCells
      const nowMs = event.now_ms ?? Date.now()
      setState(old => ({
        columns: merged(all ? new Map() : old.columns, event, nowMs - LIVE_MS),
        nowMs,
        failed: false,
      }))
    }
    source.addEventListener('all', take(true))
    source.addEventListener('columns', take(false))
    source.onerror = () => setState(old => ({ ...old, failed: true }))
    return () => source.close()
  }, [key, on, visible])
  return state
}
