// The WAS dashboard: one group of applications, live. Every number is of requests that finished; how far the screen is
// behind now, because senders hold spans back, stands in its head.
import { Switch } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { apmGroupsQuery, apmOperationsQuery } from '@/api/apm'
import { promString, type RangeRequest } from '@/api/prom'
import { rangeQuery } from '@/api/queries'
import { seriesColor, toneColor } from '@/charts/palette'
import { matrixOf, promChart } from '@/charts/promChart'
import { TimeSeries } from '@/charts/TimeSeries'
import { Apdex, GRADE_TONE } from '@/features/apm/live/Apdex'
import { liveCodec } from '@/features/apm/live/codec'
import classes from '@/features/apm/live/live.module.css'
import {
  type ApmGroup,
  type ApmPoint,
  type ApmRow,
  type LiveState,
  pointLine,
  TICK_MS,
  useLive,
} from '@/features/apm/live/stream'
import { Velocity } from '@/features/apm/live/Velocity'
import { addTick, BALL_COLUMNS, columnsOf, newVelocity } from '@/features/apm/live/velocity'
import {
  formatAgo,
  formatDurationMs,
  formatInteger,
  formatPercent,
  formatShort,
  type Unit,
} from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { Toned, ToneMark } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { type Column, SortableTable } from '@/ui/SortableTable'
import { Empty, Failure, Loading } from '@/ui/States'

function Tabs({
  groups,
  value,
  onChange,
}: {
  groups: ApmGroup[]
  value: string
  onChange: (g: string) => void
}) {
  const { t } = useTranslation()
  const list = useRef<HTMLDivElement>(null)
  const move = (e: KeyboardEvent) => {
    const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
    const at = groups.findIndex(g => g.name === value)
    const next = groups[(at + step + groups.length) % groups.length]
    if (step !== 0 && next !== undefined) {
      e.preventDefault()
      onChange(next.name)
      list.current?.querySelectorAll<HTMLElement>('[role=tab]')[groups.indexOf(next)]?.focus()
    }
  }
  return (
    <div className={classes.tabs} role="tablist" aria-label={t('apmLive.groups')} ref={list}>
      {groups.map(g => (
        <button
          key={g.name}
          type="button"
          role="tab"
          className={classes.tab}
          aria-selected={g.name === value}
          tabIndex={g.name === value ? 0 : -1}
          title={`${g.name}: ${t(`apmLive.grade.${g.grade}`)}, ${t('apmLive.upOf', { up: g.up, all: g.instances })}`}
          onClick={() => onChange(g.name)}
          onKeyDown={move}
        >
          <ToneMark tone={GRADE_TONE[g.grade]} />
          <span>{g.name}</span>
        </button>
      ))}
    </div>
  )
}

/** Left what began, right what finished. Both are of requests that ended: others cannot be seen in spans. */
function Viewer({ group }: { group: ApmGroup }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <div className={classes.viewer}>
      <div>
        <div className={classes.big}>{formatShort(group.requests / 10, lang)}</div>
        <div className={classes.small}>{t('apmLive.finishedPerS')}</div>
      </div>
      <div>
        <div className={classes.big}>{formatShort(group.started / 10, lang)}</div>
        <div className={classes.small}>{t('apmLive.startedPerS')}</div>
      </div>
      <div>
        <div className={group.in_flight === null ? classes.small : classes.big}>
          {group.in_flight === null ? t('apmLive.notReported') : formatInteger(group.in_flight, lang)}
        </div>
        <div className={classes.small} title={t('apmLive.inFlightHow')}>
          {t('apmLive.inFlight')}
        </div>
      </div>
      <div>
        <div>{t('apmLive.upOf', { up: group.up, all: group.instances })}</div>
        <div className={classes.small}>{t('apmLive.instances')}</div>
      </div>
    </div>
  )
}

interface Line {
  label: string
  color: string
  value: (p: ApmPoint) => number | null
}

