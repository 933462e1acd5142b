// Times of log lines as the reader wants them: in this or in universal time, or how long ago.
import type { LogsState } from '@/features/logs/codec'
import { formatAgo, formatDurationNs } from '@/lib/format'
import { nsToMs } from '@/lib/ns'

export type TimeLook = Pick<LogsState, 'zone' | 'times'>

const cache = new Map<string, Intl.DateTimeFormat>()

function clock(lang: string, zone: TimeLook['zone']): Intl.DateTimeFormat {
  const key = `${lang}|${zone}`
  let f = cache.get(key)
  if (f === undefined) {
    f = new Intl.DateTimeFormat(lang, {
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      hourCycle: 'h23',
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    })
    cache.set(key, f)
  }
  return f
}

export function logTime(timeNs: string, look: TimeLook, nowMs: number, lang: string): string {
  const ms = nsToMs(timeNs)
  return look.times === 'relative' ? formatAgo(ms, nowMs, lang) : clock(lang, look.zone).format(ms)
}

/** To the nanosecond, for the tooltip. */
export function exactTime(timeNs: string): string {
  const ns = BigInt(timeNs)
  return `${new Date(Number(ns / 1_000_000n)).toISOString().slice(0, -5)}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`
}

/** "+1.2 s" from one record to another. */
export function offsetText(fromNs: string, toNs: string, lang: string): string {
  const d = Number(BigInt(toNs) - BigInt(fromNs))
  return d === 0 ? '0' : `${d < 0 ? '−' : '+'}${formatDurationNs(Math.abs(d), lang)}`
}
