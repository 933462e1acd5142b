import { describe, expect, test } from 'vitest'
import type { Storage } from '@/api/operations'
import { storageCodec } from '@/features/storage/codec'
import {
  bytesPerSample,
  dayGrid,
  outlook,
  partsOf,
  roomOf,
  storageSettings,
} from '@/features/storage/storage'

const DAY = 86_400_000
const zero = {
  metrics_raw: 0,
  metrics_1m: 0,
  metrics_5m: 0,
  metrics_1h: 0,
  traces: 0,
  logs: 0,
  transactions: 0,
}
const storage = (patch: Partial<Storage>): Storage => ({
  now_ms: 100 * DAY,
  path: '/data',
  used_bytes: 400,
  free_bytes: 900,
  min_free_bytes: 100,
  budget_bytes: 1_000,
  retention_ms: 30 * DAY,
  signals: [
    { signal: 'metrics', bytes: 250 },
    { signal: 'logs', bytes: 50 },
    { signal: 'wal', bytes: 10 },
  ],
  tiers: [
    {
      tier: 'raw',
      resolution_ms: 0,
      retention_ms: 0,
      bytes: 150,
      points: 100,
      parts: 1,
      bytes_per_point: 1.5,
    },
    { tier: '1h', resolution_ms: 3_600_000, retention_ms: 0, bytes: 60, points: 10, parts: 1 },
  ],
  days: [],
  growth: { ...zero, bytes_per_day: 10, days_measured: 3 },
  forecast: { limit_bytes: 1_000, limited_by: 'budget', reason: '' },
  jobs: [],
  ...patch,
})

test('parts: tiers apart, what belongs to none is raw, empty ones left out', () => {
  expect(partsOf(storage({}))).toEqual([
    { name: 'metrics_raw', bytes: 190 },
    { name: 'metrics_1h', bytes: 60 },
    { name: 'logs', bytes: 50 },
    { name: 'wal', bytes: 10 },
  ])
})

test('the room is the budget, unless the disk is smaller or there is none', () => {
  expect(roomOf(storage({}))).toEqual({ bytes: 1_000, kind: 'budget' })
  expect(roomOf(storage({ budget_bytes: 5_000 }))).toEqual({ bytes: 1_200, kind: 'disk' })
  expect(roomOf(storage({ budget_bytes: 0 }))).toEqual({ bytes: 1_200, kind: 'disk' })
})

test('days: a hole stays a hole', () => {
  const day = (n: number, traces: number) => ({ ...zero, traces, day: String(n), start_ms: n * DAY })
  const grid = dayGrid([day(1, 5), day(3, 7)])
  expect(grid.times).toEqual([86_400, 172_800, 259_200])
  expect(grid.values.traces).toEqual([5, null, 7])
  expect(dayGrid([]).times).toEqual([])
})

describe('outlook', () => {
  const forecast = { limit_bytes: 1_000, limited_by: 'budget' as const, reason: '' }
  test.each([
    [storage({ forecast: { ...forecast, days_left: 3, full_ms: 9 } }), { kind: 'full', days: 3, atMs: 9 }],
    [storage({ forecast: { ...forecast, days_left: 0 } }), { kind: 'acting' }],
    [storage({ forecast: { ...forecast, levels_at_bytes: 500 } }), { kind: 'levels', bytes: 500 }],
    [
      storage({
        forecast: { ...forecast, levels_at_bytes: 5 },
        growth: { ...zero, bytes_per_day: 0, days_measured: 0 },
      }),
      { kind: 'unknown' },
    ],
  ])('%#', (s, want) => expect(outlook(s)).toEqual(want))
})

test('small things', () => {
  expect(bytesPerSample(storage({}))).toBe(1.5)
  expect(bytesPerSample(storage({ tiers: [] }))).toBeNull()
  expect(
    storageSettings([
      { key: 'storage.max_size', value: '1' },
      { key: 'http.listen', value: 'x' },
    ]),
  ).toHaveLength(1)
  expect(storageCodec.decode(storageCodec.encode({ by: 'job' }))).toEqual({ by: 'job' })
})
