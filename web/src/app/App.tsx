import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { lazy, Suspense, useSyncExternalStore } from 'react'
import { ApiError, setUnauthorizedHandler } from '@/api/client'
import { later } from '@/app/later'
import { makeRouter } from '@/app/router'
import { theme, variables } from '@/app/theme'
import { onFirstToast, toasted } from '@/lib/toast'

export function makeQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        refetchOnWindowFocus: false,
        // what the server refused stays refused; a lost connection is tried twice more
        retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
        retryDelay: n => 500 * 2 ** n,
      },
    },
  })
  setUnauthorizedHandler(() => void client.invalidateQueries({ queryKey: ['session'] }))
  return client
}

const loadNotifications = later([], () => import('@mantine/notifications'))
const Notifications = lazy(async () => ({ default: (await loadNotifications()).Notifications }))

const queryClient = makeQueryClient()
const router = makeRouter()

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

/** The library of the messages comes with the first one. */
function Toasts() {
  const wanted = useSyncExternalStore(onFirstToast, toasted)
  return wanted ? (
    <Suspense>
      <Notifications position="bottom-right" limit={4} />
    </Suspense>
  ) : null
}

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </MantineProvider>
  )
}
