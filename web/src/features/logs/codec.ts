// The log page's link, and the text syntax shared with the server (words, "phrases", -excluded).
import type { LogFilter, LogRecord, Severity } from '@/api/queries'
import { attributeText } from '@/lib/attributes'
import { type Codec, many, one } from '@/lib/search'

export const SEVERITIES: readonly Severity[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'unset']

export interface LogsState {
  text: string
  severity: Severity[]
  service: string
  traceId: string
  attrs: string[]
  tail: boolean
}

export const logsCodec: Codec<LogsState> = {
  decode: raw => ({
    text: one(raw, 'text'),
    severity: many(raw, 'severity').filter((s): s is Severity =>
      (SEVERITIES as readonly string[]).includes(s),
    ),
    service: one(raw, 'service'),
    traceId: one(raw, 'trace_id'),
    attrs: many(raw, 'attr').filter(a => a !== ''),
    tail: one(raw, 'tail') === '1',
  }),
  encode: s => ({
    text: s.text || undefined,
    severity: s.severity.length === 0 ? undefined : s.severity,
    service: s.service || undefined,
    trace_id: s.traceId || undefined,
    attr: s.attrs.length === 0 ? undefined : s.attrs,
    tail: s.tail ? '1' : undefined,
  }),
}

export function filterOf(s: LogsState): LogFilter {
  const filter: LogFilter = {}
  if (s.text.trim() !== '') {
    filter.text = s.text.trim()
  }
  if (s.severity.length > 0) {
    filter.severity = s.severity
  }
  if (s.service !== '') {
    filter.service = s.service
  }
  if (s.traceId !== '') {
    filter.trace_id = s.traceId
  }
  if (s.attrs.length > 0) {
    filter.attr = s.attrs
  }
  return filter
}

/** What to mark in a row: every wanted word or phrase, not the excluded ones. */
export function wantedWords(text: string): string[] {
  return [...text.matchAll(/(-?)"([^"]+)"|(-?)(\S+)/g)]
    .filter(m => (m[1] ?? m[3]) !== '-')
    .map(m => (m[2] ?? m[4] ?? '').toLowerCase())
    .filter(w => w !== '' && w !== '"')
}

export interface Piece {
  text: string
  marked: boolean
}

/** Cuts a line at the wanted words; case is kept. */
export function markWords(line: string, words: string[]): Piece[] {
  if (words.length === 0 || line === '') {
    return [{ text: line, marked: false }]
  }
  const lower = line.toLowerCase()
  const out: Piece[] = []
  let at = 0
  while (at < line.length) {
    let next = -1
    let size = 0
    for (const w of words) {
      const i = lower.indexOf(w, at)
      if (i >= 0 && (next < 0 || i < next || (i === next && w.length > size))) {
        next = i
        size = w.length
      }
    }
    if (next < 0) {
      break
    }
    if (next > at) {
      out.push({ text: line.slice(at, next), marked: false })
    }
    out.push({ text: line.slice(next, next + size), marked: true })
    at = next + size
  }
  if (at < line.length) {
    out.push({ text: line.slice(at), marked: false })
  }
  return out
}

export function bodyText(log: LogRecord): string {
  return attributeText(log.body)
}

/** A filter for this value: key as the API reads it, resource keys with their prefix. */
export function valueFilter(key: string, value: unknown, negated: boolean): string {
  return `${key}${negated ? '!=' : '='}${attributeText(value)}`
}

/** Adds a filter and takes its opposite away. */
export function withFilter(attrs: string[], key: string, value: unknown, negated: boolean): string[] {
  const add = valueFilter(key, value, negated)
  const opposite = valueFilter(key, value, !negated)
  return [...attrs.filter(a => a !== add && a !== opposite), add]
}

export function jsonLines(logs: LogRecord[]): string {
  return logs.map(l => `${JSON.stringify(l)}\n`).join('')
}
