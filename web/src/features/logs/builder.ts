// The simple search as data: streams, words, field filters, a parser. It becomes LogQL, and LogQL of the same
// form becomes it again; what a person wrote beyond that stays a query.

import {
  EVERYTHING,
  FILTER_OPERATORS,
  type FilterOperator,
  isMetricQuery,
  quote,
  stringValue,
  type Token,
  tokenize,
} from '@/features/logs/logql'
import { escapeRegex } from '@/lib/correlate'

export interface FieldFilter {
  name: string
  op: FilterOperator
  value: string
}

export interface Term {
  text: string
  negated: boolean
  /** Written as /pattern/. */
  regex: boolean
}

export interface SimpleQuery {
  /** Of the stream: part of the selector. */
  streams: FieldFilter[]
  terms: Term[]
  matchCase: boolean
  parser: '' | 'json' | 'logfmt'
  /** Of the record or of what the parser found. */
  fields: FieldFilter[]
}

export const EMPTY_QUERY: SimpleQuery = {
  streams: [],
  terms: [],
  matchCase: false,
  parser: '',
  fields: [],
}

export const LEVEL = 'detected_level'
const NUMERIC = new Set<string>(['>', '>=', '<', '<='])

/** `word "a phrase" -without /pattern/` */
export function parseTerms(text: string): Term[] {
  const out: Term[] = []
  for (const m of text.matchAll(/(-?)(?:"((?:[^"\\]|\\.)*)"?|\/((?:[^/\\]|\\.)+)\/(?=\s|$)|(\S+))/g)) {
    const negated = m[1] === '-'
    if (m[3] !== undefined) {
      out.push({ text: m[3].replaceAll('\\/', '/'), negated, regex: true })
    } else {
      const word = m[2] === undefined ? (m[4] ?? '') : m[2].replace(/\\(.)/g, '$1')
      if (word !== '') {
        out.push({ text: word, negated, regex: false })
      } else if (negated && m[2] === undefined) {
        out.push({ text: '-', negated: false, regex: false })
      }
    }
  }
  return out
}

export function termsText(terms: Term[]): string {
  return terms
    .map(t => {
      const body = t.regex
        ? `/${t.text.replaceAll('/', '\\/')}/`
        : /^[^\s"/\\-][^\s"\\]*$/.test(t.text)
          ? t.text
          : `"${t.text.replace(/["\\]/g, '\\$&')}"`
      return (t.negated ? '-' : '') + body
    })
    .join(' ')
}

function matcher(f: FieldFilter): string {
  return `${f.name}${f.op}${quote(f.value)}`
}

function termStage(t: Term, matchCase: boolean): string {
  if (t.regex || !matchCase) {
    const pattern = t.regex ? t.text : escapeRegex(t.text)
    return `${t.negated ? '!~' : '|~'} ${quote(matchCase ? pattern : `(?i)${pattern}`)}`
  }
  return `${t.negated ? '!=' : '|='} ${quote(t.text)}`
}

/** A comparison of numbers, durations and sizes has no quotes. */
function filterStage(f: FieldFilter): string {
  return NUMERIC.has(f.op) ? `| ${f.name} ${f.op} ${f.value}` : `| ${matcher(f)}`
}

export function compile(q: SimpleQuery): string {
  const selective = q.streams.some(
    s => (s.op === '=' && s.value !== '') || (s.op === '=~' && !fitsEmpty(s.value)),
  )
  const streams = selective
    ? q.streams
    : [{ name: 'service_name', op: '=~' as const, value: '.+' }, ...q.streams]
  return [
    `{${streams.map(matcher).join(', ')}}`,
    ...q.terms.map(t => termStage(t, q.matchCase)),
    ...(q.parser === '' ? [] : [`| ${q.parser}`]),
    ...q.fields.map(filterStage),
  ].join(' ')
}

function fitsEmpty(pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test('')
  } catch {
    return true
  }
}

class Reader {
  private at = 0

  constructor(private readonly tokens: Token[]) {}

  get done(): boolean {
    return this.at >= this.tokens.length
  }
  peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead]
  }
  next(): Token | undefined {
    return this.tokens[this.at++]
  }
  take(text: string): boolean {
    if (this.peek()?.text === text && this.peek()?.kind !== 'string') {
      this.at++
      return true
    }
    return false
  }
}

