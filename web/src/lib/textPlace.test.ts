import { expect, test } from 'vitest'
import { errorPlace, placeOffset } from '@/lib/textPlace'

test.each([
  ['parse error at line 2, col 3: syntax error', { line: 2, column: 3 }],
  ['parse error at line 1, col 12: no', { line: 1, column: 12 }],
  ['something else', null],
])('%s', (message, place) => expect(errorPlace(message)).toEqual(place))

test.each([
  ['ab\ncde', 2, 3, 5],
  ['ab\ncd', 2, 1, 3],
  ['ab', 1, 0, 0],
  ['ab', 1, 9, 2],
  ['ab', 9, 99, 2],
  ['ab\ncd', 9, 1, 3],
])('%j line %i, col %i', (text, line, column, at) => expect(placeOffset(text, { line, column })).toBe(at))