function LiveChart({
  title,
  live,
  lines,
  unit,
  quiet,
  max,
}: {
  title: string
  live: LiveState
  lines: Line[]
  unit: Unit
  quiet: number | null
  max?: number
}) {
  const drawn = lines.map(l => ({ ...l, ...pointLine(live, l.value, quiet) }))
  return (
    <Panel title={title}>
      <TimeSeries
        label={title}
        times={drawn[0]?.times ?? []}
        series={drawn.map(l => ({ label: l.label, color: l.color, values: l.values }))}
        unit={unit}
        height={150}
        min={0}
        max={max}
        syncKey="apm-live"
        legend={lines.length > 1 ? 'inline' : 'none'}
      />
    </Panel>
  )
}

/** A panel of a metric that may not exist; then there is no panel. */
function MetricPanel({
  title,
  query,
  unit,
  legend,
}: {
  title: string
  query: string
  unit: Unit
  legend: string
}) {
  const scheme = useScheme()
  const [end, setEnd] = useState(() => Math.floor(Date.now() / 10_000) * 10_000)
  useEffect(() => {
    const timer = window.setInterval(() => setEnd(Math.floor(Date.now() / 10_000) * 10_000), 10_000)
    return () => window.clearInterval(timer)
  }, [])
  const request: RangeRequest = { query, startMs: end - 600_000, endMs: end, stepS: 10 }
  const { data } = useQuery(rangeQuery(request))
  if (matrixOf(data).length === 0) {
    return null
  }
  const chart = promChart(data, request, legend, scheme)
  return (
    <Panel title={title}>
      <TimeSeries
        label={title}
        times={chart.times}
        series={chart.series}
        unit={unit}
        height={150}
        min={0}
        legend="inline"
      />
    </Panel>
  )
}

type Operation = NonNullable<ReturnType<typeof useOperations>['data']>[number]

function useOperations(group: string) {
  return useQuery(apmOperationsQuery(group, 600))
}

function Operations({ group }: { group: string }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const { data, error } = useOperations(group)
  const columns = useMemo((): Column<Operation>[] => {
    const time = (key: 'mean_ms' | 'p95_ms' | 'p99_ms' | 'max_ms', title: string): Column<Operation> => ({
      key,
      title,
      right: true,
      sort: r => r[key] ?? 0,
      cell: r => formatDurationMs(r[key], lang),
    })
    return [
      { key: 'name', title: t('apmLive.operation'), sort: r => r.name, cell: r => r.name },
      {
        key: 'n',
        title: t('apmLive.requests'),
        right: true,
        sort: r => r.requests,
        cell: r => formatInteger(r.requests, lang),
      },
      time('mean_ms', t('apmLive.mean')),
      time('p95_ms', 'p95'),
      time('p99_ms', 'p99'),
      time('max_ms', t('apmLive.max')),
      {
        key: 'err',
        title: t('apmLive.errorRate'),
        right: true,
        sort: r => r.err_5xx / r.requests,
        cell: r => formatPercent(r.err_5xx / r.requests, lang),
      },
      {
        key: 'apdex',
        title: 'APDEX',
        right: true,
        sort: r => r.apdex ?? -1,
        cell: r => (
          <Toned tone={GRADE_TONE[r.grade]} title={t(`apmLive.grade.${r.grade}`)}>
            {formatShort(r.apdex, lang)}
          </Toned>
        ),
      },
    ]
  }, [t, lang])
  return (
    <Panel flush title={t('apmLive.operations')} note={t('apmLive.last10min')}>
      {error !== null ? (
        <Failure error={error} compact />
      ) : (
        <SortableTable
          label={t('apmLive.operations')}
          rows={data ?? []}
          columns={columns}
          rowKey={r => r.name}
          initialSort={{ key: 'n', down: true }}
        />
      )}
    </Panel>
  )
}

