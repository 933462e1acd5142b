// Geometry of a trace: the tree of its spans, the rows one sees, self times and the critical path.
// Pure and linear (up to sorting); never recursive, because a chain of 100,000 spans is legal input.
import type { Span } from '@/api/queries'
import { toBig } from '@/lib/ns'

export interface SpanNode {
  span: Span
  /** ns after the start of the trace. */
  start: number
  end: number
  parent: SpanNode | null
  children: SpanNode[]
  depth: number
  /** Its parent was never received. */
  orphan: boolean
  /** This span or one below it failed. */
  errorBelow: boolean
  /** ns of the span that no child covers. */
  self: number
}

export interface TraceTree {
  roots: SpanNode[]
  byId: Map<string, SpanNode>
  startNs: bigint
  /** ns from the first start to the last end. */
  duration: number
  services: string[]
  errors: number
}

function byStart(a: SpanNode, b: SpanNode): number {
  return a.start - b.start || b.end - a.end
}

/** Would `node` become its own ancestor under `parent`? (Broken senders repeat span ids.) */
function isCycle(node: SpanNode, parent: SpanNode): boolean {
  for (let p: SpanNode | null = parent; p !== null; p = p.parent) {
    if (p === node) {
      return true
    }
  }
  return false
}

/** Nodes from the roots down, parents before children. */
export function preorder(roots: SpanNode[]): SpanNode[] {
  const out: SpanNode[] = []
  const todo = [...roots].reverse()
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    out.push(node)
    for (let i = node.children.length - 1; i >= 0; i--) {
      todo.push(node.children[i] as SpanNode)
    }
  }
  return out
}

/** Time of the span not covered by its children; children may overlap and outlive their parent. */
function selfTime(node: SpanNode): number {
  let covered = 0
  let reach = node.start
  for (const c of node.children) {
    const from = Math.max(c.start, reach)
    const to = Math.min(c.end, node.end)
    if (to > from) {
      covered += to - from
      reach = to
    }
  }
  return Math.max(0, node.end - node.start - covered)
}

export function buildTree(spans: Span[]): TraceTree {
  let startNs = 0n
  let endNs = 0n
  spans.forEach((s, i) => {
    const a = toBig(s.start_ns)
    const b = toBig(s.end_ns)
    startNs = i === 0 || a < startNs ? a : startNs
    endNs = i === 0 || b > endNs ? b : endNs
  })
  const byId = new Map<string, SpanNode>()
  const nodes = spans.map((span): SpanNode => {
    const start = Number(toBig(span.start_ns) - startNs)
    const end = Math.max(start, Number(toBig(span.end_ns) - startNs))
    const node = {
      span,
      start,
      end,
      parent: null,
      children: [],
      depth: 0,
      orphan: false,
      errorBelow: span.status === 'error',
      self: 0,
    }
    if (!byId.has(span.span_id)) {
      byId.set(span.span_id, node)
    }
    return node
  })
  const roots: SpanNode[] = []
  for (const node of nodes) {
    const id = node.span.parent_span_id
    const parent = id === undefined || id === '' ? undefined : byId.get(id)
    if (parent === undefined || isCycle(node, parent)) {
      node.orphan = id !== undefined && id !== ''
      roots.push(node)
    } else {
      node.parent = parent
      parent.children.push(node)
    }
  }
  roots.sort(byStart)
  for (const node of nodes) {
    node.children.sort(byStart)
  }
  const order = preorder(roots)
  for (const node of order) {
    node.depth = node.parent === null ? 0 : node.parent.depth + 1
    node.self = selfTime(node)
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i] as SpanNode
    if (node.errorBelow && node.parent !== null) {
      node.parent.errorBelow = true
    }
  }
  return {
    roots,
    byId,
    startNs,
    duration: Number(endNs - startNs),
    services: [...new Set(order.map(n => n.span.service))],
    errors: spans.filter(s => s.status === 'error').length,
  }
}

