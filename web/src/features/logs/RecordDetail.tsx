// Everything about one record, and the ways on from it: its trace, host, pod, metrics, and the lines around it.
import { Button, Menu, SegmentedControl } from '@mantine/core'
import {
  IconArrowsVertical,
  IconBinaryTree2,
  IconBox,
  IconChartLine,
  IconCopy,
  IconFileText,
  IconLink,
  IconRoute,
  IconServer,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import { FullBody } from '@/features/logs/Body'
import type { LogColumn } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import { type FieldActions, PinColumn, PlusMinus } from '@/features/logs/PlusMinus'
import { asCurl, asLogql, asText, cursorOf, type Field, fieldsOf, lineOf } from '@/features/logs/record'
import { isStack, jsonObject } from '@/features/logs/text'
import { exactTime } from '@/features/logs/when'
import {
  around,
  entityOf,
  hostTarget,
  metricsTarget,
  podLogsTarget,
  type Target,
  tracesTarget,
  traceTarget,
} from '@/lib/correlate'
import { copyText } from '@/lib/export'
import { formatDurationNs } from '@/lib/format'
import { nsDiff, nsToMs } from '@/lib/ns'
import { toast } from '@/lib/toast'
import { CopyButton } from '@/ui/CopyButton'

const AROUND_MS = 15 * 60_000

export function permalink(log: LogRecord): string {
  const w = around(nsToMs(log.time_ns), AROUND_MS)
  const url = new URL(window.location.href)
  url.searchParams.set('from', String(w.startMs))
  url.searchParams.set('to', String(w.endMs))
  url.searchParams.set('around', cursorOf(log))
  url.searchParams.delete('live')
  url.searchParams.delete('tail')
  return url.toString()
}

function Go({ target, icon, children }: { target: Target | null; icon: ReactNode; children: ReactNode }) {
  return target === null ? null : (
    <Button
      component={Link}
      to={target.to}
      {...(target.params === undefined ? {} : { params: target.params as never })}
      search={target.search as never}
      size="compact-xs"
      variant="default"
      leftSection={icon}
    >
      {children}
    </Button>
  )
}

function CopyMenu({ log }: { log: LogRecord }) {
  const { t } = useTranslation()
  const copy = async (text: string) => {
    toast((await copyText(text)) ? t('common.copied') : t('common.copyFailed'))
  }
  return (
    <Menu position="bottom-start" withinPortal>
      <Menu.Target>
        <Button size="compact-xs" variant="default" leftSection={<IconCopy size={13} />}>
          {t('common.copy')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => void copy(lineOf(log))}>{t('logs.copyLine')}</Menu.Item>
        <Menu.Item onClick={() => void copy(asText(log))}>{t('logs.copyText')}</Menu.Item>
        <Menu.Item onClick={() => void copy(JSON.stringify(log, null, 2))}>{t('logs.copyJson')}</Menu.Item>
        <Menu.Item onClick={() => void copy(asLogql(log))}>{t('logs.copyLogql')}</Menu.Item>
        <Menu.Item onClick={() => void copy(asCurl(log))}>{t('logs.copyCurl')}</Menu.Item>
        <Menu.Item leftSection={<IconLink size={13} />} onClick={() => void copy(permalink(log))}>
          {t('logs.copyLink')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

interface FieldTableProps {
  title: string
  fields: Field[]
  columns: LogColumn[]
  actions: FieldActions
}

function FieldTable({ title, fields, columns, actions }: FieldTableProps) {
  if (fields.length === 0) {
    return null
  }
  return (
    <>
      <div className={classes.group}>{title}</div>
      <div className={classes.kv}>
        {fields.map(f => (
          <div key={`${f.origin}|${f.name}`} className={classes.kvRow}>
            <div className={classes.kvActions}>
              <PlusMinus name={f.name} value={f.value} origin={f.origin} onFilter={actions.filter} />
              <PinColumn name={f.name} pinned={columns.some(c => c.name === f.name)} onPin={actions.pin} />
              <CopyButton value={f.value} size="xs" />
            </div>
            <div className={classes.kvKey} title={f.name}>
              {f.shown}
            </div>
            <div className={classes.kvValue}>{f.value}</div>
          </div>
        ))}
      </div>
    </>
  )
}

interface DetailProps {
  log: LogRecord
  marks: RegExp[]
  columns: LogColumn[]
  ansi: boolean
  actions: FieldActions
  onAround: (log: LogRecord) => void
}

export function RecordDetail({ log, marks, columns, ansi, actions, onAround }: DetailProps) {
  const { t, i18n } = useTranslation()
  const fields = fieldsOf(log)
  const whole = lineOf(log)
  const json = useMemo(() => jsonObject(whole) !== undefined, [whole])
  const stack = !json && isStack(whole)
  const [pretty, setPretty] = useState(true)
  const at = nsToMs(log.time_ns)
  const w = around(at, AROUND_MS)
  const entity = entityOf({ ...log.attributes, ...log.resource })
  const late = log.arrival_ns === undefined ? 0 : nsDiff(log.time_ns, log.arrival_ns)
  return (
    <div className={classes.open}>
      <div className={classes.openTools}>
        <Button
          size="compact-xs"
          variant="light"
          leftSection={<IconArrowsVertical size={13} />}
          onClick={() => onAround(log)}
        >
          {t('logs.around')}
        </Button>
        <Go target={traceTarget(log.trace_id ?? '', log.span_id)} icon={<IconBinaryTree2 size={13} />}>
          {t('logs.openTrace')}
        </Go>
        <Go target={tracesTarget(entity, w)} icon={<IconRoute size={13} />}>
          {t('logs.tracesAround')}
        </Go>
        <Go target={metricsTarget(entity, w)} icon={<IconChartLine size={13} />}>
          {t('logs.metricsAround')}
        </Go>
        <Go target={hostTarget(entity, w)} icon={<IconServer size={13} />}>
          {t('logs.host')}
        </Go>
        <Go target={podLogsTarget(entity, w)} icon={<IconFileText size={13} />}>
          {t('logs.podLogs')}
        </Go>
        {entity.pod !== undefined && (
          <Go
            target={metricsTarget(
              {
                pod: entity.pod,
                ...(entity.podNamespace === undefined ? {} : { podNamespace: entity.podNamespace }),
              },
              w,
            )}
            icon={<IconBox size={13} />}
          >
            {t('logs.podMetrics')}
          </Go>
        )}
        <CopyMenu log={log} />
        {(json || stack) && (
          <SegmentedControl
            size="xs"
            value={pretty ? 'pretty' : 'raw'}
            aria-label={t('logs.bodyView')}
            onChange={v => setPretty(v === 'pretty')}
            data={[
              { value: 'pretty', label: json ? t('logs.bodyJson') : t('logs.bodyStack') },
              { value: 'raw', label: t('logs.bodyRaw') },
            ]}
          />
        )}
        <span className={classes.exact}>
          {exactTime(log.time_ns)}
          {late > 1e9 && ` · ${t('logs.arrived', { time: formatDurationNs(late, i18n.language) })}`}
        </span>
      </div>
      <FullBody log={log} marks={marks} pretty={pretty} ansi={ansi} />
      <FieldTable title={t('logs.parsed')} fields={fields.parsed} columns={columns} actions={actions} />
      <FieldTable title={t('logs.attributes')} fields={fields.record} columns={columns} actions={actions} />
      <FieldTable title={t('logs.inLine')} fields={fields.body} columns={columns} actions={actions} />
      <FieldTable title={t('logs.resource')} fields={fields.stream} columns={columns} actions={actions} />
    </div>
  )
}