function Instances({ live }: { live: LiveState }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  type Row = LiveState['instances'][number] & { row: ApmRow | undefined }
  const rows: Row[] = live.instances.map(i => ({ ...i, row: live.rows.get(i.id) }))
  const columns: Column<Row>[] = [
    {
      key: 'name',
      title: t('apmLive.instance'),
      sort: r => r.name,
      cell: r => (
        <Toned tone={r.up ? 'good' : 'none'} title={t(r.up ? 'apmLive.up' : 'apmLive.gone')}>
          <span style={{ color: r.up ? undefined : 'var(--ink-3)' }}>{r.name || '–'}</span>
        </Toned>
      ),
    },
    { key: 'version', title: t('apmLive.version'), sort: r => r.version, cell: r => r.version },
    { key: 'host', title: t('apmLive.host'), sort: r => r.host, cell: r => r.host },
    {
      key: 'tps',
      title: 'TPS',
      right: true,
      sort: r => r.row?.done10 ?? 0,
      cell: r => formatShort((r.row?.done10 ?? 0) / 10, lang),
    },
    {
      key: 'mean',
      title: t('apmLive.mean'),
      right: true,
      sort: r => (r.row === undefined || r.row.done10 === 0 ? 0 : r.row.sum10 / r.row.done10),
      cell: r =>
        r.row === undefined || r.row.done10 === 0 ? '–' : formatDurationMs(r.row.sum10 / r.row.done10, lang),
    },
    {
      key: 'p95',
      title: 'p95',
      right: true,
      sort: r => r.row?.p95 ?? 0,
      cell: r => (r.row === undefined || r.row.done10 === 0 ? '–' : formatDurationMs(r.row.p95, lang)),
    },
    {
      key: 'inflight',
      title: t('apmLive.inFlight'),
      right: true,
      sort: r => r.row?.inflight ?? -1,
      cell: r =>
        r.row?.inflight === undefined ? t('apmLive.notReported') : formatInteger(r.row.inflight, lang),
    },
    {
      key: 'seen',
      title: t('apmLive.lastSeen'),
      right: true,
      sort: r => r.last_ms,
      cell: r => formatAgo(r.last_ms, live.nowMs, lang),
    },
  ]
  return (
    <Panel flush title={t('apmLive.instances')} note={t('apmLive.instancesNote')}>
      <SortableTable
        label={t('apmLive.instances')}
        rows={rows}
        columns={columns}
        rowKey={r => String(r.id)}
        initialSort={{ key: 'tps', down: true }}
      />
    </Panel>
  )
}

const SEND = `OTEL_SERVICE_NAME=shop-api
OTEL_EXPORTER_OTLP_ENDPOINT=http://HOST:4318
java -javaagent:opentelemetry-javaagent.jar -jar app.jar`

