// The global time range as a link carries it: `from` and `to` are "now", "now-6h" or Unix milliseconds,
// `live` is "0" when paused. Everything here is pure; "now" is always passed in.

export interface TimeRange {
  from: string
  to: string
  live: boolean
}

export interface ResolvedRange {
  startMs: number
  endMs: number
}

export const DEFAULT_RANGE: TimeRange = { from: 'now-1h', to: 'now', live: true }

export const PRESETS = ['5m', '15m', '30m', '1h', '3h', '6h', '12h', '24h', '2d', '7d', '30d'] as const

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** "90s", "1h30m", "7d" -> ms; null when it is not a duration. */
export function parseDuration(text: string): number | null {
  const t = text.trim()
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(t)) {
    return null
  }
  let ms = 0
  for (const [, n, , unit] of t.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d|w)/g)) {
    ms += Number(n) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return ms
}

/** ms as the shortest exact duration PromQL reads: 90000 -> "90s", 3600000 -> "1h". */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] ?? 1
    if (ms >= size && ms % size === 0) {
      return `${ms / size}${unit}`
    }
  }
  return `${Math.round(ms)}ms`
}

/** One end of a range to Unix ms; null when it cannot be read. */
export function resolvePoint(text: string, nowMs: number): number | null {
  const t = text.trim()
  if (t === 'now') {
    return nowMs
  }
  if (t.startsWith('now-')) {
    const d = parseDuration(t.slice(4))
    return d === null ? null : nowMs - d
  }
  if (/^\d{9,16}$/.test(t)) {
    return Number(t)
  }
  const parsed = /^\d{4}-\d\d-\d\d/.test(t) ? Date.parse(t) : Number.NaN
  return Number.isNaN(parsed) ? null : parsed
}

export function resolveRange(range: TimeRange, nowMs: number): ResolvedRange {
  const end = resolvePoint(range.to, nowMs) ?? nowMs
  const start = resolvePoint(range.from, nowMs)
  if (start === null || start >= end) {
    return { startMs: end - 3_600_000, endMs: end }
  }
  return { startMs: start, endMs: end }
}

export function isRelative(range: TimeRange): boolean {
  return range.to === 'now' && range.from.startsWith('now-')
}

type Raw = Record<string, unknown>

function text(v: unknown): string | undefined {
  return typeof v === 'string' ? v : typeof v === 'number' ? String(v) : undefined
}

/** Reads any query string; what cannot be read falls back to the default. */
export function decodeRange(raw: Raw): TimeRange {
  const from = text(raw.from)
  const to = text(raw.to) ?? 'now'
  if (from === undefined || resolvePoint(from, 0) === null || resolvePoint(to, 0) === null) {
    return { ...DEFAULT_RANGE, live: text(raw.live) !== '0' }
  }
  return { from, to, live: to === 'now' && text(raw.live) !== '0' }
}

export function encodeRange(range: TimeRange): { from: string; to: string; live: string | undefined } {
  return { from: range.from, to: range.to, live: range.live || range.to !== 'now' ? undefined : '0' }
}

/** How often live charts ask again: 5 s, slower when one pixel holds more time than that. */
export function refreshMs(range: ResolvedRange): number {
  const span = range.endMs - range.startMs
  return Math.max(5_000, Math.ceil(span / 720 / 1_000) * 1_000)
}

const STEPS_S = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
]

/** Step in seconds so that a chart of `widthPx` gets at most one point for two pixels. */
export function stepFor(range: ResolvedRange, widthPx: number, minStepS = 5): number {
  const points = Math.min(1_500, Math.max(40, Math.floor(widthPx / 2)))
  const wanted = (range.endMs - range.startMs) / 1_000 / points
  return STEPS_S.find(s => s >= wanted && s >= minStepS) ?? Math.ceil(wanted / 86_400) * 86_400
}

/** Window of rate(): wide enough for four samples of a 10 s agent and never below the step. */
export function rateWindow(stepS: number): string {
  return durationText(Math.max(stepS, 60) * 1_000)
}

/** Both ends on multiples of the step, so that live refreshes ask for the same grid. */
export function alignRange(range: ResolvedRange, stepS: number): ResolvedRange {
  const step = stepS * 1_000
  return { startMs: Math.floor(range.startMs / step) * step, endMs: Math.floor(range.endMs / step) * step }
}

/** A moved or scaled absolute range; factor 2 zooms out around the centre, shift -0.5 goes half back. */
export function moveRange(range: ResolvedRange, factor: number, shift: number): TimeRange {
  const span = range.endMs - range.startMs
  const centre = range.startMs + span / 2 + span * shift
  const half = (span * factor) / 2
  return { from: String(Math.round(centre - half)), to: String(Math.round(centre + half)), live: false }
}
