// The builder's model and its two directions: PromQL text -> selector and a chain of steps, and back. What
// the chain cannot express (two selectors, subqueries, modifiers) is left to the code mode: parse gives null.
import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'

export type MatchOp = '=' | '!=' | '=~' | '!~'
export interface BuilderMatcher {
  name: string
  op: MatchOp
  value: string
}
export type BuilderStep =
  /** A function over a range, always first: rate(x[5m]). */
  | { kind: 'range'; fn: string; window: string; param?: number }
  | { kind: 'fn'; fn: string; params: number[] }
  | { kind: 'agg'; op: string; param?: number; grouping: 'none' | 'by' | 'without'; labels: string[] }
  | { kind: 'math'; op: string; value: number; bool?: boolean }

export interface BuilderQuery {
  metric: string
  matchers: BuilderMatcher[]
  steps: BuilderStep[]
}

export const EMPTY_BUILDER: BuilderQuery = { metric: '', matchers: [], steps: [] }

export const RANGE_FNS = [
  'rate',
  'increase',
  'irate',
  'delta',
  'deriv',
  'changes',
  'resets',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'sum_over_time',
  'count_over_time',
  'last_over_time',
  'stddev_over_time',
  'quantile_over_time',
  'predict_linear',
] as const

/** Functions of one vector; where the numbers go and what they start as. */
export const VECTOR_FNS: Record<string, { params: number[]; first?: boolean }> = {
  histogram_quantile: { params: [0.95], first: true },
  histogram_avg: { params: [] },
  histogram_count: { params: [] },
  histogram_sum: { params: [] },
  abs: { params: [] },
  ceil: { params: [] },
  floor: { params: [] },
  round: { params: [] },
  sqrt: { params: [] },
  ln: { params: [] },
  log10: { params: [] },
  exp: { params: [] },
  clamp_min: { params: [0] },
  clamp_max: { params: [100] },
  sort: { params: [] },
  sort_desc: { params: [] },
  timestamp: { params: [] },
  absent: { params: [] },
}

export const AGG_OPS = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'stddev',
  'group',
  'topk',
  'bottomk',
  'quantile',
] as const
export const MATH_OPS = ['*', '/', '+', '-', '%', '^', '>', '>=', '<', '<=', '==', '!='] as const

export const aggParam: Record<string, number> = { topk: 5, bottomk: 5, quantile: 0.95 }
export const rangeParam: Record<string, { value: number; first: boolean }> = {
  quantile_over_time: { value: 0.95, first: true },
  predict_linear: { value: 3600, first: false },
}

// ---- model -> text ---------------------------------------------------------------------------

const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/

function labelText(name: string): string {
  return PLAIN_LABEL.test(name) ? name : JSON.stringify(name)
}

export function selectorText(metric: string, matchers: BuilderMatcher[]): string {
  const inner = matchers
    .filter(m => m.name !== '')
    .map(m => `${labelText(m.name)}${m.op}${JSON.stringify(m.value)}`)
  if (metric !== '' && !PLAIN_NAME.test(metric)) {
    return `{${[JSON.stringify(metric), ...inner].join(', ')}}`
  }
  return inner.length === 0 ? metric : `${metric}{${inner.join(', ')}}`
}

function stepText(inner: string, step: BuilderStep): string {
  switch (step.kind) {
    case 'range': {
      const range = `${inner}[${step.window}]`
      const p = rangeParam[step.fn]
      const value = step.param ?? p?.value
      return p === undefined
        ? `${step.fn}(${range})`
        : `${step.fn}(${p.first ? `${value}, ${range}` : `${range}, ${value}`})`
    }
    case 'fn': {
      const first = VECTOR_FNS[step.fn]?.first === true
      const args = first ? [...step.params, inner] : [inner, ...step.params]
      return `${step.fn}(${args.join(', ')})`
    }
    case 'agg': {
      const labels = step.labels.map(labelText).join(', ')
      const group = step.grouping === 'none' ? '' : ` ${step.grouping} (${labels})`
      const param = step.op in aggParam ? `${step.param ?? aggParam[step.op]}, ` : ''
      return `${step.op}${group}${group === '' ? '' : ' '}(${param}${inner})`
    }
    case 'math':
      return `${inner} ${step.op} ${step.bool === true ? 'bool ' : ''}${step.value}`
  }
}

