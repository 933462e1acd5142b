import { ActionIcon, Button, Group } from '@mantine/core'
import {
  IconBinaryTree2,
  IconChartLine,
  IconFileText,
  IconFilter,
  IconLink,
  IconServer2,
  IconX,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { Span, Trace } from '@/api/queries'
import { fieldOf, literalOf, quoted } from '@/features/traces/query'
import { LogLines, useTraceLogs } from '@/features/traces/TraceLogs'
import classes from '@/features/traces/traces.module.css'
import { shiftText } from '@/features/traces/Waterfall'
import type { SpanNode, TraceTree } from '@/features/traces/waterfall'
import { attributeText } from '@/lib/attributes'
import { around, correlations, entityOf, type Kind, podLogsTarget, type Target } from '@/lib/correlate'
import { copyText } from '@/lib/export'
import { formatDurationNs, formatPercent, formatStamp } from '@/lib/format'
import { nsDiff, nsToMs } from '@/lib/ns'
import { toast } from '@/lib/toast'
import { CopyButton } from '@/ui/CopyButton'
import { Toned } from '@/ui/Figures'
import { KeyValues } from '@/ui/KeyValues'
import ui from '@/ui/ui.module.css'

type SpanEvent = Span['events'][number]

const AROUND_MS = 60_000

function EventCard({ event, node, tree }: { event: SpanEvent; node: SpanNode; tree: TraceTree }) {
  const { i18n } = useTranslation()
  const { 'exception.stacktrace': stack, ...rest } = event.attributes
  const isException = event.name === 'exception'
  return (
    <div className={classes.event}>
      <div className={classes.eventHead}>
        <Toned tone={isException ? 'bad' : 'info'}>{event.name}</Toned>
        <span className={ui.panelNote}>
          +{formatDurationNs(nsDiff(String(tree.startNs), event.time_ns) + node.shift, i18n.language)}
        </span>
      </div>
      {Object.keys(rest).length > 0 && <KeyValues entries={rest} />}
      {stack !== undefined && (
        <div style={{ position: 'relative' }}>
          <pre className={classes.stack}>{attributeText(stack)}</pre>
          <div style={{ position: 'absolute', top: 8, right: 8 }}>
            <CopyButton value={attributeText(stack)} />
          </div>
        </div>
      )}
    </div>
  )
}

/** Looks for other spans with the same value. */
function findSame(scope: 'span' | 'resource') {
  return function SameValue(key: string, value: unknown) {
    const { t } = useTranslation()
    const field = fieldOf(scope, key)
    const literal = typeof value === 'string' ? quoted(value) : literalOf(field, '=', attributeText(value))
    return literal === null || (typeof value === 'object' && value !== null) ? null : (
      <ActionIcon
        component={Link}
        to="/traces"
        search={{ q: `{ ${field} = ${literal} }` } as never}
        size="xs"
        variant="subtle"
        color="gray"
        aria-label={t('trace.findSame', { field: key })}
        title={t('trace.findSame', { field: key })}
      >
        <IconFilter size={12} />
      </ActionIcon>
    )
  }
}
const SAME = { span: findSame('span'), resource: findSame('resource') }

function Section({
  title,
  entries,
  scope,
}: {
  title: string
  entries: Record<string, unknown>
  scope?: 'span' | 'resource'
}) {
  const n = Object.keys(entries).length
  return n === 0 ? null : (
    <>
      <h3 className={classes.sectionTitle}>
        {title} <span className={ui.panelNote}>{n}</span>
      </h3>
      <div className={classes.section}>
        <KeyValues entries={entries} actions={scope === undefined ? undefined : SAME[scope]} />
      </div>
    </>
  )
}

function Links({ span }: { span: Span }) {
  const { t } = useTranslation()
  return span.links.length === 0 ? null : (
    <>
      <h3 className={classes.sectionTitle}>{t('trace.links')}</h3>
      {span.links.map(l => (
        <div key={`${l.trace_id}${l.span_id}`} className={classes.event}>
          <Link
            to="/traces/$traceId"
            params={{ traceId: l.trace_id }}
            search={{ span: l.span_id } as never}
            className={`${ui.link} mono`}
          >
            {l.trace_id} / {l.span_id}
          </Link>
          {Object.keys(l.attributes).length > 0 && <KeyValues entries={l.attributes} />}
        </div>
      ))}
    </>
  )
}

function dropped(span: Span): [string, number][] {
  const all: [string, number | undefined][] = [
    ['attributes', span.dropped_attributes],
    ['events', span.dropped_events],
    ['links', span.dropped_links],
  ]
  return all.filter((x): x is [string, number] => (x[1] ?? 0) > 0)
}

const ICONS: Record<Kind | 'pod', typeof IconFileText> = {
  logs: IconFileText,
  pod: IconFileText,
  metrics: IconChartLine,
  host: IconServer2,
  traces: IconBinaryTree2,
}

/** One click to the other signals of what ran the span, around the time it ran. */
function Correlate({
  span,
  resource,
  startMs,
  endMs,
}: {
  span: Span
  resource: Record<string, unknown>
  startMs: number
  endMs: number
}) {
  const { t } = useTranslation()
  const labels = { ...resource, 'service.name': span.service }
  const window_ = { startMs: around(startMs, AROUND_MS).startMs, endMs: around(endMs, AROUND_MS).endMs }
  // a pod is more exact than its service: both are asked for, so both are offered
  const service = { ...entityOf(labels) }
  const pod = podLogsTarget(service, window_)
  delete service.pod
  const all: { kind: Kind | 'pod'; target: Target }[] = [
    ...correlations({ ...labels, 'k8s.pod.name': '' }, window_, 'traces'),
    ...(pod === null ? [] : [{ kind: 'pod' as const, target: pod }]),
  ]
  return (
    <Group gap={6} mt={8}>
      {all.map(({ kind, target }) => {
        const Icon = ICONS[kind]
        return (
          <Button
            key={kind}
            component={Link}
            to={target.to as never}
            params={(target.params ?? {}) as never}
            search={target.search as never}
            size="compact-xs"
            variant="default"
            leftSection={<Icon size={13} />}
          >
            {t(`trace.go_${kind}`)}
          </Button>
        )
      })}
    </Group>
  )
}

function SpanLogs({ span, trace, tree }: { span: Span; trace: Trace; tree: TraceTree }) {
  const { t } = useTranslation()
  const { query, logs } = useTraceLogs(trace)
  const own = logs.filter(l => l.span_id === span.span_id)
  return query.isPending || own.length === 0 ? null : (
    <>
      <h3 className={classes.sectionTitle}>
        {t('trace.spanLogs')} <span className={ui.panelNote}>{own.length}</span>
      </h3>
      <LogLines logs={own} tree={tree} />
    </>
  )
}

interface SpanDetailProps {
  node: SpanNode
  trace: Trace
  tree: TraceTree
  height: number
  onClose: () => void
}

export function SpanDetail({ node, trace, tree, height, onClose }: SpanDetailProps) {
  const { t, i18n } = useTranslation()
  const { span } = node
  const lang = i18n.language
  const startMs = nsToMs(span.start_ns)
  const endMs = nsToMs(span.end_ns)
  const resource = trace.resources[span.resource] ?? {}
  const scope = span.scope === undefined ? undefined : trace.scopes[span.scope]
  const tone = span.status === 'error' ? 'bad' : span.status === 'ok' ? 'good' : 'none'
  return (
    <aside className={classes.detail} style={{ maxHeight: height }} aria-label={t('trace.detail')}>
      <div className={classes.detailHead}>
        <div className={classes.detailTitle}>
          <span className="grow">{span.name}</span>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label={t('trace.closeDetail')}
            onClick={onClose}
          >
            <IconX size={15} />
          </ActionIcon>
        </div>
        <div className={classes.facts}>
          <b>{span.service}</b>
          <span>{t(`spanKind.${span.kind}`)}</span>
          <Toned tone={tone}>
            {t(`spanStatus.${span.status}`)}
            {span.status_message !== undefined && `: ${span.status_message}`}
          </Toned>
        </div>
        <div className={classes.facts}>
          <span>
            {t('trace.took')} <b>{formatDurationNs(node.end - node.start, lang)}</b>
          </span>
          <span>
            {t('trace.self')} {formatDurationNs(node.self, lang)} (
            {formatPercent(node.end === node.start ? 0 : node.self / (node.end - node.start), lang)})
          </span>
          <span>+{formatDurationNs(node.start, lang)}</span>
          <span>{formatStamp(startMs, lang)}</span>
        </div>
        {node.shift !== 0 && (
          <div className={classes.facts}>
            <Toned tone="warn">{t('trace.shiftedBy', { offset: shiftText(node.shift, lang) })}</Toned>
          </div>
        )}
        <Correlate span={span} resource={resource} startMs={startMs} endMs={endMs} />
        <Group gap={6} mt={6}>
          <span className={`mono ${ui.panelNote}`}>{span.span_id}</span>
          <CopyButton value={span.span_id} label={t('trace.copySpanId')} size="xs" />
          <ActionIcon
            size="xs"
            variant="subtle"
            color="gray"
            aria-label={t('trace.copySpanLink')}
            title={t('trace.copySpanLink')}
            onClick={async () => {
              const done = await copyText(window.location.href)
              void toast(done ? t('common.linkCopied') : t('common.copyFailed'), done ? 'good' : 'bad')
            }}
          >
            <IconLink size={13} />
          </ActionIcon>
        </Group>
      </div>
      {span.events.length > 0 && (
        <>
          <h3 className={classes.sectionTitle}>
            {t('trace.events')} <span className={ui.panelNote}>{span.events.length}</span>
          </h3>
          {span.events.map((e, i) => (
            <EventCard key={i} event={e} node={node} tree={tree} />
          ))}
        </>
      )}
      <SpanLogs span={span} trace={trace} tree={tree} />
      <Section title={t('trace.attributes')} entries={span.attributes} scope="span" />
      <Links span={span} />
      <Section title={t('trace.resource')} entries={resource} scope="resource" />
      {scope !== undefined && (
        <Section
          title={t('trace.scope')}
          entries={{
            ...(scope.name ? { name: scope.name } : {}),
            ...(scope.version ? { version: scope.version } : {}),
            ...scope.attributes,
          }}
        />
      )}
      {dropped(span).map(([what, count]) => (
        <p key={what} className={classes.sectionTitle}>
          <Toned tone="warn">{t('trace.dropped', { what, count })}</Toned>
        </p>
      ))}
    </aside>
  )
}
