import { describe, expect, test } from 'vitest'
import type { Cardinality, CardinalityLimit, CardinalityRow } from '@/api/operations'
import {
  advise,
  cardinalityCodec,
  change,
  narrow,
  selectorOf,
  sortLimits,
  wholeMinutes,
  whoText,
} from '@/features/cardinality/cardinality'

const row = (
  name: string,
  series: number,
  total: number,
  more: Partial<CardinalityRow> = {},
): CardinalityRow => ({
  name,
  series,
  before: series,
  share_ratio: series / total,
  ...more,
})
const none = { total: 0, rows: [] }
const data = (patch: Partial<Cardinality>): Cardinality => ({
  start_ms: 0,
  end_ms: 1,
  looked_at_ratio: 1,
  series: { total: 10_000, before: 10_000, active: 10_000, created_1h: 0, created_24h: 0 },
  metrics: none,
  labels: none,
  pairs: none,
  jobs: none,
  instances: none,
  ...patch,
})

describe('link', () => {
  test('a path of pairs, values may hold anything', () => {
    const state = {
      path: [
        ['job', 'a=b'],
        ['__name__', 'x'],
      ] as [string, string][],
      focus: 'pod',
    }
    expect(cardinalityCodec.decode(cardinalityCodec.encode(state))).toEqual(state)
    expect(cardinalityCodec.decode({ by: ['nonsense', '=x'] })).toEqual({ path: [], focus: '' })
  })
  test('selectors', () => {
    expect(selectorOf([])).toBe('')
    expect(
      selectorOf([
        ['job', 'a"b'],
        ['host.name', 'c'],
      ]),
    ).toBe('{job="a\\"b", "host.name"="c"}')
    expect(
      narrow(
        [
          ['job', 'a'],
          ['zone', 'z'],
        ],
        'job',
        'b',
      ),
    ).toEqual([
      ['zone', 'z'],
      ['job', 'b'],
    ])
  })
})

test('change against the day before', () => {
  expect(change({ series: 150, before: 100 })).toBeCloseTo(0.5)
  expect(change({ total: 1, before: 0 })).toBeNull()
})

describe('advice', () => {
  test('a label of single things is named with its metric, and how to drop it', () => {
    const [a] = advise(
      data({
        metrics: { total: 2, rows: [row('events_total', 4_000, 10_000)] },
        labels: { total: 1, rows: [row('session_id', 4_000, 10_000, { values: 4_000 })] },
      }),
    )
    expect(a).toMatchObject({ kind: 'label', label: 'session_id', metric: 'events_total' })
    expect(a && 'snippet' in a && a.snippet).toBe(
      'metric_relabel_configs:\n  # only if events_total stays distinct without it\n  - action: labeldrop\n    regex: session_id\n',
    )
  })
  test('names and addresses are expected to be many', () => {
    expect(
      advise(
        data({
          labels: {
            total: 2,
            rows: [
              row('instance', 10_000, 10_000, { values: 900 }),
              row('__name__', 10_000, 10_000, { values: 900 }),
            ],
          },
        }),
      ),
    ).toEqual([])
  })
  test('buckets, churn and growth', () => {
    const kinds = advise(
      data({
        series: { total: 10_000, before: 9_000, active: 1, created_1h: 1, created_24h: 6_000 },
        metrics: {
          total: 2,
          rows: [row('x_bucket', 2_000, 10_000), row('y', 1_500, 10_000, { before: 500 })],
        },
        labels: { total: 1, rows: [row('pod', 5_000, 10_000, { values: 100 })] },
      }),
    )
    expect(kinds.map(a => a.kind)).toEqual(['buckets', 'churn', 'growth'])
    expect(kinds[1]).toMatchObject({ label: 'pod' })
  })
  test('a small server is left in peace', () => {
    expect(
      advise(data({ series: { total: 400, before: 1, active: 1, created_1h: 1, created_24h: 400 } })),
    ).toEqual([])
  })
})

test('limits: refusals first, then the fullest', () => {
  const limit = (
    name: CardinalityLimit['name'],
    max: number,
    used: number,
    refused: number,
  ): CardinalityLimit => ({
    name,
    key: name,
    max,
    used,
    refused,
    offenders: [],
  })
  expect(
    sortLimits([
      limit('series', 100, 10, 0),
      limit('series_per_metric', 0, 0, 0),
      limit('series_per_source', 100, 90, 0),
      limit('values_per_label', 100, 1, 5),
    ]).map(l => l.name),
  ).toEqual(['values_per_label', 'series_per_source', 'series', 'series_per_metric'])
  expect(whoText({ metric: 'm', label: 'l', source: 's' })).toBe('m {l} job="s"')
  expect(whoText(undefined)).toBe('')
})

test('a minute is asked once', () => {
  expect(wholeMinutes({ startMs: 61_000, endMs: 119_999 })).toEqual({ startMs: 60_000, endMs: 120_000 })
})
