import { describe, expect, it } from 'vitest'
import { attributeChanges, attributesOf, problemOf } from '@/features/admin/processing'

describe('processing', () => {
  it('finds the line of an error', () => {
    expect(problemOf('console:12: redaction "x": mode: must be mask')).toEqual({
      line: 12,
      message: 'redaction "x": mode: must be mask',
    })
    expect(problemOf('console:3:7: did not find expected key')).toEqual({
      line: 3,
      message: 'did not find expected key',
    })
    expect(problemOf('out of memory')).toBeUndefined()
  })

  it('reads attributes line by line', () => {
    expect(attributesOf('a=1\n b = x=y \nnothing\n=5\nt=true\nid=1234567890123456789')).toEqual({
      a: 1,
      b: 'x=y',
      t: true,
      id: '1234567890123456789',
    })
  })

  it('puts changed attributes first', () => {
    expect(attributeChanges({ a: 1, b: 'x', c: 'same' }, { b: 'y', c: 'same', d: true })).toEqual([
      { key: 'a', before: '1', after: undefined },
      { key: 'b', before: 'x', after: 'y' },
      { key: 'd', before: undefined, after: 'true' },
      { key: 'c', before: 'same', after: 'same' },
    ])
  })
})
