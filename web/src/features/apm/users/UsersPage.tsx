// Active users: now, by day, week and month, by hour of the calendar, against the weeks before, and when most came.
import { Button, Menu, Select } from '@mantine/core'
import { IconDownload, IconUserCog, IconUsers } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { sessionQuery } from '@/api/queries'
import type { ChartSeries } from '@/charts/options'
import { seriesColor, toneColor } from '@/charts/palette'
import { TimeSeries } from '@/charts/TimeSeries'
import { Calendar } from '@/features/apm/users/Calendar'
import { IdentityEditor } from '@/features/apm/users/IdentityEditor'
import {
  bound,
  calendarQuery,
  change,
  csvUrl,
  type Day,
  IDENTITIES,
  type Live,
  type LiveGroup,
  liveQuery,
  type Period,
  peaksQuery,
  settingsQuery,
  summaryQuery,
  type UsersState,
  usersCodec,
  weeksOf,
} from '@/features/apm/users/users'
import classes from '@/features/apm/users/users.module.css'
import { formatDateTime, formatInteger, formatNumber, formatPercent } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { Stat } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const CURVES = 8

function Bound({ of }: { of: { users: number; low: number; high: number } }) {
  const { t, i18n } = useTranslation()
  const b = bound(of)
  return (
    <span title={t('activeUsers.boundHint')}>
      {b < 0.0005
        ? t('activeUsers.exact')
        : t('activeUsers.bound', { share: formatPercent(b, i18n.language) })}
    </span>
  )
}

function PeriodCard({ name, period }: { name: 'day' | 'week' | 'month'; period: Period }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const c = change(period)
  return (
    <Stat
      label={t(`activeUsers.${name}`)}
      value={formatInteger(period.users, lang)}
      hint={
        <>
          <Bound of={period} />
          {' · '}
          <span title={t(`activeUsers.before_${name}`)}>
            {c === null
              ? t('activeUsers.noBefore')
              : t('activeUsers.before', {
                  change: `${c > 0 ? '▲ +' : c < 0 ? '▼ ' : ''}${formatPercent(c, lang)}`,
                  users: formatInteger(period.previous.users, lang),
                })}
          </span>
        </>
      }
    />
  )
}

function Cards({ live, state }: { live: Live; state: UsersState }) {
  const { t, i18n } = useTranslation()
  const summary = useQuery(summaryQuery(state))
  const now = state.group === '' ? live.total : live.groups.find(g => g.group === state.group)
  return (
    <Panel label={t('activeUsers.title')}>
      <div className={classes.cards}>
        {now !== undefined && (
          <Stat
            label={t('activeUsers.now')}
            value={formatInteger(now.users, i18n.language)}
            hint={<Bound of={now} />}
          />
        )}
        {summary.data !== undefined ? (
          <>
            <PeriodCard name="day" period={summary.data.day} />
            <PeriodCard name="week" period={summary.data.week} />
            <PeriodCard name="month" period={summary.data.month} />
          </>
        ) : summary.isError ? (
          <Failure compact error={summary.error} onRetry={() => void summary.refetch()} />
        ) : (
          <Loading rows={1} height={40} />
        )}
      </div>
    </Panel>
  )
}

/** Times of the longest history; shorter ones begin later. */
function curves(groups: LiveGroup[], of: 'users' | 'requests_per_second', colors: (i: number) => string) {
  const longest = groups.reduce<LiveGroup['history']>(
    (a, g) => ((g.history?.users.length ?? 0) > (a?.users.length ?? 0) ? g.history : a),
    undefined,
  )
  const n = longest?.users.length ?? 0
  const times = Array.from(
    { length: n },
    (_, i) => ((longest?.end_ms ?? 0) - (n - 1 - i) * (longest?.step_ms ?? 0)) / 1_000,
  )
  const series = groups.map((g, i): ChartSeries => {
    const v = g.history?.[of] ?? []
    return { label: g.group, color: colors(i), values: [...Array<null>(n - v.length).fill(null), ...v] }
  })
  return { times, series }
}

