// Pages as people meet them: by role and text, with answers of the contract's shape (MSW).
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { TokensTab } from '@/features/admin/TokensTab'
import { LoginPage } from '@/features/auth/LoginPage'
import { SetupPage } from '@/features/auth/SetupPage'
import { HostsPage } from '@/features/hosts/HostsPage'
import { logsCodec } from '@/features/logs/codec'
import { LogsPage } from '@/features/logs/LogsPage'
import { OverviewPage } from '@/features/overview/OverviewPage'
import { StatusPage } from '@/features/status/StatusPage'
import { TracesPage } from '@/features/traces/TracesPage'
import { setLanguage } from '@/i18n'
import { renderAt } from '@/test/render'
import { server, serverStatus, session } from '@/test/server'

const noMatrix = { status: 'success', data: { resultType: 'matrix', result: [] } }

describe('login', () => {
  test('a wrong password is said, a right one gives a session', async () => {
    let tries = 0
    server.use(
      http.post('*/api/v1/session', async ({ request }) => {
        tries++
        const body = (await request.json()) as { password: string }
        return body.password === 'right-one'
          ? HttpResponse.json(session)
          : HttpResponse.json({ status: 'error', errorType: 'unauthorized', error: 'no' }, { status: 401 })
      }),
    )
    const user = userEvent.setup()
    const { client } = renderAt('/', <LoginPage setupRequired={false} />)
    const button = await screen.findByRole('button', { name: 'Log in' })
    expect(button).toBeDisabled()
    await user.type(screen.getByLabelText(/User name/), 'admin')
    await user.type(screen.getByLabelText(/^Password/), 'wrong-one')
    await user.click(button)
    expect(await screen.findByRole('alert')).toHaveTextContent('wrong')
    await user.clear(screen.getByLabelText(/^Password/))
    await user.type(screen.getByLabelText(/^Password/), 'right-one')
    await user.click(button)
    await waitFor(() => expect(client.getQueryData(['session'])).toMatchObject({ authenticated: true }))
    expect(tries).toBe(2)
  })

  test('before the first admin exists it says where the link is', async () => {
    renderAt('/', <LoginPage setupRequired />)
    expect(await screen.findByText('No administrator yet')).toBeInTheDocument()
  })

  test('setup takes the secret from the link and wants the password twice', async () => {
    let got: unknown
    server.use(
      http.post('*/api/v1/setup', async ({ request }) => {
        got = await request.json()
        return HttpResponse.json(session)
      }),
    )
    const user = userEvent.setup()
    renderAt('/setup?token=abc', <SetupPage />)
    const button = await screen.findByRole('button', { name: 'Create and log in' })
    await user.type(screen.getByLabelText(/^Password$/), 'long-enough')
    await user.type(screen.getByLabelText(/Password again/), 'different')
    expect(screen.getByText('The two passwords differ')).toBeInTheDocument()
    expect(button).toBeDisabled()
    await user.clear(screen.getByLabelText(/Password again/))
    await user.type(screen.getByLabelText(/Password again/), 'long-enough')
    await user.click(button)
    await waitFor(() => expect(got).toEqual({ token: 'abc', user: 'admin', password: 'long-enough' }))
  })
})

describe('overview', () => {
  test('a server that received nothing says how to send the first data', async () => {
    server.use(
      http.get('*/api/v1/query_range', () => HttpResponse.json(noMatrix)),
      http.get('*/api/v1/status/server', () =>
        HttpResponse.json({
          ...serverStatus,
          now_ms: Date.now(),
          ingest: [{ signal: 'metrics', per_s: 0, total: 0, dropped: [] }],
          doors: [{ name: 'otlp_http', address: '0.0.0.0:14318', on: true }],
        }),
      ),
    )
    renderAt('/', <OverviewPage />)
    expect(await screen.findByText('Send the first data')).toBeInTheDocument()
    expect(screen.getByText(/OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/localhost:14318/)).toBeInTheDocument()
  })
})

