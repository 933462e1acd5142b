// The first screen: what arrives, what the services and hosts do, and what went wrong lately.
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { hostsQuery, serverStatusQuery, servicesQuery } from '@/api/queries'
import { HostsPanel } from '@/features/overview/HostsPanel'
import classes from '@/features/overview/overview.module.css'
import { RecentErrors } from '@/features/overview/RecentErrors'
import { ServicesPanel } from '@/features/overview/ServicesPanel'
import { Signals } from '@/features/overview/Signals'
import { withTexts } from '@/i18n'
import { useTimeRange } from '@/lib/timeRange'
import { Page } from '@/ui/Page'

const loadWelcome = withTexts(['welcome'], () => import('@/features/overview/Welcome'))
const Welcome = lazy(async () => ({ default: (await loadWelcome()).Welcome }))

export function OverviewPage() {
  const { t } = useTranslation()
  const { resolved } = useTimeRange()
  const status = useQuery(serverStatusQuery)
  const hosts = useQuery(hostsQuery(resolved))
  const services = useQuery(servicesQuery(resolved))
  const nothing =
    status.data?.ingest.every(s => s.total === 0) === true &&
    hosts.data?.length === 0 &&
    services.data?.length === 0
  return (
    <Page title={t('nav.overview')}>
      <Signals />
      {nothing ? (
        <Suspense>
          <Welcome />
        </Suspense>
      ) : (
        <>
          <div className={classes.columns}>
            <ServicesPanel services={services} />
            <HostsPanel hosts={hosts} />
          </div>
          <RecentErrors />
        </>
      )}
    </Page>
  )
}
