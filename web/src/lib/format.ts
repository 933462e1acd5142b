// Numbers and times for people: one cached Intl formatter per language and shape, units in one place.
// The language is passed in, never read from a global, so that every function here stays pure.

export type Unit =
  | 'number'
  | 'count'
  | 'bytes'
  | 'bytes_per_s'
  | 'ratio'
  | 'percent'
  | 's'
  | 'ms'
  | 'ns'
  | 'per_s'

const cache = new Map<string, Intl.NumberFormat>()

export function numberFormat(lang: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${lang}|${JSON.stringify(options)}`
  let f = cache.get(key)
  if (f === undefined) {
    f = new Intl.NumberFormat(lang, options)
    cache.set(key, f)
  }
  return f
}

const NONE = '–'

function finite(v: number | null | undefined): v is number {
  return v !== null && v !== undefined && Number.isFinite(v)
}

function notFinite(v: number | null | undefined): string {
  return v === Number.POSITIVE_INFINITY ? '+Inf' : v === Number.NEGATIVE_INFINITY ? '-Inf' : NONE
}

/** Three significant digits below 1000, none after the point above. */
function digits(v: number): Intl.NumberFormatOptions {
  const a = Math.abs(v)
  return { maximumFractionDigits: a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : a === 0 ? 0 : 3 }
}

export function formatNumber(v: number | null | undefined, lang: string): string {
  if (!finite(v)) {
    return notFinite(v)
  }
  const a = Math.abs(v)
  if (a !== 0 && (a < 1e-3 || a >= 1e15)) {
    return v.toExponential(2)
  }
  return numberFormat(lang, digits(v)).format(v)
}

export function formatInteger(v: number | null | undefined, lang: string): string {
  return finite(v) ? numberFormat(lang, { maximumFractionDigits: 0 }).format(v) : notFinite(v)
}

const SI: [number, string][] = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
]

/** 1234567 -> "1.23M": the same short letters in every language, so that axes stay narrow. */
export function formatShort(v: number | null | undefined, lang: string): string {
  if (!finite(v)) {
    return notFinite(v)
  }
  for (const [size, suffix] of SI) {
    if (Math.abs(v) >= size) {
      return numberFormat(lang, digits(v / size)).format(v / size) + suffix
    }
  }
  return formatNumber(v, lang)
}

const IEC: [number, string][] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
]

export function formatBytes(v: number | null | undefined, lang: string): string {
  if (!finite(v)) {
    return notFinite(v)
  }
  for (const [size, suffix] of IEC) {
    if (Math.abs(v) >= size) {
      return `${numberFormat(lang, digits(v / size)).format(v / size)} ${suffix}`
    }
  }
  return `${numberFormat(lang, { maximumFractionDigits: 0 }).format(v)} B`
}

export function formatPercent(v: number | null | undefined, lang: string): string {
  if (!finite(v)) {
    return notFinite(v)
  }
  const p = v * 100
  const a = Math.abs(p)
  return `${numberFormat(lang, { maximumFractionDigits: a >= 10 || a === 0 ? 1 : 2 }).format(p)}%`
}

const DURATION: [number, string][] = [
  [86_400e9, 'd'],
  [3_600e9, 'h'],
  [60e9, 'min'],
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
]

/** Nanoseconds with the unit that keeps 1 to 3 digits before the point. */
export function formatDurationNs(ns: number | null | undefined, lang: string): string {
  if (!finite(ns)) {
    return notFinite(ns)
  }
  for (const [size, suffix] of DURATION) {
    if (Math.abs(ns) >= size) {
      return `${numberFormat(lang, digits(ns / size)).format(ns / size)} ${suffix}`
    }
  }
  return ns === 0 ? '0' : `${numberFormat(lang, { maximumFractionDigits: 0 }).format(ns)} ns`
}

export function formatDurationMs(ms: number | null | undefined, lang: string): string {
  return formatDurationNs(finite(ms) ? ms * 1e6 : ms, lang)
}

export function formatUnit(v: number | null | undefined, unit: Unit, lang: string): string {
  switch (unit) {
    case 'bytes':
      return formatBytes(v, lang)
    case 'bytes_per_s':
      return finite(v) ? `${formatBytes(v, lang)}/s` : notFinite(v)
    case 'ratio':
      return formatPercent(v, lang)
    case 'percent':
      return formatPercent(finite(v) ? v / 100 : v, lang)
    case 's':
      return formatDurationNs(finite(v) ? v * 1e9 : v, lang)
    case 'ms':
      return formatDurationMs(v, lang)
    case 'ns':
      return formatDurationNs(v, lang)
    case 'per_s':
      return finite(v) ? `${formatShort(v, lang)}/s` : notFinite(v)
    case 'count':
      return formatShort(v, lang)
    case 'number':
      return formatShort(v, lang)
  }
}

const dateCache = new Map<string, Intl.DateTimeFormat>()

function dateFormat(lang: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${lang}|${JSON.stringify(options)}`
  let f = dateCache.get(key)
  if (f === undefined) {
    f = new Intl.DateTimeFormat(lang, options)
    dateCache.set(key, f)
  }
  return f
}

const CLOCK: Intl.DateTimeFormatOptions = {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
}

export function formatClock(ms: number, lang: string): string {
  return dateFormat(lang, CLOCK).format(ms)
}

export function formatDateTime(ms: number | null | undefined, lang: string): string {
  if (!finite(ms)) {
    return NONE
  }
  return dateFormat(lang, { year: 'numeric', month: 'short', day: 'numeric', ...CLOCK }).format(ms)
}

/** Month, day and clock with milliseconds: rows of logs and traces. */
export function formatStamp(ms: number, lang: string): string {
  return dateFormat(lang, { month: '2-digit', day: '2-digit', ...CLOCK, fractionalSecondDigits: 3 }).format(
    ms,
  )
}

const RELATIVE: [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
]

const relCache = new Map<string, Intl.RelativeTimeFormat>()

/** "12 seconds ago" / "12초 전". */
export function formatAgo(ms: number | null | undefined, nowMs: number, lang: string): string {
  if (!finite(ms)) {
    return NONE
  }
  let f = relCache.get(lang)
  if (f === undefined) {
    f = new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'short' })
    relCache.set(lang, f)
  }
  const d = ms - nowMs
  for (const [size, unit] of RELATIVE) {
    if (Math.abs(d) >= size) {
      return f.format(Math.trunc(d / size), unit)
    }
  }
  return f.format(0, 'second')
}

/** "3d 4h", "12min 5s": two largest parts, for uptimes. */
export function formatUptime(seconds: number | null | undefined, lang: string): string {
  if (!finite(seconds)) {
    return NONE
  }
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3_600), 'h'],
    [Math.floor((seconds % 3_600) / 60), 'min'],
    [Math.floor(seconds % 60), 's'],
  ]
  const first = parts.findIndex(([n]) => n > 0)
  if (first < 0) {
    return '0 s'
  }
  return parts
    .slice(first, first + 2)
    .map(([n, u]) => `${formatInteger(n, lang)} ${u}`)
    .join(' ')
}

const SPAN_UNITS: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' }

/** A link's span for people: "6h" -> "6h" / "6시간"; what is no single unit stays as it is. */
export function formatSpan(span: string, lang: string): string {
  const m = /^(\d+)([smhdw])$/.exec(span)
  const unit = SPAN_UNITS[m?.[2] ?? '']
  return m === null || unit === undefined
    ? span
    : numberFormat(lang, { style: 'unit', unit, unitDisplay: 'narrow' }).format(Number(m[1]))
}
