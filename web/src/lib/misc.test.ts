import { describe, expect, test } from 'vitest'
import { attrFilterText, attributeText, parseAttrFilter } from '@/lib/attributes'
import { csv } from '@/lib/export'
import { nsDiff, nsToMs } from '@/lib/ns'

describe('attributes', () => {
  test.each([
    ['a', 'a'],
    [1.5, '1.5'],
    [true, 'true'],
    [null, ''],
    [{ int: '9223372036854775807' }, '9223372036854775807'],
    [{ bytes: 'aGk=' }, 'aGk='],
    [{ a: 1, b: 2 }, '{"a":1,"b":2}'],
    [['x', 1], '["x",1]'],
  ])('text of %j', (v, text) => expect(attributeText(v)).toBe(text))

  test.each([
    ['http.route=/a', { key: 'http.route', op: '=', value: '/a' }],
    ['code>=500', { key: 'code', op: '>=', value: '500' }],
    ['url=~/a.*=b', { key: 'url', op: '=~', value: '/a.*=b' }],
    ['k!=v', { key: 'k', op: '!=', value: 'v' }],
    ['resource.host.name', { key: 'resource.host.name', op: 'exists', value: '' }],
    ['', null],
    ['two words', null],
  ])('filter %s', (text, filter) => {
    expect(parseAttrFilter(text)).toEqual(filter)
    if (filter !== null) {
      expect(attrFilterText(filter as never)).toBe(text)
    }
  })
})

test('nanoseconds keep their last digit', () => {
  expect(nsDiff('1790000000000000001', '1790000000000000003')).toBe(2)
  expect(nsToMs('1790000000123456789')).toBeCloseTo(1_790_000_000_123.4568, 3)
  expect(nsToMs('broken')).toBe(0)
})

test('csv quotes what needs it', () => {
  expect(
    csv([
      ['a', 'b,c'],
      ['say "hi"', 1],
    ]),
  ).toBe('a,"b,c"\r\n"say ""hi""",1\r\n')
})
