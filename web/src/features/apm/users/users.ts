// Requests of the screen Active users, its link, and the folding of hours into days and weeks. Pure but for the
// requests.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { http, type Schemas, serverUrl, unwrap } from '@/api/client'
import { type Codec, one, oneOf } from '@/lib/search'

export type Live = Schemas['ActiveUsers']
export type LiveGroup = Live['groups'][number]
export type Settings = Schemas['ActiveUsersSettings']
export type Rule = Schemas['UserRule']
export type Period = Schemas['UsersPeriod']
export type Day = Schemas['ActiveUsersCalendar']['days'][number]

export const IDENTITIES = ['ip', 'session', 'user'] as const
export type Identity = (typeof IDENTITIES)[number]
export const CALENDAR_DAYS = 28
const LIVE_MS = 2_000
const SLOW_MS = 60_000

export interface UsersState {
  /** '': all. */
  group: string
  /** auto: as each group's rule says. */
  by: 'auto' | Identity
}

export const usersCodec: Codec<UsersState> = {
  decode: raw => ({
    group: one(raw, 'group'),
    by: oneOf(raw, 'by', ['auto', ...IDENTITIES] as const, 'auto'),
  }),
  encode: s => ({ group: s.group === '' ? undefined : s.group, by: s.by === 'auto' ? undefined : s.by }),
}

const asked = (s: UsersState) => ({
  ...(s.group === '' ? {} : { group: [s.group] }),
  ...(s.by === 'auto' ? {} : { identity: s.by }),
})

/** Minutes east of UTC, of the day that is looked at. */
export function utcOffset(date = new Date()): number {
  return -date.getTimezoneOffset()
}

export const liveQuery = queryOptions({
  queryKey: ['active_users'],
  queryFn: ({ signal }) =>
    unwrap(http.GET('/api/v1/apm/users', { params: { query: { points: 180, step: '10s' } }, signal })),
  placeholderData: keepPreviousData,
  refetchInterval: LIVE_MS,
})

export const summaryQuery = (s: UsersState) =>
  queryOptions({
    queryKey: ['active_users_summary', s],
    queryFn: ({ signal }) =>
      unwrap(
        http.GET('/api/v1/apm/users/summary', {
          params: { query: { ...asked(s), utc_offset_minutes: utcOffset() } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_MS,
  })

export const calendarQuery = (s: UsersState) =>
  queryOptions({
    queryKey: ['active_users_calendar', s],
    queryFn: async ({ signal }): Promise<Schemas['ActiveUsersCalendar']> => {
      const query = { ...asked(s), utc_offset_minutes: utcOffset(), days: CALENDAR_DAYS }
      const answer = await unwrap(http.GET('/api/v1/apm/users/calendar', { params: { query }, signal }))
      return answer as Schemas['ActiveUsersCalendar'] // a table is asked for by csvUrl() only
    },
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_MS,
  })

export const peaksQuery = (s: UsersState) =>
  queryOptions({
    queryKey: ['active_users_peaks', s],
    queryFn: ({ signal }) => {
      const end = Date.now()
      const query = {
        ...asked(s),
        utc_offset_minutes: utcOffset(),
        start_ms: end - CALENDAR_DAYS * 86_400_000,
        end_ms: end,
        limit: 10,
      }
      return unwrap(http.GET('/api/v1/apm/users/peaks', { params: { query }, signal }))
    },
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_MS,
  })

export const settingsQuery = queryOptions({
  queryKey: ['active_users_settings'],
  queryFn: ({ signal }) => unwrap(http.GET('/api/v1/apm/users/settings', { signal })),
})

export function replaceSettings(body: Settings): Promise<Settings> {
  return unwrap(http.PUT('/api/v1/apm/users/settings', { body }))
}

/** Address of a table for spreadsheets. */
export function csvUrl(what: 'calendar' | 'series', s: UsersState, nowMs: number): string {
  const q = new URLSearchParams({ format: 'csv' })
  for (const [key, value] of Object.entries(asked(s))) {
    for (const v of Array.isArray(value) ? value : [value]) {
      q.append(key, v)
    }
  }
  if (what === 'calendar') {
    q.set('days', '400')
    q.set('utc_offset_minutes', String(utcOffset()))
  } else {
    q.set('step', '5m')
    q.set('start_ms', String(nowMs - CALENDAR_DAYS * 86_400_000))
    q.set('end_ms', String(nowMs))
  }
  return serverUrl(`/api/v1/apm/users/${what}?${q}`)
}

/** Change against the period before; null where there was nobody. */
export function change(p: Period): number | null {
  return p.previous.users > 0 ? p.users / p.previous.users - 1 : null
}

/** How far the true number may lie off, to either side in 95 % of cases. */
export function bound(c: { users: number; low: number; high: number }): number {
  return c.users > 0 ? (c.high - c.low) / 2 / c.users : 0
}

/** Values 0..1 of a heat cell; the root shows small hours beside large ones. */
export function heat(users: number, most: number): number {
  return most > 0 ? Math.sqrt(Math.max(0, users) / most) : 0
}

export interface Week {
  /** First day, as the calendar names it. */
  from: string
  /** Hours of seven days; null where the time has not come. */
  values: (number | null)[]
}

/** The newest week first; hours after `hoursNow` of the last day have not come. */
export function weeksOf(days: readonly Day[], hoursNow: number): Week[] {
  const weeks: Week[] = []
  for (let end = days.length; end >= 7; end -= 7) {
    const part = days.slice(end - 7, end)
    weeks.push({
      from: part[0]?.date ?? '',
      values: part.flatMap((d, i) =>
        d.hours.map((v, h) => (end === days.length && i === 6 && h > hoursNow ? null : v)),
      ),
    })
  }
  return weeks
}

/** The rule of a group as the settings have it: its own, or the usual one. */
export function ruleOf(s: Settings, group: string): Rule {
  return (group === '' ? undefined : s.groups?.[group]) ?? s.default ?? {}
}

/** Settings with another rule of a group; null: its own rule goes. */
export function withRule(s: Settings, group: string, rule: Rule | null): Settings {
  if (group === '') {
    return { ...s, default: rule ?? {} }
  }
  const { [group]: _, ...others } = s.groups ?? {}
  return { ...s, groups: rule === null ? others : { ...others, [group]: rule } }
}
