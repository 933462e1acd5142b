import { describe, expect, test } from 'vitest'
import {
  boxOf,
  curveOf,
  LAYER_W,
  type LayoutEdge,
  layersOf,
  layout,
  NODE_H,
  type Point,
  waypoints,
} from '@/features/apm/topology/layout'

const edges = (...pairs: string[]): LayoutEdge[] =>
  pairs.map(p => {
    const [from = '', to = ''] = p.split('>')
    return { from, to }
  })
const idsOf = (list: LayoutEdge[]) => [...new Set(list.flatMap(e => [e.from, e.to]))]
const isUser = (id: string) => id === 'user'
const none = new Map<string, Point>()

const SHOP = edges(
  'user>nginx',
  'nginx>shop',
  'shop>db',
  'shop>redis',
  'shop>pay',
  'pay>bank',
  'shop>kafka',
  'kafka>mail',
)

describe('layers', () => {
  test('left to right, each as far as its longest way', () => {
    const l = layersOf(idsOf(SHOP), [...SHOP, ...edges('nginx>db')], isUser)
    expect(Object.fromEntries(l)).toEqual({
      user: 0,
      nginx: 1,
      shop: 2,
      db: 3,
      redis: 3,
      pay: 3,
      kafka: 3,
      bank: 4,
      mail: 4,
    })
  })

  test('cycles and calls to oneself do not end it, and the cut is where requests come back', () => {
    const list = edges('user>a', 'a>b', 'b>c', 'c>a', 'b>b')
    expect(Object.fromEntries(layersOf(idsOf(list), list, isUser))).toEqual({ user: 0, a: 1, b: 2, c: 3 })
    const only = edges('a>b', 'b>a')
    expect(new Set(layersOf(['a', 'b'], only, isUser).values())).toEqual(new Set([0, 1]))
  })
})

describe('layout', () => {
  test('the same whatever the order it is told in, and no node on another', () => {
    const a = layout(idsOf(SHOP), SHOP, none, isUser)
    const b = layout(idsOf(SHOP).reverse(), [...SHOP].reverse(), none, isUser)
    expect(Object.fromEntries(b)).toEqual(Object.fromEntries(a))
    const places = [...a.values()]
    for (const [i, p] of places.entries()) {
      for (const q of places.slice(i + 1)) {
        expect(p.x !== q.x || Math.abs(p.y - q.y) > NODE_H).toBe(true)
      }
    }
  })

  test('what does not have to cross does not', () => {
    const list = edges('a>x', 'b>y', 'c>z', 'x>p', 'y>q', 'z>r')
    const p = layout(idsOf(list), list, none, isUser)
    const sorted = (ids: string[]) =>
      [...ids].sort((m, n) => (p.get(m)?.y ?? 0) - (p.get(n)?.y ?? 0)).join('')
    const rows = [sorted(['a', 'b', 'c']), sorted(['x', 'y', 'z']), sorted(['p', 'q', 'r'])]
    const plain = (s = '') => [...s].map(c => ({ a: 1, x: 1, p: 1, b: 2, y: 2, q: 2 })[c] ?? 3).join('')
    expect(new Set(rows.map(plain)).size).toBe(1)
  })

  test('nothing that has a place moves when others come, go or are moved by hand', () => {
    const first = layout(idsOf(SHOP), SHOP, none, isUser)
    first.set('shop', { x: 1234, y: -77 })
    const more = [...SHOP, ...edges('shop>cart', 'cart>mongo', 'edge>nginx')]
    const second = layout(idsOf(more), more, first, isUser)
    for (const [id, p] of first) {
      expect(second.get(id)).toEqual(p)
    }
    expect(second.get('cart')?.x).toBe(3 * LAYER_W)
    const all = [...second.values()]
    expect(new Set(all.map(p => `${p.x} ${p.y}`)).size).toBe(all.length)
    expect([...layout(['shop'], [], second, isUser)]).toEqual([['shop', { x: 1234, y: -77 }]])
  })

  test('two hundred nodes take no time to speak of', () => {
    const list: LayoutEdge[] = []
    for (let i = 1; i < 200; i++) {
      list.push(
        { from: `n${Math.floor((i * 7) / 10)}`, to: `n${i}` },
        { from: `n${(i * 13) % i}`, to: `n${i}` },
      )
    }
    const begin = performance.now()
    expect(layout(idsOf(list), list, none, id => id === 'n0').size).toBe(200)
    expect(performance.now() - begin).toBeLessThan(3_000)
  })
})

test('curves end before the arrow, go around when they go back, and a box holds all', () => {
  expect(curveOf({ x: 0, y: 0 }, { x: LAYER_W, y: 0 }).path).toMatch(/^M184 27C.* 365 27$/)
  expect(curveOf({ x: LAYER_W, y: 0 }, { x: 0, y: 0 }).mid.y).toBeGreaterThan(NODE_H)
  expect(curveOf({ x: 0, y: 0 }, { x: 0, y: 0 }).mid.y).toBeGreaterThan(NODE_H)
  const place = { x: LAYER_W, y: 0 }
  expect(waypoints({ x: 0, y: 0 }, { x: 2 * LAYER_W, y: 0 }, [place])).toEqual([{ x: LAYER_W, y: -14 }])
  expect(waypoints({ x: 0, y: 0 }, { x: 2 * LAYER_W, y: 600 }, [place])).toEqual([])
  expect(boxOf([])).toMatchObject({ x: 0, y: 0 })
  const b = boxOf([
    { x: 0, y: 0 },
    { x: 500, y: 300 },
  ])
  expect(b.x).toBeLessThan(0)
  expect(b.x + b.w).toBeGreaterThan(684)
})
