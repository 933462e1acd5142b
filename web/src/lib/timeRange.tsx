// The one clock of the page: turns the link's time range into milliseconds and, in live mode, moves it
// forward. Stops while the tab is hidden. Every query takes its range from here.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react'
import type { RawSearch } from '@/lib/search'
import {
  decodeRange,
  encodeRange,
  isRelative,
  type ResolvedRange,
  refreshMs,
  resolveRange,
  type TimeRange,
} from '@/lib/time'

interface TimeContext {
  range: TimeRange
  resolved: ResolvedRange
  live: boolean
  intervalMs: number
  setRange: (range: TimeRange) => void
  /** Absolute range from a chart drag. */
  zoomTo: (startMs: number, endMs: number) => void
  refresh: () => void
}

const Context = createContext<TimeContext | null>(null)

export function TimeProvider({ children }: { children: ReactNode }) {
  const raw = useSearch({ strict: false }) as Record<string, unknown>
  const navigate = useNavigate()
  const from = typeof raw.from === 'string' ? raw.from : undefined
  const to = typeof raw.to === 'string' ? raw.to : undefined
  const liveText = typeof raw.live === 'string' ? raw.live : undefined
  const range = useMemo(() => decodeRange({ from, to, live: liveText }), [from, to, liveText])
  const [now, setNow] = useState(() => Date.now())
  const resolved = useMemo(() => resolveRange(range, now), [range, now])
  const live = range.live && isRelative(range)
  const intervalMs = refreshMs(resolved)

  useEffect(() => {
    if (!live) {
      return
    }
    const tick = () => {
      if (document.visibilityState === 'visible') {
        setNow(Date.now())
      }
    }
    const id = window.setInterval(tick, intervalMs)
    document.addEventListener('visibilitychange', tick)
    return () => {
      window.clearInterval(id)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [live, intervalMs])

  const setRange = useCallback(
    (next: TimeRange) => {
      setNow(Date.now())
      void navigate({ to: '.', search: (prev: RawSearch) => ({ ...prev, ...encodeRange(next) }) })
    },
    [navigate],
  )
  const zoomTo = useCallback(
    (startMs: number, endMs: number) =>
      setRange({ from: String(Math.round(startMs)), to: String(Math.round(endMs)), live: false }),
    [setRange],
  )
  const refresh = useCallback(() => setNow(Date.now()), [])
  const value = useMemo(
    () => ({ range, resolved, live, intervalMs, setRange, zoomTo, refresh }),
    [range, resolved, live, intervalMs, setRange, zoomTo, refresh],
  )
  return <Context.Provider value={value}>{children}</Context.Provider>
}

export function useTimeRange(): TimeContext {
  const value = useContext(Context)
  if (value === null) {
    throw new Error('useTimeRange outside TimeProvider')
  }
  return value
}
