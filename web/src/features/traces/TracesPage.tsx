// Trace search: filters, spans over time, traces newest first.
import { Button } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useCallback, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type TraceSummary, traceHistogramQuery, tracesQuery } from '@/api/queries'
import { CountHistogram } from '@/charts/CountHistogram'
import { assignColors, toneColor } from '@/charts/palette'
import { filterOf, tracesCodec } from '@/features/traces/codec'
import { TraceFilters } from '@/features/traces/TraceFilters'
import classes from '@/features/traces/traces.module.css'
import { formatDurationMs, formatDurationNs, formatInteger, formatStamp } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { useSteadyRange } from '@/lib/steady'
import { useTimeRange } from '@/lib/timeRange'
import { Dot, Toned } from '@/ui/Figures'
import { NoTelemetry } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const ORDER = ['ok', 'error'] as const
const SHOWN_SERVICES = 4

function TraceRow({
  trace,
  longest,
  colors,
}: {
  trace: TraceSummary
  longest: number
  colors: Map<string, string>
}) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const ns = Number(trace.duration_ns)
  return (
    <tr>
      <td className="num">{formatStamp(nsToMs(trace.start_ns), lang)}</td>
      <td>
        <div className={classes.op}>
          <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className={ui.link}>
            {trace.root_service} · {trace.root_name}
          </Link>
          {trace.root_missing === true && <span className={ui.panelNote}> {t('traces.rootMissing')}</span>}
        </div>
      </td>
      <td>
        <div className={classes.bar}>
          <div className={classes.barTrack}>
            <div
              className={classes.barFill}
              style={{
                width: `${longest === 0 ? 0 : (ns / longest) * 100}%`,
                background: trace.error_count > 0 ? toneColor('bad', scheme) : undefined,
              }}
            />
          </div>
          <span className={classes.barText}>{formatDurationNs(ns, lang)}</span>
        </div>
      </td>
      <td className={ui.right}>{formatInteger(trace.span_count, lang)}</td>
      <td className={ui.right}>
        {trace.error_count > 0 ? <Toned tone="bad">{formatInteger(trace.error_count, lang)}</Toned> : '0'}
      </td>
      <td>
        <div className={classes.services}>
          {trace.services.slice(0, SHOWN_SERVICES).map(s => (
            <span key={s.name} title={t('traces.spansOf', { service: s.name, count: s.spans })}>
              <Dot color={colors.get(s.name) ?? ''} />
              {s.name}
            </span>
          ))}
          {trace.services.length > SHOWN_SERVICES && <span>+{trace.services.length - SHOWN_SERVICES}</span>}
        </div>
      </td>
    </tr>
  )
}

function TraceTable({ traces }: { traces: TraceSummary[] }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const longest = Math.max(0, ...traces.map(x => Number(x.duration_ns)))
  const colors = useMemo(
    () =>
      assignColors(
        traces.flatMap(x => x.services.map(s => s.name)),
        scheme,
      ),
    [traces, scheme],
  )
  return (
    <div className={ui.scroll}>
      <table className={`${ui.table} ${classes.table}`} aria-label={t('nav.traces')}>
        <thead>
          <tr>
            <th style={{ width: 150 }}>{t('traces.start')}</th>
            <th>{t('traces.root')}</th>
            <th style={{ width: 220 }}>{t('traces.duration')}</th>
            <th className={ui.right}>{t('traces.spans')}</th>
            <th className={ui.right}>{t('traces.errors')}</th>
            <th>{t('traces.services')}</th>
          </tr>
        </thead>
        <tbody>
          {traces.map(x => (
            <TraceRow key={x.trace_id} trace={x} longest={longest} colors={colors} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function TracesPage() {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const [state, change] = usePageState(tracesCodec)
  const { range, resolved, zoomTo } = useTimeRange()
  const filter = useMemo(() => filterOf(state), [state])
  const { ref, width } = useElementSize()
  const buckets = Math.min(120, Math.max(30, Math.round((width || 1_000) / 12)))
  const histogram = useQuery(traceHistogramQuery(filter, resolved, buckets))
  const rangeKey = JSON.stringify([range.from, range.to, filter])
  // who has asked for more is reading further down: the list stays until the search changes
  const [paged, setPaged] = useState('')
  const listRange = useSteadyRange(resolved, rangeKey, paged === rangeKey)
  const list = useInfiniteQuery(tracesQuery(filter, listRange))
  const traces = useMemo(() => list.data?.pages.flatMap(p => p.traces) ?? [], [list.data])
  const stats = list.data?.pages.at(-1)?.stats
  const unfiltered = Object.keys(filter).length === 0
  const color = useCallback((n: string) => toneColor(n === 'error' ? 'bad' : 'info', scheme), [scheme])
  const name = useCallback((n: string) => t(n === 'error' ? 'traces.failed' : 'traces.fine'), [t])
  return (
    <Page title={t('nav.traces')}>
      <Panel flush label={t('traces.search')}>
        <TraceFilters state={state} range={listRange} onChange={patch => change(patch, { push: true })} />
      </Panel>
      <Panel title={t('traces.histogram')}>
        <div ref={ref}>
          {histogram.isError && histogram.data === undefined ? (
            <Failure compact error={histogram.error} onRetry={() => void histogram.refetch()} />
          ) : (
            <CountHistogram
              label={t('traces.histogram')}
              data={histogram.data}
              order={ORDER}
              color={color}
              name={name}
              range={resolved}
              loading={histogram.isPending}
              empty={t('traces.noneInRange')}
              onZoom={zoomTo}
            />
          )}
        </div>
      </Panel>
      <Panel flush label={t('traces.list')}>
        {list.isPending ? (
          <Loading rows={10} />
        ) : list.isError && list.data === undefined ? (
          <Failure error={list.error} onRetry={() => void list.refetch()} />
        ) : traces.length === 0 ? (
          unfiltered ? (
            <NoTelemetry kind="traces" />
          ) : (
            <Empty title={t('traces.noMatch')} text={t('filters.widen')} />
          )
        ) : (
          <>
            <TraceTable traces={traces} />
            <div className={classes.more}>
              <span>
                {t('traces.shown', { count: traces.length })}
                {stats?.elapsed_ms !== undefined &&
                  ` · ${t('filters.scanned', {
                    rows: formatInteger(stats.rows_scanned, i18n.language),
                    time: formatDurationMs(stats.elapsed_ms, i18n.language),
                  })}`}
              </span>
              {list.hasNextPage && (
                <Button
                  variant="default"
                  size="compact-sm"
                  loading={list.isFetchingNextPage}
                  onClick={() => {
                    setPaged(rangeKey)
                    void list.fetchNextPage()
                  }}
                >
                  {t('filters.more')}
                </Button>
              )}
            </div>
          </>
        )}
      </Panel>
    </Page>
  )
}
