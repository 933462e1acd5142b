import { describe, expect, test } from 'vitest'
import { isText, parseSavedQueries, queryStore, rememberQuery } from '@/lib/savedQueries'

describe('queries of this browser', () => {
  test('newest first, each once', () => {
    let list = rememberQuery<string>([], 'a', 1)
    list = rememberQuery(list, 'b', 2)
    list = rememberQuery(list, 'a', 3)
    expect(list.map(s => [s.query, s.atMs])).toEqual([
      ['a', 3],
      ['b', 2],
    ])
  })

  test('the oldest of many go', () => {
    let list = rememberQuery<number>([], 0, 0)
    for (let i = 1; i < 70; i++) {
      list = rememberQuery(list, i, i)
    }
    expect([list.length, list[0]?.query, list.at(-1)?.query]).toEqual([50, 69, 20])
  })

  test.each(['{', 'null', '[{"name":"x"}]', '[null]', '[{"name":"x","atMs":1,"query":7}]'])(
    'what is not ours is ignored: %s',
    text => expect(parseSavedQueries(text, isText)).toEqual([]),
  )

  test('a name is replaced, forgotten ones are gone, blanks are not remembered', () => {
    const store = queryStore('test', isText)
    store.remember(' ')
    store.remember('up')
    expect(store.history().map(s => s.query)).toEqual(['up'])
    store.save('n', 'a')
    expect(store.save('n', 'b').map(s => s.query)).toEqual(['b'])
    expect(store.remove('n')).toEqual([])
    store.clearHistory()
    expect(store.history()).toEqual([])
  })
})
