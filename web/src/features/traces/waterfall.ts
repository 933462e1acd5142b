// The tree of a trace: spans with their parents, times on one axis, self times and the critical path.
// Pure and linear (up to sorting); never recursive, because a chain of 100,000 spans is legal input.
// Parents that never came stand in the tree as empty spans, so that what they held stays together.
import type { Span } from '@/api/queries'
import { clockOf, type Resources, shiftClocks } from '@/features/traces/skew'
import { toBig } from '@/lib/ns'

export interface SpanNode {
  span: Span
  /** ns after the start of the trace, moved by `shift`. */
  start: number
  end: number
  /** ns by which the span was moved because its clock disagreed with its parent's; 0 is as sent. */
  shift: number
  /** Spans of one clock are never moved against each other. */
  clock: string
  parent: SpanNode | null
  children: SpanNode[]
  depth: number
  /** Stands for a parent that was never received; its times are those of its children. */
  missing: boolean
  /** Its parent would be below it, which broken senders make happen. */
  orphan: boolean
  /** This span or one below it failed. */
  errorBelow: boolean
  /** ns of the span that no child covers. */
  self: number
  /** Spans below it. */
  below: number
}

export interface TraceTree {
  roots: SpanNode[]
  byId: Map<string, SpanNode>
  /** Of the axis; with moved clocks it need not be a time that was sent. */
  startNs: bigint
  /** ns from the first start to the last end. */
  duration: number
  services: string[]
  errors: number
  /** Spans received. */
  count: number
  /** Parents that were not. */
  missing: number
  depth: number
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

/** Parts of the span that no child covers, in order; children may overlap and outlive their parent. */
export function selfSegments(node: SpanNode): [number, number][] {
  const out: [number, number][] = []
  let reach = node.start
  for (const c of node.children) {
    const to = Math.min(c.end, node.end)
    if (c.start > reach && c.start < node.end) {
      out.push([reach, c.start])
    }
    reach = Math.max(reach, to)
  }
  if (reach < node.end) {
    out.push([reach, node.end])
  }
  return out
}

function selfTime(node: SpanNode): number {
  return node.missing ? 0 : selfSegments(node).reduce((n, [a, b]) => n + b - a, 0)
}

function placeholder(id: string, first: Span): Span {
  return {
    trace_id: first.trace_id,
    span_id: id,
    name: '',
    kind: 'unspecified',
    service: '',
    start_ns: first.start_ns,
    end_ns: first.start_ns,
    status: 'unset',
    attributes: {},
    events: [],
    links: [],
    resource: -1,
  }
}

function nodeOf(span: Span, start: number, end: number, clock: string): SpanNode {
  return {
    span,
    start,
    end,
    shift: 0,
    clock,
    parent: null,
    children: [],
    depth: 0,
    missing: false,
    orphan: false,
    errorBelow: span.status === 'error',
    self: 0,
    below: 0,
  }
}

/** Every node under its parent; those whose parent never came under a placeholder. */
function link(nodes: SpanNode[], byId: Map<string, SpanNode>): SpanNode[] {
  const roots: SpanNode[] = []
  const missing = new Map<string, SpanNode>()
  for (const node of nodes) {
    const id = node.span.parent_span_id
    if (id === undefined || id === '') {
      roots.push(node)
      continue
    }
    let parent = byId.get(id) ?? missing.get(id)
    if (parent === undefined) {
      parent = nodeOf(placeholder(id, node.span), node.start, node.end, '')
      parent.missing = true
      missing.set(id, parent)
      roots.push(parent)
    }
    if (isCycle(node, parent)) {
      node.orphan = true
      roots.push(node)
      continue
    }
    node.parent = parent
    parent.children.push(node)
  }
  for (const [id, node] of missing) {
    byId.set(id, node)
  }
  return roots
}

/** Placeholders span what they hold; everything is measured from the earliest start. */
function settle(roots: SpanNode[]): { first: number; last: number } {
  const order = preorder(roots)
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i] as SpanNode
    if (node.missing) {
      node.start = node.children.reduce((n, c) => Math.min(n, c.start), Number.POSITIVE_INFINITY)
      node.end = node.children.reduce((n, c) => Math.max(n, c.end), node.start)
    }
  }
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const n of order) {
    first = Math.min(first, n.start)
    last = Math.max(last, n.end)
  }
  if (order.length === 0) {
    return { first: 0, last: 0 }
  }
  for (const n of order) {
    n.start -= first
    n.end -= first
  }
  return { first, last: last - first }
}

