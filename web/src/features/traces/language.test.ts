import { CompletionContext } from '@codemirror/autocomplete'
import { EditorState } from '@codemirror/state'
import { expect, test } from 'vitest'
import { complete, type Lookups, placeAt } from '@/features/traces/language'

test.each([
  ['', 'field'],
  ['{ ', 'field'],
  ['{ span.ht', 'field'],
  ['{ .a = 1 && ', 'field'],
  ['{ span.http.route ', 'operator'],
  ['{ status = error ', 'operator'],
  ['{ name = "a" ', 'operator'],
  ['{ span.x = ', 'value'],
  ['{ span.x = "ab', 'value'],
  ['{ .a = 1 } | ', 'function'],
  ['{ .a = 1 } | ra', 'function'],
  ['{ .a = 1 } | rate() by (', 'field'],
  ['{ .a = 1 } ', 'relation'],
])('after %s comes a %s', (before, what) => expect(placeAt(before)?.what).toBe(what))

test('values are narrowed by the conditions before them', () => {
  expect(placeAt('{ resource.service.name = "a" && span.x = "b')).toMatchObject({
    field: 'span.x',
    op: '=',
    quote: '"',
    typed: 'b',
    filter: '{ resource.service.name = "a"  }',
  })
})

const look: Lookups = {
  names: async () => [
    { name: 'span', tags: ['http.route', 'my key'] },
    { name: 'resource', tags: ['service.name'] },
  ],
  values: async () => [
    { type: 'string', value: 'GET "x"' },
    { type: 'int', value: '500' },
  ],
}

async function labels(text: string): Promise<string[]> {
  const state = EditorState.create({ doc: text })
  const result = await complete(new CompletionContext(state, text.length, true), look)
  return (result?.options ?? []).map(o => o.label)
}

test('what is offered', async () => {
  expect(await labels('{ ')).toEqual(
    expect.arrayContaining([
      'duration',
      'span.http.route',
      'span."my key"',
      'resource.service.name',
      'resource.',
    ]),
  )
  expect(await labels('{ span.x = ')).toEqual(['"GET \\"x\\""', '500'])
  expect(await labels('{ status = ')).toEqual(['error', 'ok', 'unset'])
  expect(await labels('{ duration > ')).toContain('100ms')
  expect(await labels('{ span.x ')).toContain('=~')
  expect(await labels('{ span.x = 1 ')).toEqual(['&&', '||'])
  expect(await labels('{ } | ')).toEqual(
    expect.arrayContaining(['rate', 'quantile_over_time', 'count', 'compare']),
  )
  expect(await labels('{ } ')).toEqual(expect.arrayContaining(['>>', '|']))
})