function LivePanel({ live, state }: { live: Live; state: UsersState }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const groups = useMemo(
    () =>
      state.group === ''
        ? live.groups.toSorted((a, b) => b.users - a.users || b.peak - a.peak).slice(0, CURVES)
        : live.groups.filter(g => g.group === state.group),
    [live.groups, state.group],
  )
  const users = useMemo(() => {
    const c = curves(groups, 'users', i => seriesColor(i, scheme))
    const only = groups.length === 1 ? groups[0] : undefined
    const main = c.series[0]
    if (only === undefined || main === undefined || bound(only) < 0.0005) {
      return c
    }
    const b = bound(only)
    const band = (label: string, by: number): ChartSeries => ({
      label,
      color: toneColor('none', scheme),
      dashed: true,
      values: main.values.map(v => (v === null ? null : Math.round(v * by))),
    })
    return {
      times: c.times,
      series: [main, band(t('activeUsers.high'), 1 + b), band(t('activeUsers.low'), 1 - b)],
    }
  }, [groups, scheme, t])
  const tps = useMemo(
    () => curves(groups, 'requests_per_second', i => seriesColor(i, scheme)),
    [groups, scheme],
  )
  return (
    <div className={classes.two}>
      <Panel title={t('activeUsers.live')} note={t('activeUsers.liveNote')}>
        <TimeSeries
          label={t('activeUsers.live')}
          times={users.times}
          series={users.series}
          unit="count"
          height={210}
          min={0}
          syncKey="active-users"
          empty={t('activeUsers.nobody')}
        />
      </Panel>
      <Panel title={t('activeUsers.tps')} note={t('activeUsers.tpsNote')}>
        <TimeSeries
          label={t('activeUsers.tps')}
          times={tps.times}
          series={tps.series}
          unit="per_s"
          height={210}
          min={0}
          syncKey="active-users"
          empty={t('activeUsers.nobody')}
        />
      </Panel>
    </div>
  )
}

