import { expect, test } from 'vitest'
import { durationParam, filterOf, traceCodec, tracesCodec } from '@/features/traces/codec'
import { parseSearch, stringifySearch } from '@/lib/search'

test('search link round trip', () => {
  const state = {
    service: 'orders',
    operation: 'POST /api/orders',
    status: 'error' as const,
    kind: 'server' as const,
    min: '100ms',
    max: '',
    attrs: ['http.response.status_code>=500', 'resource.host.name=a b'],
  }
  expect(tracesCodec.decode(parseSearch(stringifySearch(tracesCodec.encode(state))))).toEqual(state)
  expect(stringifySearch(tracesCodec.encode(tracesCodec.decode({})))).toBe('')
})

test('unknown words in a link fall back', () => {
  expect(tracesCodec.decode({ status: 'bad', kind: 'x' })).toMatchObject({ status: '', kind: '' })
  expect(traceCodec.decode({ tab: 'x' })).toEqual({ tab: 'waterfall', span: '', find: '' })
})

test('trace link round trip', () => {
  const state = { tab: 'logs' as const, span: 'abc', find: 'sql' }
  expect(traceCodec.decode(parseSearch(stringifySearch(traceCodec.encode(state))))).toEqual(state)
})

test.each([
  ['100', '100ms'],
  ['1.5s', '1.5s'],
  [' 2m ', '2m'],
  ['fast', ''],
  ['', ''],
])('duration %s', (text, want) => expect(durationParam(text)).toBe(want))

test('only what is set is asked for', () => {
  expect(filterOf(tracesCodec.decode({}))).toEqual({})
  expect(filterOf(tracesCodec.decode({ service: 'a', min: '5', max: 'junk', attr: 'k=v' }))).toEqual({
    service: 'a',
    min_duration: '5ms',
    attr: ['k=v'],
  })
})
