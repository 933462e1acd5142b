import { describe, expect, test } from 'vitest'
import { gridTimes, legendText, onGrid, sampleNumber, seriesName } from '@/api/prom'

describe('grid', () => {
  test('missing steps are gaps', () => {
    expect(gridTimes(0, 30_000, 10)).toEqual([0, 10, 20, 30])
    expect(
      onGrid(
        [
          [0, '1'],
          [20, '3'],
        ],
        0,
        10,
        4,
      ),
    ).toEqual([1, null, 3, null])
  })
  test('NaN and infinities are gaps, samples outside are ignored', () => {
    expect(
      onGrid(
        [
          [0, 'NaN'],
          [10, '+Inf'],
          [50, '1'],
        ],
        0,
        10,
        2,
      ),
    ).toEqual([null, null])
    expect(sampleNumber('-Inf')).toBe(Number.NEGATIVE_INFINITY)
  })
})

test('names and legends', () => {
  const metric = { __name__: 'up', job: 'a', instance: 'b"c' }
  expect(seriesName(metric)).toBe('up{instance="b\\"c", job="a"}')
  expect(seriesName({ __name__: 'up' })).toBe('up')
  expect(legendText('{{job}} on {{ instance }} {{nope}}', metric)).toBe('a on b"c ')
  expect(legendText('', metric)).toBe(seriesName(metric))
})