function Board({
  name,
  labels,
  balls,
  onToggle,
}: {
  name: string
  labels: boolean
  balls: boolean
  onToggle: (p: { labels?: boolean; balls?: boolean }) => void
}) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const model = useRef(newVelocity())
  const onTick = useCallback((rows: ApmRow[]) => addTick(model.current, rows, Date.now()), [])
  const live = useLive(name, onTick)
  const columns = useMemo(() => columnsOf(live.instances, live.rows), [live.instances, live.rows])
  if (!live.ready) {
    return <Loading />
  }
  const { group } = live
  if (group === null) {
    return <Empty title={t('apmLive.noGroup')} text={t('apmLive.noGroupText')} />
  }
  const perS = (v: number) => v / (TICK_MS / 1_000)
  const job = promString(name)
  const summary = t('apmLive.summary', {
    tps: formatShort(group.requests / 10, lang),
    mean: formatDurationMs(group.mean_ms, lang),
    apdex: formatShort(group.apdex, lang),
  })
  return (
    <>
      <span className={classes.small} role={live.lost ? 'alert' : undefined}>
        {live.lost
          ? t('apmLive.lost')
          : t('apmLive.behind', { s: Math.round((live.nowMs - live.tickMs) / 1_000) })}
      </span>
      <div className={classes.first}>
        <Panel title={t('apmLive.viewer')}>
          <Viewer group={group} />
        </Panel>
        <div className={classes.wide}>
          <Panel
            title={t('apmLive.velocity')}
            note={t('apmLive.velocityNote', { n: columns.length })}
            actions={
              <>
                <Switch
                  size="xs"
                  label={t('apmLive.balls')}
                  checked={balls && columns.length <= BALL_COLUMNS}
                  disabled={columns.length > BALL_COLUMNS}
                  onChange={e => onToggle({ balls: e.currentTarget.checked })}
                />
                <Switch
                  size="xs"
                  label={t('apmLive.labels')}
                  checked={labels}
                  onChange={e => onToggle({ labels: e.currentTarget.checked })}
                />
              </>
            }
          >
            <Velocity model={model.current} columns={columns} labels={labels} balls={balls} />
            <span className={classes.small}>{summary}</span>
          </Panel>
        </div>
        <Panel title="APDEX">
          <Apdex group={group} />
        </Panel>
      </div>
      <div className={classes.charts}>
        <LiveChart
          title="TPS"
          live={live}
          unit="per_s"
          quiet={0}
          lines={[{ label: 'TPS', color: seriesColor(0, scheme), value: p => perS(p.requests) }]}
        />
        <LiveChart
          title={t('apmLive.times')}
          live={live}
          unit="ms"
          quiet={null}
          lines={[
            { label: t('apmLive.mean'), color: seriesColor(0, scheme), value: p => p.mean_ms },
            { label: 'p95', color: seriesColor(1, scheme), value: p => p.p95_ms },
            { label: 'p99', color: seriesColor(3, scheme), value: p => p.p99_ms },
          ]}
        />
        <LiveChart
          title={t('apmLive.errors')}
          live={live}
          unit="ratio"
          quiet={null}
          lines={[
            { label: '4xx', color: toneColor('warn', scheme), value: p => p.err_4xx / p.requests },
            { label: '5xx', color: toneColor('bad', scheme), value: p => p.err_5xx / p.requests },
          ]}
        />
        <LiveChart
          title="APDEX"
          live={live}
          unit="number"
          quiet={null}
          max={100}
          lines={[{ label: 'APDEX', color: seriesColor(2, scheme), value: p => p.apdex }]}
        />
        <MetricPanel
          title={t('apmLive.heap')}
          unit="ratio"
          legend="{{instance}}"
          query={`sum by (instance) (jvm_memory_used_bytes{job=${job},jvm_memory_type="heap"}) / sum by (instance) (jvm_memory_limit_bytes{job=${job},jvm_memory_type="heap"} > 0)`}
        />
        <MetricPanel
          title={t('apmLive.pool')}
          unit="count"
          legend="{{instance}}"
          query={`sum by (instance) ({__name__=~"db_client_connections_usage|db_client_connection_count",job=${job},state="used"}) or sum by (instance) ({__name__=~"db_client_connections_usage|db_client_connection_count",job=${job},db_client_connection_state="used"})`}
        />
      </div>
      <Operations group={name} />
      <Instances live={live} />
    </>
  )
}

export function LivePage() {
  const { t } = useTranslation()
  const [state, change] = usePageState(liveCodec)
  const { data: groups, error, refetch } = useQuery(apmGroupsQuery)
  const name = state.group || (groups?.[0]?.name ?? '')
  if (error !== null && groups === undefined) {
    return (
      <Page title={t('apmLive.title')}>
        <Failure error={error} onRetry={() => void refetch()} />
      </Page>
    )
  }
  return (
    <Page title={t('apmLive.title')}>
      {groups === undefined ? (
        <Loading />
      ) : groups.length === 0 ? (
        <Panel>
          <Empty
            title={t('apmLive.none')}
            text={t('apmLive.noneText')}
            snippet={SEND.replace('HOST', window.location.hostname)}
          />
        </Panel>
      ) : (
        <>
          <Tabs groups={groups} value={name} onChange={group => change({ group })} />
          <Board key={name} name={name} labels={state.labels} balls={state.balls} onToggle={change} />
        </>
      )}
    </Page>
  )
}