function GroupsTable({ live, onPick }: { live: Live; onPick: (group: string) => void }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel title={t('activeUsers.groups')} flush>
      <div className={ui.scroll}>
        <table className={ui.table} aria-label={t('activeUsers.groups')}>
          <thead>
            <tr>
              <th>{t('activeUsers.group')}</th>
              <th>{t('activeUsers.identity')}</th>
              <th className={ui.right}>{t('activeUsers.now')}</th>
              <th className={ui.right}>{t('activeUsers.peak')}</th>
              <th className={ui.right}>{t('activeUsers.tps')}</th>
              <th className={ui.right} title={t('activeUsers.unknownHint')}>
                {t('activeUsers.unknown')}
              </th>
              <th className={ui.right}>{t('activeUsers.botShare')}</th>
            </tr>
          </thead>
          <tbody>
            {live.groups.map(g => {
              const all = g.requests.counted + g.requests.unknown + g.requests.bots
              const share = (n: number) => (all > 0 ? formatPercent(n / all, lang) : '–')
              return (
                <tr key={g.group}>
                  <td>
                    <button type="button" className={classes.link} onClick={() => onPick(g.group)}>
                      {g.group}
                    </button>
                  </td>
                  <td>{t(`activeUsers.by_${g.identity}`)}</td>
                  <td className={ui.right}>{formatInteger(g.users, lang)}</td>
                  <td className={ui.right} title={g.peak > 0 ? formatDateTime(g.peak_ms, lang) : undefined}>
                    {formatInteger(g.peak, lang)}
                  </td>
                  <td className={ui.right}>{formatNumber(g.requests_per_second, lang)}</td>
                  <td className={ui.right}>{share(g.requests.unknown)}</td>
                  <td className={ui.right}>{share(g.requests.bots)}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

function Season({ days, startMs }: { days: Day[]; startMs: number }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { times, series } = useMemo(() => {
    const weeks = weeksOf(days, new Date().getHours())
    const first = startMs / 1_000 + (days.length - 7) * 86_400
    const name = new Intl.DateTimeFormat(i18n.language, { month: 'short', day: 'numeric', timeZone: 'UTC' })
    return {
      times: Array.from({ length: 168 }, (_, i) => first + i * 3_600),
      series: weeks.map(
        (w, i): ChartSeries => ({
          label:
            i === 0
              ? t('activeUsers.thisWeek')
              : t('activeUsers.weekOf', { day: name.format(new Date(w.from)) }),
          color: seriesColor(i, scheme),
          values: w.values,
          dashed: i > 0,
        }),
      ),
    }
  }, [days, startMs, scheme, t, i18n.language])
  return (
    <Panel title={t('activeUsers.season')} note={t('activeUsers.seasonNote')}>
      <TimeSeries
        label={t('activeUsers.season')}
        times={times}
        series={series}
        unit="count"
        height={220}
        min={0}
      />
    </Panel>
  )
}

function Peaks({ state }: { state: UsersState }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const peaks = useQuery(peaksQuery(state))
  return (
    <Panel title={t('activeUsers.peaks')} note={t('activeUsers.peaksNote')} flush>
      {peaks.isError ? (
        <Failure compact error={peaks.error} onRetry={() => void peaks.refetch()} />
      ) : peaks.data === undefined ? (
        <Loading rows={4} />
      ) : peaks.data.peaks.length === 0 ? (
        <Empty compact title={t('activeUsers.noPeaks')} />
      ) : (
        <table className={ui.table} aria-label={t('activeUsers.peaks')}>
          <thead>
            <tr>
              <th>{t('common.time')}</th>
              <th className={ui.right}>{t('activeUsers.users')}</th>
              <th className={ui.right}>{t('activeUsers.between')}</th>
            </tr>
          </thead>
          <tbody>
            {peaks.data.peaks.map(p => (
              <tr key={p.start_ms}>
                <td>{formatDateTime(p.start_ms, lang)}</td>
                <td className={ui.right}>{formatInteger(p.users, lang)}</td>
                <td className={ui.right}>
                  {formatInteger(p.low, lang)} – {formatInteger(p.high, lang)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

function Past({ state }: { state: UsersState }) {
  const { t } = useTranslation()
  const calendar = useQuery(calendarQuery(state))
  if (calendar.data === undefined) {
    return (
      <Panel title={t('activeUsers.calendar')}>
        {calendar.isError ? (
          <Failure error={calendar.error} onRetry={() => void calendar.refetch()} />
        ) : (
          <Loading rows={8} />
        )}
      </Panel>
    )
  }
  return (
    <>
      <Season days={calendar.data.days} startMs={calendar.data.start_ms} />
      <div className={classes.two}>
        <Calendar days={calendar.data.days} />
        <Peaks state={state} />
      </div>
    </>
  )
}

interface ActionsProps {
  live: Live
  state: UsersState
  onChange: (patch: Partial<UsersState>, options?: { push?: boolean }) => void
}

function Actions({ live, state, onChange }: ActionsProps) {
  const { t } = useTranslation()
  const session = useQuery(sessionQuery)
  const settings = useQuery(settingsQuery)
  const [editing, setEditing] = useState(false)
  const role = session.data?.role
  const groups = live.groups.map(g => g.group)
  return (
    <>
      <Select
        size="xs"
        aria-label={t('activeUsers.group')}
        data={[
          { value: '', label: t('activeUsers.allGroups') },
          ...groups.map(g => ({ value: g, label: g })),
        ]}
        value={state.group}
        allowDeselect={false}
        searchable
        onChange={v => onChange({ group: v ?? '' })}
      />
      <Select
        size="xs"
        aria-label={t('activeUsers.identity')}
        data={[
          { value: 'auto', label: t('activeUsers.byRule') },
          ...IDENTITIES.map(i => ({ value: i, label: t(`activeUsers.by_${i}`) })),
        ]}
        value={state.by}
        allowDeselect={false}
        onChange={v => onChange({ by: (v ?? 'auto') as UsersState['by'] })}
      />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default" leftSection={<IconDownload size={14} />}>
            CSV
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component="a" href={csvUrl('series', state, Date.now())}>
            {t('activeUsers.csvSeries')}
          </Menu.Item>
          <Menu.Item component="a" href={csvUrl('calendar', state, Date.now())}>
            {t('activeUsers.csvCalendar')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {(role === 'operator' || role === 'admin') && settings.data !== undefined && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconUserCog size={14} />}
          onClick={() => setEditing(true)}
        >
          {t('activeUsers.rules')}
        </Button>
      )}
      {editing && settings.data !== undefined && (
        <IdentityEditor
          settings={settings.data}
          groups={groups}
          group={state.group}
          onClose={() => setEditing(false)}
        />
      )}
    </>
  )
}

export function UsersPage() {
  const { t } = useTranslation()
  const query = useQuery(liveQuery)
  const [state, change] = usePageState(usersCodec)
  const live = query.data
  return (
    <Page
      title={t('activeUsers.title')}
      actions={live !== undefined && <Actions live={live} state={state} onChange={change} />}
    >
      {live === undefined ? (
        query.error ? (
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Loading />
        )
      ) : live.groups.length === 0 ? (
        <Empty
          icon={<IconUsers size={20} />}
          title={t('activeUsers.empty')}
          text={t('activeUsers.emptyText')}
        />
      ) : (
        <>
          <Cards live={live} state={state} />
          <LivePanel live={live} state={state} />
          {state.group === '' && (
            <GroupsTable live={live} onPick={group => change({ group }, { push: true })} />
          )}
          <Past state={state} />
        </>
      )}
    </Page>
  )
}
