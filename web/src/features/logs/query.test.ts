import { describe, expect, test } from 'vitest'
import { stagesOf } from '@/features/logs/Around'
import {
  compile,
  EMPTY_QUERY,
  levelsOf,
  markPatterns,
  parseSimple,
  parseTerms,
  type SimpleQuery,
  termsText,
  withFilter,
  withLevels,
} from '@/features/logs/builder'
import { wantedAt } from '@/features/logs/language'
import { isMetricQuery, quote, selectorSpan, stringValue, tokenize } from '@/features/logs/logql'

describe('tokens', () => {
  test('kinds and places', () => {
    expect(tokenize('{a="x\\"y"} |~ `b` | t > 5ms # c').map(t => `${t.kind}:${t.text}`)).toEqual([
      'open:{',
      'name:a',
      'operator:=',
      'string:"x\\"y"',
      'close:}',
      'operator:|~',
      'string:`b`',
      'operator:|',
      'name:t',
      'operator:>',
      'duration:5ms',
      'comment:# c',
    ])
  })
  test.each([
    ['{a="b"}', false],
    ['# all\n{a="b"}', false],
    ['sum(rate({a="b"}[1m]))', true],
    ['(({a="b"}))', false],
    ['', false],
    ['1 + 1', true],
  ])('%s counts: %s', (q, want) => expect(isMetricQuery(q)).toBe(want))
  test.each(['plain', 'a"b', 'a\\b', '한글\n줄', 'back`tick"', '\t'])('quoted and read back: %j', text =>
    expect(stringValue(quote(text))).toBe(text),
  )
  test('the selector and what follows it', () => {
    expect(selectorSpan('rate({a="}"} |= "x"[1m])')).toEqual({ from: 5, to: 12 })
    expect(selectorSpan('{a=')).toBeNull()
    expect(stagesOf('{a="b"} |= "x" | json')).toBe('|= "x" | json')
    expect(stagesOf('rate({a="b"}[1m])')).toBe('')
  })
})

describe('words', () => {
  test.each([
    ['a "b c" -d -"e f" /g.*h/ -/i/', 'a "b c" -d -"e f" /g.*h/ -/i/'],
    ['  x   y ', 'x y'],
    ['"say \\"hi\\""', '"say \\"hi\\""'],
    ['/a\\/b/', '/a\\/b/'],
    ['/var/log', '"/var/log"'],
    ['- ', '"-"'],
    ['', ''],
  ])('%j', (text, want) => {
    const terms = parseTerms(text)
    expect(termsText(terms)).toBe(want)
    expect(parseTerms(want)).toEqual(terms)
  })
})

const SAMPLES: [string, Partial<SimpleQuery>][] = [
  ['{service_name=~".+"}', {}],
  ['{app="a", env!="dev"}', { streams: [f('app', '=', 'a'), f('env', '!=', 'dev')] }],
  ['{service_name=~".+", env!="dev"}', { streams: [f('env', '!=', 'dev')] }],
  ['{service_name=~".+"} |~ `(?i)a\\.b` !~ "(?i)c"', { terms: [term('a.b'), term('c', true)] }],
  ['{service_name=~".+"} |= "A" != "b"', { matchCase: true, terms: [term('A'), term('b', true)] }],
  ['{service_name=~".+"} |~ "(?i)a.*b"', { terms: [{ ...term('a.*b'), regex: true }] }],
  ['{service_name=~".+"} | json | status >= 500', { parser: 'json', fields: [f('status', '>=', '500')] }],
  ['{service_name=~".+"} | took > 1.5s | k!=""', { fields: [f('took', '>', '1.5s'), f('k', '!=', '')] }],
  [
    '{a="b"} | detected_level=~"error|critical"',
    { streams: [f('a', '=', 'b')], fields: [f('detected_level', '=~', 'error|critical')] },
  ],
]

function f(name: string, op: '=' | '!=' | '=~' | '>=' | '>', value: string) {
  return { name, op, value }
}
function term(text: string, negated = false) {
  return { text, negated, regex: false }
}

