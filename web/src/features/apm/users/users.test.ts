import { describe, expect, test } from 'vitest'
import {
  bound,
  change,
  csvUrl,
  type Day,
  heat,
  ruleOf,
  usersCodec,
  weeksOf,
  withRule,
} from '@/features/apm/users/users'

const count = (users: number) => ({ users, error: 0, low: users, high: users })
const day = (i: number): Day => ({
  ...count(i),
  date: `d${i}`,
  hours: Array.from({ length: 24 }, (_, h) => i * 100 + h),
})

describe('active users', () => {
  test('the link keeps group and identity', () => {
    expect(usersCodec.decode({ group: 'shop/web', by: 'user' })).toEqual({ group: 'shop/web', by: 'user' })
    expect(usersCodec.decode({ by: 'x' })).toEqual({ group: '', by: 'auto' })
    expect(usersCodec.encode({ group: '', by: 'auto' })).toEqual({ group: undefined, by: undefined })
  })

  test('weeks end with today, and hours to come are empty', () => {
    const weeks = weeksOf(
      Array.from({ length: 28 }, (_, i) => day(i)),
      9,
    )
    expect(weeks.map(w => w.from)).toEqual(['d21', 'd14', 'd7', 'd0'])
    expect(weeks[0]?.values).toHaveLength(168)
    expect(weeks[0]?.values[6 * 24 + 9]).toBe(2709)
    expect(weeks[0]?.values[6 * 24 + 10]).toBeNull()
    expect(weeks[1]?.values[167]).toBe(2023)
  })

  test('change, bound and heat', () => {
    const p = { ...count(150), start_ms: 0, end_ms: 1, previous: { ...count(100), start_ms: 0, end_ms: 1 } }
    expect(change(p)).toBeCloseTo(0.5)
    expect(change({ ...p, previous: { ...p.previous, users: 0 } })).toBeNull()
    expect(bound({ users: 100, low: 98, high: 102 })).toBeCloseTo(0.02)
    expect(bound(count(0))).toBe(0)
    expect(heat(25, 100)).toBe(0.5)
    expect(heat(1, 0)).toBe(0)
  })

  test('rules by group', () => {
    const s = {
      default: { identity: 'ip' as const },
      groups: { a: { identity: 'user' as const } },
      bots: ['bot'],
    }
    expect(ruleOf(s, 'a').identity).toBe('user')
    expect(ruleOf(s, 'b').identity).toBe('ip')
    expect(withRule(s, 'a', null).groups).toEqual({})
    expect(withRule(s, 'b', { identity: 'session' }).groups).toMatchObject({
      a: {},
      b: { identity: 'session' },
    })
    expect(withRule(s, '', { identity: 'user' }).default).toEqual({ identity: 'user' })
  })

  test('addresses of tables', () => {
    expect(csvUrl('series', { group: 'a b', by: 'ip' }, 0)).toContain(
      'format=csv&group=a+b&identity=ip&step=5m',
    )
    expect(csvUrl('calendar', { group: '', by: 'auto' }, 0)).toContain('days=400')
  })
})
