// One trace: figures, waterfall with span detail, time by operation, logs.
import { ActionIcon, Alert, Button, Tabs } from '@mantine/core'
import { useViewportSize } from '@mantine/hooks'
import { IconArrowLeft, IconDownload, IconFileText } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { type Trace, traceQuery } from '@/api/queries'
import { assignColors } from '@/charts/palette'
import { TRACE_TABS, type TraceState, traceCodec } from '@/features/traces/codec'
import { Operations } from '@/features/traces/Operations'
import { SpanDetail } from '@/features/traces/SpanDetail'
import { TraceLogs } from '@/features/traces/TraceLogs'
import classes from '@/features/traces/traces.module.css'
import { Waterfall } from '@/features/traces/Waterfall'
import { buildTree, type TraceTree } from '@/features/traces/waterfall'
import { download } from '@/lib/export'
import { formatDateTime, formatDurationNs, formatInteger } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { CopyButton } from '@/ui/CopyButton'
import { Dot, Stat, Toned } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

const AROUND_MS = 300_000

function Summary({ tree, colors }: { tree: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <div className={classes.strip}>
      <Stat label={t('traces.duration')} value={formatDurationNs(tree.duration, lang)} />
      <Stat label={t('traces.spans')} value={formatInteger(tree.byId.size, lang)} />
      <Stat
        label={t('traces.errors')}
        value={tree.errors > 0 ? <Toned tone="bad">{formatInteger(tree.errors, lang)}</Toned> : '0'}
      />
      <Stat label={t('traces.start')} value={formatDateTime(nsToMs(String(tree.startNs)), lang)} />
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

function Body({ trace, tree, colors }: { trace: Trace; tree: TraceTree; colors: Map<string, string> }) {
  const { t } = useTranslation()
  const [state, change] = usePageState(traceCodec)
  const { height: view } = useViewportSize()
  const height = Math.max(280, view - 330)
  const node = tree.byId.get(state.span)
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
          <div className={`${classes.split} ${node === undefined ? '' : classes.withDetail}`}>
            <Waterfall
              tree={tree}
              colors={colors}
              selected={state.span}
              find={state.find}
              height={height}
              onSelect={span => change({ span })}
              onFind={find => change({ find })}
            />
            {node !== undefined && (
              <SpanDetail
                node={node}
                trace={trace}
                tree={tree}
                height={height + 72}
                onClose={() => change({ span: '' })}
              />
            )}
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="operations">
          <Operations tree={tree} colors={colors} />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <TraceLogs trace={trace} tree={tree} />
        </Tabs.Panel>
      </Tabs>
    </Panel>
  )
}

function Loaded({ trace }: { trace: Trace }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const tree = useMemo(() => buildTree(trace.spans), [trace])
  const colors = useMemo(() => assignColors(tree.services, scheme), [tree, scheme])
  return (
    <>
      {trace.truncated === true && (
        <Alert color="orange" p="xs">
          {t('trace.truncated', { count: trace.spans.length })}
        </Alert>
      )}
      <Summary tree={tree} colors={colors} />
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
              leftSection={<IconDownload size={14} />}
              onClick={() =>
                download(`trace-${traceId}.json`, 'application/json', JSON.stringify(query.data, null, 2))
              }
            >
              JSON
            </Button>
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
