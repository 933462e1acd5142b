import { describe, expect, test } from 'vitest'
import {
  buildOptions,
  type ChartInput,
  chartData,
  increments,
  isolate,
  lonePoints,
  stack,
  summarize,
  toggle,
  valueRange,
} from '@/charts/options'
import { sparkPath } from '@/charts/sparkPath'

const input: ChartInput = {
  times: [10, 20, 30],
  series: [
    { label: 'a', color: '#112233', values: [1, null, 3] },
    { label: 'b', color: '#445566', values: [10, 20, null] },
  ],
  kind: 'line',
  stacked: false,
  unit: 'bytes',
  width: 400,
  height: 100,
  scheme: 'light',
  lang: 'en',
  hidden: new Set(),
  thresholds: [],
  window: [0, 60],
  syncKey: 'page',
}

describe('data', () => {
  test('lines keep gaps', () => {
    expect(chartData(input)).toEqual([
      [10, 20, 30],
      [1, null, 3],
      [10, 20, null],
    ])
  })
  test('stacks are sums, top first; a gap of one series is zero, of all is a gap', () => {
    expect(
      stack([
        [1, null, null],
        [2, 5, null],
      ]),
    ).toEqual([
      [1, 0, null],
      [3, 5, null],
    ])
    expect(chartData({ ...input, stacked: true })).toEqual([
      [10, 20, 30],
      [11, 20, 3],
      [1, 0, 3],
    ])
  })
  test('hidden series are left out', () => {
    expect(chartData({ ...input, hidden: new Set(['a']) })).toEqual([
      [10, 20, 30],
      [10, 20, null],
    ])
  })
  test('points between gaps', () => {
    expect(lonePoints([1, null, 2, 3, null, 4])).toEqual([0, 5])
  })
  test('summary', () => {
    expect(summarize([1, null, 3])).toEqual({ last: 3, min: 1, max: 3, mean: 2 })
    expect(summarize([null])).toEqual({ last: null, min: null, max: null, mean: null })
  })
})

describe('options', () => {
  test('series follow the visible ones in drawing order', () => {
    expect(buildOptions(input).series.map(s => s.label)).toEqual([undefined, 'a', 'b'])
    const stacked = buildOptions({ ...input, stacked: true })
    expect(stacked.series.map(s => s.label)).toEqual([undefined, 'b', 'a'])
    expect(stacked.bands).toEqual([{ series: [1, 2] }])
  })
  test('no gap is bridged', () => {
    expect(
      buildOptions(input)
        .series.slice(1)
        .every(s => s.spanGaps === false),
    ).toBe(true)
  })
  test('window, sync and zoom', () => {
    const o = buildOptions(input, { onZoom: () => {} })
    const range = o.scales?.x?.range as unknown as () => number[]
    expect(range()).toEqual([0, 60])
    expect(o.cursor?.sync?.key).toBe('page')
    expect(o.cursor?.drag?.x).toBe(true)
    expect(buildOptions(input).cursor?.drag?.x).toBe(false)
  })
  test('a drag gives the times under its ends', () => {
    const got: number[] = []
    const o = buildOptions(input, { onZoom: (a, b) => got.push(a, b) })
    const select = o.hooks?.setSelect?.[0]
    const u = { select: { left: 10, width: 100 }, posToVal: (p: number) => p * 2, setSelect: () => {} }
    select?.(u as never)
    expect(got).toEqual([20, 220])
  })
  test('byte ticks are powers of two, others 1-2-5', () => {
    expect(increments('bytes').slice(0, 4)).toEqual([1, 2, 4, 8])
    expect(increments('number')).toContain(0.05)
  })
})

describe('value axis', () => {
  test.each([
    [5, 10, [0, 10.8]],
    [90, 100, [89.2, 100.8]],
    [0, 0, [0, 1.08]],
    [-5, 5, [-5.8, 5.8]],
    [null, null, [0, 1.08]],
  ])('valueRange(%s, %s)', (lo, hi, want) => {
    const got = valueRange(lo, hi, [])
    expect(got[0]).toBeCloseTo(want[0] ?? 0)
    expect(got[1]).toBeCloseTo(want[1] ?? 0)
  })
  test('fixed ends and thresholds', () => {
    expect(valueRange(0.2, 0.4, [], 0, 1)).toEqual([0, 1])
    expect(valueRange(0, 1, [{ value: 5, label: '', color: '' }])[1]).toBeGreaterThan(5)
  })
})

test('legend: isolate and toggle', () => {
  const all = ['a', 'b', 'c']
  const alone = isolate('a', all, new Set())
  expect([...alone]).toEqual(['b', 'c'])
  expect([...isolate('a', all, alone)]).toEqual([])
  expect([...isolate('b', all, alone)]).toEqual(['a', 'c'])
  expect([...toggle('b', alone)]).toEqual(['c'])
})

test('sparkline lifts the pen over gaps', () => {
  const p = sparkPath([0, 1, null, 1, 0], 100, 20)
  expect(p.line.match(/M/g)).toHaveLength(2)
  expect(p.area.match(/Z/g)).toHaveLength(2)
  expect(sparkPath([null, null], 100, 20).line).toBe('')
})
