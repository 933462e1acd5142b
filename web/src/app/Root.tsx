// Decides what a visitor sees: setup, login, or the shell around the page.
import { Center, Loader } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Navigate, Outlet, useLocation } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { sessionQuery } from '@/api/queries'
import { later } from '@/app/later'
import { Shell } from '@/app/Shell'
import { TimeProvider } from '@/lib/timeRange'
import { Failure } from '@/ui/States'

const loadLogin = later(['auth'], () => import('@/features/auth/LoginPage'))
const LoginPage = lazy(async () => ({ default: (await loadLogin()).LoginPage }))

export function Root() {
  const session = useQuery(sessionQuery)
  const { pathname } = useLocation()
  if (session.data === undefined) {
    return (
      <Center mih="100vh">
        {session.isError ? (
          <Failure error={session.error} onRetry={() => void session.refetch()} />
        ) : (
          <Loader size="sm" color="gray" />
        )}
      </Center>
    )
  }
  const atSetup = pathname.endsWith('/setup')
  if (!session.data.authenticated) {
    return atSetup ? (
      <Outlet />
    ) : (
      <Suspense>
        <LoginPage setupRequired={session.data.setup_required} />
      </Suspense>
    )
  }
  if (atSetup) {
    return <Navigate to="/" search={{}} />
  }
  return (
    <TimeProvider>
      <Shell session={session.data}>
        <Outlet />
      </Shell>
    </TimeProvider>
  )
}
