// PromQL to the rows of a tree; pure. From the tree the server parsed, which knows all of the language, or from the
// editor's own grammar while there is none.
import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'

export interface ExplainRow {
  depth: number
  kind:
    | 'function'
    | 'aggregate'
    | 'binary'
    | 'selector'
    | 'range'
    | 'subquery'
    | 'offset'
    | 'at'
    | 'unary'
    | 'number'
    | 'text'
  name: string
  detail: string
  text: string
}

function children(node: SyntaxNode): SyntaxNode[] {
  const out: SyntaxNode[] = []
  for (let c = node.firstChild; c !== null; c = c.nextSibling) {
    out.push(c)
  }
  return out
}

const one = (s: string) => s.replace(/\s+/g, ' ').trim()

function visit(node: SyntaxNode, depth: number, text: string, out: ExplainRow[]): void {
  const raw = (n: SyntaxNode | null | undefined) =>
    n === null || n === undefined ? '' : one(text.slice(n.from, n.to))
  const parts = children(node)
  const add = (kind: ExplainRow['kind'], name: string, detail = '') =>
    out.push({ depth, kind, name, detail, text: raw(node) })
  switch (node.name) {
    case 'ParenExpr':
      for (const c of parts) {
        visit(c, depth, text, out)
      }
      return
    case 'FunctionCall':
      add('function', raw(parts[0]))
      for (const c of children(parts[1] ?? node)) {
        if (c !== parts[0]) {
          visit(c, depth + 1, text, out)
        }
      }
      return
    case 'AggregateExpr': {
      add(
        'aggregate',
        raw(node.getChild('AggregateOp')).toLowerCase(),
        raw(node.getChild('AggregateModifier')),
      )
      const body = node.getChild('FunctionCallBody')
      for (const c of body === null ? [] : children(body)) {
        visit(c, depth + 1, text, out)
      }
      return
    }
    case 'BinaryExpr': {
      const first = parts[0]
      const last = parts.at(-1)
      const middle = parts.slice(1, -1)
      add('binary', raw(middle[0]), one(middle.slice(1).map(raw).join(' ')))
      for (const c of [first, last]) {
        if (c !== undefined) {
          visit(c, depth + 1, text, out)
        }
      }
      return
    }
    case 'VectorSelector':
      add('selector', raw(node.getChild('Identifier')) || '{…}')
      return
    case 'MatrixSelector':
      add('range', raw(parts[0]?.getChild('Identifier')) || '{…}', raw(parts[1]))
      return
    case 'SubqueryExpr':
    case 'OffsetExpr':
    case 'StepInvariantExpr': {
      const kind = node.name === 'SubqueryExpr' ? 'subquery' : node.name === 'OffsetExpr' ? 'offset' : 'at'
      add(kind, kind === 'at' ? '@' : kind, one(parts.slice(1).map(raw).join(' ')))
      if (parts[0] !== undefined) {
        visit(parts[0], depth + 1, text, out)
      }
      return
    }
    case 'UnaryExpr': {
      const inner = parts.at(-1)
      if (inner?.name === 'NumberDurationLiteral') {
        add('number', raw(node))
        return
      }
      add('unary', raw(parts[0]))
      if (inner !== undefined) {
        visit(inner, depth + 1, text, out)
      }
      return
    }
    case 'NumberDurationLiteral':
      add('number', raw(node))
      return
    case 'StringLiteral':
      add('text', raw(node))
      return
    default:
      for (const c of parts) {
        visit(c, depth, text, out)
      }
  }
}

export function explainTree(text: string): ExplainRow[] {
  const out: ExplainRow[] = []
  const top = parser.parse(text).topNode.firstChild
  if (top !== null) {
    visit(top, 0, text, out)
  }
  return out
}

