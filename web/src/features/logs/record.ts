// A log record under the names LogQL has for its fields, where each comes from, and its text for copying.
import { serverUrl } from '@/api/client'
import type { LogRecord } from '@/api/queries'
import type { FieldOrigin } from '@/features/logs/builder'
import { quote } from '@/features/logs/logql'
import { flatJson, jsonObject, logfmtPairs, parseAnsi } from '@/features/logs/text'
import { attributeText } from '@/lib/attributes'
import { labelName } from '@/lib/correlate'
import { csvCell } from '@/lib/export'

export interface Field {
  /** As LogQL spells it. */
  name: string
  /** As the sender spelled it. */
  shown: string
  value: string
  origin: FieldOrigin
}

export interface RecordFields {
  parsed: Field[]
  record: Field[]
  stream: Field[]
  /** In the line itself; not parsed by the query. */
  body: Field[]
}

/** Maps become names joined by "_", as streams and metadata have them. */
function flat(attrs: Record<string, unknown>, origin: FieldOrigin, prefix = '', shown = ''): Field[] {
  return Object.entries(attrs).flatMap(([k, v]): Field[] => {
    const name = (prefix === '' ? '' : `${prefix}_`) + labelName(`x.${k}`).slice(2)
    const full = shown === '' ? k : `${shown}.${k}`
    const single = typeof v !== 'object' || v === null || Array.isArray(v) || isSpecial(v)
    return single
      ? [{ name: /^\d/.test(name) ? `_${name}` : name, shown: full, value: attributeText(v), origin }]
      : flat(v as Record<string, unknown>, origin, name, full)
  })
}

function isSpecial(v: object): boolean {
  const keys = Object.keys(v)
  return keys.length === 1 && ['int', 'bytes', 'double'].includes(keys[0] ?? '')
}

/** The line as the query left it, or the body. */
export function lineOf(r: LogRecord): string {
  return r.line ?? (typeof r.body === 'string' ? r.body : attributeText(r.body))
}

const cache = new WeakMap<LogRecord, RecordFields>()

export function fieldsOf(r: LogRecord): RecordFields {
  const known = cache.get(r)
  if (known !== undefined) {
    return known
  }
  const own: [string, string, string | undefined][] = [
    ['trace_id', 'trace_id', r.trace_id],
    ['span_id', 'span_id', r.span_id],
    ['severity_text', 'severity_text', r.severity_text],
    ['event_name', 'event.name', r.event_name],
    ['scope_name', 'scope.name', r.scope?.name],
  ]
  const parsed = Object.entries(r.labels ?? {}).map(
    ([name, value]): Field => ({ name, shown: name, value, origin: 'record' }),
  )
  const record = [
    ...flat(r.attributes, 'record'),
    ...own.flatMap(([name, shown, value]): Field[] =>
      value === undefined || value === '' ? [] : [{ name, shown, value, origin: 'record' }],
    ),
  ]
  const out: RecordFields = {
    parsed,
    record,
    stream: flat(r.resource, 'stream'),
    body: bodyFields(r, new Set([...parsed, ...record].map(f => f.name))),
  }
  cache.set(r, out)
  return out
}

function bodyFields(r: LogRecord, known: Set<string>): Field[] {
  const text = typeof r.body === 'string' ? r.body : JSON.stringify(r.body)
  const object = jsonObject(text)
  const pairs = object === undefined ? logfmtPairs(parseAnsi(text).text) : flatJson(object)
  const origin = object === undefined ? 'logfmt' : 'json'
  return pairs
    .filter(([name]) => !known.has(name) && name !== '')
    .map(([name, value]): Field => ({ name, shown: name, value, origin }))
}

/** Value of a column, wherever the record has it. */
export function fieldValue(r: LogRecord, name: string): string | undefined {
  const f = fieldsOf(r)
  for (const list of [f.parsed, f.record, f.stream, f.body]) {
    const found = list.find(x => x.name === name)
    if (found !== undefined) {
      return found.value
    }
  }
  return undefined
}

/** The one stream of a record as a selector. */
export function streamSelector(r: LogRecord): string {
  const labels = fieldsOf(r).stream.filter(f => f.value !== '' && !f.value.startsWith('['))
  const named = labels.some(f => f.name === 'service_name')
    ? labels
    : [{ name: 'service_name', value: 'unknown_service' }, ...labels]
  return `{${named.map(f => `${f.name}=${quote(f.value)}`).join(', ')}}`
}

export function cursorOf(r: LogRecord): string {
  return `${r.time_ns}-${r.id}`
}

/* ---- texts ---- */

export function asText(r: LogRecord): string {
  const ms = Number(BigInt(r.time_ns) / 1_000_000n)
  return `${new Date(ms).toISOString()} ${r.severity.toUpperCase()} ${r.service} ${parseAnsi(lineOf(r)).text}`
}

export function asLogql(r: LogRecord): string {
  const first = lineOf(r).split('\n')[0] ?? ''
  return `${streamSelector(r)} |= ${quote(parseAnsi(first).text === first ? first : '')}`
}

const shell = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

export function asCurl(r: LogRecord): string {
  const ms = BigInt(r.time_ns) / 1_000_000n
  return [
    `curl -G ${shell(serverUrl('/api/v1/logs'))}`,
    `  --data-urlencode ${shell(`query=${asLogql(r)}`)}`,
    `  --data-urlencode start_ms=${ms - 1n} --data-urlencode end_ms=${ms + 1n}`,
  ].join(' \\\n')
}

export function jsonLines(logs: LogRecord[]): string {
  return logs.map(l => `${JSON.stringify(l)}\n`).join('')
}

export function textLines(logs: LogRecord[]): string {
  return logs.map(l => `${asText(l)}\n`).join('')
}

const FIXED = ['detected_level', 'service_name']

/** The columns on screen after time, level and service; the line comes last. */
export function csvLines(logs: LogRecord[], columns: string[], head: boolean): string {
  const extra = columns.filter(c => !FIXED.includes(c))
  const rows = logs.map(l => [
    l.time_ns,
    l.severity,
    l.service,
    ...extra.map(c => fieldValue(l, c) ?? ''),
    lineOf(l),
  ])
  return [...(head ? [['time_ns', 'level', 'service', ...extra, 'line']] : []), ...rows]
    .map(r => `${r.map(csvCell).join(',')}\r\n`)
    .join('')
}

/**
 * The host of a record that came through a stream door (syslog, Fluent): there the sender is all one knows of where a
 * line is from, while other records have a pod, a trace or the console's own pages to say it.
 */
export function senderHost(r: LogRecord): string | undefined {
  const streamed = 'syslog.severity.code' in r.attributes || 'fluent.tag' in r.resource
  const host = r.resource['host.name']
  return streamed && typeof host === 'string' && host !== '' ? host : undefined
}
