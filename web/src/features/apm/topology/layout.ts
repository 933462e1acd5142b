// Where nodes stand: layers from left to right, few crossings, straight lines (after Sugiyama, Tagawa and Toda 1981,
// with the median heuristic of Gansner et al. 1993). A node that has a place keeps it; only what is new is placed.

export interface Point {
  x: number
  y: number
}

export interface LayoutEdge {
  from: string
  to: string
}

export const NODE_W = 184
export const NODE_H = 54
export const LAYER_W = 372
export const ROW_H = 84

/** Edges without those that close a cycle, found depth first in a stable order. */
function acyclic(ids: string[], out: Map<string, string[]>): Map<string, string[]> {
  const state = new Map<string, 1 | 2>()
  const kept = new Map<string, string[]>(ids.map(id => [id, []]))
  for (const root of ids) {
    if (state.has(root)) {
      continue
    }
    const stack: { id: string; next: number }[] = [{ id: root, next: 0 }]
    state.set(root, 1)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const to = out.get(top.id)?.[top.next++]
      if (to === undefined) {
        state.set(top.id, 2)
        stack.pop()
      } else if (state.get(to) !== 1) {
        kept.get(top.id)?.push(to)
        if (!state.has(to)) {
          state.set(to, 1)
          stack.push({ id: to, next: 0 })
        }
      }
    }
  }
  return kept
}

/** Layer of each node: the longest way to it. `first` begins in layer 0, and the search for cycles begins there. */
export function layersOf(
  nodes: string[],
  edges: LayoutEdge[],
  first: (id: string) => boolean,
): Map<string, number> {
  const ids = [...nodes].sort((a, b) => Number(first(b)) - Number(first(a)) || (a < b ? -1 : 1))
  const known = new Set(ids)
  const out = new Map<string, string[]>(ids.map(id => [id, []]))
  const called = new Set<string>()
  for (const e of edges) {
    if (e.from !== e.to && known.has(e.from) && known.has(e.to)) {
      out.get(e.from)?.push(e.to)
      called.add(e.to)
    }
  }
  for (const list of out.values()) {
    list.sort()
  }
  // whoever nobody calls comes first, so that a cycle is cut where the requests come back
  ids.sort((a, b) => Number(called.has(a)) - Number(called.has(b)) || Number(first(b)) - Number(first(a)))
  const dag = acyclic(ids, out)
  const waits = new Map<string, number>(ids.map(id => [id, 0]))
  for (const list of dag.values()) {
    for (const to of list) {
      waits.set(to, (waits.get(to) ?? 0) + 1)
    }
  }
  const layer = new Map<string, number>(ids.map(id => [id, 0]))
  const ready = ids.filter(id => waits.get(id) === 0)
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const to of dag.get(id) ?? []) {
      layer.set(to, Math.max(layer.get(to) ?? 0, (layer.get(id) ?? 0) + 1))
      const left = (waits.get(to) ?? 0) - 1
      waits.set(to, left)
      if (left === 0) {
        ready.push(to)
      }
    }
  }
  return layer
}

function median(values: number[]): number | undefined {
  if (values.length === 0) {
    return undefined
  }
  const v = [...values].sort((a, b) => a - b)
  const m = v.length >> 1
  return v.length % 2 === 1 ? v[m] : ((v[m - 1] ?? 0) + (v[m] ?? 0)) / 2
}

/** Layers, with a place kept free in each layer that an edge passes, so that edges have ways too. */
function ranked(nodes: string[], edges: LayoutEdge[], layer: Map<string, number>) {
  const rows: string[][] = []
  const links = new Map<string, { up: string[]; down: string[] }>()
  const add = (id: string, at: number) => {
    while (rows.length <= at) {
      rows.push([])
    }
    rows[at]?.push(id)
    links.set(id, { up: [], down: [] })
  }
  const join = (from: string, to: string) => {
    links.get(from)?.down.push(to)
    links.get(to)?.up.push(from)
  }
  for (const id of [...nodes].sort()) {
    add(id, layer.get(id) ?? 0)
  }
  for (const e of edges) {
    const a = layer.get(e.from)
    const b = layer.get(e.to)
    if (a === undefined || b === undefined || a === b) {
      continue
    }
    const [from, to, low, high] = a < b ? [e.from, e.to, a, b] : [e.to, e.from, b, a]
    let last = from
    for (let i = low + 1; i < high; i++) {
      const id = `\u0000${from}\u0000${to}\u0000${i}`
      if (!links.has(id)) {
        add(id, i)
      }
      join(last, id)
      last = id
    }
    join(last, to)
  }
  return { rows, links }
}

