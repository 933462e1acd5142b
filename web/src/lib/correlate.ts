// From what a signal says about its origin (labels of a metric, attributes of a log record or a span) and a
// moment to the pages that show the other signals of the same origin at that moment. Names of all dialects
// are understood: OpenTelemetry's with dots or underscores, Prometheus' job and instance, Kubernetes' pod.
import type { RawSearch } from '@/lib/search'

/** What can be told of an origin. */
export interface Entity {
  service?: string
  namespace?: string
  instance?: string
  host?: string
  pod?: string
  podNamespace?: string
  container?: string
}

export interface TimeWindow {
  startMs: number
  endMs: number
}

/** Arguments of a router link. */
export interface Target {
  to: string
  params?: Record<string, string>
  search: RawSearch
}

const NAMES: [keyof Entity, string[]][] = [
  ['service', ['service_name', 'service']],
  ['namespace', ['service_namespace']],
  ['instance', ['service_instance_id']],
  ['host', ['host_name', 'hostname', 'node_name', 'nodename', 'k8s_node_name', 'node']],
  ['pod', ['k8s_pod_name', 'pod', 'pod_name']],
  ['podNamespace', ['k8s_namespace_name', 'namespace']],
  ['container', ['k8s_container_name', 'container', 'container_name']],
]

/** "resource.host.name" -> "host_name", as a LogQL or PromQL label is spelled. */
export function labelName(name: string): string {
  const bare = name.replace(/^(resource|attr|scope)\./, '').replace(/[^a-zA-Z0-9_]/g, '_')
  return /^\d/.test(bare) ? `_${bare}` : bare
}

/** `job` of OTLP metrics is "namespace/service"; `instance` of a scraped target is an address, not an id. */
export function entityOf(labels: Record<string, unknown>): Entity {
  const flat = new Map<string, string>()
  for (const [name, value] of Object.entries(labels)) {
    if ((typeof value === 'string' || typeof value === 'number') && value !== '') {
      flat.set(labelName(name), String(value))
    }
  }
  const out: Entity = {}
  for (const [key, names] of NAMES) {
    const found = names.map(n => flat.get(n)).find(v => v !== undefined)
    if (found !== undefined) {
      out[key] = found
    }
  }
  const job = flat.get('job')
  if (out.service === undefined && job !== undefined) {
    const cut = job.indexOf('/')
    out.service = job.slice(cut + 1)
    if (cut > 0 && out.namespace === undefined) {
      out.namespace = job.slice(0, cut)
    }
  }
  const instance = flat.get('instance')
  if (out.instance === undefined && instance !== undefined && !/:\d+$/.test(instance)) {
    out.instance = instance
  }
  return out
}

/** The time around a moment; nothing lies in the future of a `nowMs` that is given. */
export function around(ms: number, beforeMs = 300_000, afterMs = beforeMs): TimeWindow {
  return { startMs: Math.floor(ms - beforeMs), endMs: Math.ceil(ms + afterMs) }
}

/** The window as the link's time range, not moving. */
export function windowSearch(w: TimeWindow | null): RawSearch {
  return w === null
    ? {}
    : { from: String(Math.floor(w.startMs)), to: String(Math.ceil(w.endMs)), live: undefined }
}

/** A string of LogQL or PromQL. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

function matchers(pairs: [string, string | undefined][]): string {
  return pairs.flatMap(([k, v]) => (v === undefined || v === '' ? [] : [`${k}=${quoted(v)}`])).join(', ')
}

/** Stream selector of an origin; null when nothing is known of it. */
export function logsQuery(e: Entity): string | null {
  // a pod is more exact than its service, and its logs may have come without the name of one
  const inner =
    e.pod === undefined
      ? matchers([
          ['service_name', e.service],
          ['service_namespace', e.namespace],
          ['service_instance_id', e.instance],
          ['host_name', e.service === undefined ? e.host : undefined],
        ])
      : matchers([
          ['k8s_pod_name', e.pod],
          ['k8s_namespace_name', e.podNamespace],
          ['k8s_container_name', e.container],
        ])
  return inner === '' ? null : `{${inner}}`
}

