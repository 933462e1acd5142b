// TraceQL for the editor: colours by a line tokenizer, and what may come next. Where the cursor is decides:
// names at the start of a condition, operators after a name, values after an operator (asked from the
// server, narrowed by what is already written), functions after |, relations between spansets. Pure but for
// the two look-ups that are passed in.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { StreamLanguage } from '@codemirror/language'
import type { TagScope } from '@/api/traceql'
import { fieldOf, isDurationField, quoted } from '@/features/traces/query'

export const INTRINSICS: [string, string][] = [
  ['name', 'string'],
  ['status', 'ok, error, unset'],
  ['kind', 'server, client, …'],
  ['duration', '100ms'],
  ['statusMessage', 'string'],
  ['rootName', 'string'],
  ['rootServiceName', 'string'],
  ['traceDuration', '1s'],
  ['trace:id', 'string'],
  ['span:id', 'string'],
  ['span:parentID', 'string'],
  ['span:childCount', 'number'],
  ['nestedSetParent', 'number'],
  ['event:name', 'string'],
  ['event:timeSinceStart', '2ms'],
  ['link:spanID', 'string'],
  ['link:traceID', 'string'],
  ['instrumentation:name', 'string'],
  ['instrumentation:version', 'string'],
]

export const SCOPES = ['resource.', 'span.', 'event.', 'link.', 'instrumentation.', 'parent.']

/** Name, what stands in its brackets, and what is inserted ($ marks the cursor). */
export const AGGREGATES: [string, string, string][] = [
  ['count', '() > 2', 'count() > $'],
  ['avg', '(duration) > 20ms', 'avg(duration) > $'],
  ['min', '(duration)', 'min(duration) > $'],
  ['max', '(duration)', 'max(duration) > $'],
  ['sum', '(duration)', 'sum(duration) > $'],
  ['by', '(resource.service.name)', 'by($)'],
  ['select', '(span.http.route)', 'select($)'],
  ['coalesce', '()', 'coalesce()$'],
]
export const METRICS: [string, string, string][] = [
  ['rate', '() by (…)', 'rate()$'],
  ['count_over_time', '() by (…)', 'count_over_time()$'],
  ['quantile_over_time', '(duration, .5, .95, .99)', 'quantile_over_time(duration, .5, .95, .99)$'],
  ['histogram_over_time', '(duration)', 'histogram_over_time(duration)$'],
  ['min_over_time', '(duration)', 'min_over_time(duration)$'],
  ['max_over_time', '(duration)', 'max_over_time(duration)$'],
  ['avg_over_time', '(duration)', 'avg_over_time(duration)$'],
  ['sum_over_time', '(duration)', 'sum_over_time(duration)$'],
  ['compare', '({status = error})', 'compare({status = error$})'],
  ['topk', '(10)', 'topk(10)$'],
  ['bottomk', '(10)', 'bottomk(10)$'],
]
const RELATIONS: [string, string][] = [
  ['&&', 'a && b'],
  ['||', 'a || b'],
  ['>', 'child'],
  ['>>', 'descendant'],
  ['<', 'parent'],
  ['<<', 'ancestor'],
  ['~', 'sibling'],
  ['!>', 'not child'],
  ['!>>', 'not descendant'],
  ['!~', 'not sibling'],
]
const COMPARISONS = ['=', '!=', '=~', '!~', '>', '>=', '<', '<=']
const FUNCTION_NAMES = new Set([...AGGREGATES, ...METRICS].map(f => f[0]))
const CONSTANTS = /^(true|false|nil|error|ok|unset|server|client|internal|producer|consumer|unspecified)$/

