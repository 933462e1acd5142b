// Log search, counts, fields, live tail. The link holds everything; this page only puts the parts together.
import { Button, SegmentedControl, Tooltip } from '@mantine/core'
import { useElementSize, useViewportSize } from '@mantine/hooks'
import { IconBroadcast, IconKeyboard, IconLayoutSidebar, IconShare3 } from '@tabler/icons-react'
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { logSearchQuery } from '@/api/logs'
import type { LogRecord } from '@/api/queries'
import { Around } from '@/features/logs/Around'
import { markPatterns, withFilter, withPattern } from '@/features/logs/builder'
import { Counts, useCounts } from '@/features/logs/Counts'
import { type LogsState, logsCodec } from '@/features/logs/codec'
import { toggleColumn } from '@/features/logs/columns'
import { ExportMenu } from '@/features/logs/ExportMenu'
import { Fields } from '@/features/logs/Fields'
import { LogList } from '@/features/logs/LogList'
import type { RowLook } from '@/features/logs/LogRow'
import { EVERYTHING, isMetricQuery } from '@/features/logs/logql'
import classes from '@/features/logs/logs.module.css'
import { MetricResult, useMetricAnswer } from '@/features/logs/MetricResult'
import { Patterns } from '@/features/logs/Patterns'
import type { FieldActions } from '@/features/logs/PlusMinus'
import { QueryBar } from '@/features/logs/QueryBar'
import { asText, cursorOf } from '@/features/logs/record'
import { KeySheet, type LogKey, useLogKeys } from '@/features/logs/Shortcuts'
import { TailBar } from '@/features/logs/TailBar'
import { useTail } from '@/features/logs/tail'
import { type LocalLook, ViewMenu } from '@/features/logs/ViewMenu'
import { copyText } from '@/lib/export'
import { formatDurationMs, formatInteger } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { isText, queryStore } from '@/lib/savedQueries'
import { useSteadyRange } from '@/lib/steady'
import { readPreference, writePreference } from '@/lib/storage'
import { errorPlace } from '@/lib/textPlace'
import { useTimeRange } from '@/lib/timeRange'
import { toast } from '@/lib/toast'
import { NoTelemetry } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { QueryMenu } from '@/ui/QueryMenu'
import { Empty, Failure, Loading } from '@/ui/States'

const STORE = queryStore('logs', isText)
const NO_LOGS: LogRecord[] = []

function useOpened() {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set())
  const toggle = useCallback((id: string) => {
    setOpened(old => {
      const next = new Set(old)
      if (!next.delete(id)) {
        next.add(id)
      }
      return next
    })
  }, [])
  const closeAll = useCallback(() => setOpened(new Set()), [])
  return { opened, toggle, closeAll }
}

/** Height from the top of an element to the bottom of the window, so that only the list scrolls. */
function useRoom(box: RefObject<HTMLElement | null>, view: number): number {
  const [top, setTop] = useState(430)
  useLayoutEffect(() => {
    const rect = box.current?.getBoundingClientRect()
    if (rect !== undefined) {
      setTop(Math.round(rect.top + window.scrollY))
    }
  })
  return Math.max(320, view - top - 62)
}

/** Whole seconds something has been running; 0 when it is not. */
function useSeconds(busy: boolean): number {
  const [seconds, setSeconds] = useState(0)
  useEffect(() => {
    if (!busy) {
      setSeconds(0)
      return
    }
    const begin = Date.now()
    const id = window.setInterval(() => setSeconds(Math.floor((Date.now() - begin) / 1_000)), 500)
    return () => window.clearInterval(id)
  }, [busy])
  return seconds
}

function useLook(): [LocalLook, (look: LocalLook) => void] {
  const [look, set] = useState<LocalLook>(() => ({
    dense: readPreference('log-dense') === 'on',
    ansi: readPreference('log-ansi') !== 'off',
  }))
  return [
    look,
    next => {
      writePreference('log-dense', next.dense ? 'on' : 'off')
      writePreference('log-ansi', next.ansi ? 'on' : 'off')
      set(next)
    },
  ]
}

function errorOf(error: unknown): string | null {
  return error instanceof ApiError && error.status === 400 ? error.message : null
}