/** A node of the tree of /api/v1/parse_query. */
interface Parsed {
  type: string
  span: [number, number]
  name?: string
  op?: string
  val?: string
  func?: { name: string }
  args?: Parsed[]
  expr?: Parsed
  param?: Parsed | null
  lhs?: Parsed
  rhs?: Parsed
  grouping?: string[]
  without?: boolean
  bool?: boolean
  matching?: { card: string; labels: string[]; on: boolean; include: string[] } | null
  offset?: number
  offsetExpr?: string
  timestamp?: number | null
  startOrEnd?: string | null
  range?: number
  rangeExpr?: string
  step?: number
  stepExpr?: string
}

const UNITS: [string, number][] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
]

/** 5m, 90s, 250ms, as PromQL writes them. */
function duration(ms: number): string {
  const unit = UNITS.find(([, size]) => ms !== 0 && ms % size === 0)
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`
}

function matchingText(n: Parsed): string {
  const m = n.matching
  const out = n.bool === true ? ['bool'] : []
  if (m !== undefined && m !== null) {
    if (m.on || m.labels.length > 0) {
      out.push(`${m.on ? 'on' : 'ignoring'} (${m.labels.join(', ')})`)
    }
    if (m.card === 'many-to-one' || m.card === 'one-to-many') {
      out.push(`group_${m.card === 'many-to-one' ? 'left' : 'right'} (${m.include.join(', ')})`)
    }
  }
  return out.join(' ')
}

export function explainParsed(tree: unknown, text: string): ExplainRow[] {
  const bytes = new TextEncoder().encode(text)
  const decoder = new TextDecoder()
  const out: ExplainRow[] = []
  const walk = (n: Parsed, depth: number): void => {
    const part = one(decoder.decode(bytes.slice(n.span[0], n.span[1])))
    const add = (kind: ExplainRow['kind'], name: string, detail = '', at = depth) =>
      out.push({ depth: at, kind, name, detail, text: part })
    const all = (list: (Parsed | null | undefined)[], at: number) => {
      for (const c of list) {
        if (c !== undefined && c !== null) {
          walk(c, at)
        }
      }
    }
    /** Rows of what moves a selector or subquery in time. @returns the depth below them */
    const moved = (): number => {
      let at = depth
      const when = n.startOrEnd ? `${n.startOrEnd}()` : n.timestamp == null ? '' : `${n.timestamp / 1_000}`
      if (when !== '') {
        add('at', '@', when, at++)
      }
      if (n.offsetExpr !== undefined || (n.offset ?? 0) !== 0) {
        add('offset', 'offset', n.offsetExpr ?? duration(n.offset ?? 0), at++)
      }
      return at
    }
    const range = n.rangeExpr ?? duration(n.range ?? 0)
    switch (n.type) {
      case 'parenExpr':
        all([n.expr], depth)
        return
      case 'call':
        add('function', n.func?.name ?? '')
        all(n.args ?? [], depth + 1)
        return
      case 'aggregation':
        add(
          'aggregate',
          n.op ?? '',
          n.without || (n.grouping ?? []).length > 0
            ? `${n.without ? 'without' : 'by'} (${(n.grouping ?? []).join(', ')})`
            : '',
        )
        all([n.param, n.expr], depth + 1)
        return
      case 'binaryExpr':
        add('binary', n.op ?? '', matchingText(n))
        all([n.lhs, n.rhs], depth + 1)
        return
      case 'vectorSelector':
        add('selector', n.name || '{…}', '', moved())
        return
      case 'matrixSelector':
        add('range', n.name || '{…}', range, moved())
        return
      case 'subquery': {
        const at = moved()
        add('subquery', 'subquery', `${range}:${n.stepExpr ?? (n.step ? duration(n.step) : '')}`, at)
        all([n.expr], at + 1)
        return
      }
      case 'unaryExpr':
        if (n.expr?.type === 'numberLiteral') {
          add('number', part)
          return
        }
        add('unary', n.op ?? '')
        all([n.expr], depth + 1)
        return
      case 'numberLiteral':
        add('number', part)
        return
      default:
        add('text', part)
    }
  }
  walk(tree as Parsed, 0)
  return out
}