function order(rows: string[][], links: Map<string, { up: string[]; down: string[] }>): void {
  const place = new Map<string, number>()
  const number = (row: string[]) => {
    row.forEach((id, i) => {
      place.set(id, i)
    })
  }
  rows.forEach(number)
  for (let round = 0; round < 12; round++) {
    const down = round % 2 === 0
    for (const row of down ? rows.slice(1) : rows.slice(0, -1).reverse()) {
      const want = new Map<string, number>()
      for (const id of row) {
        const l = links.get(id)
        const near = (down ? l?.up : l?.down) ?? []
        want.set(id, median(near.map(n => place.get(n) ?? 0)) ?? place.get(id) ?? 0)
      }
      row.sort((a, b) => (want.get(a) ?? 0) - (want.get(b) ?? 0) || (place.get(a) ?? 0) - (place.get(b) ?? 0))
      number(row)
    }
  }
}

/** Heights near those of the neighbours, in the order found and never closer than a row. */
function heights(
  rows: string[][],
  links: Map<string, { up: string[]; down: string[] }>,
): Map<string, number> {
  const y = new Map<string, number>()
  const gap = (id: string) => (id.startsWith('\u0000') ? ROW_H / 2 : ROW_H)
  for (const row of rows) {
    let at = 0
    for (const id of row) {
      y.set(id, at + gap(id) / 2)
      at += gap(id)
    }
    for (const id of row) {
      y.set(id, (y.get(id) ?? 0) - at / 2)
    }
  }
  for (let round = 0; round < 16; round++) {
    const down = round % 2 === 0
    for (const row of down ? rows.slice(1) : rows.slice(0, -1).reverse()) {
      const want = row.map(id => {
        const l = links.get(id)
        const near = (down ? l?.up : l?.down) ?? []
        return median(near.map(n => y.get(n) ?? 0)) ?? y.get(id) ?? 0
      })
      spread(row, want, gap, y)
    }
  }
  return y
}

/** The places nearest to those wanted that keep order and distance: blocks that meet are joined at their mean. */
function spread(row: string[], want: number[], gap: (id: string) => number, y: Map<string, number>): void {
  const blocks: { ids: string[]; offsets: number[]; sum: number; height: number }[] = []
  row.forEach((id, i) => {
    blocks.push({ ids: [id], offsets: [0], sum: want[i] ?? 0, height: gap(id) })
    for (;;) {
      const b = blocks.at(-1)
      const a = blocks.at(-2)
      if (a === undefined || b === undefined) {
        return
      }
      const aTop = a.sum / a.ids.length - gap(a.ids[0] ?? '') / 2
      const bTop = b.sum / b.ids.length - gap(b.ids[0] ?? '') / 2
      if (bTop >= aTop + a.height) {
        return
      }
      const shift = a.height - gap(a.ids[0] ?? '') / 2 + gap(b.ids[0] ?? '') / 2
      a.sum += b.sum - shift * b.ids.length
      a.offsets.push(...b.offsets.map(o => o + shift))
      a.ids.push(...b.ids)
      a.height += b.height
      blocks.pop()
    }
  })
  for (const b of blocks) {
    b.ids.forEach((id, i) => {
      y.set(id, b.sum / b.ids.length + (b.offsets[i] ?? 0))
    })
  }
}

/** A new node's place: in its layer, as near as it can to its neighbours. */
function insert(id: string, layer: number, edges: LayoutEdge[], placed: Map<string, Point>): Point {
  const near = edges
    .filter(e => e.from === id || e.to === id)
    .map(e => placed.get(e.from === id ? e.to : e.from)?.y)
    .filter(y => y !== undefined)
  const x = layer * LAYER_W
  const wanted = median(near) ?? 0
  const taken = [...placed.values()].filter(p => Math.abs(p.x - x) < NODE_W + 20).map(p => p.y)
  for (let i = 0; ; i++) {
    for (const y of [wanted + (i * ROW_H) / 2, wanted - (i * ROW_H) / 2]) {
      if (taken.every(t => Math.abs(t - y) >= ROW_H * 0.95)) {
        return { x, y }
      }
    }
  }
}

/**
 * Places of all nodes. Those of `kept` stay as they are; with none kept, everything is laid out.
 * @param first  nodes that begin at the left, such as the users
 */
export function layout(
  nodes: string[],
  edges: LayoutEdge[],
  kept: ReadonlyMap<string, Point>,
  first: (id: string) => boolean,
): Map<string, Point> {
  const out = new Map<string, Point>()
  const missing = nodes.filter(id => !kept.has(id))
  for (const id of nodes) {
    const p = kept.get(id)
    if (p !== undefined) {
      out.set(id, p)
    }
  }
  if (missing.length === 0) {
    return out
  }
  const layer = layersOf(nodes, edges, first)
  if (out.size === 0) {
    const { rows, links } = ranked(nodes, edges, layer)
    order(rows, links)
    const y = heights(rows, links)
    for (const id of nodes) {
      out.set(id, { x: (layer.get(id) ?? 0) * LAYER_W, y: Math.round(y.get(id) ?? 0) })
    }
    return out
  }
  // those that are off screen keep their places too: they may come back
  const all = new Map([...kept, ...out])
  for (const id of missing.sort((a, b) => (layer.get(a) ?? 0) - (layer.get(b) ?? 0) || (a < b ? -1 : 1))) {
    const p = insert(id, layer.get(id) ?? 0, edges, all)
    all.set(id, p)
    out.set(id, p)
  }
  return out
}

