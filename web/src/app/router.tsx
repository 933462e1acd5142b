// Addresses of the console (/metrics belongs to the server's own measurements). Every page is a chunk of its own; the search part is plain text and the
// time range stays in it from page to page.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  retainSearchParams,
} from '@tanstack/react-router'
import { NotFound, PageError, PagePending } from '@/app/fallbacks'
import { Root } from '@/app/Root'
import { parseSearch, type RawSearch, stringifySearch } from '@/lib/search'

const rootRoute = createRootRoute({
  component: Root,
  notFoundComponent: NotFound,
  validateSearch: (raw: Record<string, unknown>): RawSearch => raw as RawSearch,
  search: { middlewares: [retainSearchParams(['from', 'to', 'live'])] },
})

const page = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => rootRoute, path, component })

const routeTree = rootRoute.addChildren([
  page(
    '/',
    lazyRouteComponent(() => import('@/features/overview/OverviewPage'), 'OverviewPage'),
  ),
  page(
    '/hosts',
    lazyRouteComponent(() => import('@/features/hosts/HostsPage'), 'HostsPage'),
  ),
  page(
    '/hosts/$host',
    lazyRouteComponent(() => import('@/features/hosts/HostPage'), 'HostPage'),
  ),
  page(
    '/explore',
    lazyRouteComponent(() => import('@/features/metrics/MetricsPage'), 'MetricsPage'),
  ),
  page(
    '/traces',
    lazyRouteComponent(() => import('@/features/traces/TracesPage'), 'TracesPage'),
  ),
  page(
    '/traces/$traceId',
    lazyRouteComponent(() => import('@/features/traces/TracePage'), 'TracePage'),
  ),
  page(
    '/logs',
    lazyRouteComponent(() => import('@/features/logs/LogsPage'), 'LogsPage'),
  ),
  page(
    '/targets',
    lazyRouteComponent(() => import('@/features/targets/TargetsPage'), 'TargetsPage'),
  ),
  page(
    '/cardinality',
    lazyRouteComponent(() => import('@/features/cardinality/CardinalityPage'), 'CardinalityPage'),
  ),
  page(
    '/storage',
    lazyRouteComponent(() => import('@/features/storage/StoragePage'), 'StoragePage'),
  ),
  page(
    '/status',
    lazyRouteComponent(() => import('@/features/status/StatusPage'), 'StatusPage'),
  ),
  page(
    '/settings',
    lazyRouteComponent(() => import('@/features/admin/SettingsPage'), 'SettingsPage'),
  ),
  page(
    '/setup',
    lazyRouteComponent(() => import('@/features/auth/SetupPage'), 'SetupPage'),
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
