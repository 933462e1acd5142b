import { Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { sessionQuery } from '@/api/queries'
import { AccountTab } from '@/features/admin/AccountTab'
import { AuditTab } from '@/features/admin/AuditTab'
import { ConfigTab } from '@/features/admin/ConfigTab'
import { allowedTabs, type SettingsTab, settingsCodec } from '@/features/admin/codec'
import { ProcessingTab } from '@/features/admin/ProcessingTab'
import { TokensTab } from '@/features/admin/TokensTab'
import { UsersTab } from '@/features/admin/UsersTab'
import { usePageState } from '@/lib/pageState'
import { Page, Panel } from '@/ui/Page'

export function SettingsPage() {
  const { t } = useTranslation()
  const session = useQuery(sessionQuery).data
  const [state, change] = usePageState(settingsCodec)
  const tabs = allowedTabs(session?.role, session?.auth_enabled !== false)
  const tab = tabs.includes(state.tab) ? state.tab : (tabs[0] ?? 'config')
  return (
    <Page title={t('nav.settings')}>
      <Panel flush label={t('nav.settings')}>
        <Tabs
          value={tab}
          onChange={v => change({ tab: (v ?? 'account') as SettingsTab }, { push: true })}
          keepMounted={false}
        >
          <Tabs.List px={8}>
            {tabs.map(x => (
              <Tabs.Tab key={x} value={x}>
                {t(`settings.tab_${x}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="account">
            <AccountTab user={session?.user ?? ''} />
          </Tabs.Panel>
          <Tabs.Panel value="users">
            <UsersTab me={session?.user} />
          </Tabs.Panel>
          <Tabs.Panel value="tokens">
            <TokensTab />
          </Tabs.Panel>
          <Tabs.Panel value="audit">
            <AuditTab />
          </Tabs.Panel>
          <Tabs.Panel value="processing">
            <ProcessingTab />
          </Tabs.Panel>
          <Tabs.Panel value="config">
            <ConfigTab />
          </Tabs.Panel>
        </Tabs>
      </Panel>
    </Page>
  )
}
