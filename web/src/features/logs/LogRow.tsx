import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import { Marked } from '@/features/logs/Body'
import { LEVEL_COLUMN, type LogColumn, SERVICE_COLUMN } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import type { FieldActions } from '@/features/logs/PlusMinus'
import { RecordDetail } from '@/features/logs/RecordDetail'
import { fieldValue, lineOf, senderHost } from '@/features/logs/record'
import { exactTime, logTime, type TimeLook } from '@/features/logs/when'
import { SeverityTag } from '@/ui/Severity'

export interface RowLook extends TimeLook {
  wrap: boolean
  ansi: boolean
  nowMs: number
}

interface LogRowProps {
  log: LogRecord
  open: boolean
  active: boolean
  columns: LogColumn[]
  grid: string
  look: RowLook
  marks: RegExp[]
  actions: FieldActions
  onToggle: (id: string) => void
  onAround: (log: LogRecord) => void
}

function Cell({ log, name }: { log: LogRecord; name: string }) {
  if (name === LEVEL_COLUMN) {
    return <SeverityTag severity={log.severity} />
  }
  const service = name === SERVICE_COLUMN
  const value = service ? log.service : fieldValue(log, name)
  const host = service ? senderHost(log) : undefined
  return (
    <span
      className={service ? classes.service : classes.cell}
      title={host === undefined ? value : `${value ?? '–'} · ${host}`}
    >
      {value ?? <span className={classes.none}>–</span>}
      {host !== undefined && <small className={classes.host}>{host}</small>}
    </span>
  )
}

/** In one row a trace is its first line, and how much more there is. */
const ROW_MAX = 1_200

export const LogRow = memo(function LogRow(props: LogRowProps) {
  const { log, open, active, columns, grid, look, marks, actions, onToggle, onAround } = props
  const { t, i18n } = useTranslation()
  const Twist = open ? IconChevronDown : IconChevronRight
  const whole = lineOf(log)
  const cut = look.wrap ? -1 : whole.indexOf('\n')
  const first = cut < 0 ? whole : whole.slice(0, cut)
  const more = cut < 0 ? 0 : whole.slice(cut).trimEnd().split('\n').length - 1
  return (
    <>
      <button
        type="button"
        className={classes.line}
        style={{ gridTemplateColumns: grid }}
        aria-expanded={open}
        data-active={active || undefined}
        data-severity={log.severity}
        data-log-row=""
        onClick={() => {
          // selecting text in a line is no click on it
          if ((window.getSelection()?.toString() ?? '') === '') {
            onToggle(log.id)
          }
        }}
      >
        <Twist size={13} className={classes.twist} />
        <span className={classes.when} title={exactTime(log.time_ns)}>
          {logTime(log.time_ns, look, look.nowMs, i18n.language)}
        </span>
        {columns.map(c => (
          <Cell key={c.name} log={log} name={c.name} />
        ))}
        <span className={look.wrap ? classes.bodyWrap : classes.body}>
          <Marked text={first.slice(0, ROW_MAX)} marks={marks} ansi={look.ansi} />
          {more > 0 && <span className={classes.more}>{t('logs.moreLines', { count: more })}</span>}
        </span>
      </button>
      {open && (
        <RecordDetail
          log={log}
          marks={marks}
          columns={columns}
          ansi={look.ansi}
          actions={actions}
          onAround={onAround}
        />
      )}
    </>
  )
})
