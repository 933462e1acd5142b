import { describe, expect, test } from 'vitest'
import type { Span } from '@/api/queries'
import type { FoundTrace } from '@/api/traceql'
import { choose } from '@/features/traces/CompareTab'
import { mergedFlame, timeFlame } from '@/features/traces/flame'
import {
  diffTraces,
  groupSpans,
  mergeTree,
  percentile,
  selfOverTime,
  serviceCalls,
} from '@/features/traces/merge'
import { sortSpans } from '@/features/traces/SpanTable'
import { clockOf, movedClocks } from '@/features/traces/skew'
import {
  buildTree,
  criticalPath,
  foldedBelow,
  foldedInService,
  mainRoot,
  preorder,
  selfSegments,
  spanMatches,
  ticks,
  visibleRows,
} from '@/features/traces/waterfall'

const T0 = 1_790_000_000_000_000_000n

function span(
  id: string,
  parent: string | undefined,
  start: number,
  end: number,
  more: Partial<Span> = {},
): Span {
  return {
    trace_id: 'f'.repeat(32),
    span_id: id,
    ...(parent === undefined ? {} : { parent_span_id: parent }),
    name: `op-${id}`,
    kind: 'internal',
    service: 'svc',
    start_ns: String(T0 + BigInt(start)),
    end_ns: String(T0 + BigInt(end)),
    status: 'unset',
    attributes: {},
    events: [],
    links: [],
    resource: 0,
    ...more,
  }
}

