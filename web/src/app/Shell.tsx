// The frame of every page: menu, top bar, banners. Holds no server state of its own.
import { Tooltip } from '@mantine/core'
import {
  IconActivityHeartbeat,
  IconBinaryTree2,
  IconChartDots3,
  IconChartGridDots,
  IconChartLine,
  IconCirclePlus,
  IconDatabase,
  IconFileText,
  IconGauge,
  IconLayoutDashboard,
  IconLayoutSidebarLeftCollapse,
  IconLayoutSidebarLeftExpand,
  IconServer2,
  IconSettings,
  IconTargetArrow,
  IconTopologyStar3,
  IconUsers,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { Fragment, lazy, type ReactNode, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Session } from '@/api/queries'
import { SearchBox } from '@/app/SearchBox'
import classes from '@/app/Shell.module.css'
import { Banners, StatusStrip } from '@/app/StatusStrip'
import { TimePicker } from '@/app/TimePicker'
import { readPreference, writePreference } from '@/lib/storage'
import { Logo } from '@/ui/Logo'

const Menus = lazy(() => import('@/app/Menus'))

/** A group starts with a line and, in the wide menu, its name. */
const GROUPS = [
  {
    key: undefined,
    items: [
      { to: '/', key: 'nav.overview', icon: IconLayoutDashboard },
      { to: '/hosts', key: 'nav.hosts', icon: IconServer2 },
      { to: '/explore', key: 'nav.metrics', icon: IconChartLine },
      { to: '/traces', key: 'nav.traces', icon: IconBinaryTree2 },
      { to: '/logs', key: 'nav.logs', icon: IconFileText },
    ],
  },
  {
    key: 'nav.apm',
    items: [
      { to: '/apm', key: 'nav.apmLive', icon: IconGauge },
      { to: '/apm/users', key: 'nav.activeUsers', icon: IconUsers },
      { to: '/apm/tmap', key: 'nav.tmap', icon: IconChartGridDots },
      { to: '/apm/topology', key: 'nav.topology', icon: IconTopologyStar3 },
    ],
  },
  {
    key: 'nav.data',
    items: [
      { to: '/targets', key: 'nav.targets', icon: IconTargetArrow },
      { to: '/cardinality', key: 'nav.cardinality', icon: IconChartDots3 },
      { to: '/storage', key: 'nav.storage', icon: IconDatabase },
      { to: '/add-data', key: 'nav.addData', icon: IconCirclePlus },
    ],
  },
  {
    key: 'nav.system',
    items: [
      { to: '/status', key: 'nav.status', icon: IconActivityHeartbeat },
      { to: '/settings', key: 'nav.settings', icon: IconSettings },
    ],
  },
] as const

function Sidebar({ narrow, onToggle }: { narrow: boolean; onToggle: () => void }) {
  const { t } = useTranslation()
  const Toggle = narrow ? IconLayoutSidebarLeftExpand : IconLayoutSidebarLeftCollapse
  return (
    <aside className={classes.side}>
      <Link to="/" className={classes.brand} aria-label="Bongsu">
        <Logo />
        {!narrow && <span>Bongsu</span>}
      </Link>
      <nav className={classes.nav} aria-label={t('nav.label')}>
        {GROUPS.map(group => (
          <Fragment key={group.key ?? ''}>
            {group.key !== undefined && (
              <div className={classes.navGroup} aria-hidden="true">
                {!narrow && t(group.key)}
              </div>
            )}
            {group.items.map(({ to, key, icon: Icon }) => (
              <Tooltip key={to} label={t(key)} position="right" disabled={!narrow}>
                <Link
                  to={to}
                  className={classes.navItem}
                  activeOptions={{ exact: to === '/' || to === '/apm', includeSearch: false }}
                  aria-label={t(key)}
                >
                  <Icon size={18} stroke={1.6} />
                  {!narrow && <span>{t(key)}</span>}
                </Link>
              </Tooltip>
            ))}
          </Fragment>
        ))}
      </nav>
      <div className={classes.foot}>
        <button
          type="button"
          className={classes.navItem}
          onClick={onToggle}
          aria-label={t(narrow ? 'nav.expand' : 'nav.collapse')}
        >
          <Toggle size={18} stroke={1.6} />
          {!narrow && <span>{t('nav.collapse')}</span>}
        </button>
      </div>
    </aside>
  )
}

export function Shell({ session, children }: { session: Session; children: ReactNode }) {
  const { t } = useTranslation()
  const [narrow, setNarrow] = useState(() => readPreference('menu') === 'narrow')
  return (
    <div className={`${classes.shell} ${narrow ? classes.narrow : ''}`}>
      <a href="#main" className={classes.skip}>
        {t('nav.skip')}
      </a>
      <Sidebar
        narrow={narrow}
        onToggle={() => {
          writePreference('menu', narrow ? 'wide' : 'narrow')
          setNarrow(!narrow)
        }}
      />
      <header className={classes.top}>
        <SearchBox />
        <StatusStrip />
        <TimePicker />
        <Suspense fallback={<div className={classes.menus} />}>
          <Menus session={session} />
        </Suspense>
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Banners />
        {children}
      </main>
    </div>
  )
}
