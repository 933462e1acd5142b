import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { sampleNumber } from '@/api/prom'
import { instantQuery } from '@/api/queries'
import { topCpu, topMemory } from '@/features/hosts/queries'
import { formatUnit } from '@/lib/format'
import { useTimeRange } from '@/lib/timeRange'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const SHOWN = 10

export function TopProcesses({ host, by }: { host: string; by: 'cpu' | 'memory' }) {
  const { t, i18n } = useTranslation()
  const { resolved } = useTimeRange()
  const promql = by === 'cpu' ? topCpu(host, SHOWN) : topMemory(host, SHOWN)
  const { data, isPending, isError, error, refetch } = useQuery(instantQuery(promql, resolved.endMs))
  const rows = useMemo(
    () =>
      (data?.data.resultType === 'vector' ? data.data.result : [])
        .map(s => ({ metric: s.metric, value: sampleNumber(s.value[1]) }))
        .sort((a, b) => b.value - a.value),
    [data],
  )
  return (
    <Panel flush title={t(`hosts.top_${by}`)}>
      {isPending ? (
        <Loading rows={5} />
      ) : isError && data === undefined ? (
        <Failure compact error={error} onRetry={() => void refetch()} />
      ) : rows.length === 0 ? (
        <Empty compact title={t('hosts.noProcesses')} />
      ) : (
        <table className={ui.table} style={{ tableLayout: 'fixed' }}>
          <thead>
            <tr>
              <th style={{ width: 70 }}>{t('hosts.pid')}</th>
              <th style={{ width: 150 }}>{t('hosts.process')}</th>
              <th>{t('hosts.command')}</th>
              <th className={ui.right} style={{ width: 96 }}>
                {t(`hosts.${by}`)}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(r => (
              <tr key={r.metric.process_pid}>
                <td className="num">{r.metric.process_pid}</td>
                <td>{r.metric.process_executable_name}</td>
                <td
                  className="mono"
                  style={{ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}
                  title={r.metric.process_command_line}
                >
                  {r.metric.process_command_line ?? ''}
                </td>
                <td className={ui.right}>
                  {formatUnit(r.value, by === 'cpu' ? 'ratio' : 'bytes', i18n.language)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}
