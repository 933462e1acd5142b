// Findings of the editor with a way out: unknown functions with the nearest name, a range function without
// its range, a counter read raw, a missing bracket. Pure: text in, findings out; the editor draws them.
import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'
import { RANGE_FNS } from '@/features/metrics/builder'
import { type Metadata, metadataOf } from '@/features/metrics/metricInfo'

export interface Fix {
  /** Key of the text that names it. */
  name: 'addRange' | 'dropRange' | 'useName' | 'wrapRate' | 'closeBrackets'
  text: string
  from: number
  to: number
  insert: string
}

export interface Finding {
  from: number
  to: number
  severity: 'error' | 'warning' | 'info'
  kind: 'needsRange' | 'noRange' | 'unknownFunction' | 'rawCounter' | 'rateOfGauge' | 'unclosed'
  name: string
  fixes: Fix[]
}

/** Levenshtein distance, stopped at `limit`. */
export function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) {
    return limit + 1
  }
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    }
    row = next
  }
  return row[b.length] ?? limit + 1
}

export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = 3
  for (const k of known) {
    const d = distance(name.toLowerCase(), k, 2)
    if (d < least) {
      least = d
      best = k
    }
  }
  return best
}

const COUNTER_FNS = new Set(['rate', 'irate', 'increase', 'resets'])

/** Brackets that are opened and never closed, innermost last; null inside a broken string. */
export function openBrackets(text: string): string | null {
  const stack: string[] = []
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (quote !== '') {
      if (c === '\\' && quote !== '`') {
        i++
      } else if (c === quote) {
        quote = ''
      }
    } else if (c === '"' || c === "'" || c === '`') {
      quote = c
    } else if (c === '#') {
      i = text.indexOf('\n', i)
      if (i < 0) {
        break
      }
    } else if ('([{'.includes(c)) {
      stack.push(c)
    } else if (')]}'.includes(c)) {
      stack.pop()
    }
  }
  const close: Record<string, string> = { '(': ')', '[': ']', '{': '}' }
  return quote === ''
    ? stack
        .reverse()
        .map(c => close[c] ?? '')
        .join('')
    : null
}

function wrappedInRange(node: SyntaxNode): boolean {
  return node.parent?.name === 'MatrixSelector'
}

const THROUGH = new Set([
  'FunctionCallBody',
  'MatrixSelector',
  'OffsetExpr',
  'StepInvariantExpr',
  'ParenExpr',
])

/** The function or aggregation this selector is an argument of. */
function callOf(node: SyntaxNode, text: string): string | undefined {
  let up: SyntaxNode | null = node.parent
  while (up !== null && THROUGH.has(up.name)) {
    up = up.parent
  }
  if ((up?.name !== 'FunctionCall' && up?.name !== 'AggregateExpr') || up.firstChild === null) {
    return undefined
  }
  return text.slice(up.firstChild.from, up.firstChild.to).toLowerCase()
}

/** What adds up or shows raw counters is most often meant as a rate. */
const SUMS = new Set([undefined, 'sum', 'avg', 'max', 'min', 'topk', 'bottomk'])

export function findings(text: string, functions: readonly string[], metadata?: Metadata): Finding[] {
  const out: Finding[] = []
  const rangeFns = RANGE_FNS as readonly string[]
  const tree = parser.parse(text)
  tree.iterate({
    enter(n) {
      const raw = text.slice(n.from, n.to)
      if (n.name === 'VectorSelector') {
        const fn = callOf(n.node, text)
        const id = n.node.getChild('Identifier')
        const name = id === null ? '' : text.slice(id.from, id.to)
        const type = metadataOf(name, metadata)?.type
        if (!wrappedInRange(n.node)) {
          if (fn !== undefined && rangeFns.includes(fn)) {
            out.push({
              from: n.from,
              to: n.to,
              severity: 'error',
              kind: 'needsRange',
              name: fn,
              fixes: [{ name: 'addRange', text: '[5m]', from: n.to, to: n.to, insert: '[5m]' }],
            })
          } else if (type === 'counter' && metadata?.[name] !== undefined && SUMS.has(fn)) {
            out.push({
              from: n.from,
              to: n.to,
              severity: 'info',
              kind: 'rawCounter',
              name,
              fixes: [
                {
                  name: 'wrapRate',
                  text: `rate(${name}[5m])`,
                  from: n.from,
                  to: n.to,
                  insert: `rate(${raw}[5m])`,
                },
              ],
            })
          }
        } else if (fn !== undefined && COUNTER_FNS.has(fn) && type === 'gauge') {
          out.push({ from: n.from, to: n.to, severity: 'warning', kind: 'rateOfGauge', name: fn, fixes: [] })
        }
      }
      // an unknown function parses as a selector with something broken behind it
      if (n.name === 'Identifier' && /^\s*\(/.test(text.slice(n.to)) && !functions.includes(raw)) {
        const near = nearest(raw, functions)
        out.push({
          from: n.from,
          to: n.to,
          severity: 'error',
          kind: 'unknownFunction',
          name: raw,
          fixes:
            near === undefined ? [] : [{ name: 'useName', text: near, from: n.from, to: n.to, insert: near }],
        })
      }
    },
  })
  const missing = openBrackets(text)
  if (missing !== null && missing !== '') {
    const end = text.trimEnd().length
    out.push({
      from: Math.max(0, end - 1),
      to: end,
      severity: 'error',
      kind: 'unclosed',
      name: missing,
      fixes: [{ name: 'closeBrackets', text: missing, from: end, to: end, insert: missing }],
    })
  }
  return out
}
