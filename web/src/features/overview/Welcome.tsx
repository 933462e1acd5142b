// Nothing has ever arrived: three ways to send the first data, ready to copy.
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { serverUrl } from '@/api/client'
import { serverStatusQuery } from '@/api/queries'
import { agentSnippet, otlpSnippet, remoteWriteSnippet } from '@/lib/doors'
import { MoreWays, TokenNote } from '@/ui/Onboarding'
import { Panel } from '@/ui/Page'
import { Snippet } from '@/ui/States'

export function Welcome() {
  const { t } = useTranslation()
  const { data } = useQuery(serverStatusQuery)
  const host = window.location.hostname
  const steps = [
    { title: t('welcome.agent'), text: t('welcome.agentText'), code: agentSnippet(data, serverUrl()) },
    { title: t('welcome.otlp'), text: t('welcome.otlpText'), code: otlpSnippet(data, host) },
    {
      title: t('welcome.prometheus'),
      text: t('welcome.prometheusText'),
      code: remoteWriteSnippet(data, serverUrl()),
    },
  ]
  return (
    <Panel title={t('welcome.title')}>
      <p style={{ margin: '0 0 14px', color: 'var(--ink-2)' }}>{t('welcome.text')}</p>
      <div style={{ display: 'grid', gap: 18, maxWidth: 680 }}>
        {steps.map((s, i) => (
          <div key={s.title}>
            <div style={{ fontWeight: 600 }}>
              {i + 1}. {s.title}
            </div>
            <div style={{ color: 'var(--ink-2)', margin: '2px 0 8px' }}>{s.text}</div>
            <Snippet code={s.code} />
          </div>
        ))}
        <TokenNote />
        <MoreWays />
      </div>
    </Panel>
  )
}
