// Empty states that say how the first data gets here, with the addresses of this very server.
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { serverStatusQuery } from '@/api/queries'
import { agentSnippet, otlpHttpUrl, otlpSnippet } from '@/lib/doors'
import { Empty } from '@/ui/States'

export function NoHosts({ compact = false }: { compact?: boolean }) {
  const { t } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  const host = window.location.hostname
  return (
    <Empty
      compact={compact}
      title={t('empty.hosts')}
      text={t('empty.hostsText')}
      snippet={agentSnippet(data?.doors, host)}
    />
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
      text={t('empty.otlpText', { url: otlpHttpUrl(data?.doors, host) })}
      snippet={otlpSnippet(data?.doors, host)}
    />
  )
}
