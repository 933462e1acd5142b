import { describe, expect, test } from 'vitest'
import {
  choicesOf,
  compileConditions,
  durationLiteral,
  fieldOf,
  isMetrics,
  literalOf,
  measured,
  narrowed,
  parseConditions,
  quoted,
  spansetsOf,
  splitQuery,
  toggleChoice,
  unquoted,
  withRange,
} from '@/features/traces/query'

describe('conditions', () => {
  test.each([
    '{ name = "GET /a" }',
    '{ resource.service.name = "a" && duration >= 100ms && status = error }',
    '{ (kind = server || kind = consumer) && span.http.status_code >= 500 }',
    '{ .a != nil && span."my key" =~ "x|y" && nestedSetParent < 0 && event:name = "e" }',
    '{ span.ratio > -0.5 && span.flag = true && traceDuration > 1m30s }',
  ])('%s comes back as it was', q => {
    const c = parseConditions(q)
    expect(c).not.toBeNull()
    expect(compileConditions(c ?? [])).toBe(q)
  })

  test.each([
    '{ a = 1 || b = 2 }',
    '{ .a = 1 } >> { .b = 2 }',
    '{ .a = 1 } | count() > 2',
    '{ .a + 1 = 2 }',
    '{ !(.a = 1) }',
    '{ (.a = 1 || .b = 1) }',
    '{ .a = ',
    '{ .a = 1',
    'rubbish',
    '{ .a = .b }',
  ])('%s is not for the builder', q => expect(parseConditions(q)).toBeNull())

  test('nothing asked is no condition', () => {
    expect(parseConditions('')).toEqual([])
    expect(parseConditions('{ }')).toEqual([])
    expect(compileConditions([])).toBe('')
  })

  test('braces and quotes inside of strings', () => {
    const q = `{ name = ${quoted('a } " \\ b')} }`
    expect(unquoted(parseConditions(q)?.[0]?.literals[0] ?? '')).toBe('a } " \\ b')
    expect(narrowed(q, 'status = error')).toBe(`${q.slice(0, -2)} && status = error }`)
  })
})

test.each([
  ['duration', '>', '5', '5ms'],
  ['duration', '>', '5x', null],
  ['status', '=', 'error', 'error'],
  ['name', '=', '5', '"5"'],
  ['span.code', '=', '500', '500'],
  ['span.code', '=~', '5..', '"5.."'],
  ['span.flag', '=', 'true', 'true'],
  ['span.x', '=', '"500"', '"500"'],
  ['span.x', '=', 'a "b"', '"a \\"b\\""'],
  ['span.x', '=', ' ', null],
] as const)('%s %s %s is %s', (field, op, typed, want) => expect(literalOf(field, op, typed)).toBe(want))

test('names that are no words are quoted', () => {
  expect(fieldOf('span', 'http.route')).toBe('span.http.route')
  expect(fieldOf('resource', 'my key')).toBe('resource."my key"')
  expect(fieldOf('intrinsic', 'duration')).toBe('duration')
})

describe('pipelines', () => {
  test('stages are cut at the outer bars only', () => {
    expect(splitQuery('{ a = "|" || b = 1 } || { c = 2 } | count() > 2 | rate() by (a) | topk(5)')).toEqual({
      base: '{ a = "|" || b = 1 } || { c = 2 }',
      stages: ['count() > 2', 'rate() by (a)', 'topk(5)'],
      metrics: 1,
    })
    expect(isMetrics('{ } | rate()')).toBe(true)
    expect(isMetrics('{ name = "| rate()" }')).toBe(false)
  })

  test('what finds the spans', () => {
    expect(spansetsOf('')).toBe('{ }')
    expect(spansetsOf('{ .a = 1 } | count() > 2 | select(.b)')).toBe('{ .a = 1 } | count() > 2')
    expect(spansetsOf('{ .a = 1 } | rate() by (.b) | topk(3)')).toBe('{ .a = 1 }')
  })

  test('one more condition', () => {
    expect(narrowed('', 'status = error')).toBe('{ status = error }')
    expect(narrowed('{ }', 'status = error')).toBe('{ status = error }')
    expect(narrowed('{ .a = 1 || .b = 2 }', 'status = error')).toBe(
      '{ (.a = 1 || .b = 2) && status = error }',
    )
    expect(narrowed('{ .a = 1 } >> { .b = 2 }', 'status = error')).toBe(
      '{ .a = 1 } >> { .b = 2 } | { status = error }',
    )
  })

  test('measured', () => {
    expect(measured('{ .a = 1 } | select(.b)', 'nestedSetParent < 0', 'rate()')).toBe(
      '{ .a = 1 && nestedSetParent < 0 } | rate()',
    )
    expect(measured('', '', 'rate()')).toBe('{ } | rate()')
  })
})

describe('facets', () => {
  const F = 'span.x'
  test('including two values makes alternatives, a second click takes one away', () => {
    const one = toggleChoice('', F, '"a"', 'include')
    const two = toggleChoice(one, F, '"b"', 'include')
    expect(two).toBe('{ (span.x = "a" || span.x = "b") }')
    expect([...choicesOf(two, F)]).toEqual([
      ['"a"', 'include'],
      ['"b"', 'include'],
    ])
    expect(toggleChoice(two, F, '"a"', 'include')).toBe('{ span.x = "b" }')
    expect(toggleChoice(one, F, '"a"', 'include')).toBe('')
  })
  test('excluding turns an included value round', () => {
    expect(toggleChoice('{ span.x = "a" }', F, '"a"', 'exclude')).toBe('{ span.x != "a" }')
    expect(toggleChoice('{ span.x != "a" }', F, '"b"', 'exclude')).toBe('{ span.x != "a" && span.x != "b" }')
  })
  test('a query that is no list of conditions gets a stage; metrics keep their function', () => {
    expect(toggleChoice('{ .a = 1 } >> { .b = 1 }', F, '1', 'exclude')).toBe(
      '{ .a = 1 } >> { .b = 1 } | { span.x != 1 }',
    )
    expect(toggleChoice('{ .a = 1 } | rate() by (.c)', F, '1', 'include')).toBe(
      '{ .a = 1 && span.x = 1 } | rate() by (.c)',
    )
  })
})

test('a range takes the place of the one before', () => {
  expect(withRange('{ duration > 1s && .a = 1 }', 'duration', '10ms', '20ms')).toBe(
    '{ .a = 1 && duration >= 10ms && duration <= 20ms }',
  )
  expect(withRange('{ duration > 1s }', 'duration', '', '')).toBe('')
})

test.each([
  [2 ** 22, '4.194ms'],
  [1_500_000_000, '1.5s'],
  [900, '900ns'],
  [15_000, '15us'],
])('%d ns', (ns, want) => expect(durationLiteral(ns)).toBe(want))