/** Rows that are on screen: everything but what is below a collapsed span. */
export function visibleRows(tree: TraceTree, collapsed: ReadonlySet<string>): SpanNode[] {
  const out: SpanNode[] = []
  const todo = [...tree.roots].reverse()
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    out.push(node)
    if (!collapsed.has(node.span.span_id)) {
      for (let i = node.children.length - 1; i >= 0; i--) {
        todo.push(node.children[i] as SpanNode)
      }
    }
  }
  return out
}

export interface Segment {
  id: string
  start: number
  end: number
}

/** Timers of one process disagree a little: a child may seem to end just after the parent that waited. */
const OVERRUN_NS = 1e6
const OVERRUN_SHARE = 0.02

function pathEnd(child: SpanNode, parent: SpanNode): number {
  const over = child.end - parent.end
  return over > 0 && over <= Math.max(OVERRUN_NS, OVERRUN_SHARE * (parent.end - parent.start))
    ? parent.end
    : child.end
}

/**
 * The chain of work that decided how long the first root took: going back from its end, always into the
 * child that ended last before the point reached.
 */
export function criticalPath(root: SpanNode | undefined): Segment[] {
  const out: Segment[] = []
  if (root === undefined) {
    return out
  }
  interface Task {
    node: SpanNode
    children: SpanNode[]
    cursor: number
  }
  const enter = (node: SpanNode, end: number): Task => ({
    node,
    children: [...node.children].sort((a, b) => a.end - b.end),
    cursor: end,
  })
  const todo: Task[] = [enter(root, root.end)]
  for (let task = todo.at(-1); task !== undefined; task = todo.at(-1)) {
    const child = task.children.pop()
    if (child === undefined) {
      if (task.cursor > task.node.start) {
        out.push({ id: task.node.span.span_id, start: task.node.start, end: task.cursor })
      }
      todo.pop()
      continue
    }
    const end = pathEnd(child, task.node)
    if (child.start >= task.cursor || end <= task.node.start || end > task.cursor) {
      // it runs outside of its parent (asynchronous work), or beside the path already chosen
      continue
    }
    if (end < task.cursor) {
      out.push({ id: task.node.span.span_id, start: end, end: task.cursor })
    }
    task.cursor = Math.max(child.start, task.node.start)
    todo.push(enter(child, end))
  }
  return out.sort((a, b) => a.start - b.start)
}

export interface OperationRow {
  service: string
  name: string
  count: number
  errors: number
  total: number
  self: number
  max: number
}

/** Spans of the same service and name together: where the time went. */
export function operations(tree: TraceTree): OperationRow[] {
  const rows = new Map<string, OperationRow>()
  for (const n of preorder(tree.roots)) {
    const key = `${n.span.service}\u0000${n.span.name}`
    const row = rows.get(key) ?? {
      service: n.span.service,
      name: n.span.name,
      count: 0,
      errors: 0,
      total: 0,
      self: 0,
      max: 0,
    }
    row.count++
    row.errors += n.span.status === 'error' ? 1 : 0
    row.total += n.end - n.start
    row.self += n.self
    row.max = Math.max(row.max, n.end - n.start)
    rows.set(key, row)
  }
  return [...rows.values()]
}

/** Round tick distances for the ruler: about `wanted` ticks of 1, 2 or 5 times a power of ten. */
export function ticks(duration: number, wanted: number): number[] {
  if (duration <= 0) {
    return [0]
  }
  const raw = duration / wanted
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw) ?? raw
  const out: number[] = []
  for (let t = 0; t <= duration * 1.0001; t += step) {
    out.push(t)
  }
  return out
}

/** Case-insensitive search in service, name and attribute values. */
export function spanMatches(span: Span, text: string): boolean {
  const t = text.trim().toLowerCase()
  return (
    t !== '' &&
    (span.name.toLowerCase().includes(t) ||
      span.service.toLowerCase().includes(t) ||
      span.span_id === t ||
      Object.entries(span.attributes).some(([k, v]) => `${k}=${String(v)}`.toLowerCase().includes(t)))
  )
}
