// The live tail's buffer: newest first, bounded; while paused or scrolled away new records wait and count.
import { useEffect, useReducer } from 'react'
import { tailLogs } from '@/api/logs'
import type { LogRecord } from '@/api/queries'

export const TAIL_LIMITS = [500, 2_000, 10_000] as const

export interface TailState {
  logs: LogRecord[]
  /** Held back while paused, newest first. */
  waiting: LogRecord[]
  paused: boolean
  /** Someone reads further down: the list must not move. */
  held: boolean
  limit: number
  /** Not sent by the server because this reader was too slow. */
  dropped: number
  /** Fallen out of the buffer here. */
  evicted: number
  /** Records of the last flushes, for the rate. */
  recent: number[]
  lost: boolean
}

export type TailAction =
  | { type: 'logs'; logs: LogRecord[] }
  | { type: 'dropped'; count: number }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'hold'; held: boolean }
  | { type: 'limit'; limit: number }
  | { type: 'clear' }
  | { type: 'state'; lost: boolean }

export const EMPTY_TAIL: TailState = {
  logs: [],
  waiting: [],
  paused: false,
  held: false,
  limit: 2_000,
  dropped: 0,
  evicted: 0,
  recent: [],
  lost: false,
}

const FLUSH_MS = 250
const RATE_OVER = 20

/** Records per second over the last five seconds. */
export function tailRate(state: TailState): number {
  return state.recent.length === 0
    ? 0
    : state.recent.reduce((a, b) => a + b, 0) / ((state.recent.length * FLUSH_MS) / 1_000)
}

function newestFirst(a: LogRecord, b: LogRecord): number {
  return a.time_ns.length === b.time_ns.length
    ? a.time_ns < b.time_ns
      ? 1
      : -1
    : b.time_ns.length - a.time_ns.length
}

function join(fresh: LogRecord[], old: LogRecord[], limit: number): { logs: LogRecord[]; evicted: number } {
  if (fresh.length === 0) {
    return { logs: old, evicted: 0 }
  }
  const all = [...[...fresh].sort(newestFirst), ...old]
  return { logs: all.slice(0, limit), evicted: Math.max(0, all.length - limit) }
}

function released(state: TailState): TailState {
  if (state.paused || state.held || state.waiting.length === 0) {
    return state
  }
  const { logs, evicted } = join(state.waiting, state.logs, state.limit)
  return { ...state, logs, waiting: [], evicted: state.evicted + evicted }
}

export function tailReducer(state: TailState, action: TailAction): TailState {
  switch (action.type) {
    case 'logs': {
      const wait = state.paused || state.held
      const { logs, evicted } = join(action.logs, wait ? state.waiting : state.logs, state.limit)
      const recent = [...state.recent, action.logs.length].slice(-RATE_OVER)
      const next = { ...state, recent, evicted: state.evicted + evicted }
      return wait ? { ...next, waiting: logs } : { ...next, logs }
    }
    case 'dropped':
      return { ...state, dropped: state.dropped + action.count }
    case 'pause':
      return { ...state, paused: true }
    case 'resume':
      return released({ ...state, paused: false, held: false })
    case 'hold':
      return state.held === action.held ? state : released({ ...state, held: action.held })
    case 'limit':
      return {
        ...state,
        limit: action.limit,
        logs: state.logs.slice(0, action.limit),
        waiting: state.waiting.slice(0, action.limit),
      }
    case 'clear':
      return { ...EMPTY_TAIL, paused: state.paused, limit: state.limit }
    case 'state':
      return { ...state, lost: action.lost }
  }
}

export function useTail(query: string, on: boolean): [TailState, (action: TailAction) => void] {
  const [state, dispatch] = useReducer(tailReducer, EMPTY_TAIL)
  useEffect(() => {
    if (!on) {
      return
    }
    dispatch({ type: 'clear' })
    let buffer: LogRecord[] = []
    let quiet = 0
    const flush = window.setInterval(() => {
      quiet = buffer.length > 0 ? 0 : quiet + 1
      // an empty flush only brings the rate down; once it is zero nothing need be drawn
      if (quiet <= RATE_OVER) {
        dispatch({ type: 'logs', logs: buffer })
        buffer = []
      }
    }, FLUSH_MS)
    const close = tailLogs(query, {
      onLogs: logs => {
        buffer.push(...logs)
      },
      onDropped: count => dispatch({ type: 'dropped', count }),
      onState: s => dispatch({ type: 'state', lost: s === 'lost' }),
    })
    return () => {
      window.clearInterval(flush)
      close()
    }
  }, [query, on])
  return [state, dispatch]
}
