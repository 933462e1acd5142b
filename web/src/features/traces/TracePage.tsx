// One trace: figures, then the same spans as waterfall, flame graph, table, by service, against another
// trace, and with its logs. The chosen span and tab live in the link.
import { ActionIcon, Alert, Button, Menu, Switch, Tabs } from '@mantine/core'
import { useViewportSize } from '@mantine/hooks'
import {
  IconArrowLeft,
  IconClockExclamation,
  IconDownload,
  IconFileText,
  IconLink,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { type Trace, traceQuery } from '@/api/queries'
import { assignColors } from '@/charts/palette'
import { CompareTab } from '@/features/traces/CompareTab'
import { TRACE_TABS, type TraceState, traceCodec } from '@/features/traces/codec'
import { FlameGraph } from '@/features/traces/FlameGraph'
import { Services } from '@/features/traces/Services'
import { SpanDetail } from '@/features/traces/SpanDetail'
import { SpanTable } from '@/features/traces/SpanTable'
import { type MovedClock, movedClocks } from '@/features/traces/skew'
import { TraceLogs } from '@/features/traces/TraceLogs'
import classes from '@/features/traces/traces.module.css'
import { shiftText, Waterfall } from '@/features/traces/Waterfall'
import { buildTree, type TraceTree } from '@/features/traces/waterfall'
import { copyText, download } from '@/lib/export'
import { formatDateTime, formatDurationNs, formatInteger } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { toast } from '@/lib/toast'
import { CopyButton } from '@/ui/CopyButton'
import { Dot, Stat, Toned } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

const AROUND_MS = 300_000
/** Below that two clocks are as good as one. */
const WORTH_SAYING_NS = 1e6

function Summary({ tree, colors }: { tree: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const startMs = nsToMs(String(tree.startNs))
  return (
    <div className={classes.strip}>
      <Stat label={t('traces.duration')} value={formatDurationNs(tree.duration, lang)} />
      <Stat label={t('traces.spans')} value={formatInteger(tree.count, lang)} />
      <Stat
        label={t('traces.errors')}
        value={tree.errors > 0 ? <Toned tone="bad">{formatInteger(tree.errors, lang)}</Toned> : '0'}
      />
      <Stat
        label={t('traces.start')}
        value={formatDateTime(startMs, lang)}
        hint={
          <span className={classes.utc}>
            {new Date(startMs).toISOString().replace('T', ' ').replace('Z', ' UTC')}
          </span>
        }
      />
      <div>
        <div style={{ color: 'var(--ink-3)', fontSize: 12, marginBottom: 4 }}>{t('traces.services')}</div>
        <div className={classes.services} style={{ flexWrap: 'wrap', fontSize: 13, lineHeight: '24px' }}>
          {[...tree.services].sort().map(s => (
            <span key={s}>
              <Dot color={colors.get(s) ?? ''} /> {s}
            </span>
          ))}
        </div>
      </div>
    </div>
  )
}

function Clocks({ moved, raw, onRaw }: { moved: MovedClock[]; raw: boolean; onRaw: (raw: boolean) => void }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const spans = moved.reduce((n, m) => n + m.spans, 0)
  return (
    <div className={classes.clock} role="note">
      <IconClockExclamation size={16} aria-hidden="true" />
      <span>{t(raw ? 'trace.clockRaw' : 'trace.clockMoved', { count: spans })}</span>
      {moved.slice(0, 4).map(m => (
        <span key={m.clock} className="num">
          <b>{m.clock}</b> {shiftText(m.least, lang)}
          {m.most !== m.least && ` … ${shiftText(m.most, lang)}`} ({m.services.join(', ')})
        </span>
      ))}
      {moved.length > 4 && <span>+{moved.length - 4}</span>}
      <div className="grow" />
      <Switch
        label={t('trace.adjustClocks')}
        checked={!raw}
        onChange={e => onRaw(!e.currentTarget.checked)}
      />
    </div>
  )
}

function Body({ trace, tree, colors }: { trace: Trace; tree: TraceTree; colors: Map<string, string> }) {
  const { t } = useTranslation()
  const [state, change] = usePageState(traceCodec)
  const { height: view } = useViewportSize()
  const height = Math.max(280, view - 400)
  const node = tree.byId.get(state.span)
  const onSelect = (span: string) => change({ span })
  const onFind = (find: string) => change({ find })
  const detail = node !== undefined && !node.missing && (
    <SpanDetail node={node} trace={trace} tree={tree} height={height + 150} onClose={() => onSelect('')} />
  )
  const split = `${classes.split} ${detail === false ? '' : classes.withDetail}`
  return (
    <Panel flush label={t('trace.title')}>
      <Tabs
        value={state.tab}
        onChange={v => change({ tab: (v ?? 'waterfall') as TraceState['tab'] })}
        keepMounted={false}
      >
        <Tabs.List px={8}>
          {TRACE_TABS.map(tab => (
            <Tabs.Tab key={tab} value={tab}>
              {t(`trace.tab_${tab}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="waterfall">
          <div className={split}>
            <Waterfall
              tree={tree}
              colors={colors}
              selected={state.span}
              find={state.find}
              height={height}
              onSelect={onSelect}
              onFind={onFind}
            />
            {detail}
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="flame">
          <FlameGraph
            tree={tree}
            colors={colors}
            height={height + 60}
            find={state.find}
            onFind={onFind}
            onOpen={span => change({ tab: 'waterfall', span })}
          />
        </Tabs.Panel>
        <Tabs.Panel value="spans">
          <div className={split}>
            <SpanTable
              tree={tree}
              colors={colors}
              height={height + 80}
              selected={state.span}
              find={state.find}
              onFind={onFind}
              onSelect={onSelect}
            />
            {detail}
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="services">
          <Services tree={tree} colors={colors} />
        </Tabs.Panel>
        <Tabs.Panel value="compare">
          <CompareTab
            key={trace.trace_id}
            traceId={trace.trace_id}
            tree={tree}
            colors={colors}
            other={state.other}
            onOther={other => change({ other }, { push: true })}
          />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <TraceLogs trace={trace} tree={tree} onSpan={span => change({ tab: 'waterfall', span })} />
        </Tabs.Panel>
      </Tabs>
    </Panel>
  )
}

function Loaded({ trace }: { trace: Trace }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const [state, change] = usePageState(traceCodec)
  const adjusted = useMemo(
    () => buildTree(trace.spans, { resources: trace.resources, adjust: true }),
    [trace],
  )
  const moved = useMemo(() => {
    const all = movedClocks(adjusted.byId.values())
    return all.some(m => Math.max(Math.abs(m.least), Math.abs(m.most)) >= WORTH_SAYING_NS) ? all : []
  }, [adjusted])
  const tree = useMemo(
    () => (state.rawClock ? buildTree(trace.spans, { resources: trace.resources }) : adjusted),
    [trace, adjusted, state.rawClock],
  )
  const colors = useMemo(() => assignColors(tree.services, scheme), [tree, scheme])
  return (
    <>
      {trace.truncated === true && (
        <Alert color="orange" p="xs">
          {t('trace.truncated', { count: trace.spans.length })}
        </Alert>
      )}
      <Summary tree={tree} colors={colors} />
      {tree.missing > 0 && (
        <Alert color="orange" p="xs">
          {t('trace.incomplete', { count: tree.missing })}
        </Alert>
      )}
      {(moved.length > 0 || state.rawClock) && (
        <Clocks moved={moved} raw={state.rawClock} onRaw={rawClock => change({ rawClock })} />
      )}
      <Body trace={trace} tree={tree} colors={colors} />
    </>
  )
}

export function TracePage() {
  const { t } = useTranslation()
  const { traceId = '' } = useParams({ strict: false })
  const query = useQuery(traceQuery(traceId))
  const root = query.data?.spans.find(s => s.parent_span_id === undefined) ?? query.data?.spans[0]
  const startMs = root === undefined ? undefined : nsToMs(root.start_ns)
  const missing = query.error instanceof ApiError && query.error.status === 404
  return (
    <Page
      title={root === undefined ? t('trace.title') : `${root.service} · ${root.name}`}
      sub={
        <span className="mono">
          {traceId} <CopyButton value={traceId} label={t('trace.copyId')} size="xs" />
        </span>
      }
      lead={
        <ActionIcon component={Link} to="/traces" variant="subtle" color="gray" aria-label={t('trace.back')}>
          <IconArrowLeft size={16} />
        </ActionIcon>
      }
      actions={
        query.data !== undefined && (
          <>
            <Button
              component={Link}
              to="/logs"
              search={
                {
                  trace_id: traceId,
                  ...(startMs === undefined
                    ? {}
                    : {
                        from: String(Math.floor(startMs - AROUND_MS)),
                        to: String(Math.ceil(startMs + AROUND_MS)),
                      }),
                } as never
              }
              variant="default"
              leftSection={<IconFileText size={14} />}
            >
              {t('trace.openLogs')}
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
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" leftSection={<IconDownload size={14} />}>
                  JSON
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  onClick={() =>
                    download(`trace-${traceId}.json`, 'application/json', JSON.stringify(query.data, null, 2))
                  }
                >
                  {t('trace.download')}
                </Menu.Item>
                <Menu.Item
                  onClick={async () => {
                    const done = await copyText(JSON.stringify(query.data, null, 2))
                    void toast(done ? t('common.copied') : t('common.copyFailed'), done ? 'good' : 'bad')
                  }}
                >
                  {t('common.copy')}
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </>
        )
      }
    >
      {query.isPending ? (
        <Panel>
          <Loading rows={12} />
        </Panel>
      ) : missing ? (
        <Panel>
          <Empty title={t('trace.missing')} text={t('trace.missingText')} />
        </Panel>
      ) : query.isError ? (
        <Panel>
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        </Panel>
      ) : (
        <Loaded trace={query.data} />
      )}
    </Page>
  )
}
