import { expect, test } from 'vitest'
import { many, one, oneOf, parseSearch, stringifySearch } from '@/lib/search'

test('plain text pairs, repeated keys are lists', () => {
  expect(parseSearch('?a=1&b=x%20y&b=z')).toEqual({ a: '1', b: ['x y', 'z'] })
  expect(stringifySearch({ a: 'now-1h', b: ['x y', 'z'], c: undefined, d: '' })).toBe('?a=now-1h&b=x+y&b=z')
  expect(stringifySearch({})).toBe('')
})

test('any text survives the round trip', () => {
  for (const text of ['rate(x{a="b",c=~"d|e"}[5m])', '한글 & +%', 'a=b&c', '#?/', '"', "\\'"]) {
    expect(parseSearch(stringifySearch({ q: text }))).toEqual({ q: text })
  }
})

test('readers', () => {
  expect(one({ a: ['x', 'y'] }, 'a')).toBe('x')
  expect(one({}, 'a', 'z')).toBe('z')
  expect(many({ a: 'x' }, 'a')).toEqual(['x'])
  expect(oneOf({ a: 'q' }, 'a', ['x', 'y'] as const, 'y')).toBe('y')
})
