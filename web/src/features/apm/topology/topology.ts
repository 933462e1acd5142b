// The Topology screen's link, tones, and the TraceQL of what is clicked; pure.
import type { Schemas } from '@/api/client'
import type { Tone } from '@/charts/palette'
import type { Point } from '@/features/apm/topology/layout'
import { type Codec, one, oneOf } from '@/lib/search'
import { readPreference, writePreference } from '@/lib/storage'

export type Topology = Schemas['Topology']
export type TopologyNode = Schemas['TopologyNode']
export type TopologyEdge = Schemas['TopologyEdge']
export type Figures = Schemas['TopologyFigures']

export const LEVELS = ['group', 'instance'] as const
export const MODES = ['live', 'range', 'replay'] as const
export const COMPARES = ['', '1d', '7d'] as const
export const VIEWS = ['map', 'table'] as const
export type Mode = (typeof MODES)[number]

export interface TopologyState {
  level: (typeof LEVELS)[number]
  mode: Mode
  compare: (typeof COMPARES)[number]
  view: (typeof VIEWS)[number]
  find: string
  /** Only edges of this group. */
  group: string
  /** "n:ID" or "e:CLIENT>SERVER": what is shown beside the map. */
  sel: string
  /** Of the replay, Unix ms; 0: the end of the range. */
  at: number
}

export const topologyCodec: Codec<TopologyState> = {
  decode: raw => ({
    level: oneOf(raw, 'level', LEVELS, 'group'),
    mode: oneOf(raw, 'mode', MODES, 'live'),
    compare: oneOf(raw, 'compare', COMPARES, ''),
    view: oneOf(raw, 'view', VIEWS, 'map'),
    find: one(raw, 'find'),
    group: one(raw, 'group'),
    sel: one(raw, 'sel'),
    at: Number(one(raw, 'at')) || 0,
  }),
  encode: s => ({
    level: s.level === 'group' ? undefined : s.level,
    mode: s.mode === 'live' ? undefined : s.mode,
    compare: s.compare || undefined,
    view: s.view === 'map' ? undefined : s.view,
    find: s.find || undefined,
    group: s.group || undefined,
    sel: s.sel || undefined,
    at: s.mode === 'replay' && s.at > 0 ? String(s.at) : undefined,
  }),
}

export function edgeId(e: { client: string; server: string; connection_type: string }): string {
  return `${e.client}>${e.server}>${e.connection_type}`
}

/** "namespace/name" of a node, whatever its instance. */
export function groupOf(n: { namespace?: string; name: string }): string {
  return n.namespace === undefined ? n.name : `${n.namespace}/${n.name}`
}

/** A UUID says nothing to people: its beginning tells it apart. */
export function shortInstance(id: string): string {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(id) ? id.slice(0, 8) : id
}

// ---- tones: as everywhere, 1 s is tolerable and 4 s is not; failures from 1 % and 5 % ----

export function errorTone(f: Figures): Tone {
  const r = f.error_ratio
  return r === undefined ? 'none' : r >= 0.05 ? 'bad' : r >= 0.01 ? 'warn' : 'good'
}

export function timeTone(f: Figures): Tone {
  const ms = f.p95_ms ?? f.mean_ms
  return ms === undefined ? 'none' : ms > 4_000 ? 'bad' : ms > 1_000 ? 'warn' : 'good'
}

const WORSE: Record<Tone, number> = { none: 0, info: 1, good: 1, warn: 2, bad: 3 }

export function worse(a: Tone, b: Tone): Tone {
  return WORSE[a] >= WORSE[b] ? a : b
}

export function toneOf(f: Figures): Tone {
  return worse(errorTone(f), timeTone(f))
}

export interface Change {
  what: 'new' | 'gone' | 'same'
  /** Factors, undefined where one side has none. */
  tps?: number
  mean?: number
  /** Of the error ratio, in points 0..1. */
  errors: number
  tone: Tone
}

const factor = (now: number | undefined, then: number | undefined) =>
  now === undefined || then === undefined || then === 0 ? undefined : now / then

/** How different it is: half as slow again or 1 point more failures is worth a look, twice or 5 points is bad. */
export function changeOf(f: Figures & { change?: string; before?: Figures }): Change | undefined {
  if (f.change === undefined) {
    return undefined
  }
  const mean = factor(f.mean_ms, f.before?.mean_ms)
  const errors = (f.error_ratio ?? 0) - (f.before?.error_ratio ?? 0)
  const what = f.change === 'new' || f.change === 'gone' ? f.change : 'same'
  const slower = mean === undefined ? 'good' : mean >= 2 ? 'bad' : mean >= 1.5 ? 'warn' : 'good'
  const failing = errors >= 0.05 ? 'bad' : errors >= 0.01 ? 'warn' : 'good'
  return {
    what,
    tps: factor(f.tps, f.before?.tps),
    mean,
    errors,
    tone: what === 'gone' ? 'none' : what === 'new' ? 'info' : worse(slower, failing),
  }
}

/** Line width for requests per second: one pixel more for each tenfold, from 0.1/s on. */
export function widthOf(tps: number): number {
  return Math.min(7, Math.max(1.2, 2.2 + Math.log10(Math.max(tps, 0.01))))
}

