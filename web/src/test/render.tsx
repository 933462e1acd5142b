// Renders a page inside everything it expects: theme, query client, router with the given address, clock.
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  RouterProvider,
} from '@tanstack/react-router'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { theme } from '@/app/theme'
import { parseSearch, stringifySearch } from '@/lib/search'
import { TimeProvider } from '@/lib/timeRange'

export function renderAt(address: string, element: ReactNode) {
  const root = createRootRoute({
    component: () => (
      <TimeProvider>
        <Outlet />
      </TimeProvider>
    ),
    validateSearch: (raw: Record<string, unknown>) => raw,
  })
  const any = createRoute({ getParentRoute: () => root, path: '$', component: () => element })
  const router = createRouter({
    routeTree: root.addChildren([any]),
    history: createMemoryHistory({ initialEntries: [address] }),
    parseSearch,
    stringifySearch,
  })
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={client}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </MantineProvider>,
  )
  return { router, client }
}
