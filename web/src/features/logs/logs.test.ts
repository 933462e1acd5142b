import { describe, expect, test } from 'vitest'
import { countable, tailUrl } from '@/api/logs'
import type { LogRecord } from '@/api/queries'
import { histogramOf } from '@/features/logs/Counts'
import { type LogsState, logsCodec, queryOfFilters } from '@/features/logs/codec'
import { moveColumn, resizeColumn, template, toggleColumn } from '@/features/logs/columns'
import {
  asCurl,
  asLogql,
  csvLines,
  fieldsOf,
  fieldValue,
  jsonLines,
  senderHost,
  streamSelector,
} from '@/features/logs/record'
import { EMPTY_TAIL, tailRate, tailReducer } from '@/features/logs/tail'
import { exactTime, logTime, offsetText } from '@/features/logs/when'
import { parseSearch, stringifySearch } from '@/lib/search'

function log(n: number, more: Partial<LogRecord> = {}): LogRecord {
  return {
    id: `${n}`,
    time_ns: String(1_790_000_000_000_000_000n + BigInt(n)),
    severity: 'info',
    severity_number: 9,
    body: `line ${n}`,
    service: 's',
    attributes: {},
    resource: {},
    ...more,
  }
}

describe('link', () => {
  test('round trip', () => {
    const state: LogsState = {
      q: '{service_name="a"} |= "x y"',
      mode: 'code',
      tab: 'patterns',
      columns: [
        { name: 'http_route', width: 200 },
        { name: 'detected_level', width: 0 },
      ],
      oldestFirst: true,
      wrap: true,
      zone: 'utc',
      times: 'relative',
      tail: true,
      around: '1790000000000000000-7',
    }
    expect(logsCodec.decode(parseSearch(stringifySearch(logsCodec.encode(state))))).toEqual(state)
    expect(stringifySearch(logsCodec.encode(logsCodec.decode({})))).toBe('')
  })
  test('no columns at all is remembered, and is not the usual ones', () => {
    const none = { ...logsCodec.decode({}), columns: [] }
    const link = stringifySearch(logsCodec.encode(none))
    expect(link).toBe('?col=-')
    expect(logsCodec.decode(parseSearch(link)).columns).toEqual([])
  })
  test('what is no place of a record is not looked up', () => {
    expect(logsCodec.decode({ around: 'x-1' }).around).toBe('')
  })
  test.each([
    [
      { text: 'pool "timed out" -health' },
      '{service_name=~".+"} |~ "(?i)pool" |~ "(?i)timed out" !~ "(?i)health"',
    ],
    [
      { severity: ['error', 'fatal', 'loud'], service: 'a' },
      '{service_name="a"} | detected_level=~"error|critical|fatal"',
    ],
    [{ trace_id: 'ab' }, '{service_name=~".+"} | trace_id="ab"'],
    [
      { attr: ['resource.host.name=h1', 'http.status>500', 'user.id'] },
      '{host_name="h1"} | http_status > 500 | user_id!=""',
    ],
    [{}, ''],
  ])('filters of other pages: %j', (raw, want) => expect(queryOfFilters(raw)).toBe(want))
  test('a query of its own wins, and the filters leave the link', () => {
    const state = logsCodec.decode({ q: '{a="b"}', text: 'x' })
    expect(state.q).toBe('{a="b"}')
    expect(logsCodec.encode(state).text).toBeUndefined()
  })
})

describe('columns', () => {
  const columns = [
    { name: 'a', width: 0 },
    { name: 'b', width: 90 },
  ]
  test('are put in and out, moved and resized', () => {
    expect(toggleColumn(columns, 'a')).toEqual([{ name: 'b', width: 90 }])
    expect(toggleColumn(columns, 'c').map(c => c.name)).toEqual(['a', 'b', 'c'])
    expect(moveColumn(columns, 'b', -1).map(c => c.name)).toEqual(['b', 'a'])
    expect(moveColumn(columns, 'b', 1)).toBe(columns)
    expect(resizeColumn(columns, 'b', 7)[1]?.width).toBe(48)
    expect(template(columns, 100)).toBe('18px 100px 150px 90px minmax(280px, 1fr)')
  })
})

describe('records', () => {
  const record = log(5, {
    body: '{"status":500,"user":{"id":"u1"}}',
    resource: { 'service.name': 'pay', 'host.name': 'h"1', list: [1] },
    attributes: { 'http.route': '/a', nested: { 'a.b': { int: '9007199254740993' } } },
    trace_id: 'ab',
    labels: { status: '500' },
  })
  test('fields by where they come from', () => {
    const f = fieldsOf(record)
    expect(f.parsed).toEqual([{ name: 'status', shown: 'status', value: '500', origin: 'record' }])
    expect(f.record.map(x => [x.name, x.shown, x.value])).toEqual([
      ['http_route', 'http.route', '/a'],
      ['nested_a_b', 'nested.a.b', '9007199254740993'],
      ['trace_id', 'trace_id', 'ab'],
    ])
    expect(f.body).toEqual([{ name: 'user_id', shown: 'user_id', value: 'u1', origin: 'json' }])
    expect(fieldValue(record, 'host_name')).toBe('h"1')
    expect(fieldValue(record, 'nothing')).toBeUndefined()
  })
  test('its stream as a selector', () => {
    expect(streamSelector(record)).toBe('{service_name="pay", host_name=`h"1`}')
    expect(streamSelector(log(1))).toBe('{service_name="unknown_service"}')
  })
  test('texts to copy', () => {
    expect(asLogql(log(1, { resource: { 'service.name': 's' } }))).toBe('{service_name="s"} |= "line 1"')
    expect(asCurl(log(1, { body: "it's" }))).toContain(`it'\\''s`)
    expect(
      jsonLines([log(1), log(2)])
        .trimEnd()
        .split('\n')
        .map(l => JSON.parse(l).id),
    ).toEqual(['1', '2'])
    expect(csvLines([log(1, { body: 'a,"b"', attributes: { k: 'v' } })], ['detected_level', 'k'], true)).toBe(
      'time_ns,level,service,k,line\r\n1790000000000000001,info,s,v,"a,""b"""\r\n',
    )
  })
})

