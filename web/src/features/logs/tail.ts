// The live tail's buffer: newest first, bounded; while paused new records only count.
import { useEffect, useReducer } from 'react'
import type { LogFilter, LogRecord } from '@/api/queries'
import { tailLogs } from '@/api/tail'

export const TAIL_CAP = 2_000

export interface TailState {
  logs: LogRecord[]
  /** Held back while paused, newest first. */
  waiting: LogRecord[]
  paused: boolean
  /** Not sent by the server because this reader was too slow. */
  dropped: number
  /** Fallen out of the buffer here. */
  evicted: number
  lost: boolean
}

export type TailAction =
  | { type: 'logs'; logs: LogRecord[] }
  | { type: 'dropped'; count: number }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'clear' }
  | { type: 'state'; lost: boolean }

export const EMPTY_TAIL: TailState = {
  logs: [],
  waiting: [],
  paused: false,
  dropped: 0,
  evicted: 0,
  lost: false,
}

function newestFirst(a: LogRecord, b: LogRecord): number {
  return a.time_ns.length === b.time_ns.length
    ? a.time_ns < b.time_ns
      ? 1
      : -1
    : b.time_ns.length - a.time_ns.length
}

function join(fresh: LogRecord[], old: LogRecord[]): { logs: LogRecord[]; evicted: number } {
  const all = [...[...fresh].sort(newestFirst), ...old]
  return { logs: all.slice(0, TAIL_CAP), evicted: Math.max(0, all.length - TAIL_CAP) }
}

export function tailReducer(state: TailState, action: TailAction): TailState {
  switch (action.type) {
    case 'logs': {
      const { logs, evicted } = join(action.logs, state.paused ? state.waiting : state.logs)
      return state.paused
        ? { ...state, waiting: logs, evicted: state.evicted + evicted }
        : { ...state, logs, evicted: state.evicted + evicted }
    }
    case 'dropped':
      return { ...state, dropped: state.dropped + action.count }
    case 'pause':
      return { ...state, paused: true }
    case 'resume': {
      const { logs, evicted } = join(state.waiting, state.logs)
      return { ...state, logs, waiting: [], paused: false, evicted: state.evicted + evicted }
    }
    case 'clear':
      return { ...EMPTY_TAIL, paused: state.paused }
    case 'state':
      return { ...state, lost: action.lost }
  }
}

const FLUSH_MS = 250

export function useTail(filter: LogFilter, on: boolean): [TailState, (action: TailAction) => void] {
  const [state, dispatch] = useReducer(tailReducer, EMPTY_TAIL)
  const key = JSON.stringify(filter)
  useEffect(() => {
    if (!on) {
      return
    }
    dispatch({ type: 'clear' })
    let buffer: LogRecord[] = []
    const flush = window.setInterval(() => {
      if (buffer.length > 0) {
        dispatch({ type: 'logs', logs: buffer })
        buffer = []
      }
    }, FLUSH_MS)
    const close = tailLogs(JSON.parse(key) as LogFilter, {
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
  }, [key, on])
  return [state, dispatch]
}
