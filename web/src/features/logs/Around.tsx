// The lines of one stream before and after a record: what the program said just then, whatever was searched for.
import { Button, Drawer, Switch } from '@mantine/core'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { searchLogs } from '@/api/logs'
import type { LogRecord } from '@/api/queries'
import { FullBody, Marked } from '@/features/logs/Body'
import { EVERYTHING, isMetricQuery, selectorSpan } from '@/features/logs/logql'
import classes from '@/features/logs/logs.module.css'
import { cursorOf, lineOf, streamSelector } from '@/features/logs/record'
import { exactTime, logTime, offsetText, type TimeLook } from '@/features/logs/when'
import { CopyButton } from '@/ui/CopyButton'
import { SeverityTag } from '@/ui/Severity'
import { Empty, Failure, Loading } from '@/ui/States'

const STEP = 15
const DAY_MS = 86_400_000

/** The stages of a query, for another selector. */
export function stagesOf(query: string): string {
  const span = isMetricQuery(query) ? null : selectorSpan(query)
  return span === null ? '' : query.slice(span.to).trim()
}

async function findRecord(timeNs: string, id: string, signal: AbortSignal): Promise<LogRecord | null> {
  const ms = Number(BigInt(timeNs) / 1_000_000n)
  const { logs } = await searchLogs(
    {
      query: EVERYTHING,
      range: { startMs: ms, endMs: ms + 1 },
      oldestFirst: true,
      limit: 1_000,
      cursor: `${BigInt(timeNs) - 1n}-${2n ** 63n - 1n}`,
    },
    signal,
  )
  // a record seen live has no place in the store yet when it is shown: its time finds it
  return logs.find(l => l.id === id) ?? logs.find(l => l.time_ns === timeNs) ?? null
}

function useSide(record: LogRecord | null, query: string, after: boolean) {
  const at = record === null ? 0 : Number(BigInt(record.time_ns) / 1_000_000n)
  return useInfiniteQuery({
    queryKey: ['log_around', record?.id, query, after],
    initialPageParam: record === null ? '' : cursorOf(record),
    queryFn: ({ pageParam, signal }) =>
      searchLogs(
        {
          query,
          range: { startMs: at - DAY_MS, endMs: at + DAY_MS },
          oldestFirst: after,
          limit: STEP,
          cursor: pageParam,
        },
        signal,
      ),
    getNextPageParam: page => page.next_cursor,
    enabled: record !== null,
    retry: false,
  })
}

interface AroundProps {
  /** TIME_NS-ID; '' is closed. */
  around: string
  /** Known already when the row was on screen. */
  known: LogRecord | null
  query: string
  marks: RegExp[]
  look: TimeLook & { ansi: boolean }
  onClose: () => void
  onMove: (log: LogRecord) => void
}

export function Around({ around, known, query, marks, look, onClose, onMove }: AroundProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [filtered, setFiltered] = useState(false)
  const [timeNs = '', id = ''] = around.split('-')
  const lookup = useQuery({
    queryKey: ['log_record', around],
    queryFn: ({ signal }) => findRecord(timeNs, id, signal),
    enabled: around !== '' && known === null,
    retry: false,
  })
  const record = around === '' ? null : (known ?? lookup.data ?? null)
  const stages = stagesOf(query)
  const selector = record === null ? '' : streamSelector(record)
  const asked = filtered && stages !== '' ? `${selector} ${stages}` : selector
  const before = useSide(record, asked, false)
  const after = useSide(record, asked, true)
  const older = useMemo(() => (before.data?.pages.flatMap(p => p.logs) ?? []).reverse(), [before.data])
  const newer = after.data?.pages.flatMap(p => p.logs) ?? []
  const here = useRef<HTMLDivElement>(null)
  const shown = record?.id
  const ready = before.isSuccess && after.isSuccess
  useEffect(() => {
    if (shown !== undefined && ready) {
      here.current?.scrollIntoView({ block: 'center' })
    }
  }, [shown, ready])
  const row = (l: LogRecord) => (
    <button key={l.id} type="button" className={classes.aroundRow} onClick={() => onMove(l)}>
      <span className={classes.when} title={exactTime(l.time_ns)}>
        {logTime(l.time_ns, { ...look, times: 'clock' }, 0, lang)}
      </span>
      <span className={classes.offset}>
        {record === null ? '' : offsetText(record.time_ns, l.time_ns, lang)}
      </span>
      <SeverityTag severity={l.severity} />
      <span className={classes.bodyWrap}>
        <Marked text={lineOf(l).slice(0, 4_000)} marks={marks} ansi={look.ansi} />
      </span>
    </button>
  )
  let body = null
  if (around !== '' && record === null) {
    body = lookup.isError ? (
      <Failure error={lookup.error} onRetry={() => void lookup.refetch()} />
    ) : lookup.isPending ? (
      <Loading rows={10} />
    ) : (
      <Empty title={t('logs.gone')} text={t('logs.goneText')} />
    )
  } else if (record !== null) {
    body = (
      <>
        <div className={classes.aroundBar}>
          <span className={classes.aroundStream} title={selector}>
            {selector}
          </span>
          <CopyButton value={selector} size="xs" />
          {stages !== '' && (
            <Switch
              label={t('logs.aroundFilter')}
              checked={filtered}
              onChange={e => setFiltered(e.currentTarget.checked)}
            />
          )}
        </div>
        <div className={classes.aroundList}>
          <Button
            fullWidth
            size="compact-sm"
            variant="subtle"
            leftSection={<IconArrowUp size={13} />}
            loading={before.isFetching}
            disabled={!before.hasNextPage}
            onClick={() => void before.fetchNextPage()}
          >
            {before.hasNextPage || before.isFetching ? t('logs.earlier') : t('logs.noEarlier')}
          </Button>
          {before.isError && <Failure compact error={before.error} onRetry={() => void before.refetch()} />}
          {older.map(row)}
          <div ref={here} className={classes.aroundHere} aria-current="true">
            <div className={classes.aroundHereHead}>
              <span className={classes.when}>{exactTime(record.time_ns)}</span>
              <SeverityTag severity={record.severity} />
              <b>{record.service}</b>
            </div>
            <FullBody log={record} marks={marks} pretty ansi={look.ansi} />
          </div>
          {newer.map(row)}
          {after.isError && <Failure compact error={after.error} onRetry={() => void after.refetch()} />}
          <Button
            fullWidth
            size="compact-sm"
            variant="subtle"
            leftSection={<IconArrowDown size={13} />}
            loading={after.isFetching}
            disabled={!after.hasNextPage}
            onClick={() => void after.fetchNextPage()}
          >
            {after.hasNextPage || after.isFetching ? t('logs.later') : t('logs.noLater')}
          </Button>
        </div>
      </>
    )
  }
  return (
    <Drawer
      opened={around !== ''}
      onClose={onClose}
      position="right"
      size="min(1100px, 82%)"
      title={t('logs.aroundTitle')}
      closeButtonProps={{ 'aria-label': t('logs.close') }}
    >
      {body}
    </Drawer>
  )
}