describe('simple search and LogQL are one', () => {
  test.each(SAMPLES)('%s', (text, part) => {
    const q = { ...EMPTY_QUERY, ...part }
    expect(compile(q)).toBe(text)
    expect(parseSimple(text)).toEqual(q)
  })
  test.each([
    'sum(rate({a="b"}[1m]))',
    '{a="b"} | line_format "{{.x}}"',
    '{a="b"} |= "x" or "y"',
    '{a="b"} | x="1" or y="2"',
    '{a="b"} |= "x" |~ "(?i)y"',
    '{a="b"} | json a="b.c"',
    '{a="b"} | json | logfmt',
    '{a="b"} | x="1" |= "after"',
    '{a="b"} # note',
    '{a="b"',
    '{a="b"} |> "<_> x"',
    '{a="b"} | status = 500',
  ])('not simple: %s', text => expect(parseSimple(text)).toBeNull())
  test('nothing is the empty search', () => expect(parseSimple(' ')).toEqual(EMPTY_QUERY))
})

describe('filters', () => {
  test.each([
    ['', f('app', '=', 'a'), 'stream', '{app="a"}'],
    ['{app="a"}', f('app', '!=', 'a'), 'stream', '{service_name=~".+", app!="a"}'],
    ['{app="a"}', f('app', '=', 'b'), 'stream', '{app="b"}'],
    ['{app="a"}', f('user', '=', 'u"1'), 'record', '{app="a"} | user=`u"1`'],
    ['{app="a"}', f('status', '=', '500'), 'json', '{app="a"} | json | status="500"'],
    ['{app="a"} | json', f('status', '!=', '500'), 'json', '{app="a"} | json | status!="500"'],
    ['{a="b"} | line_format "x"', f('k', '=', 'v'), 'logfmt', '{a="b"} | line_format "x" | logfmt | k="v"'],
    [
      'rate({a="b"} | json | drop x [1m])',
      f('k', '=', 'v'),
      'json',
      'rate({a="b"} | json | drop x | k="v" [1m])',
    ],
  ] as const)('%s + %j of %s', (text, filter, origin, want) =>
    expect(withFilter(text, filter, origin)).toBe(want),
  )
  test('levels', () => {
    const q = withLevels(EMPTY_QUERY, ['error', 'fatal'])
    expect(compile(q)).toBe('{service_name=~".+"} | detected_level=~"error|fatal"')
    expect(levelsOf(q)).toEqual(['error', 'fatal'])
    expect(levelsOf(withLevels(q, ['warn']))).toEqual(['warn'])
    expect(withLevels(q, [])).toEqual(EMPTY_QUERY)
  })
})

test('what is marked in lines', () => {
  const of = (q: string) => markPatterns(q).map(String)
  expect(of('{a="b"} |= "x.y" |~ "(?i)z+" != "no" !~ "no"')).toEqual(['/x\\.y/g', '/z+/gi'])
  expect(of('{a="b"} |= "x" or "y"')).toEqual(['/x/g', '/y/g'])
  expect(of('{a="b"} |~ "("')).toEqual([])
  expect(of('{a="b"} | k="v"')).toEqual([])
})

describe('what may come next', () => {
  test.each([
    ['{', 'label'],
    ['{a="b", se', 'label'],
    ['{a', 'label'],
    ['{a ', 'matcher'],
    ['{a="', 'value'],
    ['{a=', 'value'],
    ['{a="b"} ', 'stage'],
    ['{a="b"} | js', 'stage'],
    ['{a="b"} | json | st', 'stage'],
    ['{a="b"} | status ', 'compare'],
    ['{a="b"} | user="', 'value'],
    ['sum by (', 'field'],
    ['su', 'start'],
    ['', 'start'],
  ])('%j: %s', (text, kind) => expect(wantedAt(text, text.length)?.kind).toBe(kind))
  test('values know their label and place', () => {
    expect(wantedAt('{app="x', 7)).toEqual({
      kind: 'value',
      from: 6,
      name: 'app',
      inSelector: true,
      quoted: true,
    })
    expect(wantedAt('{a="b"} | u="x', 14)).toMatchObject({ name: 'u', inSelector: false })
    expect(wantedAt('{a="b"} |= "x', 13)).toBeNull()
  })
})
