// What the explorer understands of PromQL: builder, formulas, findings, explanation.
import { describe, expect, test } from 'vitest'
import { type BuilderQuery, builderText, metricsIn, parseBuilder } from '@/features/metrics/builder'
import { EMPTY_QUERY } from '@/features/metrics/codec'
import { explainParsed, explainTree } from '@/features/metrics/explainTree'
import { distance, findings, nearest, openBrackets } from '@/features/metrics/fixes'
import { duplicateQuery, expand, lettersIn, moveQuery, removeQuery } from '@/features/metrics/formula'
import { FUNCTION_NAMES, FUNCTIONS, functionDoc } from '@/features/metrics/functions'

const query = (expr: string, formula = false) => ({ ...EMPTY_QUERY, expr, formula })

describe('builder', () => {
  test.each([
    'up',
    'up{job="a", instance=~"web.*"}',
    'rate(http_requests_total{code!="200"}[5m])',
    'sum by (le) (rate(x_bucket[5m]))',
    'histogram_quantile(0.95, sum by (le, route) (rate(x_bucket[5m])))',
    'topk(5, sum without (cpu) (rate(x[1m])))',
    'quantile_over_time(0.9, x[10m])',
    'predict_linear(x[1h], 3600)',
    'avg(x) * 100',
    '(x * 2) + 1',
    'x > bool 5',
    'clamp_max(x, 10)',
    'x * -1',
    '{"a.b", "c.d"="e"}',
  ])('%s comes back as it was', text => {
    const model = parseBuilder(text)
    expect(model).not.toBeNull()
    expect(builderText(model as BuilderQuery)).toBe(text)
  })
  test.each([
    'a / b',
    'rate(x[5m:1m])',
    'x offset 5m',
    'x @ 1',
    'label_replace(x, "a", "b", "c", "d")',
    'sum(',
    '5',
    'x # note',
    '100 * x',
  ])('%s is left to the code', text => expect(parseBuilder(text)).toBeNull())
  test('an empty text is an empty model', () => {
    expect(parseBuilder(' ')).toEqual({ metric: '', matchers: [], steps: [] })
    expect(builderText({ metric: '', matchers: [], steps: [] })).toBe('')
  })
  test('quotes and escapes survive', () => {
    const model: BuilderQuery = { metric: 'x', matchers: [{ name: 'a', op: '=', value: 'b"\\c' }], steps: [] }
    expect(parseBuilder(builderText(model))).toEqual(model)
    expect(parseBuilder("x{a='b\"c'}")?.matchers[0]?.value).toBe('b"c')
  })
  test('metric names', () => expect(metricsIn('rate(a[5m]) / b{c="d"}')).toEqual(['a', 'b']))
})

describe('formulas', () => {
  const queries = [query('sum(x)'), query('y'), query('A / B * 100', true), query('C + 1', true)]
  test('letters are replaced, also through other formulas', () => {
    expect(expand(queries, 2)).toEqual({ expr: '(sum(x)) / (y) * 100' })
    expect(expand(queries, 3)).toEqual({ expr: '((sum(x)) / (y) * 100) + 1' })
  })
  test('only letters in the place of a metric', () => {
    expect(lettersIn('A + x{A="A"} + sum by (A) (B)').map(l => l.name)).toEqual(['A', 'B'])
  })
  test.each([
    [[query('A', true)], 0, { problem: 'self', name: 'A' }],
    [[query('B', true), query('A', true)], 0, { problem: 'circle', name: 'A' }],
    [[query('D', true)], 0, { problem: 'unknown', name: 'D' }],
  ])('%j', (list, i, want) => expect(expand(list, i)).toEqual(want))
  test('moving and removing keep their meaning', () => {
    expect(moveQuery(queries, 0, 1).map(q => q.expr)).toEqual(['y', 'sum(x)', 'B / A * 100', 'C + 1'])
    expect(removeQuery([query('a'), query('b'), query('B * 2', true)], 0).map(q => q.expr)).toEqual([
      'b',
      'A * 2',
    ])
    expect(duplicateQuery(queries, 0)[3]?.expr).toBe('A / C * 100')
    expect(moveQuery(queries, 0, -1)).toBe(queries)
  })
})

