import { describe, expect, test } from 'vitest'
import {
  alignRange,
  DEFAULT_RANGE,
  decodeRange,
  durationText,
  encodeRange,
  moveRange,
  parseDuration,
  rateWindow,
  refreshMs,
  resolvePoint,
  resolveRange,
  stepFor,
} from '@/lib/time'

const NOW = 1_790_000_000_000

describe('durations', () => {
  test.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['1.5d', 129_600_000],
    ['', null],
    ['5', null],
    ['5x', null],
  ])('parseDuration(%s)', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test('text is the shortest exact form', () => {
    expect(durationText(90_000)).toBe('90s')
    expect(durationText(3_600_000)).toBe('1h')
    expect(durationText(86_400_000)).toBe('1d')
    expect(durationText(1_500)).toBe('1500ms')
  })
})

describe('range in the link', () => {
  test.each([
    ['now', NOW],
    ['now-15m', NOW - 900_000],
    ['1789999000000', 1_789_999_000_000],
    ['2026-09-21T13:33:20Z', Date.UTC(2026, 8, 21, 13, 33, 20)],
    ['yesterday', null],
    ['now-', null],
  ])('resolvePoint(%s)', (text, ms) => expect(resolvePoint(text, NOW)).toBe(ms))

  test('an empty or broken link is the default', () => {
    expect(decodeRange({})).toEqual(DEFAULT_RANGE)
    expect(decodeRange({ from: 'x', to: 'now' })).toEqual(DEFAULT_RANGE)
  })

  test('decode(encode(x)) is x', () => {
    for (const r of [
      DEFAULT_RANGE,
      { from: 'now-6h', to: 'now', live: false },
      { from: '1789999000000', to: '1789999900000', live: false },
    ]) {
      const { live, ...rest } = encodeRange(r)
      expect(decodeRange(live === undefined ? rest : { ...rest, live })).toEqual(r)
    }
  })

  test('a range that ends before it starts becomes the hour before its end', () => {
    expect(resolveRange({ from: 'now', to: 'now-1h', live: false }, NOW)).toEqual({
      startMs: NOW - 7_200_000,
      endMs: NOW - 3_600_000,
    })
  })

  test('moving and zooming', () => {
    const r = { startMs: 1_000_000, endMs: 2_000_000 }
    expect(moveRange(r, 1, -0.5)).toEqual({ from: '500000', to: '1500000', live: false })
    expect(moveRange(r, 2, 0)).toEqual({ from: '500000', to: '2500000', live: false })
  })
})

describe('steps', () => {
  const hour = { startMs: NOW - 3_600_000, endMs: NOW }
  test('never more than one point for two pixels', () => {
    for (const width of [100, 600, 1_400]) {
      for (const hours of [0.1, 1, 24, 720]) {
        const r = { startMs: NOW - hours * 3_600_000, endMs: NOW }
        const step = stepFor(r, width)
        expect(((hours * 3_600) / step) * 1).toBeLessThanOrEqual(Math.max(40, width / 2))
      }
    }
  })
  test('not below the interval of the agent', () =>
    expect(stepFor({ startMs: NOW - 60_000, endMs: NOW }, 1_000)).toBe(5))
  test('aligned to the step', () => {
    const a = alignRange({ startMs: 1_234_567, endMs: 2_345_678 }, 10)
    expect(a).toEqual({ startMs: 1_230_000, endMs: 2_340_000 })
  })
  test('refresh is 5 s for an hour and slower for days', () => {
    expect(refreshMs(hour)).toBe(5_000)
    expect(refreshMs({ startMs: NOW - 86_400_000, endMs: NOW })).toBe(120_000)
  })
  test('rate window', () => {
    expect(rateWindow(10)).toBe('1m')
    expect(rateWindow(300)).toBe('5m')
  })
})
