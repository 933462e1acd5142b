// The marks of the chart as a list, for the keyboard and for finding the slowest: value, time, its trace.
import { Button, Popover } from '@mantine/core'
import { IconDiamond } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { ChartMark } from '@/charts/options'
import classes from '@/features/metrics/metrics.module.css'
import { formatClock, formatUnit, type Unit } from '@/lib/format'
import ui from '@/ui/ui.module.css'

const SHOWN = 15

export function traceOf(mark: ChartMark): string | undefined {
  return mark.detail.find(([k]) => k === 'trace_id')?.[1]
}

export function ExemplarList({ marks, unit }: { marks: ChartMark[]; unit: Unit }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  if (marks.length === 0) {
    return <span className={classes.exemplarNone}>{t('metrics.noExemplars')}</span>
  }
  return (
    <Popover position="bottom-start" shadow="md">
      <Popover.Target>
        <Button size="compact-xs" variant="default" leftSection={<IconDiamond size={12} />}>
          {t('metrics.exemplarCount', { count: marks.length })}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={10}>
        <table className={classes.statsTable} aria-label={t('metrics.slowest')}>
          <thead>
            <tr>
              <td>{t('metrics.value')}</td>
              <td>{t('common.time')}</td>
              <td>{t('metrics.trace')}</td>
            </tr>
          </thead>
          <tbody>
            {marks.slice(0, SHOWN).map((m, i) => {
              const trace = traceOf(m)
              return (
                <tr key={i} title={m.label}>
                  <td>{formatUnit(m.value, unit, lang)}</td>
                  <td>{formatClock(m.time * 1_000, lang)}</td>
                  <td>
                    {trace === undefined ? (
                      '–'
                    ) : (
                      <Link to="/traces/$traceId" params={{ traceId: trace }} className={ui.link}>
                        {trace.slice(0, 12)}…
                      </Link>
                    )}
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </Popover.Dropdown>
    </Popover>
  )
}
