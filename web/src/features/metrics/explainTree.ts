// PromQL text to the rows of a tree; pure, from the editor's own grammar, so it needs no request.
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
