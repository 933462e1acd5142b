// What the search page understands of TraceQL: text to conditions and back (simple mode), adding and
// removing a condition in any query, and the parts of a pipeline. Pure. What it cannot read as a list of
// conditions stays text: nothing is ever rewritten that was not understood.

export const OPERATORS = ['=', '!=', '=~', '!~', '>', '>=', '<', '<='] as const
export type Operator = (typeof OPERATORS)[number]

/** `field op literal`; several literals are alternatives and stand in brackets with ||. */
export interface Condition {
  field: string
  op: Operator
  /** As they stand in the query: "text" in quotes, 500, 100ms, error, nil. */
  literals: string[]
}

export interface Token {
  kind: 'word' | 'string' | 'number' | 'op' | 'punct' | 'bad'
  text: string
  from: number
  to: number
}

// an attribute may have quoted parts: span."my key"
const WORD = /(?:[A-Za-z_][\w:-]*|\.)(?:[\w.:/@-]|"(?:[^"\\]|\\.)*")*/y
const STRING = /"(?:[^"\\]|\\.)*"|`[^`]*`/y
const NUMBER = /-?\d+(?:\.\d+)?(?:[a-zµ]+(?:\d+(?:\.\d+)?[a-zµ]+)*)?/y
const OP = /&&|\|\||=~|!~|!=|>=|<=|&>>|&<<|&>|&<|&~|!>>|!<<|!>|!<|>>|<<|[=><~+*/^%-]/y
const PUNCT = /[{}()|,!]/y
const KINDS: [Token['kind'], RegExp][] = [
  ['string', STRING],
  ['number', NUMBER],
  ['word', WORD],
  ['op', OP],
  ['punct', PUNCT],
]

export function lex(text: string): Token[] {
  const out: Token[] = []
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at++
      continue
    }
    let hit: Token | undefined
    for (const [kind, re] of KINDS) {
      re.lastIndex = at
      const m = re.exec(text)
      if (m !== null) {
        hit = { kind, text: m[0], from: at, to: at + m[0].length }
        break
      }
    }
    const token = hit ?? { kind: 'bad' as const, text: text[at] ?? '', from: at, to: at + 1 }
    out.push(token)
    at = token.to
  }
  return out
}

const isOperator = (text: string): text is Operator => (OPERATORS as readonly string[]).includes(text)

function isLiteral(t: Token | undefined): boolean {
  return (
    t !== undefined &&
    (t.kind === 'string' ||
      t.kind === 'number' ||
      (t.kind === 'word' &&
        /^(true|false|nil|error|ok|unset|server|client|internal|producer|consumer|unspecified)$/.test(
          t.text,
        )))
  )
}

/** The conditions of `{ a && b && (c || c) }`; null when the query is anything else. */
export function parseConditions(text: string): Condition[] | null {
  const tokens = lex(text)
  let i = 0
  const next = () => tokens[i++]
  const eat = (want: string) => tokens[i]?.text === want && ++i > 0
  if (tokens.length === 0) {
    return []
  }
  if (!eat('{')) {
    return null
  }
  const one = (): Condition | null => {
    const [field, op, literal] = [next(), next(), next()]
    return field?.kind === 'word' && op !== undefined && isOperator(op.text) && isLiteral(literal)
      ? { field: field.text, op: op.text, literals: [literal?.text ?? ''] }
      : null
  }
  const group = (): Condition | null => {
    if (!eat('(')) {
      return one()
    }
    const first = one()
    while (first !== null && eat('||')) {
      const more = one()
      if (more === null || more.field !== first.field || more.op !== first.op) {
        return null
      }
      first.literals.push(...more.literals)
    }
    return eat(')') ? first : null
  }
  const out: Condition[] = []
  if (eat('}')) {
    return i === tokens.length ? out : null
  }
  do {
    const c = group()
    if (c === null) {
      return null
    }
    out.push(c)
  } while (eat('&&'))
  return eat('}') && i === tokens.length ? out : null
}

export function conditionText(c: Condition): string {
  const all = c.literals.map(l => `${c.field} ${c.op} ${l}`)
  return all.length === 1 ? (all[0] ?? '') : `(${all.join(' || ')})`
}

