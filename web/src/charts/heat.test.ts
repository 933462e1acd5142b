import { describe, expect, test } from 'vitest'
import type { MatrixSeries } from '@/api/prom'
import { classicHeat, heatLevel, heatOf, heatQuantile, nativeHeat } from '@/charts/heat'
import { type ChartInput, chartData, logRange, zeroFill } from '@/charts/options'

const bucket = (le: string, values: [number, string][]): MatrixSeries => ({ metric: { le }, values })

describe('classic buckets', () => {
  const data = classicHeat(
    [
      bucket('0.1', [
        [10, '1'],
        [20, '2'],
      ]),
      bucket('0.5', [
        [10, '4'],
        [20, '2'],
      ]),
      bucket('+Inf', [
        [10, '5'],
        [20, '2'],
      ]),
    ],
    [10, 20, 30],
  )
  test('cumulative counts become counts of each range; a missing column stays missing', () => {
    expect(data.rows).toEqual([
      { lo: 0, hi: 0.1 },
      { lo: 0.1, hi: 0.5 },
      { lo: 0.5, hi: Number.POSITIVE_INFINITY },
    ])
    expect(data.counts.map(c => (c === null ? null : [...c]))).toEqual([[1, 3, 1], [2, 0, 0], null])
    expect(data.max).toBe(3)
  })
  test('series of several sources are added up; falling buckets never go below zero', () => {
    const two = classicHeat(
      [bucket('1', [[10, '5']]), bucket('1', [[10, '2']]), bucket('2', [[10, '6']])],
      [10],
    )
    expect([...(two.counts[0] ?? [])]).toEqual([7, 0])
  })
  test('quantile of a column', () => {
    expect(heatQuantile(data, 0, 0.5)).toBeCloseTo(0.3)
    expect(heatQuantile(data, 2, 0.5)).toBeNull()
  })
  test('empty ends are cut, one row beside the data is kept', () => {
    const cut = classicHeat(
      ['1', '2', '3', '4', '5', '6'].map(le => bucket(le, [[10, Number(le) >= 3 ? '7' : '0']])),
      [10],
    )
    expect(cut.rows.map(r => r.hi)).toEqual([2, 3, 4])
  })
})

describe('native histograms', () => {
  const series: MatrixSeries[] = [
    {
      metric: {},
      values: [],
      histograms: [
        [
          10,
          {
            count: '6',
            sum: '1',
            buckets: [
              [0, '1', '2', '4'],
              [0, '2', '4', '2'],
            ],
          },
        ],
        [20, { count: '1', sum: '0', buckets: [[3, '-0.001', '0.001', '1']] }],
      ],
    },
  ]
  test('rows of equal ratio hold all that was counted', () => {
    const data = nativeHeat(series, [10, 20])
    expect(data.counts[0]?.reduce((a, b) => a + b, 0)).toBeCloseTo(6)
    expect([...(data.counts[1] ?? [])][0]).toBe(1)
    expect(data.rows.at(-1)?.hi).toBeCloseTo(4)
    expect(heatOf(series, [10, 20]).rows).toEqual(data.rows)
  })
})

test('colour: the root lifts rare values, nothing is nothing', () => {
  expect(heatLevel(0, 10)).toBe(0)
  expect(heatLevel(10, 10)).toBe(1)
  expect(heatLevel(1, 10_000)).toBe(0.06)
})

describe('missing samples and logarithms', () => {
  test('zero only between samples', () => {
    expect(zeroFill([null, 1, null, 2, null])).toEqual([null, 1, 0, 2, null])
  })
  test('a logarithm has whole decades and no zero', () => {
    expect(logRange(0.02, 340)).toEqual([0.01, 1000])
    expect(logRange(null, null)).toEqual([0.001, 1])
    const input = {
      times: [1, 2],
      series: [{ label: 'a', color: '', values: [0, 5] }],
      hidden: new Set(),
      stacked: false,
      log: true,
    }
    expect(chartData(input as unknown as ChartInput)).toEqual([
      [1, 2],
      [null, 5],
    ])
  })
})
