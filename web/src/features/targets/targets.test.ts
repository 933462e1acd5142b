import { describe, expect, test } from 'vitest'
import { type ScrapeTarget, targetKey } from '@/api/operations'
import {
  filterDropped,
  filterTargets,
  isLate,
  labelChanges,
  lastScrapeMs,
  poolsOf,
  targetSelector,
  targetsCodec,
  timeShare,
} from '@/features/targets/targets'

const target = (rest: Partial<ScrapeTarget>): ScrapeTarget => ({
  discoveredLabels: {},
  labels: { job: 'node', instance: 'a:1' },
  scrapePool: 'node',
  scrapeUrl: 'http://a:1/metrics',
  globalUrl: 'http://a:1/metrics',
  lastError: '',
  lastScrape: '2026-11-21T00:00:00Z',
  lastScrapeDuration: 0.5,
  health: 'up',
  scrapeInterval: '15s',
  scrapeTimeout: '10s',
  ...rest,
})
const all = targetsCodec.decode({})
const list = [
  target({}),
  target({
    scrapeUrl: 'http://b:1/metrics',
    health: 'down',
    lastError: 'connection refused',
    labels: { job: 'node', zone: 'x' },
  }),
  target({ scrapePool: 'db', health: 'unknown', lastScrape: '0001-01-01T00:00:00Z' }),
]
const dropped = [
  { discoveredLabels: { __address__: 'c:1' }, scrapePool: 'node', reason: 'drop: a matches b (rule 1)' },
]

describe('link', () => {
  test('round trip, defaults leave it empty', () => {
    const state = { state: 'down' as const, pool: 'node', find: 'zone="x"', open: 'node http://a' }
    expect(targetsCodec.decode(targetsCodec.encode(state))).toEqual(state)
    expect(Object.values(targetsCodec.encode(all)).filter(Boolean)).toEqual([])
    expect(targetsCodec.decode({ state: 'odd' }).state).toBe('all')
  })
})

describe('pools', () => {
  test('what is wrong first; pools without targets and hidden drops are counted', () => {
    expect(poolsOf(list, dropped, { node: 9 }, ['spare'])).toEqual([
      { name: 'node', up: 1, down: 1, unknown: 0, total: 2, dropped: 9 },
      { name: 'db', up: 0, down: 0, unknown: 1, total: 1, dropped: 0 },
      { name: 'spare', up: 0, down: 0, unknown: 0, total: 0, dropped: 0 },
    ])
  })
})

describe('filters', () => {
  test.each([
    [{}, 3],
    [{ pool: 'db' }, 1],
    [{ state: 'down' as const }, 1],
    [{ find: 'zone="x"' }, 1],
    [{ find: 'zone=x refused' }, 1],
    [{ find: 'a:1 nothing' }, 0],
  ])('%j leaves %i', (patch, n) => expect(filterTargets(list, { ...all, ...patch })).toHaveLength(n))
  test('down first', () => expect(filterTargets(list, all)[0]?.health).toBe('down'))
  test('dropped targets by their discovered labels', () => {
    expect(filterDropped(dropped, { ...all, find: 'c:1' })).toHaveLength(1)
    expect(filterDropped(dropped, { ...all, find: 'd:1' })).toHaveLength(0)
  })
})

describe('one target', () => {
  test('times', () => {
    expect(lastScrapeMs(target({ lastScrape: '0001-01-01T00:00:00Z' }))).toBeNull()
    expect(timeShare(target({}))).toBeCloseTo(0.05)
    const at = lastScrapeMs(target({})) ?? 0
    expect(isLate(target({}), at + 40_000)).toBe(false)
    expect(isLate(target({}), at + 50_000)).toBe(true)
  })
  test('relabelling: added, changed and kept first, what went last', () => {
    const changes = labelChanges(
      { __address__: 'a', job: 'x', env: 'p' },
      { job: 'y', env: 'p', instance: 'a' },
    )
    expect(changes.map(c => [c.name, c.kind])).toEqual([
      ['env', 'same'],
      ['instance', 'added'],
      ['job', 'changed'],
      ['__address__', 'removed'],
    ])
  })
  test('selector and key', () => {
    expect(targetSelector({ job: 'a"b', instance: 'c', zone: 'd' })).toBe('{job="a\\"b", instance="c"}')
    expect(targetSelector({ zone: 'd' })).toBe('{zone="d"}')
    expect(targetKey({ job: 'a', instance: 'b' })).toBe('a\nb')
  })
})