function readMatcher(r: Reader): FieldFilter | null {
  const name = r.next()
  const op = r.next()
  const value = r.next()
  return name?.kind !== 'name' || op?.kind !== 'operator' || value?.kind !== 'string'
    ? null
    : { name: name.text, op: op.text as FilterOperator, value: stringValue(value.text) }
}

function readStreams(r: Reader): FieldFilter[] | null {
  const out: FieldFilter[] = []
  if (!r.take('{')) {
    return null
  }
  while (!r.take('}')) {
    const m = readMatcher(r)
    if (m === null || (r.peek()?.text !== '}' && !r.take(','))) {
      return null
    }
    out.push(m)
  }
  return out
}

const CASELESS = '(?i)'

function readTerm(op: string, value: string): { term: Term; matchCase: boolean | null } {
  const negated = op.startsWith('!')
  if (!op.endsWith('~')) {
    return { term: { text: value, negated, regex: false }, matchCase: true }
  }
  const caseless = value.startsWith(CASELESS)
  const pattern = caseless ? value.slice(CASELESS.length) : value
  const plain = pattern.replace(/\\([.*+?^${}()|[\]\\])/g, '$1')
  // only what the compiler itself escapes is a word again
  const regex = escapeRegex(plain) !== pattern || !caseless
  return { term: { text: regex ? pattern : plain, negated, regex }, matchCase: !caseless }
}

function readStage(r: Reader, q: SimpleQuery, cases: Set<boolean>): boolean {
  const op = r.next()
  if (op?.kind !== 'operator') {
    return false
  }
  if (['|=', '!=', '|~', '!~'].includes(op.text)) {
    const value = r.next()
    if (value?.kind !== 'string' || r.peek()?.text === 'or' || q.parser !== '' || q.fields.length > 0) {
      return false
    }
    const { term, matchCase } = readTerm(op.text, stringValue(value.text))
    if (matchCase !== null) {
      cases.add(matchCase)
    }
    q.terms.push(term)
    return true
  }
  const name = r.next()
  if (op.text !== '|' || name?.kind !== 'name') {
    return false
  }
  const follows = r.peek()
  if (name.text === 'json' || name.text === 'logfmt') {
    const alone = follows === undefined || ['|', '|=', '!=', '|~', '!~'].includes(follows.text)
    const first = q.parser === '' && q.fields.length === 0
    q.parser = name.text
    return alone && first
  }
  const compare = r.next()
  const value = r.next()
  const known = compare !== undefined && (FILTER_OPERATORS as readonly string[]).includes(compare.text)
  if (!known || value === undefined || ['or', 'and', ','].includes(r.peek()?.text ?? '')) {
    return false
  }
  const numeric = NUMERIC.has(compare.text)
  if (numeric ? value.kind !== 'number' && value.kind !== 'duration' : value.kind !== 'string') {
    return false
  }
  q.fields.push({
    name: name.text,
    op: compare.text as FilterOperator,
    value: numeric ? value.text : stringValue(value.text),
  })
  return true
}

/** LogQL as a simple search; null when it says more than one can. Empty text is the empty search. */
export function parseSimple(text: string): SimpleQuery | null {
  if (text.trim() === '') {
    return { ...EMPTY_QUERY }
  }
  const tokens = tokenize(text)
  if (isMetricQuery(text) || tokens.some(t => t.kind === 'comment' || t.kind === 'bad')) {
    return null
  }
  const r = new Reader(tokens)
  const streams = readStreams(r)
  if (streams === null) {
    return null
  }
  const q: SimpleQuery = {
    streams: streams.filter(s => !(s.name === 'service_name' && s.op === '=~' && s.value === '.+')),
    terms: [],
    matchCase: false,
    parser: '',
    fields: [],
  }
  const cases = new Set<boolean>()
  while (!r.done) {
    if (!readStage(r, q, cases)) {
      return null
    }
  }
  q.matchCase = cases.has(true)
  return cases.size > 1 ? null : q
}