export const traceqlMode = StreamLanguage.define<{ depth: number }>({
  name: 'traceql',
  startState: () => ({ depth: 0 }),
  token: (stream, state) => {
    if (stream.eatSpace()) {
      return null
    }
    if (stream.match(/^\/\/.*/)) {
      return 'comment'
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^`[^`]*`?/)) {
      return 'string'
    }
    if (stream.match(/^-?(?:\d+\.?\d*|\.\d+)(?:[a-zµ]+)?/)) {
      return 'number'
    }
    const word = stream.match(/^(?:[A-Za-z_][\w:-]*|\.)(?:[\w.:/@-]|"(?:[^"\\]|\\.)*")*/) as string[] | null
    if (word) {
      const text = word[0] ?? ''
      return CONSTANTS.test(text)
        ? 'atom'
        : FUNCTION_NAMES.has(text)
          ? 'variableName.function'
          : /^(by|with)$/.test(text)
            ? 'keyword'
            : 'name'
    }
    if (stream.match(/^(?:&&|\|\||[!=<>~&|+*/^%-]+)/)) {
      return 'operator'
    }
    const c = stream.next()
    state.depth += c === '{' ? 1 : c === '}' ? -1 : 0
    return 'bracket'
  },
  languageData: { closeBrackets: { brackets: ['(', '{', '"', '`'] }, commentTokens: { line: '//' } },
})

export type Place =
  | { what: 'value'; field: string; op: string; quote: string; from: number; typed: string; filter: string }
  | { what: 'operator'; from: number }
  | { what: 'field'; from: number; typed: string }
  | { what: 'function'; from: number }
  | { what: 'relation'; from: number }
  | null

/** Braces and brackets open at the end of `text`, innermost last; inside of a string: the quote as well. */
function openAt(text: string): string[] {
  const open: string[] = []
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (quote !== '') {
      if (c === '\\' && quote === '"') {
        i++
      } else if (c === quote) {
        quote = ''
      }
    } else if (c === '"' || c === '`') {
      quote = c
    } else if (c === '{' || c === '(') {
      open.push(c)
    } else if (c === '}' || c === ')') {
      open.pop()
    }
  }
  return quote === '' ? open : [...open, quote]
}

const VALUE = /([A-Za-z_.][\w.:/@-]*(?:"[^"]*")?)\s*(=~|!~|!=|>=|<=|=|>|<)\s*(["`]?)([^"`{}()&|=<>]*)$/