export function builderText(q: BuilderQuery): string {
  const selector = selectorText(q.metric, q.matchers)
  if (selector === '') {
    return ''
  }
  let text = selector
  let wasMath = false
  for (const step of q.steps) {
    if (step.kind === 'math' && wasMath) {
      text = `(${text})`
    }
    text = stepText(text, step)
    wasMath = step.kind === 'math'
  }
  return text
}

// ---- text -> model ---------------------------------------------------------------------------

class TooRich extends Error {}

function children(node: SyntaxNode): SyntaxNode[] {
  const out: SyntaxNode[] = []
  for (let c = node.firstChild; c !== null; c = c.nextSibling) {
    out.push(c)
  }
  return out
}

function literal(text: string): string {
  if (text.startsWith('`')) {
    return text.slice(1, -1)
  }
  if (text.startsWith("'")) {
    return JSON.parse(`"${text.slice(1, -1).replaceAll("\\'", "'").replaceAll('"', '\\"')}"`) as string
  }
  return JSON.parse(text) as string
}

function parseSelector(node: SyntaxNode, text: string): { metric: string; matchers: BuilderMatcher[] } {
  let metric = ''
  const matchers: BuilderMatcher[] = []
  for (const c of children(node)) {
    if (c.name === 'Identifier') {
      metric = text.slice(c.from, c.to)
    } else if (c.name === 'LabelMatchers') {
      for (const m of children(c)) {
        const parts = children(m)
        const name = parts[0]
        const op = parts.find(p => p.name === 'MatchOp')
        const value = parts.find(p => p.name === 'StringLiteral')
        if (name !== undefined && op !== undefined && value !== undefined) {
          const raw = text.slice(name.from, name.to)
          const label = name.name === 'QuotedLabelName' ? literal(raw) : raw
          const match = literal(text.slice(value.from, value.to))
          if (label === '__name__' && text.slice(op.from, op.to) === '=') {
            metric = match
          } else {
            matchers.push({ name: label, op: text.slice(op.from, op.to) as MatchOp, value: match })
          }
        } else if (m.name === 'QuotedLabelName') {
          metric = literal(text.slice(m.from, m.to))
        } else {
          throw new TooRich()
        }
      }
    } else {
      throw new TooRich()
    }
  }
  return { metric, matchers }
}

function number(node: SyntaxNode | undefined, text: string): number {
  const raw = node === undefined ? '' : text.slice(node.from, node.to).replaceAll(' ', '')
  const v = Number(raw)
  if (raw === '' || !Number.isFinite(v)) {
    throw new TooRich()
  }
  return v
}

const isNumber = (n: SyntaxNode) => n.name === 'NumberDurationLiteral' || n.name === 'UnaryExpr'

function parseRange(fn: string, args: SyntaxNode[], text: string): BuilderQuery {
  const matrix = args.find(a => a.name === 'MatrixSelector')
  const p = rangeParam[fn]
  if (matrix === undefined || args.length !== (p === undefined ? 1 : 2)) {
    throw new TooRich()
  }
  const [vector, window] = children(matrix)
  if (vector?.name !== 'VectorSelector' || window === undefined) {
    throw new TooRich()
  }
  const span = text.slice(window.from, window.to)
  if (!/^[\da-z]+$/.test(span)) {
    throw new TooRich()
  }
  const step: BuilderStep = { kind: 'range', fn, window: span }
  if (p !== undefined) {
    step.param = number(args[p.first ? 0 : 1], text)
  }
  return { ...parseSelector(vector, text), steps: [step] }
}

function parseCall(node: SyntaxNode, text: string): BuilderQuery {
  const [id, body] = children(node)
  if (id === undefined || body === undefined) {
    throw new TooRich()
  }
  const fn = text.slice(id.from, id.to)
  const args = children(body)
  if ((RANGE_FNS as readonly string[]).includes(fn)) {
    return parseRange(fn, args, text)
  }
  const known = VECTOR_FNS[fn]
  if (known === undefined || args.length !== known.params.length + 1) {
    throw new TooRich()
  }
  const inner = known.first === true ? args.at(-1) : args[0]
  const params = (known.first === true ? args.slice(0, -1) : args.slice(1)).map(a => number(a, text))
  if (inner === undefined) {
    throw new TooRich()
  }
  const q = parseNode(inner, text)
  return { ...q, steps: [...q.steps, { kind: 'fn', fn, params }] }
}