// ---- filter ----

/** Nodes that match, and what they touch; null when nothing is searched. */
export function matching(t: Topology, find: string): { hits: Set<string>; near: Set<string> } | null {
  const words = find.trim().toLowerCase()
  if (words === '') {
    return null
  }
  const hits = new Set(
    t.nodes.filter(n => `${n.id} ${n.kind} ${n.system ?? ''}`.toLowerCase().includes(words)).map(n => n.id),
  )
  const near = new Set(hits)
  for (const e of t.edges) {
    if (hits.has(e.client) || hits.has(e.server)) {
      near.add(e.client)
      near.add(e.server)
    }
  }
  return { hits, near }
}

// ---- TraceQL ----

const text = (s: string) => `"${s.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
const either = (...parts: string[]) => `(${parts.join(' || ')})`

function resourceOf(n: TopologyNode): string {
  const out = [`resource.service.name = ${text(n.name)}`]
  if (n.namespace !== undefined) {
    out.push(`resource.service.namespace = ${text(n.namespace)}`)
  }
  if (n.instance !== undefined) {
    const i = text(n.instance)
    out.push(
      either(
        `resource.service.instance.id = ${i}`,
        `resource.k8s.pod.name = ${i}`,
        `resource.host.name = ${i}`,
      ),
    )
  }
  return out.join(' && ')
}

/** Conditions on the caller's span that name the unmonitored other side. */
function peerOf(n: TopologyNode): string {
  const system = n.system === undefined ? '' : text(n.system)
  const host = text(n.name.replace(/:\d+$/, ''))
  switch (n.kind) {
    case 'database':
    case 'cache':
      return system === ''
        ? `span.peer.service = ${text(n.name)}`
        : either(`span.db.system.name = ${system}`, `span.db.system = ${system}`)
    case 'queue': {
      const to =
        n.system !== undefined && n.name.startsWith(`${n.system} `) ? n.name.slice(n.system.length + 1) : ''
      const where = `span.messaging.destination.name = ${text(to)}`
      return system === ''
        ? `span.peer.service = ${text(n.name)}`
        : `span.messaging.system = ${system}${to === '' ? '' : ` && ${where}`}`
    }
    default:
      return either(
        `span.peer.service = ${text(n.name)}`,
        `span.server.address = ${host}`,
        `span.net.peer.name = ${host}`,
      )
  }
}

/** Traces with a request to the node; of what sends no spans, with a call to it. */
export function nodeQuery(n: TopologyNode): string {
  if (n.kind === 'user') {
    return '{ kind = server && nestedSetParent < 0 }'
  }
  return n.monitored
    ? `{ ${resourceOf(n)} && ${either('kind = server', 'kind = consumer')} }`
    : `{ ${peerOf(n)} }`
}

/** Traces that cross an edge. */
export function edgeQuery(client: TopologyNode, server: TopologyNode, failed = false): string {
  const bad = failed ? ' && status = error' : ''
  if (!client.monitored) {
    const from = client.kind === 'queue' ? ` && ${peerOf(client)}` : ''
    return `{ ${resourceOf(server)} && ${either('kind = server', 'kind = consumer')}${from}${bad} }`
  }
  if (!server.monitored) {
    return `{ ${resourceOf(client)} && ${either('kind = client', 'kind = producer')} && ${peerOf(server)}${bad} }`
  }
  return `{ ${resourceOf(client)} } > { ${resourceOf(server)} && ${either('kind = server', 'kind = consumer')}${bad} }`
}

// ---- places that a person chose, of this browser ----

export function savedPlaces(user: string, level: string): Map<string, Point> {
  try {
    const read: unknown = JSON.parse(readPreference(`topology.${level}.${user}`) ?? '{}')
    return new Map(
      Object.entries(read as Record<string, [number, number]>)
        .filter(([, p]) => Array.isArray(p) && p.every(Number.isFinite))
        .map(([id, [x, y]]) => [id, { x, y }]),
    )
  } catch {
    return new Map()
  }
}

const PLACES_MAX = 500

export function savePlaces(user: string, level: string, places: ReadonlyMap<string, Point>): void {
  const newest = [...places].slice(-PLACES_MAX)
  writePreference(
    `topology.${level}.${user}`,
    JSON.stringify(Object.fromEntries(newest.map(([id, p]) => [id, [Math.round(p.x), Math.round(p.y)]]))),
  )
}

// ---- replay ----

export const FRAMES = 60

/** Moments of a replay: at most FRAMES, whole minutes apart, the last one at the end of the range. */
export function framesOf(startMs: number, endMs: number): { stepMs: number; times: number[] } {
  const stepMs = Math.max(1, Math.ceil((endMs - startMs) / FRAMES / 60_000)) * 60_000
  const last = Math.floor(endMs / stepMs) * stepMs
  const n = Math.max(1, Math.min(FRAMES, Math.floor((last - startMs) / stepMs)))
  return { stepMs, times: Array.from({ length: n }, (_, i) => last - (n - 1 - i) * stepMs) }
}
