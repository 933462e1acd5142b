// The live stream of one group: what came, kept as plain data. Points are corrected by later events; everything else is
// replaced. Pure but for the hook at the end.
import { useEffect, useReducer } from 'react'
import { type Schemas, serverUrl } from '@/api/client'

export type ApmGroup = Schemas['ApmGroup']
export type ApmPoint = Schemas['ApmPoint']

export interface ApmInstance {
  id: number
  name: string
  instance: string
  version: string
  host: string
  up: boolean
  last_ms: number
}

/** One instance in one tick; times in ms. */
export interface ApmRow {
  id: number
  done: number
  sat: number
  tol: number
  fru: number
  err4: number
  err5: number
  /** Missing: not reported. */
  inflight?: number
  sum: number
  p95: number
  done10: number
  sum10: number
}

export interface ApmTick {
  now_ms: number
  /** Missing until the first request of the group came. */
  t_ms?: number
  group: ApmGroup | null
  instances?: ApmRow[]
  points?: ApmPoint[]
}

export interface LiveState {
  instances: ApmInstance[]
  rows: Map<number, ApmRow>
  group: ApmGroup | null
  /** Start of the newest whole tick. */
  tickMs: number
  points: Map<number, ApmPoint>
  nowMs: number
  ready: boolean
  lost: boolean
}

export const EMPTY_LIVE: LiveState = {
  instances: [],
  rows: new Map(),
  group: null,
  tickMs: 0,
  points: new Map(),
  nowMs: 0,
  ready: false,
  lost: false,
}

export const TICK_MS = 2_000
const KEEP_MS = 600_000

export type LiveAction =
  | { type: 'reset' }
  | { type: 'history'; now_ms: number; points: ApmPoint[] }
  | { type: 'instances'; instances: ApmInstance[] }
  | { type: 'tick'; tick: ApmTick }
  | { type: 'lost'; lost: boolean }

function merged(points: Map<number, ApmPoint>, more: ApmPoint[], nowMs: number): Map<number, ApmPoint> {
  const all = new Map(points)
  for (const p of more) {
    all.set(p.t_ms, p)
  }
  for (const t of all.keys()) {
    if (t < nowMs - KEEP_MS) {
      all.delete(t)
    }
  }
  return all
}

export function liveReducer(state: LiveState, action: LiveAction): LiveState {
  switch (action.type) {
    case 'reset':
      return EMPTY_LIVE
    case 'history':
      return { ...state, points: merged(new Map(), action.points, action.now_ms), nowMs: action.now_ms }
    case 'instances':
      return { ...state, instances: action.instances }
    case 'lost':
      return { ...state, lost: action.lost }
    case 'tick': {
      const { tick } = action
      return {
        ...state,
        ready: true,
        lost: false,
        nowMs: tick.now_ms,
        group: tick.group,
        tickMs: tick.t_ms ?? state.tickMs,
        rows: new Map((tick.instances ?? []).map(r => [r.id, r])),
        points: merged(state.points, tick.points ?? [], tick.now_ms),
      }
    }
  }
}

/** Every tick between two times, null where nothing happened: charts show silence as zero, not as a line. */
export function pointLine(
  state: LiveState,
  value: (p: ApmPoint) => number | null,
  whenQuiet: number | null,
  spanMs = KEEP_MS,
): { times: number[]; values: (number | null)[] } {
  const times: number[] = []
  const values: (number | null)[] = []
  for (let t = state.tickMs - spanMs + TICK_MS; t <= state.tickMs; t += TICK_MS) {
    const p = state.points.get(t)
    times.push(t / 1_000)
    values.push(p === undefined || p.requests === 0 ? whenQuiet : value(p))
  }
  return { times, values }
}

/** Follow a group while the page is shown; a hidden tab costs nobody anything. */
export function useLive(group: string, onTick: (rows: ApmRow[]) => void): LiveState {
  const [state, dispatch] = useReducer(liveReducer, EMPTY_LIVE)
  useEffect(() => {
    if (group === '') {
      return
    }
    let source: EventSource | undefined
    let last = 0
    const open = () => {
      source = new EventSource(serverUrl(`/api/v1/apm/live?${new URLSearchParams({ group })}`))
      const on = <T>(name: string, take: (data: T) => void) =>
        source?.addEventListener(name, e => take(JSON.parse((e as MessageEvent<string>).data) as T))
      source.onerror = () => dispatch({ type: 'lost', lost: true })
      on<{ now_ms: number; points: ApmPoint[] }>('history', d => dispatch({ type: 'history', ...d }))
      on<{ instances: ApmInstance[] }>('instances', d => dispatch({ type: 'instances', ...d }))
      on<ApmTick>('tick', tick => {
        dispatch({ type: 'tick', tick })
        if (tick.t_ms !== undefined && tick.t_ms > last) {
          last = tick.t_ms
          onTick(tick.instances ?? [])
        }
      })
    }
    const visible = () => {
      if (document.hidden) {
        source?.close()
        source = undefined
      } else if (source === undefined) {
        open()
      }
    }
    dispatch({ type: 'reset' })
    visible()
    document.addEventListener('visibilitychange', visible)
    return () => {
      document.removeEventListener('visibilitychange', visible)
      source?.close()
    }
  }, [group, onTick])
  return state
}
