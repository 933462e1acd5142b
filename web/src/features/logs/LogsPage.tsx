// Log search and live tail.
import { Button } from '@mantine/core'
import { useElementSize, useViewportSize } from '@mantine/hooks'
import {
  IconBroadcast,
  IconDownload,
  IconLayoutSidebar,
  IconPlayerPause,
  IconPlayerPlay,
} from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type LogRecord, logHistogramQuery, logsQuery } from '@/api/queries'
import { CountHistogram } from '@/charts/CountHistogram'
import { severityColor } from '@/charts/palette'
import { filterOf, jsonLines, logsCodec, SEVERITIES, wantedWords, withFilter } from '@/features/logs/codec'
import { Fields } from '@/features/logs/Fields'
import { LogFilters } from '@/features/logs/LogFilters'
import { LogList } from '@/features/logs/LogList'
import classes from '@/features/logs/logs.module.css'
import { type TailState, useTail } from '@/features/logs/tail'
import { download } from '@/lib/export'
import { formatDurationMs, formatInteger } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { useSteadyRange } from '@/lib/steady'
import { readPreference, writePreference } from '@/lib/storage'
import { useTimeRange } from '@/lib/timeRange'
import { Toned } from '@/ui/Figures'
import { NoTelemetry } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

/** Trace at the bottom, fatal on top: what matters sits where the eye is. */
const ORDER = ['unset', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

function TailFoot({ tail }: { tail: TailState }) {
  const { t } = useTranslation()
  return (
    <div className={classes.foot} role="status">
      <Toned tone={tail.lost ? 'bad' : tail.paused ? 'warn' : 'good'}>
        {tail.lost
          ? t('logs.tailLost')
          : tail.paused
            ? t('logs.tailPaused', { count: tail.waiting.length })
            : t('logs.tailOn')}
      </Toned>
      <span>{t('logs.shown', { count: tail.logs.length })}</span>
      {tail.dropped > 0 && <Toned tone="warn">{t('logs.tailDropped', { count: tail.dropped })}</Toned>}
    </div>
  )
}

function useOpened(): [ReadonlySet<string>, (id: string) => void] {
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
  return [opened, toggle]
}

export function LogsPage() {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const [state, change] = usePageState(logsCodec)
  const { range, resolved, zoomTo } = useTimeRange()
  const { height: view } = useViewportSize()
  const { ref, width } = useElementSize()
  const [fields, setFields] = useState(() => readPreference('log-fields') !== 'off')
  const [opened, toggle] = useOpened()
  const [away, setAway] = useState(false)
  const filter = useMemo(() => filterOf(state), [state])
  const rangeKey = JSON.stringify([range.from, range.to, filter])
  // whoever has scrolled or opened a record is reading: the list stays until the search changes
  const steady = useSteadyRange(resolved, rangeKey, away || opened.size > 0)
  const buckets = Math.min(120, Math.max(30, Math.round((width || 1_000) / 12)))
  const histogram = useQuery(logHistogramQuery(filter, resolved, buckets))
  const list = useInfiniteQuery({ ...logsQuery(filter, steady), enabled: !state.tail })
  const [tail, tailDo] = useTail(filter, state.tail)

  const found = useMemo(() => list.data?.pages.flatMap(p => p.logs) ?? [], [list.data])
  const logs: LogRecord[] = state.tail ? tail.logs : found
  const words = useMemo(() => wantedWords(state.text), [state.text])
  const attrs = state.attrs
  const addFilter = useCallback(
    (key: string, value: unknown, negated: boolean) =>
      change({ attrs: withFilter(attrs, key, value, negated) }, { push: true }),
    [attrs, change],
  )
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) {
      void fetchNextPage()
    }
  }, [hasNextPage, isFetchingNextPage, fetchNextPage])
  const color = useCallback((n: string) => severityColor(n, scheme), [scheme])
  const name = useCallback(
    (n: string) =>
      (SEVERITIES as readonly string[]).includes(n) ? t(`severity.${n}` as 'severity.info') : n,
    [t],
  )
  const height = Math.max(300, view - (state.tail ? 250 : 400))
  const stats = list.data?.pages.at(-1)?.stats
  const unfiltered = Object.keys(filter).length === 0

  return (
    <Page
      title={t('nav.logs')}
      actions={
        <>
          <Button
            variant={fields ? 'light' : 'default'}
            aria-pressed={fields}
            leftSection={<IconLayoutSidebar size={14} />}
            onClick={() => {
              writePreference('log-fields', fields ? 'off' : 'on')
              setFields(!fields)
            }}
          >
            {t('logs.fields')}
          </Button>
          <Button
            variant="default"
            leftSection={<IconDownload size={14} />}
            disabled={logs.length === 0}
            onClick={() => download('logs.jsonl', 'application/x-ndjson', jsonLines(logs))}
          >
            {t('logs.export')}
          </Button>
          {state.tail && (
            <Button
              variant="default"
              leftSection={tail.paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
              onClick={() => tailDo({ type: tail.paused ? 'resume' : 'pause' })}
            >
              {tail.paused ? t('logs.resume') : t('logs.pause')}
            </Button>
          )}
          <Button
            variant={state.tail ? 'filled' : 'default'}
            aria-pressed={state.tail}
            leftSection={<IconBroadcast size={14} />}
            onClick={() => change({ tail: !state.tail }, { push: true })}
          >
            {t('logs.tail')}
          </Button>
        </>
      }
    >
      <Panel flush label={t('logs.search')}>
        <LogFilters state={state} range={steady} onChange={patch => change(patch, { push: true })} />
      </Panel>
      {!state.tail && (
        <Panel label={t('logs.histogram')}>
          <div ref={ref}>
            {histogram.isError && histogram.data === undefined ? (
              <Failure compact error={histogram.error} onRetry={() => void histogram.refetch()} />
            ) : (
              <CountHistogram
                label={t('logs.histogram')}
                data={histogram.data}
                order={ORDER}
                color={color}
                name={name}
                range={resolved}
                loading={histogram.isPending}
                height={100}
                empty={t('logs.noneInRange')}
                onZoom={zoomTo}
              />
            )}
          </div>
        </Panel>
      )}
      <div className={`${classes.layout} ${fields ? classes.withFields : ''}`}>
        {fields && <Fields filter={filter} range={steady} height={height - 46} onFilter={addFilter} />}
        <Panel flush label={t('logs.list')}>
          {logs.length > 0 ? (
            <LogList
              logs={logs}
              opened={opened}
              words={words}
              height={height}
              onToggle={toggle}
              onFilter={addFilter}
              onScrolled={setAway}
              onEnd={state.tail ? undefined : onEnd}
            />
          ) : state.tail ? (
            <Empty title={t('logs.tailWaiting')} text={t('logs.tailWaitingText')} />
          ) : list.isPending ? (
            <Loading rows={12} />
          ) : list.isError ? (
            <Failure error={list.error} onRetry={() => void list.refetch()} />
          ) : unfiltered ? (
            <NoTelemetry kind="logs" />
          ) : (
            <Empty title={t('logs.noMatch')} text={t('filters.widen')} />
          )}
          {state.tail ? (
            <TailFoot tail={tail} />
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
                {!hasNextPage && <span>{t('logs.allShown')}</span>}
              </div>
            )
          )}
        </Panel>
      </div>
    </Page>
  )
}
