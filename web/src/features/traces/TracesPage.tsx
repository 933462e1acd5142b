// Traces: the question on top, facets left, figures of what matches, and the traces found. The link holds
// the query; charts, facets and list are all derived from it.
import { ActionIcon, Button, Menu, SegmentedControl, Tooltip } from '@mantine/core'
import { useViewportSize } from '@mantine/hooks'
import { IconDownload, IconFilterFilled, IconLayoutSidebar, IconLink, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { foundTracesQuery, traceSeriesQuery } from '@/api/traceql'
import { Heatmap } from '@/charts/Heatmap'
import {
  RESULT_VIEWS,
  SPAN_CONDITION,
  SPAN_SETS,
  type SpanSet,
  spanSetOf,
  type TracesState,
  tracesCodec,
} from '@/features/traces/codec'
import { Facets } from '@/features/traces/Facets'
import { readColumns, sortTraces, tracesCsv, writeColumns } from '@/features/traces/found'
import { MetricsResult } from '@/features/traces/MetricsResult'
import {
  compileConditions,
  durationLiteral,
  isMetrics,
  measured,
  narrowed,
  parseConditions,
  toggleChoice,
  withRange,
} from '@/features/traces/query'
import { RedCharts } from '@/features/traces/RedCharts'
import { Scatter } from '@/features/traces/Scatter'
import { SearchBar } from '@/features/traces/SearchBar'
import classes from '@/features/traces/search.module.css'
import { chartStep, heatOfBuckets, stepTimes } from '@/features/traces/series'
import { ColumnMenu, TraceTable } from '@/features/traces/TraceTable'
import { copyText, csv, download } from '@/lib/export'
import { formatDurationMs, formatInteger, formatShort } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { isText, queryStore } from '@/lib/savedQueries'
import { useSteadyRange } from '@/lib/steady'
import { readPreference, writePreference } from '@/lib/storage'
import type { ResolvedRange } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { toast } from '@/lib/toast'
import { NoTelemetry } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { QueryMenu } from '@/ui/QueryMenu'
import { Empty, Failure, Loading } from '@/ui/States'

const STORE = queryStore('traces', isText)
const FIRST = 200
const MOST = 10_000

function HeatView({
  q,
  spans,
  range,
  onZoom,
}: {
  q: string
  spans: SpanSet
  range: ResolvedRange
  onZoom: (a: number, b: number) => void
}) {
  const { t } = useTranslation()
  const { width } = useViewportSize()
  const stepS = chartStep(range, Math.max(400, width - 500))
  const query = useQuery(
    traceSeriesQuery(measured(q, SPAN_CONDITION[spans], 'histogram_over_time(duration)'), range, stepS),
  )
  const data = useMemo(
    () => heatOfBuckets(query.data?.series ?? [], stepTimes(range, stepS), stepS),
    [query.data, range, stepS],
  )
  return query.isPending ? (
    <Loading rows={6} />
  ) : query.isError && query.data === undefined ? (
    <Failure compact error={query.error} onRetry={() => void query.refetch()} />
  ) : data.rows.length === 0 ? (
    <Empty compact title={t('traces.noneInRange')} />
  ) : (
    <div style={{ padding: '8px 12px' }}>
      <Heatmap
        label={t('traces.view_heatmap')}
        data={data}
        unit="s"
        range={range}
        height={240}
        onZoom={onZoom}
      />
    </div>
  )
}

interface ResultsProps {
  state: TracesState
  range: ResolvedRange
  /** Of the charts: moves on in live mode while the list stands still. */
  live: ResolvedRange
  onChange: (patch: Partial<TracesState>) => void
  onRead: () => void
  onZoom: (startMs: number, endMs: number) => void
}

function Results({ state, range, live, onChange, onRead, onZoom }: ResultsProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const { height: view } = useViewportSize()
  const [limit, setLimit] = useState(FIRST)
  const [columns, setColumns] = useState(readColumns)
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null)
  const { q } = state
  // biome-ignore lint/correctness/useExhaustiveDependencies: another question starts from the top
  useEffect(() => {
    setLimit(FIRST)
    setChosen(null)
  }, [q])
  const asked =
    columns.fields.length === 0 ? q : `${q === '' ? '{ }' : q} | select(${columns.fields.join(', ')})`
  const list = useQuery(foundTracesQuery(asked, range, limit))
  const found = useMemo(() => list.data?.traces ?? [], [list.data])
  const rows = useMemo(
    () =>
      sortTraces(chosen === null ? found : found.filter(x => chosen.has(x.trace_id)), state.sort, state.up),
    [found, chosen, state.sort, state.up],
  )
  const stats = list.data?.stats
  const export_ = (kind: 'csv' | 'json') =>
    kind === 'csv'
      ? download('traces.csv', 'text/csv', csv(tracesCsv(rows, columns.fields)))
      : download('traces.json', 'application/json', JSON.stringify({ q, traces: rows }, null, 1))
  return (
    <Panel flush label={t('traces.results')}>
      <div className={classes.resultHead}>
        <h2>{t('traces.list')}</h2>
        <span className={classes.figure}>
          {t('traces.shown', { count: rows.length })}
          {list.data?.more === true && '+'}
          {stats?.elapsed_ms !== undefined &&
            ` · ${t('filters.scanned', {
              rows: formatShort(stats.rows_scanned, lang),
              time: formatDurationMs(stats.elapsed_ms, lang),
            })}`}
        </span>
        {chosen !== null && (
          <Button
            size="compact-xs"
            variant="light"
            leftSection={<IconFilterFilled size={11} />}
            rightSection={<IconX size={12} />}
            onClick={() => setChosen(null)}
          >
            {t('traces.chosen', { count: rows.length })}
          </Button>
        )}
        <div className="grow" />
        <SegmentedControl
          size="xs"
          aria-label={t('traces.view')}
          value={state.view}
          onChange={v => onChange({ view: v as TracesState['view'] })}
          data={RESULT_VIEWS.map(v => ({ value: v, label: t(`traces.view_${v}`) }))}
        />
        <ColumnMenu
          value={columns}
          range={range}
          onChange={c => {
            setColumns(c)
            writeColumns(c)
          }}
        />
        <Menu position="bottom-end">
          <Menu.Target>
            <Tooltip label={t('traces.export')}>
              <ActionIcon
                variant="default"
                size={30}
                aria-label={t('traces.export')}
                disabled={rows.length === 0}
              >
                <IconDownload size={15} />
              </ActionIcon>
            </Tooltip>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => export_('csv')}>CSV</Menu.Item>
            <Menu.Item onClick={() => export_('json')}>JSON</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {state.view === 'scatter' && found.length > 0 && (
        <Scatter traces={found} range={range} chosen={chosen} onChoose={setChosen} />
      )}
      {state.view === 'heatmap' && <HeatView q={q} spans={spanSetOf(state)} range={live} onZoom={onZoom} />}
      {list.isPending ? (
        <Loading rows={10} />
      ) : list.isError && list.data === undefined ? (
        <Failure error={list.error} onRetry={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        q === '' ? (
          <NoTelemetry kind="traces" />
        ) : (
          <Empty title={t('traces.noMatch')} text={t('filters.widen')} />
        )
      ) : (
        <>
          <TraceTable
            traces={rows}
            columns={columns}
            sort={state.sort}
            up={state.up}
            height={Math.max(380, view - 260)}
            onSort={(sort, up) => onChange({ sort, up })}
            onRead={onRead}
          />
          {list.data?.more === true && (
            <div className={classes.more}>
              {limit < MOST ? (
                <Button
                  variant="default"
                  size="compact-sm"
                  loading={list.isFetching}
                  onClick={() => {
                    onRead()
                    setLimit(Math.min(MOST, limit * 3))
                  }}
                >
                  {t('filters.more')}
                </Button>
              ) : (
                t('traces.most', { count: formatInteger(MOST, lang) })
              )}
            </div>
          )}
        </>
      )}
    </Panel>
  )
}

