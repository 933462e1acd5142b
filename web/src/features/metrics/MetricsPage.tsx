// PromQL explorer. The link holds the committed queries and how they are drawn; what is being typed is a
// draft until run.
import { Button, Group, Kbd, Menu, Popover, SegmentedControl } from '@mantine/core'
import { useElementSize, useHotkeys } from '@mantine/hooks'
import {
  IconDownload,
  IconKeyboard,
  IconLink,
  IconMath,
  IconPlayerPlayFilled,
  IconPlayerStopFilled,
  IconPlus,
  IconSearch,
} from '@tabler/icons-react'
import { useIsFetching, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { cancelRunning, metricMetadataQuery, sessionQuery } from '@/api/queries'
import {
  EMPTY_QUERY,
  MAX_QUERIES,
  type MetricQuery,
  type MetricsState,
  type MetricsView,
  metricsCodec,
  VIEWS,
} from '@/features/metrics/codec'
import { traceOf } from '@/features/metrics/ExemplarList'
import { duplicateQuery, moveQuery, removeQuery } from '@/features/metrics/formula'
import { MetricBrowser } from '@/features/metrics/MetricBrowser'
import classes from '@/features/metrics/metrics.module.css'
import { chartPng } from '@/features/metrics/png'
import { QueryRow } from '@/features/metrics/QueryRow'
import { ChartResult, HeatResult, JsonResult, StatResult, TableResult } from '@/features/metrics/Results'
import { chartCsv, planOf, stepOf, tableCsv } from '@/features/metrics/run'
import { STORE, textOf, written } from '@/features/metrics/saved'
import { Toolbar } from '@/features/metrics/Toolbar'
import { bucketUnitExpr, commonUnit } from '@/features/metrics/unit'
import { type Answers, useAnswers } from '@/features/metrics/useAnswers'
import { useExemplars } from '@/features/metrics/useExemplars'
import { copyText, csv, download, downloadBlob } from '@/lib/export'
import { formatSpan } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { readPreference, writePreference } from '@/lib/storage'
import { useTimeRange } from '@/lib/timeRange'
import { toast } from '@/lib/toast'
import { Page, Panel } from '@/ui/Page'
import { QueryMenu } from '@/ui/QueryMenu'
import { Empty } from '@/ui/States'

const EXAMPLES = [
  'sum by (host_name) (rate(system_cpu_time_seconds_total{cpu_mode!="idle"}[5m]))',
  'system_memory_utilization_ratio',
  'histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket[5m])))',
]
const SHORTCUTS = [
  ['Enter', 'run'],
  ['Shift+Enter', 'newLine'],
  ['Ctrl+Space', 'complete'],
  ['Alt+A', 'add'],
  ['Alt+F', 'formula'],
  ['Alt+1 … 9', 'toggle'],
  ['Alt+B', 'browser'],
  ['Alt+V', 'view'],
] as const

function useDrafts(committed: MetricQuery[]) {
  const [drafts, setDrafts] = useState(committed)
  const key = JSON.stringify(committed)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the committed queries
  useEffect(() => setDrafts(committed), [key])
  return [drafts, setDrafts] as const
}

function ShortcutHelp() {
  const { t } = useTranslation()
  return (
    <Popover position="bottom-end" shadow="md">
      <Popover.Target>
        <button type="button" className={classes.iconButton} aria-label={t('metrics.shortcuts')}>
          <IconKeyboard size={16} />
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <dl className={classes.shortcuts}>
          {SHORTCUTS.map(([keys, what]) => (
            <div key={what}>
              <dt>
                <Kbd size="xs">{keys}</Kbd>
              </dt>
              <dd>{t(`metrics.key_${what}`)}</dd>
            </div>
          ))}
        </dl>
      </Popover.Dropdown>
    </Popover>
  )
}

function Exports({
  answers,
  state,
  box,
}: {
  answers: Answers
  state: MetricsState
  box: React.RefObject<HTMLDivElement | null>
}) {
  const { t } = useTranslation()
  const none = answers.now.every(a => a === undefined)
  const ranged = state.view === 'chart' || state.view === 'stat' || state.view === 'heatmap'
  const png = async () => {
    const style = getComputedStyle(document.documentElement)
    const blob =
      box.current === null
        ? null
        : await chartPng(
            box.current,
            answers.plan.active.map(a => a.expr.replace(/\s+/g, ' ')),
            { background: style.getPropertyValue('--surface'), ink: style.getPropertyValue('--ink-1') },
          )
    if (blob === null) {
      void toast(t('metrics.noPicture'), 'bad')
    } else {
      downloadBlob('metrics.png', blob)
    }
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={14} />} disabled={none}>
          {t('common.export')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          onClick={() =>
            download(
              'metrics.csv',
              'text/csv',
              csv(
                ranged
                  ? chartCsv(answers.plan.active, answers.now, answers.requests)
                  : tableCsv(answers.plan.active, answers.now),
              ),
            )
          }
        >
          CSV
        </Menu.Item>
        <Menu.Item
          onClick={() =>
            download(
              'metrics.json',
              'application/json',
              JSON.stringify(
                answers.plan.active.map((a, i) => ({ query: a.expr, data: answers.now[i]?.data })),
                null,
                1,
              ),
            )
          }
        >
          JSON
        </Menu.Item>
        <Menu.Item disabled={state.view !== 'chart' && state.view !== 'heatmap'} onClick={() => void png()}>
          PNG
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

export function MetricsPage() {
  const { t, i18n } = useTranslation()
  const [state, change] = usePageState(metricsCodec)
  const { resolved, zoomTo } = useTimeRange()
  const navigate = useNavigate()
  const client = useQueryClient()
  const [drafts, setDrafts] = useDrafts(state.queries)
  const [browser, setBrowser] = useState(() => readPreference('metric-browser') !== 'off')
  const { ref, width } = useElementSize()
  const box = useRef<HTMLDivElement>(null)
  const chartWidth = width > 0 ? Math.ceil(width / 100) * 100 : 1_000
  const metadata = useQuery(metricMetadataQuery)

  const plan = useMemo(() => planOf(state.queries), [state.queries])
  const session = useQuery(sessionQuery)
  const answers = useAnswers(plan, state, resolved, chartWidth)
  const exemplars = useExemplars(plan, state, resolved)
  const autoUnit = useMemo(
    () =>
      commonUnit(
        plan.active.map(a => a.expr),
        metadata.data,
      ),
    [plan, metadata.data],
  )
  // counts fall into ranges of what was measured, which is a time unless the name says otherwise
  const heatUnit = useMemo(
    () =>
      commonUnit(
        plan.active.map(a => bucketUnitExpr(a.expr)),
        metadata.data,
      ),
    [plan, metadata.data],
  )
  const unit = state.unit === 'auto' ? autoUnit : state.unit
  const running =
    useIsFetching({ predicate: q => q.queryKey[0] === 'query_range' || q.queryKey[0] === 'query' }) > 0

  const show = (queries: MetricQuery[], push = true) => {
    setDrafts(queries)
    STORE.remember(written(queries))
    change({ queries }, { push })
  }
  const run = () => {
    const same = JSON.stringify(drafts) === JSON.stringify(state.queries)
    if (same) {
      void client.invalidateQueries({ queryKey: [answers.ranged ? 'query_range' : 'query'] })
    } else {
      show(drafts)
    }
  }
  const cancel = () => {
    // what has ended meanwhile cannot be ended: nothing to tell
    cancelRunning(
      plan.active.map(a => a.expr),
      session.data?.user ?? '',
    ).catch(() => undefined)
    void client.cancelQueries({ queryKey: ['query_range'] })
    void client.cancelQueries({ queryKey: ['query'] })
  }
  const pick = (expr: string) => {
    const empty = drafts.findIndex(q => q.expr.trim() === '')
    const at = empty >= 0 ? empty : drafts.length < MAX_QUERIES && drafts.length > 1 ? drafts.length : 0
    const next = [...drafts]
    next[at] = { ...EMPTY_QUERY, expr }
    show(next)
  }
  const add = (formula: boolean) =>
    drafts.length < MAX_QUERIES && setDrafts([...drafts, { ...EMPTY_QUERY, formula }])
  const flipBrowser = () => {
    writePreference('metric-browser', browser ? 'off' : 'on')
    setBrowser(!browser)
  }
  const flip = (i: number) =>
    drafts[i] !== undefined && show(drafts.map((old, n) => (n === i ? { ...old, on: !old.on } : old)))
  useHotkeys(
    [
      ['alt+A', () => add(false)],
      ['alt+F', () => add(true)],
      ['alt+B', flipBrowser],
      ['alt+V', () => change({ view: VIEWS[(VIEWS.indexOf(state.view) + 1) % VIEWS.length] ?? 'chart' })],
      ...Array.from({ length: 9 }, (_, i) => [`alt+${i + 1}`, () => flip(i)] as [string, () => void]),
    ],
    [],
    true,
  )

  const { active } = plan
  const place = (index: number) => active.findIndex(a => a.index === index)
  const failed = active.length > 0 && answers.errors.every(e => e !== null)
  return (
    <Page
      title={t('nav.metrics')}
      actions={
        <>
          <Button
            variant={browser ? 'light' : 'default'}
            aria-pressed={browser}
            leftSection={<IconSearch size={14} />}
            onClick={flipBrowser}
          >
            {t('metrics.browser')}
          </Button>
          <QueryMenu store={STORE} query={written(drafts)} text={textOf} onPick={queries => show(queries)} />
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
          <Exports answers={answers} state={state} box={box} />
          <ShortcutHelp />
        </>
      }
    >
      <div className={`${classes.layout} ${browser ? classes.withBrowser : ''}`}>
        {browser && <MetricBrowser onPick={pick} />}
        <div className={classes.main}>
          <Panel flush label={t('metrics.queries')}>
            {drafts.map((q, i) => (
              <QueryRow
                key={i}
                index={i}
                count={drafts.length}
                query={q}
                committed={state.queries[i]}
                answer={answers.now[place(i)]}
                error={answers.errors[place(i)]}
                request={answers.requests[place(i)]}
                ranged={answers.ranged}
                broken={plan.broken.get(i)}
                metadata={metadata.data}
                onChange={next => setDrafts(d => d.map((old, n) => (n === i ? next : old)))}
                onCommit={next =>
                  show(
                    drafts.map((old, n) => (n === i ? next : old)),
                    false,
                  )
                }
                onRun={run}
                onRemove={drafts.length > 1 ? () => show(removeQuery(drafts, i)) : undefined}
                onToggle={() => flip(i)}
                onMove={by => show(moveQuery(drafts, i, by))}
                onDuplicate={drafts.length < MAX_QUERIES ? () => show(duplicateQuery(drafts, i)) : undefined}
              />
            ))}
            <div className={classes.rowFoot}>
              <Button leftSection={<IconPlayerPlayFilled size={12} />} onClick={run}>
                {t('metrics.run')}
              </Button>
              <Button
                variant="default"
                leftSection={<IconPlus size={14} />}
                disabled={drafts.length >= MAX_QUERIES}
                onClick={() => add(false)}
              >
                {t('metrics.add')}
              </Button>
              <Button
                variant="default"
                leftSection={<IconMath size={14} />}
                disabled={drafts.length >= MAX_QUERIES || drafts.every(q => q.expr.trim() === '')}
                onClick={() => add(true)}
              >
                {t('metrics.addFormula')}
              </Button>
              <span className={classes.running} data-on={running}>
                <Button
                  variant="subtle"
                  color="gray"
                  disabled={!running}
                  leftSection={<IconPlayerStopFilled size={12} />}
                  onClick={cancel}
                >
                  {t('metrics.cancelRun')}
                </Button>
              </span>
            </div>
          </Panel>
          <Panel label={t('chart.result')}>
            <div className={classes.resultHead}>
              <SegmentedControl
                value={state.view}
                aria-label={t('chart.result')}
                onChange={v => change({ view: v as MetricsView })}
                data={VIEWS.map(v => ({ value: v, label: t(`metrics.view_${v}`) }))}
              />
              <Toolbar
                state={state}
                autoUnit={state.view === 'heatmap' ? heatUnit : autoUnit}
                autoStepS={stepOf('', resolved, chartWidth)}
                change={change}
              />
            </div>
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
                        maw="100%"
                        title={e}
                        onClick={() => pick(e)}
                      >
                        {e}
                      </Button>
                    ))}
                  </Group>
                </Empty>
              ) : failed ? (
                <Empty compact title={t('metrics.failed')} text={t('metrics.failedText')} />
              ) : state.view === 'chart' ? (
                <ChartResult
                  active={active}
                  answers={answers.now}
                  requests={answers.requests}
                  earlier={
                    answers.earlier === null
                      ? null
                      : {
                          ...answers.earlier,
                          text: t('metrics.earlierBy', { span: formatSpan(state.compare, i18n.language) }),
                        }
                  }
                  range={resolved}
                  state={state}
                  unit={unit}
                  marks={exemplars}
                  onMark={m => {
                    const trace = traceOf(m)
                    if (trace !== undefined) {
                      void navigate({ to: '/traces/$traceId', params: { traceId: trace } })
                    }
                  }}
                  loading={answers.loading}
                  onZoom={zoomTo}
                  box={box}
                />
              ) : state.view === 'table' ? (
                <TableResult active={active} answers={answers.now} unit={unit} />
              ) : state.view === 'heatmap' ? (
                <HeatResult
                  answers={answers.now}
                  request={answers.requests[0]}
                  range={resolved}
                  unit={state.unit === 'auto' ? heatUnit : state.unit}
                  box={box}
                  onZoom={zoomTo}
                />
              ) : state.view === 'stat' ? (
                <StatResult active={active} answers={answers.now} requests={answers.requests} unit={unit} />
              ) : (
                <JsonResult answers={answers.now} />
              )}
            </div>
          </Panel>
        </div>
      </div>
    </Page>
  )
}
