// Addresses of the console (/metrics belongs to the server's own measurements). Every page and its texts are chunks
// of their own; the search part is plain text and the time range stays in it from page to page.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  retainSearchParams,
} from '@tanstack/react-router'
import { NotFound, PageError, PagePending } from '@/app/fallbacks'
import { later } from '@/app/later'
import { Root } from '@/app/Root'
import { withTexts } from '@/i18n'
import { parseSearch, type RawSearch, stringifySearch } from '@/lib/search'

const rootRoute = createRootRoute({
  component: Root,
  notFoundComponent: NotFound,
  validateSearch: (raw: Record<string, unknown>): RawSearch => raw as RawSearch,
  search: { middlewares: [retainSearchParams(['from', 'to', 'live'])] },
})

/** A page is fetched, with the parts of the texts it shows, when it is opened or pointed at. */
const page = <P extends string, M extends Record<string, unknown>, N extends keyof M>(
  path: P,
  load: () => Promise<M>,
  name: N,
) => createRoute({ getParentRoute: () => rootRoute, path, component: lazyRouteComponent(load, name) })

const routeTree = rootRoute.addChildren([
  page(
    '/',
    withTexts(['overview'], () => import('@/features/overview/OverviewPage')),
    'OverviewPage',
  ),
  page(
    '/hosts',
    later(['hosts'], () => import('@/features/hosts/HostsPage')),
    'HostsPage',
  ),
  page(
    '/hosts/$host',
    later(['hosts'], () => import('@/features/hosts/HostPage')),
    'HostPage',
  ),
  page(
    '/explore',
    later(['metrics'], () => import('@/features/metrics/MetricsPage')),
    'MetricsPage',
  ),
  page(
    '/apm/tmap',
    later(['tmap'], () => import('@/features/apm/tmap/TmapPage')),
    'TmapPage',
  ),
  page(
    '/apm/topology',
    later(['topology'], () => import('@/features/apm/topology/TopologyPage')),
    'TopologyPage',
  ),
  page(
    '/traces',
    later(['traces'], () => import('@/features/traces/TracesPage')),
    'TracesPage',
  ),
  page(
    '/traces/$traceId',
    later(['traces'], () => import('@/features/traces/TracePage')),
    'TracePage',
  ),
  page(
    '/logs',
    later(['logs'], () => import('@/features/logs/LogsPage')),
    'LogsPage',
  ),
  page(
    '/apm/users',
    later(['activeUsers'], () => import('@/features/apm/users/UsersPage')),
    'UsersPage',
  ),
  page(
    '/apm',
    later(['apmLive'], () => import('@/features/apm/live/LivePage')),
    'LivePage',
  ),
  page(
    '/targets',
    later(['targets'], () => import('@/features/targets/TargetsPage')),
    'TargetsPage',
  ),
  page(
    '/cardinality',
    later(['cardinality'], () => import('@/features/cardinality/CardinalityPage')),
    'CardinalityPage',
  ),
  page(
    '/add-data',
    later(['onboarding'], () => import('@/features/onboarding/AddDataPage')),
    'AddDataPage',
  ),
  page(
    '/storage',
    later(['storage', 'status'], () => import('@/features/storage/StoragePage')),
    'StoragePage',
  ),
  page(
    '/status',
    later(['status'], () => import('@/features/status/StatusPage')),
    'StatusPage',
  ),
  page(
    '/settings',
    later(['settings', 'auth'], () => import('@/features/admin/SettingsPage')),
    'SettingsPage',
  ),
  page(
    '/setup',
    later(['auth'], () => import('@/features/auth/SetupPage')),
    'SetupPage',
  ),
])

export function makeRouter() {
  return createRouter({
    routeTree,
    basepath: new URL('.', document.baseURI).pathname,
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultErrorComponent: PageError,
    defaultPendingComponent: PagePending,
  })
}
