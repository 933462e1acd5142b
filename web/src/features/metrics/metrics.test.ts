import { describe, expect, test } from 'vitest'
import { metricsCodec, parsePosition } from '@/features/metrics/codec'
import { matchMetrics, metadataOf, suggestQuery } from '@/features/metrics/MetricBrowser'
import { activeQueries, chartCsv, requestOf, tableRows } from '@/features/metrics/run'
import { parseSearch, stringifySearch } from '@/lib/search'

describe('link', () => {
  test('round trip through the address bar', () => {
    const state = {
      queries: [
        { expr: 'sum by (a) (rate(x{b="c"}[5m]))', legend: '{{a}}: x', on: true },
        { expr: 'up', legend: '', on: false },
      ],
      view: 'table' as const,
      stacked: true,
    }
    expect(metricsCodec.decode(parseSearch(stringifySearch(metricsCodec.encode(state))))).toEqual(state)
  })
  test('defaults leave the link empty', () => {
    expect(stringifySearch(metricsCodec.encode(metricsCodec.decode({})))).toBe('')
  })
  test('letters follow the queries that are kept', () => {
    const raw = metricsCodec.encode({
      queries: [
        { expr: ' ', legend: 'gone', on: true },
        { expr: 'up', legend: 'kept', on: false },
      ],
      view: 'chart',
      stacked: false,
    })
    expect(raw).toMatchObject({ q: ['up'], off: 'A', legend: ['A:kept'] })
  })
  test('broken parameters fall back', () => {
    expect(metricsCodec.decode({ view: 'pie', legend: 'nonsense', off: 'Z' })).toEqual({
      queries: [{ expr: '', legend: '', on: true }],
      view: 'chart',
      stacked: false,
    })
  })
})

test.each([
  [
    'invalid parameter "query": 1:5: parse error: unexpected "}"',
    { line: 1, column: 5, message: 'unexpected "}"' },
  ],
  ['2:13: parse error: no', { line: 2, column: 13, message: 'no' }],
  ['query timed out', null],
])('position in %s', (text, want) => expect(parsePosition(text)).toEqual(want))

describe('answers', () => {
  const active = activeQueries([
    { expr: 'up', legend: '{{job}}', on: true },
    { expr: 'down', legend: '', on: false },
  ])
  const request = requestOf('up', { startMs: 0, endMs: 60_000 }, 400)
  test('only switched-on queries are asked, on their own grid', () => {
    expect(active).toHaveLength(1)
    expect(request).toMatchObject({ query: 'up', stepS: 5, startMs: 0, endMs: 60_000 })
  })
  test('csv has one column for each series and empty cells for gaps', () => {
    const answer = {
      data: {
        resultType: 'matrix' as const,
        result: [{ metric: { job: 'a' }, values: [[5, '2']] as [number, string][] }],
      },
      stats: undefined,
      warnings: [],
      infos: [],
    }
    const rows = chartCsv(active, [answer], [request])
    expect(rows[0]).toEqual(['time', 'a'])
    expect(rows[1]).toEqual(['1970-01-01T00:00:00.000Z', ''])
    expect(rows[2]).toEqual(['1970-01-01T00:00:05.000Z', 2])
  })
  test('table rows', () => {
    const vector = {
      data: {
        resultType: 'vector' as const,
        result: [{ metric: { job: 'a' }, value: [1, '2'] as [number, string] }],
      },
      stats: undefined,
      warnings: [],
      infos: [],
    }
    expect(tableRows(active, [vector])).toEqual([{ key: '0.0', query: 'A', name: 'a', value: '2' }])
  })
})

test('metric browser', () => {
  expect(matchMetrics(['system_cpu_time', 'system_memory'], 'sys cpu')).toEqual(['system_cpu_time'])
  expect(suggestQuery('x_total', 'counter')).toBe('rate(x_total[5m])')
  expect(suggestQuery('x_bucket', 'histogram')).toContain('histogram_quantile')
  expect(suggestQuery('x', 'gauge')).toBe('x')
  const meta = { x: [{ type: 'histogram', help: 'h', unit: 's' }] }
  expect(metadataOf('x_bucket', meta)?.help).toBe('h')
})
