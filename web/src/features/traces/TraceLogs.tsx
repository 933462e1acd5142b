// Log records that carry the id of the trace, on its time axis; of one span when one is chosen.
import { Button } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type LogRecord, logsQuery, type Trace } from '@/api/queries'
import classes from '@/features/traces/traces.module.css'
import type { TraceTree } from '@/features/traces/waterfall'
import { stripAnsi } from '@/lib/ansi'
import { attributeText } from '@/lib/attributes'
import { formatDurationNs } from '@/lib/format'
import { nsDiff, nsToMs, toBig } from '@/lib/ns'
import { SeverityTag } from '@/ui/Severity'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

/** Clocks of services differ and logs may come before the first span. */
const AROUND_MS = 300_000
const PAGE = 1_000

/** Every record with the trace's id, oldest first. */
export function useTraceLogs(trace: Trace, enabled = true) {
  const range = useMemo(() => {
    let [first, last] = [0n, 0n]
    trace.spans.forEach((s, i) => {
      const [a, b] = [toBig(s.start_ns), toBig(s.end_ns)]
      first = i === 0 || a < first ? a : first
      last = i === 0 || b > last ? b : last
    })
    return {
      startMs: Math.floor(nsToMs(String(first)) - AROUND_MS),
      endMs: Math.ceil(nsToMs(String(last)) + AROUND_MS),
    }
  }, [trace])
  const query = useInfiniteQuery({ ...logsQuery({ trace_id: trace.trace_id }, range, PAGE), enabled })
  const logs = useMemo(() => (query.data?.pages.flatMap(p => p.logs) ?? []).toReversed(), [query.data])
  return { query, logs }
}

export function LogLines({
  logs,
  tree,
  onSpan,
}: {
  logs: LogRecord[]
  tree: TraceTree
  onSpan?: (spanId: string) => void
}) {
  const { t, i18n } = useTranslation()
  return (
    <div className={ui.scroll}>
      <table className={ui.table} aria-label={t('trace.tab_logs')}>
        <thead>
          <tr>
            <th style={{ width: 100 }}>{t('trace.offset')}</th>
            <th style={{ width: 80 }}>{t('common.severity')}</th>
            {onSpan !== undefined && <th style={{ width: 220 }}>{t('trace.span')}</th>}
            <th>{t('common.message')}</th>
          </tr>
        </thead>
        <tbody>
          {logs.map(l => {
            const node = tree.byId.get(l.span_id ?? '')
            const offset = nsDiff(String(tree.startNs), l.time_ns) + (node?.shift ?? 0)
            return (
              <tr key={l.id}>
                <td className="num">
                  {offset < 0 ? '−' : '+'}
                  {formatDurationNs(Math.abs(offset), i18n.language)}
                </td>
                <td>
                  <SeverityTag severity={l.severity} />
                </td>
                {onSpan !== undefined && (
                  <td>
                    {node === undefined || node.missing ? (
                      l.service
                    ) : (
                      <button
                        type="button"
                        className={classes.linkButton}
                        onClick={() => onSpan(node.span.span_id)}
                      >
                        <b>{node.span.service}</b> {node.span.name}
                      </button>
                    )}
                  </td>
                )}
                <td className="mono" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                  {stripAnsi(attributeText(l.body))}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

export function TraceLogs({
  trace,
  tree,
  onSpan,
}: {
  trace: Trace
  tree: TraceTree
  onSpan: (spanId: string) => void
}) {
  const { t } = useTranslation()
  const { query, logs } = useTraceLogs(trace)
  if (query.isPending) {
    return <Loading />
  }
  if (query.isError && query.data === undefined) {
    return <Failure error={query.error} onRetry={() => void query.refetch()} />
  }
  if (logs.length === 0) {
    return <Empty title={t('trace.noLogs')} text={t('trace.noLogsText')} />
  }
  return (
    <>
      <LogLines logs={logs} tree={tree} onSpan={onSpan} />
      {query.hasNextPage && (
        <div className={classes.more}>
          <Button
            variant="default"
            size="compact-sm"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {t('filters.more')}
          </Button>
        </div>
      )}
    </>
  )
}
