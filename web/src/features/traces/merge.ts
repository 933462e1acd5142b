// Spans of the same service and operation under the same path taken together: the aggregated flame graph,
// the figures by operation or service, and the comparison of two traces. Pure, never recursive.
import { preorder, type SpanNode, selfSegments, type TraceTree } from '@/features/traces/waterfall'

export interface Merged {
  /** Path from the root: "service\u0000operation" of each step, joined. */
  path: string
  service: string
  name: string
  missing: boolean
  depth: number
  count: number
  errors: number
  /** Sum of durations, ns. */
  total: number
  self: number
  /** Earliest start, ns: the order of siblings. */
  first: number
  children: Merged[]
}

const STEP = '\u0001'

export const stepOf = (n: SpanNode) => (n.missing ? '\u0002' : `${n.span.service}\u0000${n.span.name}`)

export function mergeTree(tree: TraceTree): Merged[] {
  const byPath = new Map<string, Merged>()
  const paths = new Map<SpanNode, Merged>()
  const roots: Merged[] = []
  for (const node of preorder(tree.roots)) {
    const up = node.parent === null ? undefined : paths.get(node.parent)
    const path = `${up?.path ?? ''}${STEP}${stepOf(node)}`
    let m = byPath.get(path)
    if (m === undefined) {
      m = {
        path,
        service: node.span.service,
        name: node.span.name,
        missing: node.missing,
        depth: node.depth,
        count: 0,
        errors: 0,
        total: 0,
        self: 0,
        first: node.start,
        children: [],
      }
      byPath.set(path, m)
      ;(up?.children ?? roots).push(m)
    }
    paths.set(node, m)
    m.count++
    m.errors += node.span.status === 'error' ? 1 : 0
    m.total += node.end - node.start
    m.self += node.self
    m.first = Math.min(m.first, node.start)
  }
  return roots
}

export function preorderMerged(roots: Merged[]): Merged[] {
  const out: Merged[] = []
  const todo = [...roots].reverse()
  for (let m = todo.pop(); m !== undefined; m = todo.pop()) {
    out.push(m)
    for (let i = m.children.length - 1; i >= 0; i--) {
      todo.push(m.children[i] as Merged)
    }
  }
  return out
}

// ---- figures ----

export interface GroupRow {
  key: string
  service: string
  name: string
  count: number
  errors: number
  total: number
  self: number
  max: number
  p95: number
}

/** The nearest-rank percentile. */
export function percentile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0
}

export function groupSpans(tree: TraceTree, by: 'service' | 'operation'): GroupRow[] {
  const rows = new Map<string, GroupRow & { all: number[] }>()
  for (const n of preorder(tree.roots)) {
    if (n.missing) {
      continue
    }
    const key = by === 'service' ? n.span.service : stepOf(n)
    const row = rows.get(key) ?? {
      key,
      service: n.span.service,
      name: by === 'service' ? '' : n.span.name,
      count: 0,
      errors: 0,
      total: 0,
      self: 0,
      max: 0,
      p95: 0,
      all: [],
    }
    rows.set(key, row)
    const took = n.end - n.start
    row.count++
    row.errors += n.span.status === 'error' ? 1 : 0
    row.total += took
    row.self += n.self
    row.max = Math.max(row.max, took)
    row.all.push(took)
  }
  return [...rows.values()].map(({ all, ...row }) => ({ ...row, p95: percentile(all, 0.95) }))
}

export interface CallRow {
  from: string
  to: string
  count: number
  errors: number
  total: number
  p95: number
}

/** Calls from one service into another: a child of another service than its parent's. */
export function serviceCalls(tree: TraceTree): CallRow[] {
  const rows = new Map<string, CallRow & { all: number[] }>()
  for (const n of preorder(tree.roots)) {
    const from = n.parent?.span.service
    if (from === undefined || n.missing || n.parent?.missing === true || from === n.span.service) {
      continue
    }
    const key = `${from}\u0000${n.span.service}`
    const row = rows.get(key) ?? { from, to: n.span.service, count: 0, errors: 0, total: 0, p95: 0, all: [] }
    rows.set(key, row)
    row.count++
    row.errors += n.span.status === 'error' ? 1 : 0
    row.total += n.end - n.start
    row.all.push(n.end - n.start)
  }
  return [...rows.values()]
    .map(({ all, ...row }) => ({ ...row, p95: percentile(all, 0.95) }))
    .sort((a, b) => b.total - a.total)
}