const OPPOSITE: Partial<Record<FilterOperator, FilterOperator>> = {
  '=': '!=',
  '!=': '=',
  '=~': '!~',
  '!~': '=~',
  '>': '<=',
  '<=': '>',
  '<': '>=',
  '>=': '<',
}

export function opposite(f: FieldFilter): FieldFilter {
  return { ...f, op: OPPOSITE[f.op] ?? f.op }
}

const same = (a: FieldFilter, b: FieldFilter) => a.name === b.name && a.op === b.op && a.value === b.value

/** Adds a filter, takes its opposite away, and another value of the same field that could not hold beside it. */
export function addFilter(list: FieldFilter[], f: FieldFilter): FieldFilter[] {
  const kept = list.filter(
    x => !same(x, f) && !same(x, opposite(f)) && !(f.op === '=' && x.name === f.name && x.op === '='),
  )
  return [...kept, f]
}

export type FieldOrigin = 'stream' | 'record' | 'json' | 'logfmt'

/** A query with one more filter, whatever its form. `origin` says where the field comes from. */
export function withFilter(text: string, f: FieldFilter, origin: FieldOrigin): string {
  const simple = parseSimple(text)
  if (simple !== null) {
    if (origin === 'stream') {
      return compile({ ...simple, streams: addFilter(simple.streams, f) })
    }
    const parser = simple.parser === '' && origin !== 'record' ? origin : simple.parser
    return compile({ ...simple, parser, fields: addFilter(simple.fields, f) })
  }
  const parsed = origin === 'json' || origin === 'logfmt'
  const tokens = tokenize(text)
  const has = tokens.some((t, i) => t.text === origin && tokens[i - 1]?.text === '|')
  const stage = `${parsed && !has ? ` | ${origin}` : ''} ${filterStage(f)}`
  // inside a metric query the pipeline ends where its range begins
  const range = isMetricQuery(text) ? tokens.find(t => t.text === '[') : undefined
  const at = range === undefined ? text.trimEnd().length : text.slice(0, range.from).trimEnd().length
  return text.slice(0, at) + stage + text.slice(at)
}

export const PATTERN = 'pattern_id'

/** Only the records of a pattern, or none of them; a pattern may be known by several ids. */
export function withPattern(text: string, ids: string[], negated: boolean): string {
  if (!negated) {
    const f: FieldFilter =
      ids.length === 1
        ? { name: PATTERN, op: '=', value: ids[0] ?? '' }
        : { name: PATTERN, op: '=~', value: ids.join('|') }
    return withFilter(text, f, 'record')
  }
  return ids.reduce((q, id) => withFilter(q, { name: PATTERN, op: '!=', value: id }, 'record'), text)
}

/** Levels asked for; empty means all. */
export function levelsOf(q: SimpleQuery): string[] {
  const f = q.fields.find(x => x.name === LEVEL && (x.op === '=' || x.op === '=~'))
  return f === undefined ? [] : f.value.split('|')
}

export function withLevels(q: SimpleQuery, levels: string[]): SimpleQuery {
  const fields = q.fields.filter(x => !(x.name === LEVEL && (x.op === '=' || x.op === '=~')))
  return levels.length === 0
    ? { ...q, fields }
    : {
        ...q,
        fields: [...fields, { name: LEVEL, op: levels.length === 1 ? '=' : '=~', value: levels.join('|') }],
      }
}

/** What was asked of lines, to be marked in them. */
export function markPatterns(text: string): RegExp[] {
  const tokens = tokenize(text)
  const out: RegExp[] = []
  tokens.forEach((t, i) => {
    const op = tokens[i - 1]?.text
    if (t.kind !== 'string' || (op !== '|=' && op !== '|~' && op !== 'or')) {
      return
    }
    const value = stringValue(t.text)
    const before = op === 'or' ? tokens.slice(0, i).findLast(x => ['|=', '|~'].includes(x.text))?.text : op
    const caseless = before === '|~' && value.startsWith(CASELESS)
    const pattern = before === '|=' ? escapeRegex(value) : caseless ? value.slice(CASELESS.length) : value
    try {
      if (value !== '') {
        out.push(new RegExp(pattern, caseless ? 'gi' : 'g'))
      }
    } catch {
      // the server's dialect knows more than the browser's: nothing is marked
    }
  })
  return out
}

export { EVERYTHING }
