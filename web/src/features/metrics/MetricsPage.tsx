// PromQL explorer. The link holds the committed queries; what is being typed is a draft until run.
import { Button, Group, SegmentedControl, Switch } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconDownload, IconLink, IconPlayerPlayFilled, IconPlus, IconSearch } from '@tabler/icons-react'
import { useQueries } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { instantQuery, rangeQuery } from '@/api/queries'
import { MAX_QUERIES, type MetricQuery, metricsCodec, VIEWS } from '@/features/metrics/codec'
import { MetricBrowser } from '@/features/metrics/MetricBrowser'
import classes from '@/features/metrics/metrics.module.css'
import { QueryRow } from '@/features/metrics/QueryRow'
import { ChartResult, JsonResult, TableResult } from '@/features/metrics/Results'
import { activeQueries, chartCsv, requestOf } from '@/features/metrics/run'
import { copyText, csv, download } from '@/lib/export'
import { usePageState } from '@/lib/pageState'
import { readPreference, writePreference } from '@/lib/storage'
import { useTimeRange } from '@/lib/timeRange'
import { toast } from '@/lib/toast'
import { Page, Panel } from '@/ui/Page'
import { Empty } from '@/ui/States'

const EXAMPLES = [
  'sum by (host_name) (rate(system_cpu_time_seconds_total{cpu_mode!="idle"}[5m]))',
  'system_memory_utilization_ratio',
  'histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket[5m])))',
]

function useDrafts(committed: MetricQuery[]) {
  const [drafts, setDrafts] = useState(committed)
  const key = JSON.stringify(committed)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the committed queries
  useEffect(() => setDrafts(committed), [key])
  return [drafts, setDrafts] as const
}

export function MetricsPage() {
  const { t } = useTranslation()
  const [state, change] = usePageState(metricsCodec)
  const { resolved, zoomTo } = useTimeRange()
  const [drafts, setDrafts] = useDrafts(state.queries)
  const [browser, setBrowser] = useState(() => readPreference('metric-browser') !== 'off')
  const { ref, width } = useElementSize()
  const chartWidth = width > 0 ? Math.ceil(width / 100) * 100 : 1_000

  const active = useMemo(() => activeQueries(state.queries), [state.queries])
  const requests = useMemo(
    () => active.map(a => requestOf(a.query.expr, resolved, chartWidth)),
    [active, resolved, chartWidth],
  )
  const asChart = state.view === 'chart'
  const results = useQueries({
    queries: active.map((a, i) =>
      asChart ? rangeQuery(requests[i] ?? null) : instantQuery(a.query.expr, resolved.endMs),
    ),
  })
  const dataKey = results.map(r => r.dataUpdatedAt).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: `dataKey` changes with every new answer
  const answers = useMemo(
    () => results.map(r => (r.isError ? undefined : r.data)),
    [dataKey, active, asChart],
  )
  const loading = results.some(r => r.isPending)

  const commit = (queries: MetricQuery[]) => {
    setDrafts(queries)
    change({ queries }, { push: true })
  }
  const run = () => change({ queries: drafts }, { push: true })
  const place = (index: number) => active.findIndex(a => a.index === index)
  const pick = (expr: string) => {
    const empty = drafts.findIndex(q => q.expr.trim() === '')
    const at = empty >= 0 ? empty : drafts.length < MAX_QUERIES && drafts.length > 1 ? drafts.length : 0
    const next = [...drafts]
    next[at] = { expr, legend: '', on: true }
    commit(next)
  }

  return (
    <Page
      title={t('nav.metrics')}
      actions={
        <>
          <Button
            variant={browser ? 'light' : 'default'}
            aria-pressed={browser}
            leftSection={<IconSearch size={14} />}
            onClick={() => {
              writePreference('metric-browser', browser ? 'off' : 'on')
              setBrowser(!browser)
            }}
          >
            {t('metrics.browser')}
          </Button>
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
          <Button
            variant="default"
            leftSection={<IconDownload size={14} />}
            disabled={!asChart || answers.every(a => a === undefined)}
            onClick={() => download('metrics.csv', 'text/csv', csv(chartCsv(active, answers, requests)))}
          >
            CSV
          </Button>
        </>
      }
    >
      <div className={`${classes.layout} ${browser ? classes.withBrowser : ''}`}>
        {browser && <MetricBrowser onPick={pick} />}
        <div className={classes.main}>
          <Panel flush label={t('metrics.queries')}>
            {drafts.map((q, i) => {
              const r = results[place(i)]
              return (
                <QueryRow
                  key={i}
                  index={i}
                  query={q}
                  answer={answers[place(i)]}
                  error={r?.error}
                  stepS={asChart ? requests[place(i)]?.stepS : undefined}
                  onChange={next => setDrafts(d => d.map((old, n) => (n === i ? next : old)))}
                  onRun={run}
                  onRemove={drafts.length > 1 ? () => commit(drafts.filter((_, n) => n !== i)) : undefined}
                  onToggle={() => commit(drafts.map((old, n) => (n === i ? { ...old, on: !old.on } : old)))}
                />
              )
            })}
            <div className={classes.rowFoot}>
              <Button leftSection={<IconPlayerPlayFilled size={12} />} onClick={run}>
                {t('metrics.run')}
              </Button>
              <Button
                variant="default"
                leftSection={<IconPlus size={14} />}
                disabled={drafts.length >= MAX_QUERIES}
                onClick={() => setDrafts([...drafts, { expr: '', legend: '', on: true }])}
              >
                {t('metrics.add')}
              </Button>
            </div>
          </Panel>
          <Panel
            label={t('metrics.result')}
            title={
              <SegmentedControl
                value={state.view}
                onChange={v => change({ view: v as (typeof VIEWS)[number] })}
                data={VIEWS.map(v => ({ value: v, label: t(`metrics.view_${v}`) }))}
              />
            }
            actions={
              asChart && (
                <Switch
                  label={t('metrics.stacked')}
                  checked={state.stacked}
                  onChange={e => change({ stacked: e.currentTarget.checked })}
                />
              )
            }
          >
            <div ref={ref}>
              {active.length === 0 ? (
                <Empty title={t('metrics.start')} text={t('metrics.startText')}>
                  <Group gap={6} justify="center" maw={760}>
                    {EXAMPLES.map(e => (
                      <Button
                        key={e}
                        variant="default"
                        size="compact-xs"
                        className="mono"
                        onClick={() => pick(e)}
                      >
                        {e}
                      </Button>
                    ))}
                  </Group>
                </Empty>
              ) : results.every(r => r.isError) ? (
                <Empty compact title={t('metrics.failed')} />
              ) : state.view === 'chart' ? (
                <ChartResult
                  active={active}
                  answers={answers}
                  requests={requests}
                  range={resolved}
                  stacked={state.stacked}
                  loading={loading}
                  onZoom={zoomTo}
                />
              ) : state.view === 'table' ? (
                <TableResult active={active} answers={answers} />
              ) : (
                <JsonResult answers={answers} />
              )}
            </div>
          </Panel>
        </div>
      </div>
    </Page>
  )
}
