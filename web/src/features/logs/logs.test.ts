import { describe, expect, test } from 'vitest'
import type { LogRecord } from '@/api/queries'
import { tailUrl } from '@/api/tail'
import { filterOf, jsonLines, logsCodec, markWords, wantedWords, withFilter } from '@/features/logs/codec'
import { EMPTY_TAIL, TAIL_CAP, tailReducer } from '@/features/logs/tail'
import { parseSearch, stringifySearch } from '@/lib/search'

function log(n: number): LogRecord {
  return {
    id: `l${n}`,
    time_ns: String(1_790_000_000_000_000_000n + BigInt(n)),
    severity: 'info',
    severity_number: 9,
    body: `line ${n}`,
    service: 's',
    attributes: {},
    resource: {},
  }
}

describe('link', () => {
  test('round trip', () => {
    const state = {
      text: '"pool timed out" -health',
      severity: ['error', 'fatal'] as ('error' | 'fatal')[],
      service: 'orders',
      traceId: 'a'.repeat(32),
      attrs: ['http.route=/orders'],
      tail: true,
    }
    expect(logsCodec.decode(parseSearch(stringifySearch(logsCodec.encode(state))))).toEqual(state)
    expect(stringifySearch(logsCodec.encode(logsCodec.decode({})))).toBe('')
  })
  test('unknown severities are left out', () => {
    expect(logsCodec.decode({ severity: ['error', 'loud'] }).severity).toEqual(['error'])
  })
  test('the request names only what is set', () => {
    expect(filterOf(logsCodec.decode({ text: ' x ' }))).toEqual({ text: 'x' })
    expect(tailUrl({ text: 'a b', severity: ['error', 'fatal'] })).toMatch(
      /\/api\/v1\/logs\/tail\?text=a\+b&severity=error&severity=fatal$/,
    )
  })
})

describe('marking', () => {
  test.each([
    ['error timeout', ['error', 'timeout']],
    ['"pool timed out" -health', ['pool timed out']],
    ['-a -"b c"', []],
    ['', []],
  ])('wanted words of %s', (text, want) => expect(wantedWords(text)).toEqual(want))

  test('case is kept, the longest of equal starts wins, everything is there', () => {
    expect(markWords('An Error, errors', ['error', 'errors'])).toEqual([
      { text: 'An ', marked: false },
      { text: 'Error', marked: true },
      { text: ', ', marked: false },
      { text: 'errors', marked: true },
    ])
    expect(markWords('plain', ['x'])).toEqual([{ text: 'plain', marked: false }])
    expect(markWords('plain', [])).toEqual([{ text: 'plain', marked: false }])
  })
})

test('a value filter replaces its opposite', () => {
  expect(withFilter(['a!=1', 'b=2'], 'a', 1, false)).toEqual(['b=2', 'a=1'])
  expect(withFilter(['a=1'], 'a', 1, false)).toEqual(['a=1'])
})

test('json lines', () => {
  const text = jsonLines([log(1), log(2)])
  expect(
    text
      .trimEnd()
      .split('\n')
      .map(l => JSON.parse(l).id),
  ).toEqual(['l1', 'l2'])
})

describe('live tail', () => {
  test('newest first, bounded', () => {
    const many = Array.from({ length: TAIL_CAP + 5 }, (_, i) => log(i))
    const state = tailReducer(EMPTY_TAIL, { type: 'logs', logs: many })
    expect(state.logs).toHaveLength(TAIL_CAP)
    expect(state.logs[0]?.id).toBe(`l${TAIL_CAP + 4}`)
    expect(state.evicted).toBe(5)
  })
  test('paused records wait and come back in order', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'logs', logs: [log(1)] })
    state = tailReducer(state, { type: 'pause' })
    state = tailReducer(state, { type: 'logs', logs: [log(3), log(2)] })
    expect(state.logs.map(l => l.id)).toEqual(['l1'])
    expect(state.waiting).toHaveLength(2)
    state = tailReducer(state, { type: 'resume' })
    expect(state.logs.map(l => l.id)).toEqual(['l3', 'l2', 'l1'])
    expect(state.waiting).toHaveLength(0)
  })
  test('drops and lost connections are said', () => {
    let state = tailReducer(EMPTY_TAIL, { type: 'dropped', count: 4 })
    state = tailReducer(state, { type: 'state', lost: true })
    expect([state.dropped, state.lost]).toEqual([4, true])
    expect(tailReducer(state, { type: 'clear' })).toEqual(EMPTY_TAIL)
  })
})
