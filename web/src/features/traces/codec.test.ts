import { expect, test } from 'vitest'
import { durationParam, legacyQuery, spanSetOf, traceCodec, tracesCodec } from '@/features/traces/codec'
import { parseConditions } from '@/features/traces/query'
import { parseSearch, stringifySearch } from '@/lib/search'

test('search link round trip', () => {
  const state = {
    q: '{ resource.service.name = "a b" && duration > 1s } | count() > 2',
    spans: 'entry' as const,
    view: 'scatter' as const,
    sort: 'duration' as const,
    up: true,
  }
  expect(tracesCodec.decode(parseSearch(stringifySearch(tracesCodec.encode(state))))).toEqual(state)
  expect(stringifySearch(tracesCodec.encode(tracesCodec.decode({})))).toBe('')
})

test('links that name filters are read into TraceQL, and leave the link with the first change', () => {
  const raw = {
    service: 'orders',
    operation: 'POST "x"',
    status: 'error',
    kind: 'server',
    min: '100',
    max: '2s',
    attr: ['http.response.status_code>=500', 'resource.host.name=a b', 'user.id', 'path=~/a.*', 'n!=x'],
  }
  const q = legacyQuery(raw)
  expect(q).toBe(
    '{ resource.service.name = "orders" && name = "POST \\"x\\"" && status = error && kind = server && ' +
      'duration >= 100ms && duration <= 2s && .http.response.status_code >= 500 && ' +
      'resource.host.name = "a b" && .user.id != nil && .path =~ "/a.*" && .n != "x" }',
  )
  expect(parseConditions(q)).toHaveLength(11)
  const state = tracesCodec.decode(raw)
  expect(state.q).toBe(q)
  expect(tracesCodec.encode(state)).toMatchObject({ q, service: undefined, attr: undefined, min: undefined })
})

test('unknown words in a link fall back', () => {
  expect(tracesCodec.decode({ status: 'bad', kind: 'x', spans: 'y', view: 'z', sort: 'w' })).toEqual({
    q: '',
    spans: '',
    view: 'table',
    sort: 'start',
    up: false,
  })
  expect(traceCodec.decode({ tab: 'x' })).toMatchObject({ tab: 'waterfall', span: '', find: '' })
})

test('trace link round trip', () => {
  const state = { ...traceCodec.decode({}), tab: 'logs' as const, span: 'abc', find: 'sql' }
  expect(traceCodec.decode(parseSearch(stringifySearch(traceCodec.encode(state))))).toEqual(state)
})

test.each([
  ['100', '100ms'],
  ['1.5s', '1.5s'],
  [' 2m ', '2m'],
  ['fast', ''],
  ['', ''],
])('duration %s', (text, want) => expect(durationParam(text)).toBe(want))

test('charts are of root spans until something is asked', () => {
  const of = (raw: Record<string, string>) => spanSetOf(tracesCodec.decode(raw))
  expect([of({}), of({ q: '{ }' }), of({ service: 'db' }), of({ service: 'db', spans: 'root' })]).toEqual([
    'root',
    'root',
    'all',
    'root',
  ])
})