export function LogsPage() {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const client = useQueryClient()
  const [state, change] = usePageState(logsCodec)
  const { range, resolved, zoomTo, refresh } = useTimeRange()
  const { height: view } = useViewportSize()
  const { ref, width } = useElementSize()
  const listBox = useRef<HTMLDivElement>(null)
  const [fieldsOn, setFieldsOn] = useState(() => readPreference('log-fields') !== 'off')
  const [look, setLook] = useLook()
  const { opened, toggle, closeAll } = useOpened()
  const [away, setAway] = useState(false)
  const [active, setActive] = useState(-1)
  const [keys, setKeys] = useState(false)
  const [canceled, setCanceled] = useState(false)

  const query = state.q === '' ? EVERYTHING : state.q
  const metric = isMetricQuery(query)
  const tailing = state.tail && !metric
  const patterned = state.tab === 'patterns' && !metric && !tailing
  const listed = !metric && !tailing
  const rangeKey = JSON.stringify([range.from, range.to, query, state.oldestFirst])
  // whoever has scrolled, opened or marked a record is reading: the list stays until the search changes
  const steady = useSteadyRange(resolved, rangeKey, away || opened.size > 0 || active >= 0)
  const list = useInfiniteQuery({
    ...logSearchQuery(query, steady, state.oldestFirst),
    enabled: listed && !patterned && !canceled,
  })
  const counts = useCounts(query, resolved, width, listed && !canceled)
  const metricAnswer = useMetricAnswer(query, resolved, width, metric && !canceled)
  const [tail, tailAct] = useTail(query, tailing)

  const found = useMemo(() => list.data?.pages.flatMap(p => p.logs) ?? NO_LOGS, [list.data])
  const tailLogs = useMemo(
    () => (state.oldestFirst ? [...tail.logs].reverse() : tail.logs),
    [tail.logs, state.oldestFirst],
  )
  const logs = tailing ? tailLogs : found
  const marks = useMemo(() => markPatterns(query), [query])
  const rowLook = useMemo<RowLook>(
    () => ({
      zone: state.zone,
      times: state.times,
      wrap: state.wrap,
      ansi: look.ansi,
      // relative times move with the page's clock and not with every frame
      nowMs: state.times === 'relative' ? resolved.endMs : 0,
    }),
    [state.zone, state.times, state.wrap, look.ansi, resolved.endMs],
  )
  const columns = state.columns
  const actions = useMemo<FieldActions>(
    () => ({
      filter: (name, value, negated, origin) =>
        change({ q: withFilter(query, { name, op: negated ? '!=' : '=', value }, origin) }, { push: true }),
      pin: name => change({ columns: toggleColumn(columns, name) }),
    }),
    [change, query, columns],
  )
  const onAround = useCallback(
    (log: LogRecord) => change({ around: cursorOf(log) }, { push: true }),
    [change],
  )
  const onPattern = (ids: string[], negated: boolean) =>
    change(
      { q: withPattern(query, ids, negated), ...(negated ? {} : { tab: 'logs' as const }) },
      { push: true },
    )
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) {
      void fetchNextPage()
    }
  }, [hasNextPage, isFetchingNextPage, fetchNextPage])
  const onScrolled = useCallback(
    (isAway: boolean) => {
      setAway(isAway)
      tailAct({ type: 'hold', held: isAway })
    },
    [tailAct],
  )
  const onColumns = useCallback((next: LogsState['columns']) => change({ columns: next }), [change])

  // biome-ignore lint/correctness/useExhaustiveDependencies: another search begins at its own first row
  useEffect(() => {
    setActive(-1)
    setCanceled(false)
    setAway(false)
    closeAll()
  }, [rangeKey, tailing])
  const succeeded = metric ? metricAnswer.answer.isSuccess : list.isSuccess
  useEffect(() => {
    if (succeeded && state.q !== '') {
      STORE.remember(state.q)
    }
  }, [succeeded, state.q])

  const failure = metric ? metricAnswer.answer.error : list.error
  const error = errorOf(failure)
  const problem = useMemo(() => {
    const place = error === null ? null : errorPlace(error)
    return error === null || place === null ? null : { message: error, ...place }
  }, [error])
  const firstBusy = listed
    ? (list.isFetching && !isFetchingNextPage && (list.isPending || list.isPlaceholderData)) ||
      counts.progress !== null
    : metric && metricAnswer.answer.isFetching
  const seconds = useSeconds(firstBusy)
  const cancel = () => {
    setCanceled(true)
    for (const key of ['log_search', 'log_counts', 'loki_range']) {
      void client.cancelQueries({ queryKey: [key] })
    }
  }
  const run = () => {
    setCanceled(false)
    refresh()
  }

  const onKey = (key: LogKey): boolean => {
    const at = logs[active]
    switch (key) {
      case 'j':
      case 'k':
        if (logs.length === 0) {
          return false
        }
        setActive(Math.max(0, Math.min(logs.length - 1, active + (key === 'j' ? 1 : -1))))
        return true
      case 'Enter':
        if (at !== undefined) {
          toggle(at.id)
        }
        return at !== undefined
      case 'c':
        if (at !== undefined) {
          onAround(at)
        }
        return at !== undefined
      case 'y':
        if (at !== undefined) {
          void copyText(asText(at)).then(ok => toast(t(ok ? 'common.copied' : 'common.copyFailed')))
        }
        return at !== undefined
      case '/': {
        const box = document.querySelector<HTMLElement>('[data-log-search], .cm-content')
        box?.focus()
        return box !== null
      }
      case 'e':
        setFields(!fieldsOn)
        return true
      case 'w':
        change({ wrap: !state.wrap })
        return true
      case 't':
        change({ tail: !state.tail }, { push: true })
        return true
      case 'p':
        if (tailing) {
          tailAct({ type: tail.paused ? 'resume' : 'pause' })
        }
        return tailing
      case 'Escape':
        closeAll()
        setActive(-1)
        return true
      case '?':
        setKeys(true)
        return true
    }
  }
  const setFields = (on: boolean) => {
    writePreference('log-fields', on ? 'on' : 'off')
    setFieldsOn(on)
  }
  useLogKeys(onKey)

  const toTop = () => {
    listBox.current?.querySelector('section')?.scrollTo({ top: 0 })
    tailAct({ type: 'resume' })
  }
  const height = useRoom(listBox, view)
  const stats = list.data?.pages.at(-1)?.stats
  const known = state.around === '' ? null : (logs.find(l => cursorOf(l) === state.around) ?? null)

  const share = async () => {
    toast((await copyText(window.location.href)) ? t('common.linkCopied') : t('common.copyFailed'))
  }

  return (
    <Page
      title={t('nav.logs')}
      sub={
        metric || tailing ? undefined : (
          <SegmentedControl
            value={state.tab}
            aria-label={t('logs.tab')}
            onChange={v => change({ tab: v as LogsState['tab'] }, { push: true })}
            data={[
              { value: 'logs', label: t('nav.logs') },
              { value: 'patterns', label: t('logs.patterns') },
            ]}
          />
        )
      }
      actions={
        <>
          <Button
            variant={fieldsOn ? 'light' : 'default'}
            aria-pressed={fieldsOn}
            leftSection={<IconLayoutSidebar size={14} />}
            onClick={() => setFields(!fieldsOn)}
          >
            {t('logs.fields')}
          </Button>
          <ViewMenu state={state} look={look} onChange={change} onLook={setLook} />
          <QueryMenu
            store={STORE}
            query={state.q}
            text={q => q}
            onPick={q => change({ q }, { push: true })}
          />
          <ExportMenu
            query={query}
            range={steady}
            oldestFirst={state.oldestFirst}
            columns={columns.map(c => c.name)}
            disabled={metric}
          />
          <Tooltip label={t('common.share')}>
            <Button variant="default" aria-label={t('common.share')} px={8} onClick={() => void share()}>
              <IconShare3 size={15} />
            </Button>
          </Tooltip>
          <Tooltip label={t('logs.keys')}>
            <Button variant="default" aria-label={t('logs.keys')} px={8} onClick={() => setKeys(true)}>
              <IconKeyboard size={15} />
            </Button>
          </Tooltip>
          <Button
            variant={tailing ? 'filled' : 'default'}
            aria-pressed={tailing}
            disabled={metric}
            leftSection={<IconBroadcast size={14} />}
            onClick={() => change({ tail: !state.tail }, { push: true })}
          >
            {t('logs.tail')}
          </Button>
        </>
      }
    >
      <div ref={ref}>
        <Panel flush label={t('logs.query')}>
          <QueryBar
            state={state}
            range={steady}
            error={error}
            problem={problem}
            busy={firstBusy && !canceled}
            seconds={seconds}
            onChange={patch => change(patch, { push: true })}
            onRun={run}
            onCancel={cancel}
          />
        </Panel>
      </div>
      {metric ? (
        <MetricResult query={query} range={resolved} metric={metricAnswer} onZoom={zoomTo} />
      ) : (
        <>
          {!tailing && error === null && (
            <Panel label={t('logs.histogram')}>
              <Counts counts={counts} range={resolved} height={92} onZoom={zoomTo} />
            </Panel>
          )}
          {patterned && (
            <div ref={listBox}>
              <Patterns query={query} range={steady} height={height} onFilter={onPattern} />
            </div>
          )}
          {!patterned && (
            <div className={`${classes.layout} ${fieldsOn && error === null ? classes.withFields : ''}`}>
              {fieldsOn && error === null && (
                <Fields
                  query={query}
                  range={steady}
                  height={height - 12}
                  total={counts.total}
                  columns={columns}
                  actions={actions}
                />
              )}
              <Panel flush label={t('logs.list')}>
                <div ref={listBox}>
                  {logs.length > 0 ? (
                    <LogList
                      logs={logs}
                      opened={opened}
                      active={active}
                      marks={marks}
                      columns={columns}
                      look={rowLook}
                      dense={look.dense}
                      height={height}
                      actions={actions}
                      onColumns={onColumns}
                      onToggle={toggle}
                      onAround={onAround}
                      onScrolled={onScrolled}
                      onEnd={tailing ? undefined : onEnd}
                    />
                  ) : tailing ? (
                    <Empty title={t('logs.tailWaiting')} text={t('logs.tailWaitingText')} />
                  ) : canceled ? (
                    <Empty title={t('logs.canceled')}>
                      <Button size="xs" variant="default" onClick={run}>
                        {t('common.retry')}
                      </Button>
                    </Empty>
                  ) : list.isPending ? (
                    <Loading rows={12} />
                  ) : list.isError ? (
                    <Failure error={list.error} onRetry={() => void list.refetch()} />
                  ) : state.q === '' ? (
                    <NoTelemetry kind="logs" />
                  ) : (
                    <Empty title={t('logs.noMatch')} text={t('filters.widen')} />
                  )}
                </div>
                {tailing ? (
                  <TailBar tail={tail} act={tailAct} onTop={toTop} />
                ) : (
                  logs.length > 0 && (
                    <div className={classes.foot}>
                      <span>{t('logs.shown', { count: logs.length })}</span>
                      {stats?.elapsed_ms !== undefined && (
                        <span>
                          {t('filters.scanned', {
                            rows: formatInteger(stats.rows_scanned, lang),
                            time: formatDurationMs(stats.elapsed_ms, lang),
                          })}
                        </span>
                      )}
                      {isFetchingNextPage && <span>{t('common.loading')}</span>}
                      {list.isFetchNextPageError && (
                        <Button size="compact-xs" variant="default" onClick={() => void fetchNextPage()}>
                          {t('common.retry')}
                        </Button>
                      )}
                      {!hasNextPage && <span>{t('logs.allShown')}</span>}
                    </div>
                  )
                )}
              </Panel>
            </div>
          )}
        </>
      )}
      <Around
        around={state.around}
        known={known}
        query={query}
        marks={marks}
        look={{ zone: state.zone, times: 'clock', ansi: look.ansi }}
        onClose={() => change({ around: '' })}
        onMove={log => change({ around: cursorOf(log) })}
      />
      <KeySheet opened={keys} onClose={() => setKeys(false)} />
    </Page>
  )
}
