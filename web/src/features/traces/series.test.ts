import { describe, expect, test } from 'vitest'
import type { FoundTrace } from '@/api/traceql'
import { type TraceSeries, typedText } from '@/api/traceql'
import { fullBar, listRows, sortTraces, tracesCsv } from '@/features/traces/found'
import { inside, plotOf } from '@/features/traces/Scatter'
import {
  compareRows,
  durationBuckets,
  heatOfBuckets,
  quantilesOf,
  redOf,
  seriesLabel,
  stepTimes,
} from '@/features/traces/series'

const T0 = 1_790_000_000_000

function series(labels: Record<string, unknown>, points: [number, number][], value = 0): TraceSeries {
  return {
    labels: Object.fromEntries(Object.entries(labels).map(([k, v]) => [k, typedText(v)])),
    points: new Map(points),
    value,
    exemplars: [],
  }
}

test('typed values', () => {
  expect(typedText({ stringValue: 'a' })).toEqual({ text: 'a', type: 'string' })
  expect(typedText({ stringValue: 'nil' })).toEqual({ text: 'nil', type: 'nil' })
  expect(typedText({ intValue: '5' })).toEqual({ text: '5', type: 'number' })
  expect(typedText({ boolValue: false })).toEqual({ text: 'false', type: 'bool' })
})

test('steps are multiples of the step and end before the range does', () => {
  expect(stepTimes({ startMs: 15_000, endMs: 40_000 }, 10)).toEqual([10, 20, 30])
})

test('rate, errors and their share', () => {
  const range = { startMs: T0, endMs: T0 + 20_000 }
  const red = redOf(
    [
      series({ status: { stringValue: 'unset' } }, [[T0, 3]]),
      series({ status: { stringValue: 'error' } }, [
        [T0, 1],
        [T0 + 10_000, 1],
      ]),
    ],
    range,
    10,
    { ok: 'Other', error: 'Failed' },
    'light',
  )
  expect(red.rate.map(s => [s.label, s.values])).toEqual([
    ['Other', [3, 0]],
    ['Failed', [1, 1]],
  ])
  expect(red.errorRatio).toBeCloseTo(2 / 5)
  expect(red.perS).toBeCloseTo(2.5)
})

test('quantiles are named and in order', () => {
  const list = quantilesOf(
    [series({ p: { doubleValue: 0.99 } }, []), series({ p: { doubleValue: 0.5 } }, [[T0, 2]])],
    [T0 / 1_000],
    'light',
  )
  expect(list.map(s => [s.label, s.values])).toEqual([
    ['p50', [2]],
    ['p99', [null]],
  ])
  expect(seriesLabel(series({ a: { stringValue: 'x' }, p: { doubleValue: 0.95 } }, []).labels)).toBe(
    'a=x, p95',
  )
})

test('durations: powers of two without gaps, summed over time', () => {
  const answer = [
    series({ __bucket: { doubleValue: 2 ** 20 / 1e9 } }, [
      [T0, 2],
      [T0 + 1_000, 1],
    ]),
    series({ __bucket: { doubleValue: 2 ** 22 / 1e9 } }, [[T0, 4]]),
  ]
  expect(durationBuckets(answer)).toEqual([
    { lo: 2 ** 19, hi: 2 ** 20, count: 3 },
    { lo: 2 ** 20, hi: 2 ** 21, count: 0 },
    { lo: 2 ** 21, hi: 2 ** 22, count: 4 },
  ])
  const heat = heatOfBuckets(answer, [T0 / 1_000, T0 / 1_000 + 1], 1)
  expect(heat.counts.map(c => [...(c ?? [])])).toEqual([
    [2, 0, 4],
    [1, 0, 0],
  ])
  expect(heat.max).toBe(4)
  expect(durationBuckets([])).toEqual([])
})

test('compare: shares of each side, the most telling field first', () => {
  const of = (type: string, field: string, value: string, n: number) =>
    series({ __meta_type: { stringValue: type }, [field]: { stringValue: value } }, [[T0, n]])
  const rows = compareRows([
    of('baseline_total', 'tier', 'nil', 100),
    of('selection_total', 'tier', 'nil', 10),
    of('baseline', 'tier', 'pro', 50),
    of('selection', 'tier', 'pro', 9),
    of('baseline_total', 'zone', 'nil', 100),
    of('selection_total', 'zone', 'nil', 10),
    of('baseline', 'zone', 'a', 100),
    of('selection', 'zone', 'a', 10),
    series({ __meta_error: { stringValue: '__too_many_values__' }, tier: { stringValue: 'nil' } }, [
      [T0, 100],
    ]),
  ])
  expect(rows.map(r => [r.field, Number(r.difference.toFixed(2))])).toEqual([
    ['tier', 0.4],
    ['zone', 0],
  ])
  expect(rows[0]?.values).toHaveLength(1)
})

describe('traces found', () => {
  const trace = (id: string, startMs: number, ms: number, errors: number, name: string): FoundTrace => ({
    trace_id: id,
    start_ns: `${startMs}000000`,
    duration_ns: `${ms}000000`,
    root_service: 's',
    root_name: name,
    span_count: ms,
    error_count: errors,
    services: [{ name: 's', spans: 1, errors }],
    spansets: [
      {
        matched: 3,
        attributes: {},
        spans: [
          {
            span_id: `${id}1`,
            name: 'x',
            start_ns: '0',
            duration_ns: '1',
            attributes: { 'http.route': '/a' },
          },
        ],
      },
    ],
  })
  const list = [
    trace('a', T0, 5, 0, 'z'),
    trace('b', T0 + 1_000, 1, 2, 'y'),
    trace('c', T0 + 500, 100, 0, 'x'),
  ]
  const ids = (l: FoundTrace[]) => l.map(t => t.trace_id).join('')

  test.each([
    ['start', 'bca'],
    ['duration', 'cab'],
    ['errors', 'bac'],
    ['root', 'cba'],
  ] as const)('by %s', (sort, want) => {
    expect(ids(sortTraces(list, sort, false))).toBe(want)
    expect(ids(sortTraces(list, sort, true))).toBe([...want].reverse().join(''))
  })

  test('an open trace shows its matching spans and how many more there are', () => {
    expect(listRows(list, new Set(['b'])).map(r => r.kind)).toEqual([
      'trace',
      'trace',
      'span',
      'rest',
      'trace',
    ])
  })

  test('scatter: log scale, what lies in a rectangle', () => {
    const plot = plotOf(list, { startMs: T0, endMs: T0 + 1_000 }, 800)
    const [a, b, c] = plot.points
    expect(a?.x).toBeLessThan(c?.x ?? 0)
    expect(c?.y).toBeLessThan(a?.y ?? 0)
    expect(b?.failed).toBe(true)
    expect(
      inside(
        plot.points,
        { x: (c?.x ?? 0) + 4, y: (c?.y ?? 0) + 4 },
        { x: (c?.x ?? 0) - 4, y: (c?.y ?? 0) - 4 },
      ),
    ).toEqual(['c'])
  })

  test('the bar is full at the 95th percentile', () => {
    expect(fullBar(Array.from({ length: 100 }, (_, i) => i + 1))).toBe(96)
    expect(fullBar([])).toBe(0)
  })

  test('csv has a column for each chosen field', () => {
    expect(tracesCsv(list, ['span.http.route'])[1]?.at(-1)).toBe('/a')
  })
})