describe('hosts', () => {
  test('list, filter and link keep together; a lost host is named', async () => {
    server.use(
      http.get('*/api/v1/hosts', () =>
        HttpResponse.json({
          hosts: [
            { host: 'web-01', last_seen_ms: Date.now(), cpu_ratio: 0.5 },
            { host: 'db-01', last_seen_ms: Date.now() - 3_600_000 },
          ],
        }),
      ),
    )
    const user = userEvent.setup()
    const { router } = renderAt('/hosts?live=0', <HostsPage />)
    expect(await screen.findByRole('link', { name: 'web-01' })).toBeInTheDocument()
    expect(screen.getByTitle('Nothing received for three minutes')).toHaveTextContent('db-01')
    await user.type(screen.getByRole('textbox', { name: 'Filter by name' }), 'db')
    await waitFor(() => expect(screen.queryByRole('link', { name: 'web-01' })).toBeNull())
    expect(router.state.location.search).toMatchObject({ filter: 'db', live: '0' })
  })

  test('what the server says is shown, with a way to try again', async () => {
    let fail = true
    server.use(
      http.get('*/api/v1/hosts', () =>
        fail
          ? HttpResponse.json(
              { status: 'error', errorType: 'bad_data', error: 'start_ms is after end_ms' },
              { status: 400 },
            )
          : HttpResponse.json({ hosts: [{ host: 'web-01', last_seen_ms: Date.now() }] }),
      ),
    )
    const user = userEvent.setup()
    renderAt('/hosts?live=0', <HostsPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('start_ms is after end_ms')
    fail = false
    await user.click(screen.getByRole('button', { name: 'Retry' }))
    expect(await screen.findByRole('link', { name: 'web-01' })).toBeInTheDocument()
  })
})

describe('traces', () => {
  const trace = {
    trace_id: 'a'.repeat(32),
    start_ns: '1790000000000000000',
    duration_ns: '25000000',
    root_service: 'gateway',
    root_name: 'POST /orders',
    span_count: 3,
    error_count: 1,
    services: [{ name: 'gateway', spans: 3, errors: 1 }],
  }

  // jsdom lays nothing out: the list would have no height and no rows
  beforeEach(() => {
    vi.spyOn(Element.prototype, 'clientHeight', 'get').mockReturnValue(600)
    vi.spyOn(Element.prototype, 'clientWidth', 'get').mockReturnValue(900)
  })
  afterEach(() => vi.restoreAllMocks())

  const found = { ...trace, spansets: [{ matched: 2, attributes: {}, spans: [] }] }

  test('filters of the link are asked for as TraceQL; rows lead to the trace', async () => {
    const asked: string[] = []
    server.use(
      http.get('*/api/v1/traces/query', ({ request }) => {
        asked.push(new URL(request.url).searchParams.get('q') ?? '')
        return HttpResponse.json({ traces: [found], more: false, stats: { rows_scanned: 9, elapsed_ms: 1 } })
      }),
    )
    renderAt('/traces?status=error&attr=a%3D1&attr=b%3E2&min=5&live=0', <TracesPage />)
    const link = await screen.findByRole('link', { name: 'gateway · POST /orders' })
    expect(link).toHaveAttribute('href', expect.stringContaining(`/traces/${trace.trace_id}`))
    expect(asked[0]).toBe('{ status = error && duration >= 5ms && .a = 1 && .b > 2 }')
    expect(screen.getByText('25 ms')).toBeInTheDocument()
  })

  test('nothing found with filters is not "nothing stored"', async () => {
    renderAt('/traces?service=x&live=0', <TracesPage />)
    expect(await screen.findByText('No trace matches')).toBeInTheDocument()
  })

  test('a facet narrows the query and says so', async () => {
    const user = userEvent.setup()
    server.use(
      http.get('*/api/metrics/query', ({ request }) =>
        HttpResponse.json({
          series: new URL(request.url).searchParams.get('q')?.includes('by (status)')
            ? [{ labels: [{ key: 'status', value: { stringValue: 'error' } }], value: 7 }]
            : [],
          metrics: { inspectedTraces: 0, inspectedBytes: '0' },
        }),
      ),
    )
    const { router } = renderAt('/traces?live=0', <TracesPage />)
    await user.click(await screen.findByRole('button', { name: 'Without error' }))
    await waitFor(() => expect(router.state.location.search).toMatchObject({ q: '{ status != error }' }))
    await user.click(await screen.findByRole('button', { name: 'Only error' }))
    await waitFor(() => expect(router.state.location.search).toMatchObject({ q: '{ status = error }' }))
  })

  test('what the server refuses stands where the results would be', async () => {
    server.use(
      http.get('*/api/v1/traces/query', () =>
        HttpResponse.json(
          { status: 'error', errorType: 'bad_data', error: 'parse error at line 1, col 3: unexpected x' },
          { status: 400 },
        ),
      ),
    )
    renderAt('/traces?q=%7B+x&live=0', <TracesPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('col 3: unexpected x')
  })
})

describe('logs', () => {
  const fields = [
    http.get('*/loki/api/v1/detected_fields', () => HttpResponse.json({ fields: [], limit: 1 })),
    http.get('*/loki/api/v1/detected_labels', () => HttpResponse.json({ detectedLabels: [] })),
  ]

  test('severity buttons change the link and the request', async () => {
    const asked: URLSearchParams[] = []
    server.use(
      ...fields,
      http.get('*/api/v1/logs', ({ request }) => {
        asked.push(new URL(request.url).searchParams)
        return HttpResponse.json({ logs: [] })
      }),
    )
    const user = userEvent.setup()
    const { router } = renderAt('/logs?live=0', <LogsPage />)
    const error = await screen.findByRole('button', { name: 'error' })
    expect(error).toHaveAttribute('aria-pressed', 'false')
    await user.click(error)
    const want = '{service_name=~".+"} | detected_level=~"error|critical"'
    await waitFor(() => expect(asked.at(-1)?.get('query')).toBe(want))
    expect(logsCodec.decode(router.state.location.search as Record<string, unknown>).q).toBe(want)
    expect(await screen.findByText('No record matches')).toBeInTheDocument()
    expect(screen.getByRole('button', { name: 'error' })).toHaveAttribute('aria-pressed', 'true')
    await user.click(screen.getByRole('button', { name: 'Clear' }))
    await waitFor(() => expect(asked.at(-1)?.get('query')).toBe('{service_name=~".+"}'))
  })

  test('words of another page become a query, and leave the old words', async () => {
    const asked: string[] = []
    server.use(
      ...fields,
      http.get('*/api/v1/logs', ({ request }) => {
        asked.push(new URL(request.url).searchParams.get('query') ?? '')
        return HttpResponse.json({ logs: [] })
      }),
    )
    renderAt('/logs?live=0&text=declined&service=pay', <LogsPage />)
    expect(await screen.findByRole('textbox', { name: 'Search logs' })).toHaveValue('declined')
    expect(screen.getByText('{service_name="pay"} |~ "(?i)declined"')).toBeInTheDocument()
    await waitFor(() => expect(asked).toContain('{service_name="pay"} |~ "(?i)declined"'))
  })

  test('what the server cannot read is said where it was written', async () => {
    server.use(
      ...fields,
      http.get('*/api/v1/logs', () =>
        HttpResponse.json(
          { status: 'error', errorType: 'bad_data', error: 'parse error at line 1, col 9: syntax error' },
          { status: 400 },
        ),
      ),
    )
    renderAt('/logs?live=0&mode=code&q=%7Ba%3D%22b%22%7D%20%7C%20x', <LogsPage />)
    expect(await screen.findAllByText(/line 1, col 9/)).not.toHaveLength(0)
    expect(screen.queryByRole('region', { name: 'Records over time' })).not.toBeInTheDocument()
  })

  test('a query that counts draws no list', async () => {
    server.use(...fields)
    renderAt('/logs?live=0&q=rate(%7Ba%3D%22b%22%7D%5B1m%5D)', <LogsPage />)
    expect(await screen.findByRole('region', { name: 'Result' })).toBeInTheDocument()
    expect(screen.getByRole('button', { name: 'Live tail' })).toBeDisabled()
  })
})

describe('status', () => {
  test('drops are named with their reason', async () => {
    server.use(http.get('*/api/v1/query_range', () => HttpResponse.json(noMatrix)))
    renderAt('/status?live=0', <StatusPage />)
    const table = await screen.findByRole('table', { name: 'Incoming data' })
    expect(within(table).getByText('out_of_order')).toBeInTheDocument()
    expect(screen.getByRole('meter', { name: 'tsdb head' })).toHaveAttribute('aria-valuenow', '10')
  })
})

describe('tokens', () => {
  test('the secret is shown once, after the token is made', async () => {
    let csrf: string | null = null
    server.use(
      http.get('*/api/v1/tokens', () => HttpResponse.json({ tokens: [] })),
      http.post('*/api/v1/tokens', ({ request }) => {
        csrf = request.headers.get('X-CSRF-Token')
        return HttpResponse.json(
          { id: '1', name: 'x', scopes: ['ingest'], created_ms: 1, secret: 's3cret-value' },
          { status: 201 },
        )
      }),
    )
    const { setCsrfToken } = await import('@/api/client')
    setCsrfToken('csrf-1')
    const user = userEvent.setup()
    renderAt('/settings', <TokensTab />)
    await user.click(await screen.findByRole('button', { name: 'Make token' }))
    const dialog = await screen.findByRole('dialog')
    await user.type(within(dialog).getByLabelText(/Name/), 'collector')
    await user.click(within(dialog).getByRole('button', { name: 'Make token' }))
    expect(await within(dialog).findByText('s3cret-value')).toBeInTheDocument()
    expect(csrf).toBe('csrf-1')
  })
})

test('the same page in Korean', async () => {
  await setLanguage('ko')
  renderAt('/hosts?live=0', <HostsPage />)
  expect(await screen.findByText('아직 호스트가 없습니다')).toBeInTheDocument()
  await setLanguage('en')
})