export interface Box {
  x: number
  y: number
  w: number
  h: number
}

/** What holds all nodes, with a margin. */
export function boxOf(places: Iterable<Point>): Box {
  let [x0, y0, x1, y1] = [
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]
  for (const p of places) {
    x0 = Math.min(x0, p.x)
    y0 = Math.min(y0, p.y)
    x1 = Math.max(x1, p.x + NODE_W)
    y1 = Math.max(y1, p.y + NODE_H)
  }
  return x0 > x1
    ? { x: 0, y: 0, w: NODE_W, h: NODE_H }
    : { x: x0 - 30, y: y0 - 34, w: x1 - x0 + 60, h: y1 - y0 + 68 }
}

export interface Curve {
  path: string
  /** Where the text goes. */
  mid: Point
}

const cubic = (a: number, b: number, c: number, d: number, t: number) =>
  a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t ** 3

/** Heights at which a line passes the columns of nodes between its ends: free of nodes, and as straight as may be. */
export function waypoints(from: Point, to: Point, places: Iterable<Point>): Point[] {
  const [x1, y1, x2, y2] = [from.x + NODE_W, from.y + NODE_H / 2, to.x, to.y + NODE_H / 2]
  const columns = new Map<number, number[]>()
  for (const p of places) {
    if (p.x > x1 && p.x + NODE_W < x2) {
      const key = Math.round(p.x / LAYER_W)
      columns.set(key, [...(columns.get(key) ?? []), p.y])
    }
  }
  const out: Point[] = []
  for (const [key, ys] of [...columns].sort((a, b) => a[0] - b[0])) {
    const x = key * LAYER_W
    const straight = y1 + ((y2 - y1) * (x + NODE_W / 2 - x1)) / (x2 - x1)
    const free = (y: number) => ys.every(top => y < top - 10 || y > top + NODE_H + 10)
    if (!free(straight)) {
      const edges = ys.flatMap(top => [top - 14, top + NODE_H + 14]).filter(free)
      const y = edges.sort((a, b) => Math.abs(a - straight) - Math.abs(b - straight))[0] ?? straight
      out.push({ x, y })
    }
  }
  return out
}

interface CurveOptions {
  /** So much lower in the middle: a second line between the same nodes. */
  bend?: number
  /** Where on it the text goes, 0..1. */
  text?: number
  via?: Point[]
}

/** From the right side of one node to the left side of the other; backwards and to itself around below. */
export function curveOf(
  from: Point,
  to: Point,
  { bend = 0, text = 0.5, via = [] }: CurveOptions = {},
): Curve {
  const h = NODE_H / 2
  if (from.x === to.x && from.y === to.y) {
    const [x, y] = [from.x + NODE_W / 2, from.y + NODE_H]
    return {
      path: `M${x + 30} ${y}C${x + 60} ${y + 44} ${x - 60} ${y + 44} ${x - 30} ${y}`,
      mid: { x, y: y + 34 },
    }
  }
  const [x1, y1, x2, y2] = [from.x + NODE_W, from.y + h, to.x - 7, to.y + h]
  if (x2 < x1) {
    const low = Math.max(y1, y2) + ROW_H * 0.7
    return {
      path: `M${x1} ${y1}C${x1 + 90} ${low} ${x2 - 90} ${low} ${x2} ${y2}`,
      mid: { x: (x1 + x2) / 2, y: (y1 + y2) * 0.125 + low * 0.75 },
    }
  }
  let path = `M${x1} ${y1}`
  let [px, py] = [x1, y1]
  const stops = [...via.map(v => ({ x: v.x, y: v.y, over: NODE_W })), { x: x2, y: y2, over: 0 }]
  let mid = { x: x1, y: y1 }
  stops.forEach((s, i) => {
    const c = Math.min(120, Math.max(24, (s.x - px) / 2))
    const b = stops.length === 1 ? bend : 0
    path += `C${px + c} ${py + b} ${s.x - c} ${s.y + b} ${s.x} ${s.y}${s.over > 0 ? `h${s.over}` : ''}`
    if (i === (text < 0.5 ? 0 : stops.length - 1)) {
      mid = { x: cubic(px, px + c, s.x - c, s.x, text), y: cubic(py, py + b, s.y + b, s.y, text) }
    }
    ;[px, py] = [s.x + s.over, s.y]
  })
  return { path, mid }
}