function parseAggregate(node: SyntaxNode, text: string): BuilderQuery {
  const parts = children(node)
  const op = parts.find(p => p.name === 'AggregateOp')
  const body = parts.find(p => p.name === 'FunctionCallBody')
  const modifier = parts.find(p => p.name === 'AggregateModifier')
  const name = op === undefined ? '' : text.slice(op.from, op.to).toLowerCase()
  const args = body === undefined ? [] : children(body)
  const wants = name in aggParam ? 2 : 1
  const inner = args.at(-1)
  if (!(AGG_OPS as readonly string[]).includes(name) || args.length !== wants || inner === undefined) {
    throw new TooRich()
  }
  const step: BuilderStep = { kind: 'agg', op: name, grouping: 'none', labels: [] }
  if (wants === 2) {
    step.param = number(args[0], text)
  }
  if (modifier !== undefined) {
    step.grouping = modifier.firstChild?.name === 'Without' ? 'without' : 'by'
    const group = modifier.getChild('GroupingLabels')
    step.labels = (group === null ? [] : children(group)).map(c => {
      const raw = text.slice(c.from, c.to)
      return c.name === 'QuotedLabelName' ? literal(raw) : raw
    })
  }
  const q = parseNode(inner, text)
  return { ...q, steps: [...q.steps, step] }
}

function parseBinary(node: SyntaxNode, text: string): BuilderQuery {
  const parts = children(node)
  const left = parts[0]
  const right = parts.at(-1)
  const bool = parts.some(p => p.name === 'BoolModifier')
  const extra = parts.filter(p => p !== left && p !== right && p.name !== 'BoolModifier')
  if (left === undefined || right === undefined || left === right || !isNumber(right) || extra.length !== 1) {
    throw new TooRich()
  }
  const op = extra[0] === undefined ? '' : text.slice(extra[0].from, extra[0].to)
  if (!(MATH_OPS as readonly string[]).includes(op)) {
    throw new TooRich()
  }
  const q = parseNode(left, text)
  const step: BuilderStep = { kind: 'math', op, value: number(right, text) }
  if (bool) {
    step.bool = true
  }
  return { ...q, steps: [...q.steps, step] }
}

function parseNode(node: SyntaxNode, text: string): BuilderQuery {
  switch (node.name) {
    case 'VectorSelector':
      return { ...parseSelector(node, text), steps: [] }
    case 'ParenExpr': {
      const inner = children(node)
      if (inner.length !== 1 || inner[0] === undefined) {
        throw new TooRich()
      }
      return parseNode(inner[0], text)
    }
    case 'FunctionCall':
      return parseCall(node, text)
    case 'AggregateExpr':
      return parseAggregate(node, text)
    case 'BinaryExpr':
      return parseBinary(node, text)
    default:
      throw new TooRich()
  }
}

/** null when the text is not PromQL, or more than the builder can show. */
export function parseBuilder(text: string): BuilderQuery | null {
  if (text.trim() === '') {
    return { ...EMPTY_BUILDER }
  }
  const tree = parser.parse(text)
  let broken = false
  tree.iterate({
    enter(n) {
      broken = broken || n.type.isError || n.name === 'LineComment'
    },
  })
  const top = tree.topNode.firstChild
  if (broken || top === null || top.nextSibling !== null) {
    return null
  }
  try {
    return parseNode(top, text)
  } catch {
    return null
  }
}

/** Metric names a query reads, in order. */
export function metricsIn(text: string): string[] {
  const out: string[] = []
  parser.parse(text).iterate({
    enter(n) {
      if (n.name === 'VectorSelector') {
        const id = n.node.getChild('Identifier')
        if (id !== null) {
          out.push(text.slice(id.from, id.to))
        }
      }
    },
  })
  return out
}