/** Self time of each service in equal parts of the trace: values[service][part], ns. */
export function selfOverTime(tree: TraceTree, parts: number): Map<string, Float64Array> {
  const out = new Map<string, Float64Array>()
  const width = tree.duration / parts || 1
  for (const n of preorder(tree.roots)) {
    if (n.missing) {
      continue
    }
    let sums = out.get(n.span.service)
    if (sums === undefined) {
      sums = new Float64Array(parts)
      out.set(n.span.service, sums)
    }
    for (const [a, b] of selfSegments(n)) {
      const last = Math.min(parts - 1, Math.floor(b / width))
      for (let i = Math.max(0, Math.floor(a / width)); i <= last; i++) {
        const overlap = Math.min(b, (i + 1) * width) - Math.max(a, i * width)
        sums[i] = (sums[i] ?? 0) + Math.max(0, overlap)
      }
    }
  }
  return out
}

// ---- two traces ----

export type DiffState = 'added' | 'missing' | 'slower' | 'faster' | 'same'

export interface Side {
  count: number
  errors: number
  total: number
  self: number
}

export interface DiffRow {
  path: string
  service: string
  name: string
  depth: number
  a: Side | null
  b: Side | null
  state: DiffState
  /** b - a of the total, ns. */
  delta: number
}

/** Less than this share of the operation, or of the whole trace, is noise. */
const NOISE_OF_OPERATION = 0.15
const NOISE_OF_TRACE = 0.005

function stateOf(a: Side | null, b: Side | null, whole: number): DiffState {
  if (a === null || b === null) {
    return a === null ? 'added' : 'missing'
  }
  const delta = b.total - a.total
  if (Math.abs(delta) <= Math.max(a.total * NOISE_OF_OPERATION, whole * NOISE_OF_TRACE)) {
    return 'same'
  }
  return delta > 0 ? 'slower' : 'faster'
}

/** Paths of both traces in the order of the first; `a` is the reference, `b` what is looked at. */
export function diffTraces(a: TraceTree, b: TraceTree): DiffRow[] {
  const whole = Math.max(a.duration, b.duration)
  const out: DiffRow[] = []
  interface Pair {
    a: Merged | undefined
    b: Merged | undefined
  }
  const pairs = (x: Merged[], y: Merged[]): Pair[] => {
    const second = new Map(y.map(m => [m.path, m]))
    const first = new Set(x.map(m => m.path))
    return [
      ...x.map((m): Pair => ({ a: m, b: second.get(m.path) })),
      ...y.filter(m => !first.has(m.path)).map((m): Pair => ({ a: undefined, b: m })),
    ].sort((p, q) => (p.a ?? p.b ?? { first: 0 }).first - (q.a ?? q.b ?? { first: 0 }).first)
  }
  const side = (m: Merged | undefined): Side | null =>
    m === undefined ? null : { count: m.count, errors: m.errors, total: m.total, self: m.self }
  const todo = pairs(mergeTree(a), mergeTree(b)).reverse()
  for (let p = todo.pop(); p !== undefined; p = todo.pop()) {
    const m = p.a ?? p.b
    if (m === undefined) {
      continue
    }
    const [left, right] = [side(p.a), side(p.b)]
    out.push({
      path: m.path,
      service: m.service,
      name: m.name,
      depth: m.depth,
      a: left,
      b: right,
      state: stateOf(left, right, whole),
      delta: (right?.total ?? 0) - (left?.total ?? 0),
    })
    todo.push(...pairs(p.a?.children ?? [], p.b?.children ?? []).reverse())
  }
  return out
}
