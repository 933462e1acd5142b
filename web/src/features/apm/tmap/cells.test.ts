import { describe, expect, test } from 'vitest'
import {
  bucketMs,
  type Cell,
  cellsOf,
  decodeBox,
  drawnOf,
  encodeBox,
  levelOf,
  merged,
  msOf,
  shareOf,
  type TmapCells,
  ticksOf,
} from '@/features/apm/tmap/cells'
import { tmapCodec } from '@/features/apm/tmap/codec'

const answer = (cells: number[], patch: Partial<TmapCells> = {}): TmapCells => ({
  start_ms: 1_000,
  step_ms: 10,
  columns: 3,
  level_ms: 10,
  shift: 0,
  total: { ok: 0, '4xx': 0, '5xx': 0 },
  cells,
  ...patch,
})

test("buckets are the server's", () => {
  expect([0, 31, 32, 33, 63, 64, 65, 95, 96].map(b => bucketMs(b) * 1_000)).toEqual([
    0, 31, 32, 33, 63, 64, 66, 126, 128,
  ])
  expect(bucketMs(896)).toBeCloseTo(2 ** 32 / 1_000)
})

test('cells: place, bounds, merged buckets', () => {
  expect(cellsOf(answer([2, 64, 5, 1, 0]))).toEqual([
    { startMs: 1_020, loMs: 0.064, hiMs: 0.066, n: [5, 1, 0] },
  ])
  expect(cellsOf(answer([0, 16, 1, 0, 0], { shift: 2 }))[0]).toMatchObject({ loMs: 0.064, hiMs: 0.072 })
})

test('live columns are replaced whole and old ones go', () => {
  const first = merged(new Map(), answer([0, 1, 1, 0, 0, 1, 1, 1, 0, 0]), 0)
  const next = merged(first, answer([1, 2, 7, 0, 0]), 1_010)
  expect([...next]).toEqual([[1_010, [{ startMs: 1_010, loMs: 0.002, hiMs: 0.003, n: [7, 0, 0] }]]])
})

describe.each(['log', 'linear'] as const)('%s axis', scale => {
  const axis = { scale, maxMs: 10_000 }
  test('there and back', () => {
    for (const ms of [2, 50, 999, 10_000]) {
      expect(msOf(axis, shareOf(axis, ms))).toBeCloseTo(ms, 6)
    }
    expect(shareOf(axis, 10_000)).toBe(1)
    expect(msOf(axis, -1)).toBe(0)
    expect(ticksOf(axis).at(-1)).toBe(10_000)
  })
})

test('rows add up, outcomes can be left out, the top row has what is beyond', () => {
  const cell = (loMs: number, n: Cell['n']): Cell => ({ startMs: 0, loMs, hiMs: loMs * 1.03, n })
  const axis = { scale: 'linear', maxMs: 100 } as const
  const cells = [cell(1, [3, 0, 0]), cell(2, [1, 1, 1]), cell(900, [0, 0, 4])]
  expect(drawnOf(cells, axis, 10, [])).toEqual([
    { startMs: 0, row: 0, ok: 4, bad: 2 },
    { startMs: 0, row: 9, ok: 0, bad: 4 },
  ])
  expect(drawnOf(cells, axis, 10, ['4xx'])).toEqual([{ startMs: 0, row: 0, ok: 0, bad: 1 }])
})

test('depth of colour', () => {
  expect(levelOf(1, 1)).toBe(0.6)
  expect(levelOf(1_000, 1_000)).toBe(1)
  expect(levelOf(1, 1_000)).toBeCloseTo(0.12)
})

test('a box in the link', () => {
  const box = { startMs: 5, endMs: 9, minMs: 1.5, maxMs: null }
  expect(decodeBox(encodeBox(box))).toEqual(box)
  expect(decodeBox(encodeBox({ ...box, maxMs: 20 }))).toEqual({ ...box, maxMs: 20 })
  for (const bad of ['', 'x', '9_5_0_1', '5_9_3_2', '5_9_-1_2']) {
    expect(decodeBox(bad)).toBeNull()
  }
})

test('the link', () => {
  const state = tmapCodec.decode({
    group: ['a', 'b'],
    mode: 'day',
    day: '2026-01-02',
    box: ['5_9_1_2', 'broken'],
    status: '5xx',
    max: '500',
  })
  expect(state).toMatchObject({
    groups: ['a', 'b'],
    mode: 'day',
    day: '2026-01-02',
    status: ['5xx'],
    maxMs: 500,
  })
  expect(state.boxes).toHaveLength(1)
  expect(tmapCodec.decode(tmapCodec.encode(state))).toEqual(state)
  expect(Object.values(tmapCodec.encode(tmapCodec.decode({}))).every(v => v === undefined)).toBe(true)
})
