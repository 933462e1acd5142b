// Empty states that say how the first data gets here, with the addresses of this very server.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { serverUrl } from '@/api/client'
import { serverStatusQuery } from '@/api/queries'
import { agentSnippet, needsToken, otlpHttpUrl, otlpSnippet, TOKEN } from '@/lib/doors'
import { Empty } from '@/ui/States'
import classes from '@/ui/ui.module.css'

/** Where the TOKEN of the snippets comes from. */
export function TokenNote() {
  const { t } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  return needsToken(data) ? (
    <div className={classes.emptyText}>
      {t('empty.token', { token: TOKEN })}{' '}
      <Link to="/settings" search={{ tab: 'tokens' }} className={classes.link}>
        {t('empty.tokenLink')}
      </Link>
    </div>
  ) : null
}

/** To the page with every kind of sender. */
export function MoreWays({ via }: { via?: string }) {
  const { t } = useTranslation()
  return (
    <Link to="/add-data" search={{ via }} className={classes.link}>
      {t('empty.more')}
    </Link>
  )
}

export function NoHosts({ compact = false }: { compact?: boolean }) {
  const { t } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  return (
    <Empty
      compact={compact}
      title={t('empty.hosts')}
      text={t('empty.hostsText')}
      snippet={agentSnippet(data, serverUrl())}
    >
      <TokenNote />
    </Empty>
  )
}

export function NoTelemetry({
  kind,
  compact = false,
}: {
  kind: 'traces' | 'logs' | 'services'
  compact?: boolean
}) {
  const { t } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  const host = window.location.hostname
  return (
    <Empty
      compact={compact}
      title={t(`empty.${kind}`)}
      text={t('empty.otlpText', { url: otlpHttpUrl(data, host) })}
      snippet={otlpSnippet(data, host)}
    >
      <TokenNote />
      <MoreWays via={kind === 'logs' ? 'fluentbit' : undefined} />
    </Empty>
  )
}