export function logsTarget(e: Entity, w: TimeWindow | null): Target | null {
  const q = logsQuery(e)
  return q === null ? null : { to: '/logs', search: { q, ...windowSearch(w) } }
}

export function podLogsTarget(e: Entity, w: TimeWindow | null): Target | null {
  return e.pod === undefined ? null : logsTarget({ pod: e.pod, ...only(e, 'podNamespace') }, w)
}

function only(e: Entity, key: keyof Entity): Entity {
  return e[key] === undefined ? {} : { [key]: e[key] }
}

export function tracesTarget(e: Entity, w: TimeWindow | null): Target | null {
  const attr = [
    ...(e.pod === undefined ? [] : [`resource.k8s.pod.name=${e.pod}`]),
    ...(e.pod === undefined && e.instance !== undefined
      ? [`resource.service.instance.id=${e.instance}`]
      : []),
    ...(e.pod === undefined && e.service === undefined && e.host !== undefined
      ? [`resource.host.name=${e.host}`]
      : []),
  ]
  if (e.service === undefined && attr.length === 0) {
    return null
  }
  return {
    to: '/traces',
    search: { service: e.service, attr: attr.length === 0 ? undefined : attr, ...windowSearch(w) },
  }
}

export function traceTarget(traceId: string, spanId?: string): Target | null {
  return traceId === '' || /^0+$/.test(traceId)
    ? null
    : {
        to: '/traces/$traceId',
        params: { traceId },
        search: { span: spanId === '' ? undefined : spanId },
      }
}

export function hostTarget(e: Entity, w: TimeWindow | null): Target | null {
  return e.host === undefined
    ? null
    : { to: '/hosts/$host', params: { host: e.host }, search: windowSearch(w) }
}

/** PromQL selectors that find the metrics of an origin, the most exact first. */
export function metricSelectors(e: Entity): string[] {
  const out: string[] = []
  if (e.pod !== undefined) {
    out.push(
      `{${matchers([
        ['pod', e.pod],
        ['namespace', e.podNamespace],
      ])}}`,
    )
  }
  if (e.service !== undefined) {
    const job =
      e.namespace === undefined
        ? `job=~${quoted(`(.+/)?${escapeRegex(e.service)}`)}`
        : `job=${quoted(`${e.namespace}/${e.service}`)}`
    out.push(`{${[job, matchers([['instance', e.instance]])].filter(Boolean).join(', ')}}`)
  }
  if (out.length === 0 && e.host !== undefined) {
    out.push(`{${matchers([['host_name', e.host]])}}`)
  }
  return out
}

/** Every metric the origin has then, by name and how many series: from there one is a click away. */
export function metricsTarget(e: Entity, w: TimeWindow | null): Target | null {
  const selectors = metricSelectors(e)
  return selectors.length === 0
    ? null
    : {
        to: '/explore',
        search: {
          q: `sort_desc(count by (__name__) (${selectors.join(' or ')}))`,
          view: 'table',
          ...windowSearch(w),
        },
      }
}

/** Text of an RE2 pattern that means exactly `text`. */
export function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Labels that a query itself fixes, for series that were summed without them; two values of one are none. */
export function matcherLabels(query: string): Record<string, string> {
  const out = new Map<string, string | null>()
  for (const m of query.matchAll(/([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"/g)) {
    const [, name = '', value = ''] = m
    out.set(name, out.has(name) && out.get(name) !== value ? null : value)
  }
  return Object.fromEntries([...out].flatMap(([k, v]) => (v === null ? [] : [[k, v]])))
}

export type Kind = 'logs' | 'traces' | 'metrics' | 'host'

/** Every page about the origin at that time, but for the one that asks. */
export function correlations(
  labels: Record<string, unknown>,
  w: TimeWindow | null,
  from?: Kind,
): { kind: Kind; target: Target }[] {
  const e = entityOf(labels)
  const all: [Kind, Target | null][] = [
    ['logs', logsTarget(e, w)],
    ['traces', tracesTarget(e, w)],
    ['metrics', metricsTarget(e, w)],
    ['host', hostTarget(e, w)],
  ]
  return all.flatMap(([kind, target]) => (target === null || kind === from ? [] : [{ kind, target }]))
}