describe('findings', () => {
  const meta = {
    c_total: [{ type: 'counter', help: '', unit: '' }],
    g: [{ type: 'gauge', help: '', unit: '' }],
  }
  const kinds = (text: string) => findings(text, FUNCTION_NAMES, meta).map(f => f.kind)
  test.each([
    ['rate(c_total)', ['needsRange']],
    ['rat(c_total[5m])', ['unknownFunction']],
    ['c_total', ['rawCounter']],
    ['rate(g[5m])', ['rateOfGauge']],
    ['sum(rate(c_total[5m])', ['unclosed']],
    ['sum by (a) (rate(c_total[5m]))', []],
    ['g', []],
    ['x and on (a) y', []],
    ['count(c_total)', []],
  ])('%s: %j', (text, want) => expect(kinds(text)).toEqual(want))
  test('the fix makes the text right', () => {
    const text = 'rate(c_total)'
    const fix = findings(text, FUNCTION_NAMES, meta)[0]?.fixes[0]
    expect(fix && text.slice(0, fix.from) + fix.insert + text.slice(fix.to)).toBe('rate(c_total[5m])')
  })
  test('nearest name', () => {
    expect(distance('abc', 'abd', 2)).toBe(1)
    expect(nearest('histogram_quantil', FUNCTION_NAMES)).toBe('histogram_quantile')
    expect(nearest('zzzzzz', FUNCTION_NAMES)).toBeUndefined()
  })
  test('brackets', () => {
    expect(openBrackets('a({"["')).toBe('})')
    expect(openBrackets('"a')).toBeNull()
    expect(openBrackets('a() # (')).toBe('')
  })
})

test('every function has a text in both languages', () => {
  expect(Object.keys(FUNCTIONS).length).toBeGreaterThan(90)
  for (const name of Object.keys(FUNCTIONS)) {
    expect(functionDoc(name, 'ko')?.text).not.toBe('')
    expect(functionDoc(name, 'en')?.signature).toContain('(')
  }
  expect(functionDoc('toString', 'en')).toBeUndefined()
})

test('explanation from the tree of the server', () => {
  const text = 'sum by (가) (rate(x[5m] offset 1h)) </ on (a) 2'
  const at = (part: string): [number, number] => {
    const from = new TextEncoder().encode(text.slice(0, text.indexOf(part))).length
    return [from, from + new TextEncoder().encode(part).length]
  }
  const tree = {
    type: 'binaryExpr',
    op: '</',
    span: at(text),
    bool: false,
    matching: { card: 'one-to-one', labels: ['a'], on: true, include: [] },
    lhs: {
      type: 'aggregation',
      op: 'sum',
      span: at('sum by (가) (rate(x[5m] offset 1h))'),
      grouping: ['가'],
      without: false,
      param: null,
      expr: {
        type: 'call',
        func: { name: 'rate' },
        span: at('rate(x[5m] offset 1h)'),
        args: [
          {
            type: 'matrixSelector',
            name: 'x',
            range: 300_000,
            offset: 3_600_000,
            timestamp: null,
            startOrEnd: null,
            span: at('x[5m] offset 1h'),
          },
        ],
      },
    },
    rhs: { type: 'numberLiteral', val: '2', span: at('2') },
  }
  const rows = explainParsed(tree, text)
  expect(rows.map(r => [r.depth, r.kind, r.name, r.detail])).toEqual([
    [0, 'binary', '</', 'on (a)'],
    [1, 'aggregate', 'sum', 'by (가)'],
    [2, 'function', 'rate', ''],
    [3, 'offset', 'offset', '1h'],
    [4, 'range', 'x', '5m'],
    [1, 'number', '2', ''],
  ])
  expect(rows[2]?.text).toBe('rate(x[5m] offset 1h)')
})

test('explanation, outermost first', () => {
  const rows = explainTree('topk(3, sum by (a) (rate(x{b="c"}[5m]))) / (y offset 1h)')
  expect(rows.map(r => [r.depth, r.kind, r.name])).toEqual([
    [0, 'binary', '/'],
    [1, 'aggregate', 'topk'],
    [2, 'number', '3'],
    [2, 'aggregate', 'sum'],
    [3, 'function', 'rate'],
    [4, 'range', 'x'],
    [1, 'offset', 'offset'],
    [2, 'selector', 'y'],
  ])
  expect(rows[5]?.detail).toBe('5m')
})