/** What is being written at the end of `before`. */
export function placeAt(before: string): Place {
  const open = openAt(before)
  const inBraces = open.includes('{')
  if (inBraces) {
    const v = VALUE.exec(before)
    if (v !== null && (v[3] !== '' || !/\S\s/.test(v[4] ?? ''))) {
      const start = before.lastIndexOf('{', v.index)
      return {
        what: 'value',
        field: v[1] ?? '',
        op: v[2] ?? '',
        quote: v[3] ?? '',
        from: before.length - (v[4]?.length ?? 0) - (v[3]?.length ?? 0),
        typed: v[4] ?? '',
        // conditions written before this one narrow its values
        filter: `${before.slice(start, v.index).replace(/(&&|\|\|)\s*$/, '')} }`,
      }
    }
    if (open.at(-1) === '"' || open.at(-1) === '`') {
      return null
    }
    const named = /(?:^|[{(&|]\s*)[A-Za-z_.][\w.:/@-]*\s+$/.exec(before)
    if (named !== null) {
      return { what: 'operator', from: before.length }
    }
    const after =
      /(?:["`\d)]|\b(?:true|false|nil|error|ok|unset|server|client|internal|producer|consumer)|\d[a-zµ]*)\s+$/
    if (after.test(before)) {
      return { what: 'operator', from: before.length }
    }
  }
  const typed = /[A-Za-z_.][\w.:/@-]*$/.exec(before)?.[0] ?? ''
  const from = before.length - typed.length
  if (inBraces || open.at(-1) === '(') {
    return { what: 'field', from, typed }
  }
  if (/\|\s*[A-Za-z_]*$/.test(before) && !/\|\|\s*$/.test(before)) {
    return { what: 'function', from }
  }
  return before.trim() === '' ? { what: 'field', from: before.length, typed: '' } : { what: 'relation', from }
}

export interface Lookups {
  names: () => Promise<TagScope[]>
  values: (field: string, filter: string) => Promise<{ type: string; value: string }[]>
}

/** Inserts text with the cursor where $ stands. */
function snippet(text: string): NonNullable<Completion['apply']> {
  return (view, _completion, from, to) => {
    const at = text.indexOf('$')
    const insert = text.replace('$', '')
    view.dispatch({
      changes: { from, to, insert },
      selection: { anchor: from + (at < 0 ? insert.length : at) },
    })
  }
}

function fields(scopes: TagScope[]): Completion[] {
  const out: Completion[] = [
    ...INTRINSICS.map(([label, detail]): Completion => ({ label, detail, boost: 2 })),
    ...SCOPES.map((label): Completion => ({ label, type: 'keyword', boost: 1 })),
  ]
  for (const s of scopes) {
    if (s.name !== 'intrinsic') {
      out.push(...s.tags.map((tag): Completion => ({ label: fieldOf(s.name, tag), detail: s.name })))
    }
  }
  return out
}

const KEYWORD_VALUES: Record<string, string[]> = {
  status: ['error', 'ok', 'unset'],
  kind: ['server', 'client', 'internal', 'producer', 'consumer', 'unspecified'],
}

async function valueOptions(p: Extract<Place, { what: 'value' }>, look: Lookups): Promise<Completion[]> {
  const field = p.field.replace(/^(span|trace):(?=status$|kind$|duration$)/, '')
  const words = KEYWORD_VALUES[field]
  if (words !== undefined) {
    return words.map(label => ({ label, type: 'constant' }))
  }
  if (isDurationField(p.field)) {
    return ['10ms', '50ms', '100ms', '500ms', '1s', '5s'].map(label => ({ label, type: 'constant' }))
  }
  const found = await look.values(p.field, p.filter)
  return found.map(v => ({
    label: v.type === 'string' ? quoted(v.value) : v.value,
    displayLabel: v.value,
    detail: v.type,
  }))
}

export async function complete(context: CompletionContext, look: Lookups): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(0, context.pos)
  const place = placeAt(before)
  if (place === null) {
    return null
  }
  switch (place.what) {
    case 'value': {
      const options = await valueOptions(place, look)
      // a closing quote the editor put in is part of what is replaced
      const next = context.state.sliceDoc(context.pos, context.pos + 1)
      const to = place.quote !== '' && next === place.quote ? context.pos + 1 : context.pos
      return { from: place.from, to, options, filter: true }
    }
    case 'operator': {
      const joined =
        /[A-Za-z_.][\w.:/@-]*\s+$/.test(before) &&
        !/(?:["`\d)]|\b(?:true|false|nil|error|ok|unset|server|client))\s+$/.test(before)
      const list = joined ? COMPARISONS : ['&&', '||']
      return {
        from: place.from,
        options: list.map((label, i) => ({ label, type: 'keyword', boost: -i, apply: `${label} ` })),
      }
    }
    case 'field': {
      if (place.typed === '' && !context.explicit && !/[{(&|]\s*$/.test(before)) {
        return null
      }
      return { from: place.from, options: fields(await look.names()), validFor: /^[\w.:/@"-]*$/ }
    }
    case 'function':
      return {
        from: place.from,
        options: [...METRICS, ...AGGREGATES].map(([label, detail, apply], i) => ({
          label,
          detail,
          type: 'function',
          boost: -i,
          apply: snippet(apply),
        })),
        validFor: /^\w*$/,
      }
    case 'relation':
      return context.explicit
        ? {
            from: context.pos,
            options: [
              ...RELATIONS.map(([label, detail], i) => ({
                label,
                detail,
                boost: -i,
                apply: snippet(`${label} { $ }`),
              })),
              { label: '|', detail: 'rate() …', apply: '| ' },
            ],
          }
        : null
  }
}
