// One box: its requests as a table, and what differs about them.
import { Button, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  boxQuery,
  csvUrl,
  differsQuery,
  type Filter,
  type Order,
  type Transaction,
} from '@/features/apm/tmap/api'
import type { Box } from '@/features/apm/tmap/cells'
import classes from '@/features/apm/tmap/tmap.module.css'
import { formatDurationMs, formatInteger, formatPercent, formatStamp } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import type { ResolvedRange } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

function Row({ row }: { row: Transaction }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const counted = (n: number | undefined, ms: number | undefined) =>
    n === undefined ? '–' : `${formatInteger(n, lang)} · ${formatDurationMs(ms, lang)}`
  return (
    <tr>
      <td className="num">
        <Link
          className={ui.link}
          to="/traces/$traceId"
          params={{ traceId: row.trace_id }}
          title={t('tmap.openTrace')}
        >
          {formatStamp(nsToMs(row.start_ns), lang)}
        </Link>
      </td>
      <td className={`num ${ui.right}`}>{formatDurationMs(row.elapsed_ms, lang)}</td>
      <td className={classes.text} title={`${row.operation}\n${row.path ?? ''}`}>
        {row.path ?? row.operation}
      </td>
      <td className={row.class === 'ok' ? 'num' : `num ${classes.bad}`}>
        {row.status ?? ''}{' '}
        {row.class === 'ok' ? '' : (row.exception ?? (row.status === undefined ? row.class : ''))}
      </td>
      <td className={classes.text}>{row.instance ?? '–'}</td>
      <td className={classes.text}>{row.user ?? '–'}</td>
      <td>{row.client ?? '–'}</td>
      <td className={`num ${ui.right}`}>{counted(row.sql_count, row.sql_ms)}</td>
      <td className={`num ${ui.right}`}>{counted(row.call_count, row.call_ms)}</td>
      <td className={`num ${ui.right}`}>
        {row.cpu_ms === undefined ? '–' : formatDurationMs(row.cpu_ms, lang)}
      </td>
    </tr>
  )
}

const COLUMNS = [
  'start',
  'elapsed',
  'url',
  'status',
  'instance',
  'user',
  'ip',
  'sql',
  'calls',
  'cpu',
] as const

export function BoxPanel({ filter, box, around }: { filter: Filter; box: Box; around: ResolvedRange }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [order, setOrder] = useState<Order>('slowest')
  const list = useQuery(boxQuery(filter, box, order))
  const differs = useQuery(differsQuery(filter, box, around))
  if (list.isPending) {
    return <Loading />
  }
  if (list.isError) {
    return <Failure error={list.error} onRetry={() => void list.refetch()} />
  }
  const { matched, total, truncated, transactions } = list.data
  return (
    <div className={classes.box}>
      <Panel
        title={t('tmap.requests', { n: formatInteger(matched, lang) })}
        note={t('tmap.outcomes', {
          e4: formatInteger(total['4xx'], lang),
          e5: formatInteger(total['5xx'], lang),
        })}
        actions={
          <>
            <SegmentedControl
              size="xs"
              value={order}
              onChange={v => setOrder(v as Order)}
              data={[
                { value: 'slowest', label: t('tmap.slowest') },
                { value: 'newest', label: t('tmap.newest') },
              ]}
            />
            <Button size="compact-sm" variant="default" component="a" href={csvUrl(filter, box)} download>
              CSV
            </Button>
          </>
        }
        flush
      >
        {truncated && (
          <p className={classes.note}>
            {t('tmap.truncated', { n: formatInteger(transactions.length, lang) })}
          </p>
        )}
        {transactions.length === 0 ? (
          <Empty compact title={t('tmap.noneInBox')} text={t('tmap.settle')} />
        ) : (
          <div className={classes.scroll}>
            <table className={ui.table}>
              <thead>
                <tr>
                  {COLUMNS.map(c => (
                    <th key={c}>{t(`tmap.col_${c}`)}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {transactions.map(row => (
                  <Row key={row.trace_id + row.span_id} row={row} />
                ))}
              </tbody>
            </table>
          </div>
        )}
        <p className={classes.note}>{t('tmap.sampled')}</p>
      </Panel>
      <Panel title={t('tmap.differs')} note={t('tmap.differsNote')} flush>
        {differs.isPending && <Loading rows={4} />}
        {differs.isError && <Failure compact error={differs.error} />}
        {differs.data?.differences.length === 0 && <Empty compact title={t('tmap.noDifference')} />}
        {differs.data !== undefined && differs.data.differences.length > 0 && (
          <div className={classes.scroll}>
            <table className={ui.table}>
              <thead>
                <tr>
                  <th>{t('tmap.field')}</th>
                  <th>{t('tmap.value')}</th>
                  <th>{t('tmap.in')}</th>
                  <th>{t('tmap.out')}</th>
                  <th title={t('tmap.gHint')}>G²</th>
                </tr>
              </thead>
              <tbody>
                {differs.data.differences.map(d => (
                  <tr key={d.field + d.value}>
                    <td>{t(`tmap.field_${d.field}`)}</td>
                    <td className={classes.text} title={d.value}>
                      {d.value}
                    </td>
                    <td className="num">
                      {formatPercent(d.inside / Math.max(1, differs.data.inside), lang)}
                    </td>
                    <td className="num">
                      {formatPercent(d.outside / Math.max(1, differs.data.outside), lang)}
                    </td>
                    <td className="num">{formatInteger(Math.round(d.g), lang)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {differs.data?.sampled === true && <p className={classes.note}>{t('tmap.differsSampled')}</p>}
      </Panel>
    </div>
  )
}

export function boxTitle(box: Box, lang: string): string {
  const upper = box.maxMs === null ? '∞' : formatDurationMs(box.maxMs, lang)
  return `${formatStamp(box.startMs, lang).slice(-12, -4)} · ${formatDurationMs(box.minMs, lang)}–${upper}`
}
