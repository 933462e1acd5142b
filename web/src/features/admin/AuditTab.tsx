import { Button } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { auditQuery } from '@/api/queries'
import classes from '@/features/admin/admin.module.css'
import { formatDateTime } from '@/lib/format'
import { Toned } from '@/ui/Figures'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const KNOWN = [
  'login',
  'login_failed',
  'logout',
  'user_created',
  'user_changed',
  'user_deleted',
  'token_created',
  'token_revoked',
  'setup',
  'config_reloaded',
  'processing_changed',
] as const
type Action = (typeof KNOWN)[number]

export function AuditTab() {
  const { t, i18n } = useTranslation()
  const audit = useInfiniteQuery(auditQuery)
  if (audit.isPending) {
    return <Loading rows={10} />
  }
  if (audit.isError) {
    return <Failure error={audit.error} onRetry={() => void audit.refetch()} />
  }
  const entries = audit.data.pages.flat()
  if (entries.length === 0) {
    return <Empty title={t('settings.noAudit')} />
  }
  return (
    <>
      <table className={ui.table} aria-label={t('settings.tab_audit')}>
        <thead>
          <tr>
            <th style={{ width: 190 }}>{t('common.time')}</th>
            <th>{t('settings.actor')}</th>
            <th>{t('settings.action')}</th>
            <th>{t('settings.target')}</th>
            <th>{t('settings.detail')}</th>
            <th>{t('settings.ip')}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(e => (
            <tr key={e.id}>
              <td className="num">{formatDateTime(e.time_ms, i18n.language)}</td>
              <td>{e.actor}</td>
              <td>
                <Toned tone={e.action === 'login_failed' ? 'warn' : 'none'}>
                  {(KNOWN as readonly string[]).includes(e.action)
                    ? t(`audit.${e.action as Action}`)
                    : e.action}
                </Toned>
              </td>
              <td>{e.target ?? ''}</td>
              <td>{e.detail ?? ''}</td>
              <td className="mono">{e.ip ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {audit.hasNextPage && (
        <div className={classes.bar} style={{ justifyContent: 'center' }}>
          <Button
            variant="default"
            loading={audit.isFetchingNextPage}
            onClick={() => void audit.fetchNextPage()}
          >
            {t('filters.more')}
          </Button>
        </div>
      )}
    </>
  )
}