describe('times', () => {
  test('zone, offset, nanoseconds', () => {
    const ns = '1790000000123456789'
    expect(exactTime(ns)).toBe('2026-09-21T14:13:20.123456789Z')
    expect(logTime(ns, { zone: 'utc', times: 'clock' }, 0, 'en')).toContain('14:13:20.123')
    expect(logTime(ns, { zone: 'utc', times: 'relative' }, 1_790_000_005_000, 'en')).toMatch(/4 sec/)
    expect(offsetText(ns, '1790000001123456789', 'en')).toBe('+1 s')
    expect(offsetText(ns, '1789999999123456789', 'en')).toBe('−1 s')
    expect(offsetText(ns, ns, 'en')).toBe('0')
  })
})

describe('counts', () => {
  test('critical counts as error', () => {
    const h = histogramOf({
      startMs: 0,
      stepMs: 1_000,
      levels: new Map([
        ['error', [1, 2]],
        ['critical', [0, 5]],
        ['unknown', [3, 0]],
      ]),
    })
    expect(h.series).toEqual([
      { name: 'error', counts: [1, 7] },
      { name: 'unset', counts: [3, 0] },
    ])
  })
  test.each([
    ['{a="b"} |= "x"', '{a="b"} |= "x"'],
    ['{a="b"} | json', '{a="b"} | json | drop __error__, __error_details__'],
    ['{a="b"} | took > 5ms', '{a="b"} | took > 5ms | drop __error__, __error_details__'],
    ['{a="b"} # all', '{a="b"} # all\n'],
  ])('lines that no parser reads are counted: %s', (q, want) => expect(countable(q)).toBe(want))
})

describe('live tail', () => {
  const limit = EMPTY_TAIL.limit
  test('its address', () => {
    expect(tailUrl('{a="b c"}')).toMatch(/\/api\/v1\/logs\/tail\?query=%7Ba%3D%22b\+c%22%7D$/)
  })
  test('newest first, bounded', () => {
    const many = Array.from({ length: limit + 5 }, (_, i) => log(i))
    const state = tailReducer(EMPTY_TAIL, { type: 'logs', logs: many })
    expect(state.logs).toHaveLength(limit)
    expect(state.logs[0]?.id).toBe(`${limit + 4}`)
    expect(state.evicted).toBe(5)
    expect(tailReducer(state, { type: 'limit', limit: 500 }).logs).toHaveLength(500)
  })
  test('paused records wait and come back in order', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'logs', logs: [log(1)] })
    state = tailReducer(state, { type: 'pause' })
    state = tailReducer(state, { type: 'logs', logs: [log(3), log(2)] })
    expect(state.logs.map(l => l.id)).toEqual(['1'])
    expect(state.waiting).toHaveLength(2)
    state = tailReducer(state, { type: 'resume' })
    expect(state.logs.map(l => l.id)).toEqual(['3', '2', '1'])
    expect(state.waiting).toHaveLength(0)
  })
  test('whoever has scrolled away is not moved, and a pause stays a pause', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'hold', held: true })
    state = tailReducer(state, { type: 'logs', logs: [log(1)] })
    expect(state.logs).toHaveLength(0)
    expect(tailReducer(state, { type: 'hold', held: false }).logs).toHaveLength(1)
    state = tailReducer(state, { type: 'pause' })
    expect(tailReducer(state, { type: 'hold', held: false }).logs).toHaveLength(0)
  })
  test('rate over five seconds', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'logs', logs: [log(1), log(2)] })
    expect(tailRate(state)).toBe(8)
    for (let i = 0; i < 25; i++) {
      state = tailReducer(state, { type: 'logs', logs: [] })
    }
    expect(tailRate(state)).toBe(0)
  })
  test('drops and lost connections are said', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'dropped', count: 4 })
    state = tailReducer(state, { type: 'state', lost: true })
    expect([state.dropped, state.lost]).toEqual([4, true])
    expect(tailReducer(state, { type: 'clear' })).toEqual(EMPTY_TAIL)
  })
})

test.each([
  [{ attributes: { 'syslog.severity.code': 6 }, resource: { 'host.name': 'fw-1' } }, 'fw-1'],
  [{ resource: { 'fluent.tag': 'app', 'host.name': 'web-7' } }, 'web-7'],
  [{ resource: { 'host.name': 'web-7' } }, undefined],
  [{ attributes: { 'syslog.severity.code': 6 } }, undefined],
])('the sender of %j', (record, host) => expect(senderHost(log(1, record))).toBe(host))
