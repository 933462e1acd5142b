import { ActionIcon, Button, Group } from '@mantine/core'
import { IconFileText, IconX } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { Span, Trace } from '@/api/queries'
import classes from '@/features/traces/traces.module.css'
import type { SpanNode, TraceTree } from '@/features/traces/waterfall'
import { attributeText } from '@/lib/attributes'
import { formatDurationNs, formatPercent, formatStamp } from '@/lib/format'
import { nsDiff, nsToMs } from '@/lib/ns'
import { CopyButton } from '@/ui/CopyButton'
import { Toned } from '@/ui/Figures'
import { KeyValues } from '@/ui/KeyValues'
import ui from '@/ui/ui.module.css'

type SpanEvent = Span['events'][number]

const AROUND_MS = 60_000

function EventCard({ event, tree }: { event: SpanEvent; tree: TraceTree }) {
  const { i18n } = useTranslation()
  const { 'exception.stacktrace': stack, ...rest } = event.attributes
  const isException = event.name === 'exception'
  return (
    <div className={classes.event}>
      <div className={classes.eventHead}>
        <Toned tone={isException ? 'bad' : 'info'}>{event.name}</Toned>
        <span className={ui.panelNote}>
          +{formatDurationNs(nsDiff(String(tree.startNs), event.time_ns), i18n.language)}
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

function Section({ title, entries }: { title: string; entries: Record<string, unknown> }) {
  const n = Object.keys(entries).length
  return n === 0 ? null : (
    <>
      <h3 className={classes.sectionTitle}>
        {title} <span className={ui.panelNote}>{n}</span>
      </h3>
      <div className={classes.section}>
        <KeyValues entries={entries} />
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
        <Group gap={6} mt={8}>
          <Button
            component={Link}
            to="/logs"
            search={
              {
                service: span.service,
                from: String(Math.floor(startMs - AROUND_MS)),
                to: String(Math.ceil(endMs + AROUND_MS)),
              } as never
            }
            size="compact-xs"
            variant="default"
            leftSection={<IconFileText size={13} />}
          >
            {t('trace.logsAround')}
          </Button>
          <span className={ui.panelNote}>
            <span className="mono">{span.span_id}</span>
          </span>
          <CopyButton value={span.span_id} label={t('trace.copySpanId')} size="xs" />
        </Group>
      </div>
      {span.events.length > 0 && (
        <>
          <h3 className={classes.sectionTitle}>
            {t('trace.events')} <span className={ui.panelNote}>{span.events.length}</span>
          </h3>
          {span.events.map((e, i) => (
            <EventCard key={i} event={e} tree={tree} />
          ))}
        </>
      )}
      <Section title={t('trace.attributes')} entries={span.attributes} />
      <Links span={span} />
      <Section title={t('trace.resource')} entries={resource} />
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
