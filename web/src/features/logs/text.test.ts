import { describe, expect, test } from 'vitest'
import {
  flatJson,
  isStack,
  jsonObject,
  jsonParts,
  logfmtPairs,
  parseAnsi,
  pieces,
  stackBlocks,
} from '@/features/logs/text'

const ESC = String.fromCharCode(27)

describe('terminal colours', () => {
  test('text without them, and what they said', () => {
    const { text, spans } = parseAnsi(`${ESC}[1;31mERR${ESC}[0m ok ${ESC}[38;5;2mgreen${ESC}[39m${ESC}[2K`)
    expect(text).toBe('ERR ok green')
    expect(spans).toEqual([
      { from: 0, to: 3, style: { color: 'red', bold: true, dim: false } },
      { from: 7, to: 12, style: { color: 'green', bold: false, dim: false } },
    ])
  })
  test('links of terminals and true colours leave no rest', () => {
    expect(parseAnsi(`${ESC}]8;;http://x${ESC}\\there${ESC}]8;;${ESC}\\ ${ESC}[48;2;1;2;3mz`).text).toBe(
      'there z',
    )
  })
  test('a plain line costs nothing', () => expect(parseAnsi('plain')).toEqual({ text: 'plain', spans: [] }))
})

describe('pieces', () => {
  test('marks keep the case, join where they touch, and everything is there', () => {
    const parts = pieces('An Error, errors', [/error/gi, /rors/g])
    expect(parts.map(p => (p.marked ? `[${p.text}]` : p.text)).join('')).toBe('An [Error], [errors]')
  })
  test('marks inside colours', () => {
    const style = { color: 'red', bold: false, dim: false }
    const parts = pieces('abcd', [/bc/g], [{ from: 0, to: 3, style }])
    expect(parts.map(p => [p.text, p.marked, p.style?.color ?? ''])).toEqual([
      ['a', false, 'red'],
      ['bc', true, 'red'],
      ['d', false, ''],
    ])
  })
  test('a pattern that fits nothing marks nothing', () => {
    expect(pieces('abc', [/x*/g])).toEqual([{ text: 'abc', marked: false, style: null }])
    expect(pieces('', [])).toEqual([])
  })
})

const JAVA = `java.lang.IllegalStateException: no stock
\tat com.shop.Stock.take(Stock.java:42)
\tat com.shop.Order.place(Order.java:7)
\tat org.springframework.web.Dispatch.run(Dispatch.java:1)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.io.IOException: gone
\tat com.shop.Db.get(Db.java:3)
\t... 12 more`

const PYTHON = `Traceback (most recent call last):
  File "/app/pay.py", line 3, in charge
    card.take()
  File "/usr/lib/python3/dist-packages/requests/api.py", line 9, in get
    return 1
ValueError: no card`

describe('stack traces', () => {
  test('are known by their frames', () => {
    expect(isStack(JAVA)).toBe(true)
    expect(isStack(PYTHON)).toBe(true)
    expect(isStack('two\nlines')).toBe(false)
    expect(isStack('one line')).toBe(false)
  })
  test('own frames are told from those of libraries', () => {
    expect(stackBlocks(JAVA).map(b => [b.kind, b.lines.length])).toEqual([
      ['text', 1],
      ['app', 2],
      ['library', 2],
      ['cause', 1],
      ['app', 1],
      ['library', 1],
    ])
    expect(stackBlocks(PYTHON).map(b => [b.kind, b.lines.length])).toEqual([
      ['cause', 1],
      ['app', 2],
      ['library', 2],
      ['text', 1],
    ])
  })
})

describe('lines with fields', () => {
  test('JSON objects', () => {
    expect(jsonObject(' {"a":1} ')).toEqual({ a: 1 })
    expect(jsonObject('[1]')).toBeUndefined()
    expect(jsonObject('{broken}')).toBeUndefined()
    expect(flatJson({ a: { 'b-c': 1, d: [1] }, e: null, f: true })).toEqual([
      ['a_b_c', '1'],
      ['f', 'true'],
    ])
    expect(
      jsonParts({ k: 'v', n: -1.5, t: true })
        .filter(p => p.kind !== 'plain')
        .map(p => p.kind),
    ).toEqual(['key', 'string', 'key', 'number', 'key', 'word'])
    expect(
      jsonParts({ k: 'a "q": 1' })
        .map(p => p.text)
        .join(''),
    ).toBe('{\n  "k": "a \\"q\\": 1"\n}')
  })
  test('logfmt', () => {
    expect(logfmtPairs('level=info msg="a \\"b\\"" http.code=5')).toEqual([
      ['level', 'info'],
      ['msg', 'a "b"'],
      ['http_code', '5'],
    ])
    expect(logfmtPairs('x=1 is not enough')).toEqual([])
    expect(logfmtPairs('text first a=1 b=2')).toEqual([])
  })
})
