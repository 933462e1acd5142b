import { expect, test } from 'vitest'
import { findAnything, rank } from '@/app/search'
import { localText, pointOf } from '@/app/timePoints'

const known = {
  hosts: ['web-01', 'db-01'],
  services: ['web', 'orders'],
  metrics: ['web_requests_total', 'up'],
}

test('a trace id is offered first, with or without dashes', () => {
  const id = '0af7651916cd43dd8448eb211c80319c'
  expect(findAnything(id.toUpperCase(), known)[0]).toEqual({ kind: 'trace', name: id })
})

test('names that start with the text come before those that contain it', () => {
  expect(rank(['my-web', 'web'], 'web')).toEqual(['web', 'my-web'])
  expect(findAnything('web', known).map(f => `${f.kind}:${f.name}`)).toEqual([
    'host:web-01',
    'service:web',
    'metric:web_requests_total',
    'logs:web',
  ])
  expect(findAnything('  ', known)).toEqual([])
})

test('absolute times are read back as written', () => {
  const ms = Date.UTC(2026, 10, 21, 9, 30, 5)
  expect(localText(ms)).toBe('2026-11-21 09:30:05')
  expect(pointOf(localText(ms))).toBe(String(ms))
  expect(pointOf('now-2h')).toBe('now-2h')
  expect(pointOf('tomorrow')).toBeNull()
})
