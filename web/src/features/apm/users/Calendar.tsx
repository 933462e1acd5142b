// Users of each hour of the last four weeks, a row a day. One stop of the tab key; arrows move within.
import { type KeyboardEvent, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Day, heat } from '@/features/apm/users/users'
import classes from '@/features/apm/users/users.module.css'
import { formatInteger } from '@/lib/format'
import { Panel } from '@/ui/Page'

const MOVES: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
}

export function Calendar({ days }: { days: Day[] }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [at, setAt] = useState({ row: 0, hour: 0 })
  const body = useRef<HTMLTableSectionElement>(null)
  const rows = useMemo(() => days.toReversed(), [days])
  const most = useMemo(() => Math.max(0, ...days.flatMap(d => d.hours)), [days])
  const name = useMemo(
    () =>
      new Intl.DateTimeFormat(lang, { month: 'short', day: 'numeric', weekday: 'short', timeZone: 'UTC' }),
    [lang],
  )
  const label = (d: Day, hour: number) =>
    t('activeUsers.cell', {
      day: name.format(new Date(d.date)),
      hour: String(hour).padStart(2, '0'),
      users: formatInteger(d.hours[hour], lang),
    })
  const move = (e: KeyboardEvent) => {
    const by = MOVES[e.key]
    if (by === undefined) {
      return
    }
    e.preventDefault()
    const row = Math.min(rows.length - 1, Math.max(0, at.row + by[0]))
    const hour = Math.min(23, Math.max(0, at.hour + by[1]))
    setAt({ row, hour })
    const cells = body.current?.rows[row]?.querySelectorAll<HTMLElement>('[data-cell]')
    cells?.[hour]?.focus()
  }
  const chosen = rows[at.row]
  return (
    <Panel
      title={t('activeUsers.calendar')}
      note={chosen === undefined ? t('activeUsers.calendarNote') : label(chosen, at.hour)}
    >
      <div className={classes.scroll}>
        <table className={classes.calendar} aria-label={t('activeUsers.calendar')}>
          <thead>
            <tr>
              <th aria-label={t('activeUsers.dayColumn')} />
              {Array.from({ length: 24 }, (_, h) => (
                <th key={h} scope="col">
                  {h % 3 === 0 ? h : ''}
                </th>
              ))}
              <th scope="col">{t('activeUsers.dayColumn')}</th>
            </tr>
          </thead>
          <tbody ref={body} onKeyDown={move}>
            {rows.map((d, row) => (
              <tr key={d.date}>
                <th scope="row">{name.format(new Date(d.date))}</th>
                {d.hours.map((v, hour) => (
                  <td key={hour}>
                    <button
                      type="button"
                      data-cell
                      tabIndex={row === at.row && hour === at.hour ? 0 : -1}
                      title={label(d, hour)}
                      aria-label={label(d, hour)}
                      onClick={() => setAt({ row, hour })}
                      onMouseEnter={() => setAt({ row, hour })}
                      style={{ ['--heat' as string]: `${Math.round(heat(v, most) * 100)}%` }}
                    />
                  </td>
                ))}
                <td className={classes.total}>{formatInteger(d.users, lang)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
