// Clocks of hosts differ; a child that seems to start before its caller did not. Spans of one clock keep
// their places against each other and are moved together, by what makes the first of them fit its parent.
// Nothing is moved without being said: every moved span carries its shift, and the page can turn it off.
import type { Span } from '@/api/queries'
import type { SpanNode } from '@/features/traces/waterfall'

export type Resources = Record<string, unknown>[]

const CLOCKS = ['host.name', 'k8s.node.name', 'k8s.pod.name', 'container.id', 'service.instance.id']

/** Names the clock of a span: its host, or what comes nearest to one. */
export function clockOf(span: Span, resources: Resources): string {
  const r = resources[span.resource] ?? {}
  const found = CLOCKS.map(k => r[k]).find(v => typeof v === 'string' && v !== '')
  return found === undefined ? span.service : String(found)
}

/** What clocks that are kept by NTP may differ by without anybody looking twice. */
const TOLERANCE_NS = 100_000
const TOLERANCE_SHARE = 0.001

/** ns to move a span of another clock than its parent's so that it makes sense; 0 when it does. */
export function fitShift(node: SpanNode, parentStart: number, parentEnd: number): number {
  const took = node.end - node.start
  const room = parentEnd - parentStart
  const slack = Math.max(TOLERANCE_NS, room * TOLERANCE_SHARE)
  const parent = node.parent?.span
  // the caller waited for the answer, unless it gave up
  const answered = parent?.kind === 'client' && node.span.kind === 'server' && parent.status !== 'error'
  const early = node.start < parentStart - slack
  const late = answered && node.end > parentEnd + slack
  if (!early && !late) {
    return 0
  }
  // request and answer take as long as each other, for all that is known
  return answered && took <= room
    ? parentStart + (room - took) / 2 - node.start
    : early
      ? parentStart - node.start
      : 0
}

/** Sets `shift` and moves the times; `order` has parents before children. */
export function shiftClocks(order: SpanNode[]): void {
  for (const node of order) {
    const { parent } = node
    if (parent === null || parent.missing) {
      continue
    }
    node.shift =
      node.clock === parent.clock ? parent.shift : Math.round(fitShift(node, parent.start, parent.end))
    node.start += node.shift
    node.end += node.shift
  }
}

export interface MovedClock {
  clock: string
  services: string[]
  spans: number
  /** Of the shifts, ns; spans of one clock may be moved differently in different calls. */
  least: number
  most: number
}

/** What was moved, the largest shift first. */
export function movedClocks(nodes: Iterable<SpanNode>): MovedClock[] {
  const by = new Map<string, MovedClock>()
  for (const n of nodes) {
    if (n.shift === 0) {
      continue
    }
    const row = by.get(n.clock) ?? { clock: n.clock, services: [], spans: 0, least: n.shift, most: n.shift }
    by.set(n.clock, row)
    row.spans++
    row.least = Math.min(row.least, n.shift)
    row.most = Math.max(row.most, n.shift)
    if (!row.services.includes(n.span.service)) {
      row.services.push(n.span.service)
    }
  }
  const size = (m: MovedClock) => Math.max(Math.abs(m.least), Math.abs(m.most))
  return [...by.values()].sort((a, b) => size(b) - size(a))
}
