// Boxes of the flame graph. By time: a box stands where its span ran, below its parent, in the first row
// where nothing runs at that time. Aggregated: spans of the same path are one box as wide as their own time
// and that of all below. Pure.
import { type Merged, mergeTree, preorderMerged } from '@/features/traces/merge'
import { preorder, type SpanNode, type TraceTree } from '@/features/traces/waterfall'

export interface Box {
  key: string
  label: string
  service: string
  /** Of the whole width, 0..1. */
  x0: number
  x1: number
  row: number
  /** ns: duration, or the sum of durations. */
  total: number
  self: number
  count: number
  errors: number
  /** By time only. */
  spanId: string
}

export interface Flame {
  boxes: Box[]
  rows: number
}

export function timeFlame(tree: TraceTree): Flame {
  const whole = tree.duration || 1
  const rows = new Map<SpanNode, number>()
  const free: number[] = []
  const order = preorder(tree.roots)
    .map((node, i) => ({ node, i }))
    .sort((a, b) => a.node.start - b.node.start || a.node.depth - b.node.depth || a.i - b.i)
  const boxes = order.map(({ node }): Box => {
    let row = node.parent === null ? 0 : (rows.get(node.parent) ?? 0) + 1
    while ((free[row] ?? 0) > node.start) {
      row++
    }
    // rows between stay free for what runs there
    while (free.length < row) {
      free.push(0)
    }
    free[row] = node.end
    rows.set(node, row)
    return {
      key: node.span.span_id,
      label: node.span.name,
      service: node.span.service,
      x0: node.start / whole,
      x1: node.end / whole,
      row,
      total: node.end - node.start,
      self: node.self,
      count: 1,
      errors: node.span.status === 'error' ? 1 : 0,
      spanId: node.span.span_id,
    }
  })
  return { boxes, rows: free.length }
}

export function mergedFlame(tree: TraceTree): Flame {
  const roots = mergeTree(tree)
  const order = preorderMerged(roots)
  const width = new Map<Merged, number>()
  for (let i = order.length - 1; i >= 0; i--) {
    const m = order[i] as Merged
    width.set(
      m,
      m.children.reduce((n, c) => n + (width.get(c) ?? 0), m.self),
    )
  }
  const whole = roots.reduce((n, r) => n + (width.get(r) ?? 0), 0) || 1
  const left = new Map<Merged, number>()
  let x = 0
  for (const r of roots) {
    left.set(r, x)
    x += width.get(r) ?? 0
  }
  let rows = 0
  const boxes = order.map((m): Box => {
    const x0 = left.get(m) ?? 0
    let at = x0
    for (const c of m.children) {
      left.set(c, at)
      at += width.get(c) ?? 0
    }
    rows = Math.max(rows, m.depth + 1)
    return {
      key: m.path,
      label: m.name,
      service: m.service,
      x0: x0 / whole,
      x1: (x0 + (width.get(m) ?? 0)) / whole,
      row: m.depth,
      total: m.total,
      self: m.self,
      count: m.count,
      errors: m.errors,
      spanId: '',
    }
  })
  return { boxes, rows }
}