describe('tree', () => {
  test('depth, order and times relative to the first start', () => {
    const tree = buildTree([span('b', 'a', 30, 60), span('a', undefined, 10, 110), span('c', 'a', 20, 25)])
    expect(visibleRows(tree, new Set()).map(n => [n.span.span_id, n.depth, n.start, n.end])).toEqual([
      ['a', 0, 0, 100],
      ['c', 1, 10, 15],
      ['b', 1, 20, 50],
    ])
    expect(tree.duration).toBe(100)
  })

  test('spans whose parent never came stand together below a placeholder', () => {
    const tree = buildTree([
      span('a', undefined, 0, 10),
      span('x', 'gone', 2, 4),
      span('y', 'gone', 6, 9),
      span('z', 'other', 1, 2),
    ])
    expect(
      visibleRows(tree, new Set()).map(n => [n.span.span_id, n.missing, n.depth, n.start, n.end]),
    ).toEqual([
      ['a', false, 0, 0, 10],
      ['other', true, 0, 1, 2],
      ['z', false, 1, 1, 2],
      ['gone', true, 0, 2, 9],
      ['x', false, 1, 2, 4],
      ['y', false, 1, 6, 9],
    ])
    expect([tree.count, tree.missing, tree.services]).toEqual([4, 2, ['svc']])
    expect(mainRoot(tree)?.span.span_id).toBe('a')
    expect(mainRoot(buildTree([span('x', 'gone', 2, 4)]))?.missing).toBe(true)
  })

  test('cycles and spans that are their own parent do not hang', () => {
    const tree = buildTree([span('a', 'b', 0, 10), span('b', 'a', 0, 10), span('c', 'c', 0, 5)])
    expect(visibleRows(tree, new Set())).toHaveLength(3)
  })

  test('repeated span ids are all shown', () => {
    const tree = buildTree([span('a', undefined, 0, 10), span('a', undefined, 1, 2), span('b', 'a', 2, 3)])
    expect(visibleRows(tree, new Set())).toHaveLength(3)
  })

  test('an end before its start is no negative length', () => {
    const node = buildTree([span('a', undefined, 10, 5)]).roots[0]
    expect(node?.end).toBe(node?.start)
  })

  test('errors are seen from every ancestor', () => {
    const tree = buildTree([
      span('a', undefined, 0, 10),
      span('b', 'a', 0, 5, { status: 'error' }),
      span('c', 'a', 5, 10),
    ])
    expect(['a', 'b', 'c'].map(id => tree.byId.get(id)?.errorBelow)).toEqual([true, true, false])
    expect(tree.errors).toBe(1)
  })

  test('folded spans hide what is below them', () => {
    const tree = buildTree([span('a', undefined, 0, 10), span('b', 'a', 0, 5), span('c', 'b', 1, 2)])
    expect(visibleRows(tree, new Set(['b'])).map(n => n.span.span_id)).toEqual(['a', 'b'])
  })

  test('no spans', () => {
    expect(buildTree([])).toMatchObject({ roots: [], duration: 0, errors: 0 })
  })

  test('a chain of 100,000 spans is laid out without recursion', () => {
    const spans = Array.from({ length: 100_000 }, (_, i) =>
      span(`s${i}`, i === 0 ? undefined : `s${i - 1}`, i, 200_000 - i),
    )
    const started = performance.now()
    // a chain is the worst case of the cycle check, which walks up to the root: built from the end it
    // would be quadratic, so a sender's order (parents first) must stay cheap
    const tree = buildTree(spans.slice(0, 5_000))
    expect(visibleRows(tree, new Set())).toHaveLength(5_000)
    expect(criticalPath(tree.roots[0]).length).toBeGreaterThan(5_000)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

describe('self time', () => {
  test('overlapping children count once, time outside of the parent not at all', () => {
    const tree = buildTree([
      span('a', undefined, 0, 100),
      span('b', 'a', 10, 40),
      span('c', 'a', 30, 60),
      span('d', 'a', 90, 150),
    ])
    expect(tree.byId.get('a')?.self).toBe(100 - 50 - 10)
  })
  test('the parts no child covers', () => {
    const tree = buildTree([span('a', undefined, 0, 100), span('b', 'a', 10, 40), span('c', 'a', 30, 60)])
    expect(selfSegments(tree.roots[0] as never)).toEqual([
      [0, 10],
      [60, 100],
    ])
  })
  test('operations add up', () => {
    const tree = buildTree([
      span('a', undefined, 0, 100),
      span('b', 'a', 0, 30, { name: 'q' }),
      span('c', 'a', 40, 60, { name: 'q', status: 'error' }),
    ])
    expect(groupSpans(tree, 'operation').find(r => r.name === 'q')).toMatchObject({
      service: 'svc',
      count: 2,
      errors: 1,
      total: 50,
      self: 50,
      max: 30,
      p95: 30,
    })
    expect(groupSpans(tree, 'service')).toMatchObject([{ service: 'svc', count: 3, self: 100 }])
    expect(percentile([5, 1, 3], 0.5)).toBe(3)
    expect(percentile([], 0.5)).toBe(0)
  })
})

describe('folding', () => {
  const tree = buildTree([
    span('a', undefined, 0, 100),
    span('b', 'a', 0, 50, { service: 'db' }),
    span('c', 'b', 0, 30, { service: 'db' }),
    span('d', 'c', 0, 20, { service: 'db' }),
  ])
  test('below a level', () => {
    expect(visibleRows(tree, foldedBelow(tree, 1)).map(n => n.span.span_id)).toEqual(['a', 'b'])
    expect(tree.byId.get('b')?.below).toBe(2)
  })
  test('within a service: one row for each call into it', () => {
    expect([...foldedInService(tree, 'db')]).toEqual(['b'])
  })
  test('sorted as a table', () => {
    expect(sortSpans(preorder(tree.roots), 'duration', false).map(n => n.span.span_id)).toEqual([
      'd',
      'c',
      'b',
      'a',
    ])
    expect(sortSpans(preorder(tree.roots), 'service', true)[0]?.span.service).toBe('svc')
  })
})

describe('clocks', () => {
  const MS = 1_000_000
  const resources = [{ 'host.name': 'h1' }, { 'host.name': 'h2' }, { 'k8s.pod.name': 'p' }, {}]
  const rpc = (serverStart: number, serverEnd: number, more: Partial<Span> = {}) => [
    span('r', undefined, 0, 100 * MS, { kind: 'server' }),
    span('c', 'r', 10 * MS, 60 * MS, { kind: 'client', ...more }),
    span('s', 'c', serverStart * MS, serverEnd * MS, { kind: 'server', resource: 1, service: 'b' }),
    span('q', 's', (serverStart + 5) * MS, (serverEnd - 5) * MS, { resource: 1, service: 'b' }),
  ]
  const at = (spans: Span[], adjust: boolean, id: string) => {
    const tree = buildTree(spans, { resources, adjust })
    const n = tree.byId.get(id)
    return n === undefined ? undefined : [n.start / MS, n.end / MS, n.shift / MS]
  }

  test('the clock is the host, or what comes nearest', () => {
    expect(clockOf(span('a', undefined, 0, 1), resources)).toBe('h1')
    expect(clockOf(span('a', undefined, 0, 1, { resource: 2 }), resources)).toBe('p')
    expect(clockOf(span('a', undefined, 0, 1, { resource: 3, service: 'x' }), resources)).toBe('x')
  })

  test('a server span before its call is moved into the middle of it, with all that ran there', () => {
    const spans = rpc(-490, -450)
    expect(at(spans, true, 's')).toEqual([15, 55, 505])
    expect(at(spans, true, 'q')).toEqual([20, 50, 505])
    expect(at(spans, true, 'r')).toEqual([0, 100, 0])
    const tree = buildTree(spans, { resources, adjust: true })
    expect(tree.duration).toBe(100 * MS)
    expect(movedClocks(tree.byId.values())).toEqual([
      { clock: 'h2', services: ['b'], spans: 2, least: 505 * MS, most: 505 * MS },
    ])
  })

  test('as sent when that is asked for', () => {
    expect(at(rpc(-490, -450), false, 's')).toEqual([0, 40, 0])
  })

  test('a server span after its call is moved back', () => {
    expect(at(rpc(300, 320), true, 's')).toEqual([25, 45, -275])
  })

  test('what fits stays', () => {
    expect(at(rpc(12, 58), true, 's')).toEqual([12, 58, 0])
    // the caller gave up: the server may well have gone on
    expect(at(rpc(12, 80, { status: 'error' }), true, 's')).toEqual([12, 80, 0])
  })

  test('a call shorter than its work starts with it', () => {
    expect(at(rpc(-20, 50), true, 's')).toEqual([10, 80, 30])
    expect(at(rpc(20, 120), true, 's')).toEqual([20, 120, 0])
  })

  test('asynchronous work may outlive who started it, but not come before', () => {
    const spans = (start: number) => [
      span('p', undefined, 0, 10 * MS, { kind: 'producer' }),
      span('c', 'p', start * MS, (start + 50) * MS, { kind: 'consumer', resource: 1 }),
    ]
    expect(at(spans(200), true, 'c')).toEqual([200, 250, 0])
    expect(at(spans(-30), true, 'c')).toEqual([0, 50, 30])
  })

  test('spans of one clock are never moved against each other', () => {
    const spans = [span('a', undefined, 0, 10 * MS), span('b', 'a', -5 * MS, 5 * MS)]
    expect(at(spans, true, 'b')).toEqual([0, 10, 0])
  })
})

describe('services', () => {
  const tree = buildTree([
    span('a', undefined, 0, 100, { service: 'web' }),
    span('b', 'a', 10, 40, { service: 'db', status: 'error' }),
    span('c', 'a', 50, 60, { service: 'db' }),
    span('d', 'c', 50, 55, { service: 'db' }),
  ])
  test('calls between services, not within', () => {
    expect(serviceCalls(tree)).toEqual([{ from: 'web', to: 'db', count: 2, errors: 1, total: 40, p95: 30 }])
  })
  test('self time over time adds up to self time', () => {
    const over = selfOverTime(tree, 10)
    const sum = (s: string) => [...(over.get(s) ?? [])].reduce((a, b) => a + b, 0)
    expect(sum('web')).toBeCloseTo(60)
    expect(sum('db')).toBeCloseTo(40)
    expect(over.get('db')?.[1]).toBeCloseTo(10)
  })
})

describe('flame graph', () => {
  const tree = buildTree([
    span('a', undefined, 0, 100),
    span('b', 'a', 0, 60, { name: 'q' }),
    span('c', 'a', 30, 90, { name: 'q' }),
    span('d', 'c', 40, 50),
  ])
  test('by time: no two boxes of a row overlap, children are below their parents', () => {
    const { boxes, rows } = timeFlame(tree)
    expect(boxes.map(b => [b.key, b.row])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
      ['d', 3],
    ])
    expect(rows).toBe(4)
  })
  test('aggregated: equal paths are one box as wide as the self time in it', () => {
    const { boxes } = mergedFlame(tree)
    const q = boxes.find(b => b.label === 'q')
    expect(q).toMatchObject({ count: 2, total: 120, self: 110, row: 1 })
    const a = boxes[0]
    expect([a?.x0, a?.x1]).toEqual([0, 1])
    // 10 of its own, 120 below
    expect((q?.x1 ?? 0) - (q?.x0 ?? 0)).toBeCloseTo(120 / 130)
  })
})

describe('two traces', () => {
  const MS = 1_000_000
  const one = (more: Span[], queryMs: number) =>
    buildTree([
      span('a', undefined, 0, 100 * MS, { name: 'GET /' }),
      span('b', 'a', 0, queryMs * MS, { name: 'query', service: 'db' }),
      ...more,
    ])
  test('added, missing, slower, faster, same', () => {
    const a = one([span('x', 'a', 0, 5 * MS, { name: 'old' })], 20)
    const b = one([span('y', 'b', 0, 5 * MS, { name: 'new' })], 60)
    expect(diffTraces(a, b).map(r => [r.name, r.state, r.depth, r.delta / MS])).toEqual([
      ['GET /', 'same', 0, 0],
      ['query', 'slower', 1, 40],
      ['new', 'added', 2, 5],
      ['old', 'missing', 1, -5],
    ])
    expect(diffTraces(b, a).find(r => r.name === 'query')?.state).toBe('faster')
    expect(diffTraces(a, a).every(r => r.state === 'same')).toBe(true)
  })
  test('equal paths are counted together', () => {
    const b = one([span('c', 'a', 30 * MS, 50 * MS, { name: 'query', service: 'db' })], 20)
    expect(mergeTree(b)[0]?.children).toHaveLength(1)
    expect(diffTraces(one([], 20), b)[1]).toMatchObject({ a: { count: 1 }, b: { count: 2 }, state: 'slower' })
  })
  test('which trace to compare with', () => {
    const t = (id: string, start: number, took: number) =>
      ({ trace_id: id, start_ns: String(start), duration_ns: String(took) }) as FoundTrace
    const list = [t('a', 10, 5), t('b', 20, 1), t('c', 30, 9), t('self', 25, 100)]
    expect(choose(list, 'self', '25', 'fastest')?.trace_id).toBe('b')
    expect(choose(list, 'self', '25', 'slowest')?.trace_id).toBe('c')
    expect(choose(list, 'self', '25', 'previous')?.trace_id).toBe('b')
    expect(choose([t('self', 25, 1)], 'self', '25', 'fastest')).toBeUndefined()
  })
})

describe('critical path', () => {
  test('goes through the child that ended last', () => {
    const tree = buildTree([
      span('a', undefined, 0, 100),
      span('b', 'a', 10, 90),
      span('c', 'a', 10, 50),
      span('d', 'b', 20, 80),
    ])
    expect(criticalPath(tree.roots[0])).toEqual([
      { id: 'a', start: 0, end: 10 },
      { id: 'b', start: 10, end: 20 },
      { id: 'd', start: 20, end: 80 },
      { id: 'b', start: 80, end: 90 },
      { id: 'a', start: 90, end: 100 },
    ])
  })
  test('its parts cover the root exactly', () => {
    const tree = buildTree([
      span('a', undefined, 0, 100),
      span('b', 'a', 5, 30),
      span('c', 'a', 20, 60),
      span('d', 'a', 70, 99_000_000),
      span('e', 'c', 22, 40),
    ])
    const path = criticalPath(tree.roots[0])
    expect(path.reduce((n, s) => n + s.end - s.start, 0)).toBe(100)
    for (let i = 1; i < path.length; i++) {
      expect(path[i]?.start).toBe(path[i - 1]?.end)
    }
  })
  test('a child that ends a hair after its parent is still what the parent waited for', () => {
    const ms = 1_000_000
    const tree = buildTree([span('a', undefined, 0, 100 * ms), span('b', 'a', 10 * ms, 100 * ms + 2_000)])
    expect(criticalPath(tree.roots[0])).toEqual([
      { id: 'a', start: 0, end: 10 * ms },
      { id: 'b', start: 10 * ms, end: 100 * ms },
    ])
  })
  test('nothing of nothing', () => expect(criticalPath(undefined)).toEqual([]))
})

test('ruler', () => {
  expect(ticks(100, 5)).toEqual([0, 20, 40, 60, 80, 100])
  expect(ticks(0, 5)).toEqual([0])
  expect(ticks(7, 5).length).toBeLessThanOrEqual(7)
  expect(ticks(10, 5, 93)).toEqual([94, 96, 98, 100, 102])
})

test('search in spans', () => {
  const s = span('a', undefined, 0, 1, { name: 'GET /orders', attributes: { 'http.route': '/orders', n: 5 } })
  expect(spanMatches(s, 'orders')).toBe(true)
  expect(spanMatches(s, 'http.route=/ord')).toBe(true)
  expect(spanMatches(s, 'nope')).toBe(false)
  expect(spanMatches(s, ' ')).toBe(false)
})
