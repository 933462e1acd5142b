import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { logsQuery, type Trace } from '@/api/queries'
import type { TraceTree } from '@/features/traces/waterfall'
import { attributeText } from '@/lib/attributes'
import { formatDurationNs } from '@/lib/format'
import { nsDiff, nsToMs } from '@/lib/ns'
import { SeverityTag } from '@/ui/Severity'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

/** Clocks of services differ and logs may come before the first span. */
const AROUND_MS = 300_000

export function TraceLogs({ trace, tree }: { trace: Trace; tree: TraceTree }) {
  const { t, i18n } = useTranslation()
  const range = useMemo(() => {
    const start = nsToMs(String(tree.startNs))
    return {
      startMs: Math.floor(start - AROUND_MS),
      endMs: Math.ceil(start + tree.duration / 1e6 + AROUND_MS),
    }
  }, [tree])
  const query = useInfiniteQuery(logsQuery({ trace_id: trace.trace_id }, range, 1_000))
  const logs = query.data?.pages[0]?.logs ?? []
  if (query.isPending) {
    return <Loading />
  }
  if (query.isError) {
    return <Failure error={query.error} onRetry={() => void query.refetch()} />
  }
  if (logs.length === 0) {
    return <Empty title={t('trace.noLogs')} text={t('trace.noLogsText')} />
  }
  return (
    <table className={ui.table}>
      <thead>
        <tr>
          <th style={{ width: 110 }}>{t('trace.offset')}</th>
          <th style={{ width: 80 }}>{t('logs.severity')}</th>
          <th style={{ width: 140 }}>{t('traces.service')}</th>
          <th>{t('logs.message')}</th>
        </tr>
      </thead>
      <tbody>
        {[...logs].reverse().map(l => {
          const offset = nsDiff(String(tree.startNs), l.time_ns)
          return (
            <tr key={l.id}>
              <td className="num">
                {offset < 0 ? '−' : '+'}
                {formatDurationNs(Math.abs(offset), i18n.language)}
              </td>
              <td>
                <SeverityTag severity={l.severity} />
              </td>
              <td>{l.service}</td>
              <td className="mono" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                {attributeText(l.body)}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
