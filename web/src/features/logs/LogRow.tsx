import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { IconBinaryTree2, IconChevronDown, IconChevronRight, IconMinus, IconPlus } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import { bodyText, markWords } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import { formatDurationNs, formatStamp } from '@/lib/format'
import { nsDiff, nsToMs } from '@/lib/ns'
import { CopyButton } from '@/ui/CopyButton'
import { KeyValues } from '@/ui/KeyValues'
import { SeverityTag } from '@/ui/Severity'

export type AddFilter = (key: string, value: unknown, negated: boolean) => void

export function PlusMinus({ name, value, onFilter }: { name: string; value: unknown; onFilter: AddFilter }) {
  const { t } = useTranslation()
  return (
    <>
      <Tooltip label={t('logs.only')}>
        <ActionIcon
          size="xs"
          variant="subtle"
          color="gray"
          aria-label={t('logs.onlyOf', { key: name })}
          onClick={() => onFilter(name, value, false)}
        >
          <IconPlus size={13} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t('logs.without')}>
        <ActionIcon
          size="xs"
          variant="subtle"
          color="gray"
          aria-label={t('logs.withoutOf', { key: name })}
          onClick={() => onFilter(name, value, true)}
        >
          <IconMinus size={13} />
        </ActionIcon>
      </Tooltip>
    </>
  )
}

function Marked({ text, words }: { text: string; words: string[] }) {
  return markWords(text, words).map((p, i) =>
    p.marked ? <mark key={i}>{p.text}</mark> : <span key={i}>{p.text}</span>,
  )
}

function prettyBody(log: LogRecord): string {
  return typeof log.body === 'string' ? log.body : JSON.stringify(log.body, null, 2)
}

function Opened({ log, words, onFilter }: { log: LogRecord; words: string[]; onFilter: AddFilter }) {
  const { t, i18n } = useTranslation()
  const late = log.arrival_ns === undefined ? null : nsDiff(log.time_ns, log.arrival_ns)
  const resource = Object.fromEntries(Object.entries(log.resource).map(([k, v]) => [`resource.${k}`, v]))
  const attributes = { ...log.attributes, ...(log.event_name ? { 'event.name': log.event_name } : {}) }
  return (
    <div className={classes.open}>
      <div className={classes.openTools}>
        {log.trace_id !== undefined && log.trace_id !== '' && (
          <Button
            component={Link}
            to="/traces/$traceId"
            params={{ traceId: log.trace_id } as never}
            search={{ span: log.span_id } as never}
            size="compact-xs"
            variant="default"
            leftSection={<IconBinaryTree2 size={13} />}
          >
            {t('logs.openTrace')}
          </Button>
        )}
        <span className="mono">{log.trace_id}</span>
        {late !== null && late > 0 && (
          <span>{t('logs.arrived', { time: formatDurationNs(late, i18n.language) })}</span>
        )}
        <CopyButton value={JSON.stringify(log, null, 2)} label={t('logs.copyJson')} />
      </div>
      <pre className={classes.full}>
        <Marked text={prettyBody(log)} words={words} />
      </pre>
      {Object.keys(attributes).length > 0 && <div className={classes.group}>{t('logs.attributes')}</div>}
      <KeyValues
        entries={attributes}
        actions={(k, v) => <PlusMinus name={k} value={v} onFilter={onFilter} />}
      />
      {Object.keys(resource).length > 0 && <div className={classes.group}>{t('logs.resource')}</div>}
      <KeyValues
        entries={resource}
        actions={(k, v) => <PlusMinus name={k} value={v} onFilter={onFilter} />}
      />
    </div>
  )
}

interface LogRowProps {
  log: LogRecord
  open: boolean
  words: string[]
  onToggle: (id: string) => void
  onFilter: AddFilter
}

export const LogRow = memo(function LogRow({ log, open, words, onToggle, onFilter }: LogRowProps) {
  const { i18n } = useTranslation()
  const Twist = open ? IconChevronDown : IconChevronRight
  return (
    <>
      <button
        type="button"
        className={classes.line}
        aria-expanded={open}
        data-log-row=""
        onClick={() => onToggle(log.id)}
      >
        <Twist size={13} className={classes.twist} />
        <span className={classes.when}>{formatStamp(nsToMs(log.time_ns), i18n.language)}</span>
        <SeverityTag severity={log.severity} />
        <span className={classes.service} title={log.service}>
          {log.service}
        </span>
        <span className={classes.body}>
          <Marked text={bodyText(log).replaceAll('\n', ' ⏎ ').slice(0, 600)} words={words} />
        </span>
      </button>
      {open && <Opened log={log} words={words} onFilter={onFilter} />}
    </>
  )
})
