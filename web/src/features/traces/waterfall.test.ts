import { describe, expect, test } from 'vitest'
import type { Span } from '@/api/queries'
import {
  buildTree,
  criticalPath,
  operations,
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

  test('a span whose parent never came is a root and says so', () => {
    const tree = buildTree([span('a', undefined, 0, 10), span('x', 'gone', 2, 4)])
    expect(tree.roots.map(n => [n.span.span_id, n.orphan])).toEqual([
      ['a', false],
      ['x', true],
    ])
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
  test('operations add up', () => {
    const tree = buildTree([
      span('a', undefined, 0, 100),
      span('b', 'a', 0, 30, { name: 'q' }),
      span('c', 'a', 40, 60, { name: 'q', status: 'error' }),
    ])
    expect(operations(tree).find(r => r.name === 'q')).toEqual({
      service: 'svc',
      name: 'q',
      count: 2,
      errors: 1,
      total: 50,
      self: 50,
      max: 30,
    })
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
})

test('search in spans', () => {
  const s = span('a', undefined, 0, 1, { name: 'GET /orders', attributes: { 'http.route': '/orders', n: 5 } })
  expect(spanMatches(s, 'orders')).toBe(true)
  expect(spanMatches(s, 'http.route=/ord')).toBe(true)
  expect(spanMatches(s, 'nope')).toBe(false)
  expect(spanMatches(s, ' ')).toBe(false)
})