export function compileConditions(conditions: Condition[]): string {
  const parts = conditions.filter(c => c.field !== '' && c.literals.length > 0).map(conditionText)
  return parts.length === 0 ? '' : `{ ${parts.join(' && ')} }`
}

// ---- literals ----

export const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

export function unquoted(literal: string): string {
  if (literal.startsWith('`')) {
    return literal.slice(1, -1)
  }
  return literal.startsWith('"') ? literal.slice(1, -1).replace(/\\(.)/g, '$1') : literal
}

const DURATIONS = new Set([
  'duration',
  'span:duration',
  'traceDuration',
  'trace:duration',
  'event:timeSinceStart',
])
const KEYWORDS = new Set(['status', 'span:status', 'kind', 'span:kind'])
const TEXTS = new Set([
  'name',
  'span:name',
  'statusMessage',
  'span:statusMessage',
  'rootName',
  'trace:rootName',
  'rootServiceName',
  'trace:rootService',
  'trace:id',
  'span:id',
  'span:parentID',
  'event:name',
  'resource.service.name',
  'instrumentation:name',
  'instrumentation:version',
])

export const isDurationField = (field: string) => DURATIONS.has(field)
export const isKeywordField = (field: string) => KEYWORDS.has(field)

/** What somebody typed as a value of a field, as a literal; null when it cannot be one. */
export function literalOf(field: string, op: Operator, typed: string): string | null {
  const text = typed.trim()
  if (text === '') {
    return null
  }
  if (/^("(?:[^"\\]|\\.)*"|`[^`]*`)$/.test(text)) {
    return text
  }
  if (op === '=~' || op === '!~') {
    return quoted(text)
  }
  if (isDurationField(field)) {
    const t = /^\d+(\.\d+)?$/.test(text) ? `${text}ms` : text
    return /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(t) ? t : null
  }
  if (isKeywordField(field)) {
    return /^[a-z]+$/.test(text) ? text : null
  }
  if (TEXTS.has(field)) {
    return quoted(text)
  }
  return /^-?\d+(\.\d+)?$/.test(text) || /^(true|false|nil)$/.test(text) ? text : quoted(text)
}

/** An attribute as a query names it: what is no plain name is quoted. */
export function fieldOf(scope: string, name: string): string {
  return scope === 'intrinsic' ? name : `${scope}.${/^[\w.:/@-]+$/.test(name) ? name : quoted(name)}`
}

// ---- any query ----

const METRICS =
  /^(rate|count_over_time|min_over_time|max_over_time|avg_over_time|sum_over_time|quantile_over_time|histogram_over_time|compare)$/

export interface QueryParts {
  /** Spansets before the first |. */
  base: string
  /** What follows, each without its |. */
  stages: string[]
  /** Place of the first metrics function among the stages; -1 without one. */
  metrics: number
}

export function splitQuery(text: string): QueryParts {
  const tokens = lex(text)
  const cuts: number[] = []
  let depth = 0
  for (const t of tokens) {
    if (t.text === '{' || t.text === '(') {
      depth++
    } else if (t.text === '}' || t.text === ')') {
      depth--
    } else if (t.text === '|' && depth === 0) {
      cuts.push(t.from)
    }
  }
  const ends = [...cuts, text.length]
  const stages = cuts.map((c, i) => text.slice(c + 1, ends[i + 1]).trim())
  return {
    base: text.slice(0, ends[0]).trim(),
    stages,
    metrics: stages.findIndex(s => METRICS.test(lex(s)[0]?.text ?? '')),
  }
}

export const isMetrics = (text: string) => splitQuery(text).metrics >= 0

