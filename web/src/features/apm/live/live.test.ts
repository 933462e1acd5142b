import { describe, expect, it } from 'vitest'
import { liveCodec } from '@/features/apm/live/codec'
import { type ApmPoint, type ApmRow, EMPTY_LIVE, liveReducer, pointLine } from '@/features/apm/live/stream'
import {
  addTick,
  type Column,
  columnsOf,
  drawVelocity,
  type Look,
  newVelocity,
} from '@/features/apm/live/velocity'

const point = (t_ms: number, requests: number) => ({ t_ms, requests }) as ApmPoint
const row = (id: number, sat: number, tol = 0, fru = 0): ApmRow => ({
  id,
  done: sat + tol + fru,
  sat,
  tol,
  fru,
  err4: 0,
  err5: 0,
  sum: 100,
  p95: 50,
  done10: sat + tol + fru,
  sum10: 100,
})

describe('the live state', () => {
  it('is corrected by later points and forgets what is older than ten minutes', () => {
    let s = liveReducer(EMPTY_LIVE, {
      type: 'history',
      now_ms: 602_000,
      points: [point(2_000, 5), point(600_000, 1)],
    })
    expect([...s.points.keys()]).toEqual([2_000, 600_000])
    const group = {} as NonNullable<typeof s.group>
    s = liveReducer(s, {
      type: 'tick',
      tick: {
        now_ms: 606_000,
        t_ms: 602_000,
        group,
        instances: [row(1, 2)],
        points: [point(600_000, 3), point(602_000, 2)],
      },
    })
    expect([...s.points].map(([t, p]) => [t, p.requests])).toEqual([
      [600_000, 3],
      [602_000, 2],
    ])
    expect(s.rows.get(1)?.sat).toBe(2)
    expect(s.ready).toBe(true)
    const line = pointLine(s, p => p.requests, 0, 6_000)
    expect(line.times).toEqual([598, 600, 602])
    expect(line.values).toEqual([0, 3, 2])
    expect(pointLine(s, p => p.requests, null, 6_000).values).toEqual([null, 3, 2])
  })

  it('knows a group without requests', () => {
    const s = liveReducer(EMPTY_LIVE, { type: 'tick', tick: { now_ms: 1, group: null } })
    expect(s.ready && s.group === null).toBe(true)
  })

  it('keeps its switches in the link', () => {
    const state = { group: 'shop/api', labels: false, balls: true }
    expect(liveCodec.encode(state)).toEqual({ group: 'shop/api', labels: 'off', balls: undefined })
    expect(liveCodec.decode({ group: 'shop/api', labels: 'off' })).toEqual(state)
  })
})

/** A context that takes everything and counts. */
function fakeContext() {
  const calls: Record<string, number> = {}
  const target = { calls, fillStyle: '', font: '', textAlign: '', textBaseline: '' }
  return new Proxy(target, {
    get(t, key: string) {
      if (key in t) {
        return t[key as keyof typeof t]
      }
      return (text: string) => {
        calls[key] = (calls[key] ?? 0) + 1
        return { width: String(text).length * 6 }
      }
    },
    set: () => true,
  }) as unknown as CanvasRenderingContext2D & { calls: Record<string, number> }
}

const look: Look = {
  width: 1_400,
  height: 260,
  scheme: 'dark',
  labels: true,
  balls: true,
  mean: ms => `${ms} ms`,
  number: n => String(n),
  notReported: 'not reported',
}

function columns(n: number): Column[] {
  return columnsOf(
    Array.from({ length: n }, (_, i) => ({
      id: i,
      name: `was-${i}`,
      instance: '',
      version: '',
      host: '',
      up: true,
      last_ms: 0,
    })),
    new Map(Array.from({ length: n }, (_, i) => [i, row(i, 20, 5, 5)])),
  )
}

describe('request velocity', () => {
  it('lets one ball fall for each request, of its zone', () => {
    const model = newVelocity()
    addTick(model, [row(1, 3, 2, 1)], 0)
    expect(model.balls.map(b => b.stage)).toEqual([0, 0, 0, 1, 1, 2])
    expect(model.balls.every(b => b.atMs >= 0 && b.atMs < 2_000)).toBe(true)
  })

  it('lets a ball stand for several where there are too many', () => {
    const model = newVelocity()
    addTick(model, [row(1, 1_000, 30, 7)], 0)
    expect(model.balls.length).toBeLessThanOrEqual(45)
    expect(model.balls.reduce((n, b) => n + b.weight, 0)).toBe(1_037)
  })

  it('forgets balls that are down, and draws bars for many instances', () => {
    const model = newVelocity()
    addTick(model, [row(1, 10)], 0)
    drawVelocity(fakeContext(), model, columns(2), look, 10_000)
    expect(model.balls).toEqual([])
    const c = fakeContext()
    drawVelocity(c, model, columns(60), look, 0)
    expect(c.calls.fillRect).toBe(180)
    expect(c.calls.arc).toBeUndefined()
  })

  it('keeps instances that are up or busy, not the gone', () => {
    const base = { name: 'a', instance: '', version: '', host: '', last_ms: 0 }
    const got = columnsOf(
      [
        { ...base, id: 1, up: false },
        { ...base, id: 2, up: true },
        { ...base, id: 3, up: false },
      ],
      new Map([[3, row(3, 1)]]),
    )
    expect(got.map(c => c.id)).toEqual([2, 3])
  })
})
