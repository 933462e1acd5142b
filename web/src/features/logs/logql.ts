// The parts of LogQL that the console reads itself: tokens with their place, which kind a query is, where its
// selector and stages are. What is right or wrong is for the server to say.

export type TokenKind =
  | 'string'
  | 'number'
  | 'duration'
  | 'name'
  | 'operator'
  | 'open'
  | 'close'
  | 'comma'
  | 'comment'
  | 'bad'

export interface Token {
  kind: TokenKind
  text: string
  from: number
  to: number
}

const RULES: [TokenKind, RegExp][] = [
  ['comment', /#[^\n]*/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'/y],
  [
    'duration',
    /\d+(?:\.\d+)?(?:ns|us|µs|ms|[smhdwy]|(?:[KMGTPE]i?)?B|[kmgtpe]i?b)(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|[smhdwy]))*\b/y,
  ],
  ['number', /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['name', /[a-zA-Z_][a-zA-Z0-9_]*/y],
  ['operator', /\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[|=<>+\-*/%^]/y],
  ['open', /[({[]/y],
  ['close', /[)}\]]/y],
  ['comma', /,/y],
]

export function tokenize(text: string): Token[] {
  const out: Token[] = []
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at++
      continue
    }
    let found: Token | null = null
    for (const [kind, rule] of RULES) {
      rule.lastIndex = at
      const m = rule.exec(text)
      if (m !== null && m[0] !== '') {
        found = { kind, text: m[0], from: at, to: at + m[0].length }
        break
      }
    }
    found ??= { kind: 'bad', text: text[at] ?? '', from: at, to: at + 1 }
    out.push(found)
    at = found.to
  }
  return out
}

/** A log query begins with its selector; everything else counts something. */
export function isMetricQuery(text: string): boolean {
  const first = tokenize(text).find(t => t.kind !== 'comment' && t.text !== '(')
  return first !== undefined && first.text !== '{'
}

/** The text of a string token; what cannot be read is given as it stands. */
export function stringValue(token: string): string {
  if (token.startsWith('`')) {
    return token.slice(1, -1)
  }
  const inner = token.slice(1, -1)
  return inner.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, e: string) =>
    e.length > 1
      ? String.fromCharCode(Number.parseInt(e.slice(1), 16))
      : ({ n: '\n', t: '\t', r: '\r' }[e] ?? e),
  )
}

/** A string literal; raw quotes where they save backslashes. */
export function quote(text: string): string {
  return /["\\]/.test(text) && !/[`\r\n]/.test(text) ? `\`${text}\`` : JSON.stringify(text)
}

/** A selector must ask for something: this takes every stream. */
export const EVERYTHING = '{service_name=~".+"}'

/** Where the first selector of a query is: from `{` to behind `}`. */
export function selectorSpan(text: string): { from: number; to: number } | null {
  const tokens = tokenize(text)
  const open = tokens.find(t => t.text === '{' && t.kind === 'open')
  const close = tokens.find(t => t.text === '}' && t.kind === 'close' && t.from > (open?.from ?? 0))
  return open === undefined || close === undefined ? null : { from: open.from, to: close.to }
}

export const LINE_OPERATORS = ['|=', '!=', '|~', '!~', '|>', '!>'] as const
export const MATCH_OPERATORS = ['=', '!=', '=~', '!~'] as const
export const FILTER_OPERATORS = ['=', '!=', '=~', '!~', '>', '>=', '<', '<='] as const
export type FilterOperator = (typeof FILTER_OPERATORS)[number]

export const PARSERS = ['json', 'logfmt', 'regexp', 'pattern', 'unpack'] as const
export const STAGES = [
  ...PARSERS,
  'line_format',
  'label_format',
  'decolorize',
  'drop',
  'keep',
  'unwrap',
] as const
export const RANGE_FUNCTIONS = [
  'rate',
  'rate_counter',
  'count_over_time',
  'bytes_rate',
  'bytes_over_time',
  'sum_over_time',
  'avg_over_time',
  'max_over_time',
  'min_over_time',
  'first_over_time',
  'last_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
  'absent_over_time',
] as const
export const AGGREGATIONS = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'sort',
  'sort_desc',
  'approx_topk',
] as const
export const WORDS = [
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'bool',
  'offset',
  'or',
  'and',
  'unless',
  'ip',
] as const
