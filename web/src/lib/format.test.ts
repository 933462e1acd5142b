import { describe, expect, test } from 'vitest'
import {
  formatAgo,
  formatBytes,
  formatDurationMs,
  formatDurationNs,
  formatNumber,
  formatPercent,
  formatShort,
  formatSpan,
  formatStamp,
  formatUnit,
  formatUptime,
} from '@/lib/format'

describe('format', () => {
  test.each([
    [0, '0'],
    [0.1234, '0.123'],
    [12.345, '12.3'],
    [1234.5, '1,235'],
    [0.0000012, '1.20e-6'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NaN, '–'],
    [null, '–'],
    [undefined, '–'],
  ])('formatNumber(%s)', (v, text) => expect(formatNumber(v, 'en')).toBe(text))

  test.each([
    [999, '999'],
    [1_234, '1.23k'],
    [-2_500_000, '-2.5M'],
    [7.4e9, '7.4G'],
  ])('formatShort(%s)', (v, text) => expect(formatShort(v, 'en')).toBe(text))

  test.each([
    [512, '512 B'],
    [1536, '1.5 KiB'],
    [20 * 2 ** 30, '20 GiB'],
  ])('formatBytes(%s)', (v, text) => expect(formatBytes(v, 'en')).toBe(text))

  test.each([
    [0.5, '50%'],
    [0.00123, '0.12%'],
    [1, '100%'],
  ])('formatPercent(%s)', (v, text) => expect(formatPercent(v, 'en')).toBe(text))

  test.each([
    [0, '0'],
    [850, '850 ns'],
    [1_500, '1.5 µs'],
    [12_340_000, '12.3 ms'],
    [2.5e9, '2.5 s'],
    [90e9, '1.5 min'],
  ])('formatDurationNs(%s)', (v, text) => expect(formatDurationNs(v, 'en')).toBe(text))

  test('units', () => {
    expect(formatDurationMs(1_500, 'en')).toBe('1.5 s')
    expect(formatUnit(0.25, 'ratio', 'en')).toBe('25%')
    expect(formatUnit(25, 'percent', 'en')).toBe('25%')
    expect(formatUnit(2048, 'bytes_per_s', 'en')).toBe('2 KiB/s')
    expect(formatUnit(0.2, 's', 'en')).toBe('200 ms')
    expect(formatUnit(5, 'ms', 'en')).toBe('5 ms')
    expect(formatUnit(1500, 'per_s', 'en')).toBe('1.5k/s')
    expect(formatUnit(null, 'per_s', 'en')).toBe('–')
  })

  test('spans', () => {
    expect(formatSpan('6h', 'en')).toBe('6h')
    expect(formatSpan('15m', 'ko')).toBe('15분')
    expect(formatSpan('1h30m', 'ko')).toBe('1h30m')
  })

  test('times', () => {
    expect(formatUptime(93_784, 'en')).toBe('1 d 2 h')
    expect(formatUptime(65, 'en')).toBe('1 min 5 s')
    expect(formatAgo(1_000, 13_000, 'en')).toBe('12 sec. ago')
    expect(formatAgo(0, 7_200_000, 'ko')).toBe('2시간 전')
    expect(formatStamp(Date.UTC(2026, 10, 21, 9, 5, 7, 42), 'en')).toBe('11/21, 09:05:07.042')
  })
})