export function TracesPage() {
  const { t } = useTranslation()
  const [state, change] = usePageState(tracesCodec)
  const { range, resolved, zoomTo } = useTimeRange()
  const [mode, setMode] = useState<'builder' | 'text'>(() =>
    readPreference('trace-search') === 'text' || parseConditions(state.q) === null ? 'text' : 'builder',
  )
  const [facets, setFacets] = useState(() => readPreference('trace-facets-shown') !== 'off')
  const rangeKey = JSON.stringify([range.from, range.to, state.q])
  // who reads further down keeps the list in place until the question changes
  const [read, setRead] = useState('')
  const steady = useSteadyRange(resolved, rangeKey, read === rangeKey)
  const onRead = useCallback(() => setRead(rangeKey), [rangeKey])
  const metrics = isMetrics(state.q)
  // the first request that fails tells what is wrong with the text
  const check = useQuery(foundTracesQuery(state.q, steady, FIRST, !metrics))
  const asSeries = useQuery(traceSeriesQuery(state.q, resolved, chartStep(resolved, 1_000), metrics))
  const failure = metrics ? asSeries.error : check.error
  const broken = failure instanceof ApiError && failure.status === 400
  const run = (q: string) => {
    STORE.remember(q)
    change({ q }, { push: true })
  }
  const choose = (field: string, literal: string, choice: 'include' | 'exclude') =>
    run(toggleChoice(state.q, field, literal, choice))
  const onDuration = (loNs: number, hiNs: number) => {
    const q = withRange(state.q, 'duration', durationLiteral(loNs), durationLiteral(hiNs))
    const condition = SPAN_CONDITION[spanSetOf(state)]
    // the durations were those of the chosen kind of span, so the filter is about them too
    const known = parseConditions(q)?.some(c => compileConditions([c]) === `{ ${condition} }`) === true
    run(condition === '' || known ? q : narrowed(q, condition))
  }
  const pickMode = (m: 'builder' | 'text') => {
    setMode(m)
    writePreference('trace-search', m)
  }
  return (
    <Page
      title={t('nav.traces')}
      actions={
        <>
          <Button
            variant={facets ? 'light' : 'default'}
            aria-pressed={facets}
            leftSection={<IconLayoutSidebar size={14} />}
            onClick={() => {
              writePreference('trace-facets-shown', facets ? 'off' : 'on')
              setFacets(!facets)
            }}
          >
            {t('traces.facets')}
          </Button>
          <QueryMenu
            store={STORE}
            query={state.q}
            text={q => q}
            onPick={q => {
              if (parseConditions(q) === null) {
                setMode('text')
              }
              run(q)
            }}
          />
          <Button
            variant="default"
            leftSection={<IconLink size={14} />}
            onClick={async () => {
              const done = await copyText(window.location.href)
              void toast(done ? t('common.linkCopied') : t('common.copyFailed'), done ? 'good' : 'bad')
            }}
          >
            {t('common.share')}
          </Button>
        </>
      }
    >
      <Panel flush label={t('traces.search')}>
        <SearchBar
          q={state.q}
          range={steady}
          mode={mode}
          error={broken ? failure.message : ''}
          onMode={pickMode}
          onRun={run}
        />
      </Panel>
      {broken ? (
        <Panel>
          <Failure error={failure} />
        </Panel>
      ) : (
        <div className={`${classes.layout} ${facets ? classes.withFacets : ''}`}>
          {facets && <Facets q={state.q} range={resolved} onChoice={choose} />}
          <div className={classes.main}>
            {metrics ? (
              <MetricsResult q={state.q} range={resolved} onZoom={zoomTo} onChoice={choose} />
            ) : (
              <>
                <div className={classes.scopeRow}>
                  <span>{t('traces.chartsOf')}</span>
                  <SegmentedControl
                    size="xs"
                    value={spanSetOf(state)}
                    onChange={v => change({ spans: v as TracesState['spans'] })}
                    data={SPAN_SETS.map(s => ({ value: s, label: t(`traces.spans_${s}`) }))}
                  />
                </div>
                <RedCharts
                  q={state.q}
                  spans={spanSetOf(state)}
                  range={resolved}
                  onZoom={zoomTo}
                  onDuration={onDuration}
                />
                <Results
                  state={state}
                  range={steady}
                  live={resolved}
                  onChange={patch => change(patch)}
                  onRead={onRead}
                  onZoom={zoomTo}
                />
              </>
            )}
          </div>
        </div>
      )}
    </Page>
  )
}