/** Only how the answer is given, not which spans: cannot stand before a metrics function. */
const SHAPES = /^(select|by|coalesce)\s*\(/

/** The query without its metrics functions and shapes: what finds the spans. */
export function spansetsOf(text: string): string {
  const { base, stages, metrics } = splitQuery(text)
  const kept = (metrics < 0 ? stages : stages.slice(0, metrics)).filter(s => !SHAPES.test(s))
  return [base === '' ? '{ }' : base, ...kept].join(' | ')
}

function singleFilter(text: string): string | null {
  const tokens = lex(text)
  const first = tokens[0]
  const last = tokens.at(-1)
  const inside = tokens.slice(1, -1)
  return first?.text === '{' && last?.text === '}' && !inside.some(t => t.text === '{' || t.text === '}')
    ? text.slice(first.to, last.from).trim()
    : null
}

/** Spansets narrowed by one more condition on the spans themselves. */
export function narrowed(text: string, condition: string): string {
  const { base, stages } = splitQuery(text)
  const inner = base === '' ? '' : singleFilter(base)
  if (stages.length > 0 || inner === null) {
    return `${text.trim()} | { ${condition} }`
  }
  const safe = lex(inner).some(t => t.text === '||') ? `(${inner})` : inner
  return inner === '' ? `{ ${condition} }` : `{ ${safe} && ${condition} }`
}

/** A time series of what the query finds. */
export function measured(text: string, condition: string, metric: string): string {
  const spans = spansetsOf(text)
  return `${condition === '' ? spans : narrowed(spans, condition)} | ${metric}`
}

// ---- facets ----

export type Choice = 'include' | 'exclude'

/** Values of a field that the query asks for or leaves out (simple queries only). */
export function choicesOf(text: string, field: string): Map<string, Choice> {
  const out = new Map<string, Choice>()
  for (const c of parseConditions(text) ?? []) {
    if (c.field === field && (c.op === '=' || c.op === '!=')) {
      for (const l of c.literals) {
        out.set(l, c.op === '=' ? 'include' : 'exclude')
      }
    }
  }
  return out
}

/** The query after a click on a value: included values are alternatives, excluded ones add up. */
export function toggleChoice(text: string, field: string, literal: string, choice: Choice): string {
  const conditions = parseConditions(text)
  if (conditions === null) {
    const { stages, metrics, base } = splitQuery(text)
    const condition = `${field} ${choice === 'include' ? '=' : '!='} ${literal}`
    if (metrics < 0) {
      return narrowed(text, condition)
    }
    const before = [base, ...stages.slice(0, metrics)].join(' | ')
    return [narrowed(before, condition), ...stages.slice(metrics)].join(' | ')
  }
  const had = choicesOf(text, field).get(literal)
  const without = conditions
    .map(c =>
      c.field === field && (c.op === '=' || c.op === '!=')
        ? { ...c, literals: c.literals.filter(l => l !== literal) }
        : c,
    )
    .filter(c => c.literals.length > 0)
  if (had === choice) {
    return compileConditions(without)
  }
  if (choice === 'exclude') {
    return compileConditions([...without, { field, op: '!=', literals: [literal] }])
  }
  const same = without.find(c => c.field === field && c.op === '=' && literal !== 'nil')
  return same === undefined
    ? compileConditions([...without, { field, op: '=', literals: [literal] }])
    : compileConditions(without.map(c => (c === same ? { ...c, literals: [...c.literals, literal] } : c)))
}

/** The query with the range of a field put in place of the ranges it had. */
export function withRange(text: string, field: string, min: string, max: string): string {
  const conditions = parseConditions(text)
  const ranges: Condition[] = []
  if (min !== '') {
    ranges.push({ field, op: '>=', literals: [min] })
  }
  if (max !== '') {
    ranges.push({ field, op: '<=', literals: [max] })
  }
  if (conditions === null) {
    return ranges.reduce((q, c) => narrowed(q, conditionText(c)), text)
  }
  const kept = conditions.filter(c => c.field !== field || !['>', '>=', '<', '<='].includes(c.op))
  return compileConditions([...kept, ...ranges])
}

/** 1234567 ns as a duration literal that loses nothing worth seeing. */
export function durationLiteral(ns: number): string {
  const units: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
  ]
  for (const [size, unit] of units) {
    if (ns >= size) {
      return `${Number((ns / size).toPrecision(4))}${unit}`
    }
  }
  return `${Math.max(0, Math.round(ns))}ns`
}
