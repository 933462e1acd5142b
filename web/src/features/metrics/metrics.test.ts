import { describe, expect, test } from 'vitest'
import type { PromAnswer } from '@/api/prom'
import { EMPTY_QUERY, metricsCodec, notePosition, parsePosition } from '@/features/metrics/codec'
import { matchMetrics, metadataOf, metricTree, suggestQuery } from '@/features/metrics/metricInfo'
import {
  chartCsv,
  curlOf,
  drawChart,
  drawEarlier,
  planOf,
  requestOf,
  resultTable,
  shifted,
  statRows,
  statsOf,
  stepOf,
  tableCsv,
  telling,
  tierOf,
} from '@/features/metrics/run'
import { isSet, textOf, written } from '@/features/metrics/saved'
import { bucketUnitExpr, commonUnit, guessUnit } from '@/features/metrics/unit'
import { exemplarMarks } from '@/features/metrics/useExemplars'
import { parseSearch, stringifySearch } from '@/lib/search'

const query = (expr: string, rest = {}) => ({ ...EMPTY_QUERY, expr, ...rest })

describe('link', () => {
  test('round trip through the address bar', () => {
    const state = {
      queries: [
        query('sum by (a) (rate(x{b="c"}[5m]))', { legend: '{{a}}: x' }),
        query('up', { on: false }),
        query('A / B', { formula: true }),
      ],
      view: 'heatmap' as const,
      style: 'bars' as const,
      log: true,
      nulls: 'zero' as const,
      unit: 'bytes' as const,
      step: '90s',
      compare: '7d',
      exemplars: true,
      threshold: 0.95,
    }
    expect(metricsCodec.decode(parseSearch(stringifySearch(metricsCodec.encode(state))))).toEqual(state)
  })
  test('defaults leave the link empty', () => {
    expect(stringifySearch(metricsCodec.encode(metricsCodec.decode({})))).toBe('')
  })
  test('letters follow the queries that are kept', () => {
    const raw = metricsCodec.encode({
      ...metricsCodec.decode({}),
      queries: [query(' ', { legend: 'gone' }), query('up', { legend: 'kept', on: false })],
    })
    expect(raw).toMatchObject({ q: ['up'], off: 'A', legend: ['A:kept'] })
  })
  test('broken parameters fall back; older links still stack', () => {
    expect(metricsCodec.decode({ view: 'pie', legend: 'nonsense', off: 'Z', step: '-5', line: 'x' })).toEqual(
      metricsCodec.decode({}),
    )
    expect(metricsCodec.decode({ stack: '1' }).style).toBe('stacked')
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

test('notes end in their place', () => {
  expect(notePosition('PromQL info: metric might not be a counter: "x" (1:6)')).toEqual({
    line: 1,
    column: 6,
  })
  expect(notePosition('no place')).toBeNull()
})

const answer = (
  resultType: 'matrix' | 'vector',
  result: unknown,
  stats?: Record<string, unknown>,
): PromAnswer => ({ data: { resultType, result }, stats, warnings: [], infos: [] }) as PromAnswer

describe('answers', () => {
  const plan = planOf([
    query('up', { legend: '{{job}}' }),
    query('down', { on: false }),
    query('A * 2', { formula: true }),
  ])
  const request = requestOf('up', { startMs: 0, endMs: 60_000 }, 400)
  const matrix = answer('matrix', [
    {
      metric: { job: 'a' },
      values: [
        [5, '2'],
        [10, '4'],
      ],
    },
    { metric: { job: 'b' }, values: [[5, '1']] },
  ])
  test('only switched-on queries are asked, formulas written out', () => {
    expect(plan.active.map(a => a.expr)).toEqual(['up', '(up) * 2'])
    expect(request).toMatchObject({ query: 'up', stepS: 5, startMs: 0, endMs: 60_000 })
  })
  test('a formula without its query is not asked', () => {
    expect(planOf([query('B + 1', { formula: true })]).broken.get(0)).toEqual({
      problem: 'unknown',
      name: 'B',
    })
  })
  test('step: chosen, but never more points than the server gives', () => {
    const day = { startMs: 0, endMs: 86_400_000 }
    expect(stepOf('30s', day, 1_000)).toBe(30)
    expect(stepOf('1s', day, 1_000)).toBe(8)
    expect(stepOf('', day, 1_000)).toBe(300)
  })
  test('the earlier period lies on the grid of this one', () => {
    expect(shifted({ ...request, stepS: 7 }, '1h').startMs).toBe(-514 * 7_000)
    const now = drawChart(plan.active.slice(0, 1), [matrix], [request], 'light', 10)
    const before = drawEarlier(now, plan.active.slice(0, 1), [matrix], [request], 'light', 10, '1d ago')
    expect(before[1]).toMatchObject({ label: 'b (1d ago)', dashed: true, color: `${now.series[1]?.color}a6` })
  })
  test('too many series: the rest is counted, over all queries', () => {
    const c = drawChart(plan.active, [matrix, matrix], [request, request], 'light', 3)
    expect(c.series.map(s => s.label)).toEqual(['a', 'b', 'job="a"'])
    expect(c.omitted).toBe(1)
  })
  test('series are named by what tells them apart', () => {
    expect(
      telling([
        { metric: { a: '1', b: 'x' }, values: [] },
        { metric: { a: '2', b: 'x' }, values: [] },
      ]),
    ).toBe('a="{{a}}"')
    expect(telling([{ metric: { a: '1' }, values: [] }])).toBe('')
  })
  test('csv has one column for each series and empty cells for gaps', () => {
    const rows = chartCsv(plan.active.slice(0, 1), [matrix], [request])
    expect(rows[0]).toEqual(['time', 'a', 'b'])
    expect(rows[1]).toEqual(['1970-01-01T00:00:00.000Z', '', ''])
    expect(rows[3]).toEqual(['1970-01-01T00:00:10.000Z', 4, ''])
  })
  test('table: labels that differ are columns, the others are said once', () => {
    const vector = answer('vector', [
      { metric: { __name__: 'up', job: 'a', zone: 'x' }, value: [1, '2'] },
      { metric: { __name__: 'up', job: 'b', zone: 'x' }, value: [1, '3'] },
    ])
    const table = resultTable(plan.active.slice(0, 1), [vector])
    expect(table.columns).toEqual(['job'])
    expect(table.constant).toEqual([
      ['__name__', 'up'],
      ['zone', 'x'],
    ])
    expect(table.rows.map(r => r.value)).toEqual(['2', '3'])
    expect(tableCsv(plan.active.slice(0, 1), [vector])).toEqual([
      ['query', '__name__', 'job', 'zone', 'value'],
      ['A', 'up', 'a', 'x', '2'],
      ['A', 'up', 'b', 'x', '3'],
    ])
  })
  test('figures: newest and first value', () => {
    const rows = statRows(drawChart(plan.active.slice(0, 1), [matrix], [request], 'light', 10))
    expect(rows.map(r => [r.name, r.first, r.last])).toEqual([
      ['a', 2, 4],
      ['b', 1, 1],
    ])
  })
  test('statistics of the server, known and unknown', () => {
    const s = statsOf(
      answer('matrix', [], {
        timings: { evalTotalTime: 0.002 },
        samples: { totalQueryableSamples: 12, peakSamples: 5, totalQueryableSamplesPerStep: [[1, 2]] },
        resolutionMs: 300_000,
        memory: { peakBytes: 77 },
      }),
    )
    expect(s).toMatchObject({ evalMs: 2, samples: 12, peak: 5, memory: 77, series: 0 })
    expect(s.all).toContainEqual(['resolutionMs', '300000'])
    expect(tierOf(answer('matrix', [], { resolutionMs: 300_000 }))).toBe(300_000)
    expect(tierOf(answer('matrix', []))).toBeNull()
  })
  test('curl quotes what a shell would read', () => {
    expect(curlOf({ ...request, query: `x{a='b'}` }, 'http://h')).toContain(`'query=x{a='\\''b'\\''}'`)
  })
})

describe('metric browser', () => {
  const meta = { x: [{ type: 'histogram', help: 'latency of things', unit: 's' }] }
  test('names and help are searched', () => {
    expect(matchMetrics(['system_cpu_time', 'system_memory'], 'sys cpu')).toEqual(['system_cpu_time'])
    expect(matchMetrics(['x_bucket', 'y'], 'latency', meta)).toEqual(['x_bucket'])
    expect(metadataOf('x_bucket', meta)?.help).toBe('latency of things')
  })
  test('how a metric is best read', () => {
    expect(suggestQuery('x_total', 'counter')).toBe('rate(x_total[5m])')
    expect(suggestQuery('x_bucket', 'histogram')).toContain('histogram_quantile')
    expect(suggestQuery('x', 'gauge')).toBe('x')
    expect(suggestQuery('x_count', 'histogram')).toBe('rate(x_count[5m])')
    expect(suggestQuery('x', 'histogram')).toBe('histogram_quantile(0.95, sum(rate(x[5m])))')
  })
  test('tree: prefixes with many names are groups, few stay flat', () => {
    const names = ['a_x_1', 'a_x_2', 'a_x_3', 'a_x_4', 'b_one', 'b_two']
    expect(metricTree(names, new Set()).map(r => [r.kind, r.key])).toEqual([
      ['group', 'a_x_'],
      ['metric', 'b_one'],
      ['metric', 'b_two'],
    ])
    const open = metricTree(names, new Set(['a_x_']))
    expect(open[1]).toMatchObject({ kind: 'metric', name: 'a_x_1', short: '1', depth: 1 })
    expect(metricTree(names, new Set(), true)).toHaveLength(7)
  })
})

test.each([
  ['rate(node_network_receive_bytes_total[5m])', 'bytes_per_s'],
  ['sum by (le) (rate(http_requests_total[5m]))', 'per_s'],
  ['histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 's'],
  ['system_memory_utilization_ratio', 'ratio'],
  ['process_resident_memory_bytes', 'bytes'],
  ['count by (job) (up)', 'count'],
  ['rate(cpu_seconds_total[5m])', 'number'],
  ['a_bytes / b_bytes', 'number'],
  ['rate(http_request_duration_seconds_count[5m])', 'per_s'],
  ['up', 'number'],
])('unit of %s', (expr, unit) => expect(guessUnit(expr, {})).toBe(unit))

test('one unit or plain numbers', () => {
  expect(commonUnit(['a_bytes', 'b_bytes'], {})).toBe('bytes')
  expect(commonUnit(['a_bytes', 'b_seconds'], {})).toBe('number')
  expect(guessUnit(bucketUnitExpr('sum by (le) (rate(a_seconds_bucket[5m]))'), {})).toBe('s')
  expect(guessUnit('x', { x: [{ type: 'gauge', help: '', unit: 'By' }] })).toBe('bytes')
})

test('a set of queries: what says something, in one line, and again from its link', () => {
  const set = [query('a'), query(' '), query('b', { legend: 'x' })]
  expect(textOf(written(set))).toBe('a · b')
  expect([isSet(set), isSet([]), isSet('a'), isSet([{ expr: 'a' }]), isSet(null)]).toEqual([
    true,
    false,
    false,
    false,
    false,
  ])
  const link = stringifySearch(metricsCodec.encode({ ...metricsCodec.decode({}), queries: written(set) }))
  expect(metricsCodec.decode(parseSearch(link)).queries).toEqual(written(set))
})

test('exemplars: largest kept, trace first', () => {
  const marks = exemplarMarks(
    [
      { time: 1, value: 5, series: 's', labels: { zone: 'a', traceID: 'abc' } },
      { time: 2, value: 9, series: 's', labels: {} },
    ],
    '#fff',
    1,
  )
  expect(marks).toMatchObject([{ value: 9, detail: [] }])
  expect(
    exemplarMarks([{ time: 1, value: 5, series: 's', labels: { zone: 'a', traceID: 'abc' } }], '')[0]?.detail,
  ).toEqual([
    ['trace_id', 'abc'],
    ['zone', 'a'],
  ])
})