export interface TreeOptions {
  resources?: Resources
  /** Move spans whose clock disagrees with their parent's. */
  adjust?: boolean
}

export function buildTree(spans: Span[], options: TreeOptions = {}): TraceTree {
  const { resources = [], adjust = false } = options
  let zero = 0n
  spans.forEach((s, i) => {
    const a = toBig(s.start_ns)
    zero = i === 0 || a < zero ? a : zero
  })
  const byId = new Map<string, SpanNode>()
  const nodes = spans.map((span): SpanNode => {
    const start = Number(toBig(span.start_ns) - zero)
    const end = Math.max(start, Number(toBig(span.end_ns) - zero))
    const node = nodeOf(span, start, end, clockOf(span, resources))
    if (!byId.has(span.span_id)) {
      byId.set(span.span_id, node)
    }
    return node
  })
  const roots = link(nodes, byId)
  if (adjust) {
    shiftClocks(preorder(roots))
  }
  const { first, last } = settle(roots)
  roots.sort(byStart)
  const order = preorder(roots)
  for (const node of order) {
    node.children.sort(byStart)
  }
  const sorted = preorder(roots)
  let depth = 0
  for (const node of sorted) {
    node.depth = node.parent === null ? 0 : node.parent.depth + 1
    node.self = selfTime(node)
    depth = Math.max(depth, node.depth)
  }
  for (let i = sorted.length - 1; i >= 0; i--) {
    const node = sorted[i] as SpanNode
    if (node.parent !== null) {
      node.parent.errorBelow ||= node.errorBelow
      node.parent.below += node.below + 1
    }
  }
  return {
    roots,
    byId,
    startNs: zero + BigInt(Math.round(first)),
    duration: last,
    services: [...new Set(sorted.filter(n => !n.missing).map(n => n.span.service))],
    errors: spans.filter(s => s.status === 'error').length,
    count: spans.length,
    missing: sorted.length - spans.length,
    depth,
  }
}

/** The span that stands for the trace: the longest root that came, else the first placeholder. */
export function mainRoot(tree: TraceTree): SpanNode | undefined {
  const real = tree.roots.filter(r => !r.missing)
  const list = real.length > 0 ? real : tree.roots
  return list.reduce<SpanNode | undefined>(
    (best, r) => (best === undefined || r.end - r.start > best.end - best.start ? r : best),
    undefined,
  )
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

/** Spans folded so that nothing below `level` shows. */
export function foldedBelow(tree: TraceTree, level: number): Set<string> {
  return new Set(
    preorder(tree.roots)
      .filter(n => n.children.length > 0 && n.depth >= level)
      .map(n => n.span.span_id),
  )
}

/** Folded where a service begins, so that each call between services is one row. */
export function foldedInService(tree: TraceTree, service: string): Set<string> {
  return new Set(
    preorder(tree.roots)
      .filter(n => n.children.length > 0 && n.span.service === service && n.parent?.span.service !== service)
      .map(n => n.span.span_id),
  )
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
 * The chain of work that decided how long the root took: the chain of last-finishing children. Going back
 * from the end of a span, the child that ended last before the point reached is what the span waited for:
 * time between that child's end and the point is the span's own, then the same is asked within the child,
 * and the search goes on before the child's start. Children that end after the point reached ran beside the
 * path (or after their parent, asynchronously) and are none of it. The segments are disjoint and cover the
 * root from start to end.
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

/** Round tick distances for the ruler: about `wanted` ticks of 1, 2 or 5 times a power of ten. */
export function ticks(duration: number, wanted: number, from = 0): number[] {
  if (duration <= 0) {
    return [from]
  }
  const raw = duration / wanted
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw) ?? raw
  const out: number[] = []
  for (let t = Math.ceil(from / step) * step; t <= (from + duration) * 1.0001; t += step) {
    out.push(t)
  }
  return out
}

/** Case-insensitive search in service, name, status text, events and attribute values. */
export function spanMatches(span: Span, text: string): boolean {
  const t = text.trim().toLowerCase()
  return (
    t !== '' &&
    (span.name.toLowerCase().includes(t) ||
      span.service.toLowerCase().includes(t) ||
      span.span_id === t ||
      span.status_message?.toLowerCase().includes(t) === true ||
      (t === 'error' && span.status === 'error') ||
      span.events.some(e => e.name.toLowerCase().includes(t)) ||
      Object.entries(span.attributes).some(([k, v]) => `${k}=${String(v)}`.toLowerCase().includes(t)))
  )
}
