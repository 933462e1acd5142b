// LogQL in the editor: what a word is (for colours), and what may come next (for completion). Both read the
// tokens before the cursor; right and wrong is for the server to say.
import type { StreamParser } from '@codemirror/language'
import {
  AGGREGATIONS,
  FILTER_OPERATORS,
  LINE_OPERATORS,
  MATCH_OPERATORS,
  PARSERS,
  RANGE_FUNCTIONS,
  STAGES,
  type Token,
  tokenize,
  WORDS,
} from '@/features/logs/logql'

const FUNCTIONS = new Set<string>([...RANGE_FUNCTIONS, ...AGGREGATIONS, 'label_replace', 'vector'])
const KEYWORDS = new Set<string>([...STAGES, ...WORDS])

/** A line at a time: strings do not span lines but for raw ones, which end with their quote. */
export const logqlStream: StreamParser<{ raw: boolean; labels: boolean }> = {
  name: 'logql',
  startState: () => ({ raw: false, labels: false }),
  token(stream, state) {
    if (state.raw) {
      state.raw = !stream.skipTo('`')
      if (state.raw) {
        stream.skipToEnd()
      } else {
        stream.next()
      }
      return 'string'
    }
    if (stream.eatSpace()) {
      return null
    }
    if (stream.match(/^#.*/)) {
      return 'comment'
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) {
      return 'string'
    }
    if (stream.eat('`')) {
      state.raw = true
      return 'string'
    }
    if (stream.match(/^\d+(?:\.\d+)?(?:[a-zA-Zµ]+\d*)*/)) {
      return 'number'
    }
    const word = stream.match(/^[a-zA-Z_][a-zA-Z0-9_]*/) as RegExpMatchArray | null
    if (word !== null) {
      return state.labels
        ? 'labelName'
        : FUNCTIONS.has(word[0]) && /^\s*(?:\(|by\b|without\b)/.test(stream.string.slice(stream.pos))
          ? 'function'
          : KEYWORDS.has(word[0])
            ? 'keyword'
            : 'labelName'
    }
    if (stream.match(/^(?:\|[=~>]?|![=~>]|=~|[=<>+\-*/%^])/)) {
      return 'operator'
    }
    const c = stream.next()
    if (c === '{') {
      state.labels = true
    } else if (c === '}') {
      state.labels = false
    }
    return c !== undefined && '{}()[],'.includes(c) ? 'bracket' : 'invalid'
  },
}

export type Wanted =
  | { kind: 'label'; from: number; selector: string }
  | { kind: 'value'; from: number; name: string; inSelector: boolean; quoted: boolean }
  | { kind: 'matcher'; from: number }
  | { kind: 'stage'; from: number; spaced: boolean }
  | { kind: 'compare'; from: number }
  | { kind: 'field'; from: number }
  | { kind: 'start'; from: number }
  | null

/** Is a string begun and not ended before `pos`? Its first character's place, behind the quote. */
function openString(text: string): number | null {
  let quote = ''
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (quote === '') {
      if (c === '"' || c === '`') {
        quote = c
        at = i + 1
      }
    } else if (c === '\\' && quote === '"') {
      i++
    } else if (c === quote) {
      quote = ''
    }
  }
  return quote === '' ? null : at
}

function depthOf(tokens: Token[]): { braces: boolean; by: boolean } {
  let braces = false
  const stack: string[] = []
  tokens.forEach((t, i) => {
    if (t.text === '{' && t.kind === 'open') {
      braces = true
    } else if (t.text === '}' && t.kind === 'close') {
      braces = false
    } else if (t.text === '(') {
      const before = tokens[i - 1]?.text ?? ''
      stack.push(['by', 'without', 'on', 'ignoring'].includes(before) ? 'by' : '(')
    } else if (t.text === ')') {
      stack.pop()
    }
  })
  return { braces, by: stack.at(-1) === 'by' }
}

/** What may stand at `pos`: decides what is looked up. */
export function wantedAt(text: string, pos: number): Wanted {
  const before = text.slice(0, pos)
  const begun = openString(before)
  if (begun !== null) {
    const tokens = tokenize(before.slice(0, begun - 1))
    const op = tokens.at(-1)
    const name = tokens.at(-2)
    return name?.kind === 'name' && (MATCH_OPERATORS as readonly string[]).includes(op?.text ?? '')
      ? { kind: 'value', from: begun, name: name.text, inSelector: depthOf(tokens).braces, quoted: true }
      : null
  }
  const word = /[a-zA-Z_][a-zA-Z0-9_]*$/.exec(before)?.[0] ?? ''
  const from = pos - word.length
  const tokens = tokenize(before.slice(0, from))
  const last = tokens.at(-1)
  const { braces, by } = depthOf(tokens)
  if (braces) {
    if (last?.text === '{' || last?.text === ',') {
      return { kind: 'label', from, selector: '' }
    }
    if (last?.kind === 'name') {
      return word === '' ? { kind: 'matcher', from } : null
    }
    return last?.kind === 'operator' && word === ''
      ? { kind: 'value', from, name: tokens.at(-2)?.text ?? '', inSelector: true, quoted: false }
      : null
  }
  if (by) {
    return last?.text === '(' || last?.text === ',' ? { kind: 'field', from } : null
  }
  if (last?.text === '|' && last.kind === 'operator') {
    return { kind: 'stage', from, spaced: true }
  }
  const piped = tokens.some(t => t.text === '}' && t.kind === 'close')
  if (last !== undefined && ['and', 'or', ','].includes(last.text) && piped) {
    return { kind: 'field', from }
  }
  if (
    last?.kind === 'name' &&
    tokens.at(-2)?.text === '|' &&
    word === '' &&
    !(STAGES as readonly string[]).includes(last.text)
  ) {
    return { kind: 'compare', from }
  }
  if (
    piped &&
    word === '' &&
    (last?.text === '}' ||
      last?.kind === 'string' ||
      (PARSERS as readonly string[]).includes(last?.text ?? ''))
  ) {
    return { kind: 'stage', from, spaced: false }
  }
  return piped ? null : { kind: 'start', from }
}

export const LINE_FILTERS = LINE_OPERATORS
export const COMPARISONS = FILTER_OPERATORS
