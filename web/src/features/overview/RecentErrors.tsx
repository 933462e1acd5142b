// The newest failed traces and error logs of the range.
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { logsQuery, tracesQuery } from '@/api/queries'
import classes from '@/features/overview/overview.module.css'
import { stripAnsi } from '@/lib/ansi'
import { attributeText } from '@/lib/attributes'
import { formatClock, formatDurationNs } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { useTimeRange } from '@/lib/timeRange'
import { ToneMark } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const SHOWN = 8

function ErrorTraces() {
  const { t, i18n } = useTranslation()
  const { resolved } = useTimeRange()
  const query = useInfiniteQuery(tracesQuery({ status: 'error' }, resolved, SHOWN))
  const traces = query.data?.pages[0]?.traces
  return (
    <Panel
      flush
      title={t('overview.errorTraces')}
      actions={
        <Link to="/traces" search={{ status: 'error' }} className={ui.link}>
          {t('overview.all')}
        </Link>
      }
    >
      {query.isPending ? (
        <Loading rows={4} />
      ) : query.isError && traces === undefined ? (
        <Failure compact error={query.error} onRetry={() => void query.refetch()} />
      ) : traces?.length === 0 ? (
        <Empty compact title={t('overview.noErrorTraces')} />
      ) : (
        <ul className={classes.list}>
          {traces?.map(x => (
            <li key={x.trace_id}>
              <Link to="/traces/$traceId" params={{ traceId: x.trace_id }} className={classes.item}>
                <span className={classes.when}>
                  <ToneMark tone="bad" /> {formatClock(nsToMs(x.start_ns), i18n.language)}
                </span>
                <span className={classes.what}>
                  <b>{x.root_service}</b> {x.root_name}
                </span>
                <span className={classes.side}>{formatDurationNs(Number(x.duration_ns), i18n.language)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

function ErrorLogs() {
  const { t, i18n } = useTranslation()
  const { resolved } = useTimeRange()
  const query = useInfiniteQuery(logsQuery({ severity: ['error', 'fatal'] }, resolved, SHOWN))
  const logs = query.data?.pages[0]?.logs
  return (
    <Panel
      flush
      title={t('overview.errorLogs')}
      actions={
        <Link to="/logs" search={{ severity: ['error', 'fatal'] }} className={ui.link}>
          {t('overview.all')}
        </Link>
      }
    >
      {query.isPending ? (
        <Loading rows={4} />
      ) : query.isError && logs === undefined ? (
        <Failure compact error={query.error} onRetry={() => void query.refetch()} />
      ) : logs?.length === 0 ? (
        <Empty compact title={t('overview.noErrorLogs')} />
      ) : (
        <ul className={classes.list}>
          {logs?.map(x => (
            <li key={x.id}>
              <Link
                to="/logs"
                search={{ severity: ['error', 'fatal'], service: x.service }}
                className={classes.item}
              >
                <span className={classes.when}>
                  <ToneMark tone="bad" /> {formatClock(nsToMs(x.time_ns), i18n.language)}
                </span>
                <span className={classes.what}>
                  <b>{x.service}</b>{' '}
                  <span className="mono">{stripAnsi(attributeText(x.body)).split('\n')[0]}</span>
                </span>
                <span className={classes.side}>{t(`severity.${x.severity}`)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

export function RecentErrors() {
  return (
    <div className={classes.columns} style={{ gridTemplateColumns: 'minmax(0, 1fr) minmax(0, 1fr)' }}>
      <ErrorTraces />
      <ErrorLogs />
    </div>
  )
}
