// The explorer, Targets, Cardinality and Storage as pages: what is asked, what is shown, what a click does.
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { beforeEach, describe, expect, test } from 'vitest'
import { CardinalityPage } from '@/features/cardinality/CardinalityPage'
import { MetricsPage } from '@/features/metrics/MetricsPage'
import { StoragePage } from '@/features/storage/StoragePage'
import { TargetsPage } from '@/features/targets/TargetsPage'
import { renderAt } from '@/test/render'
import { server } from '@/test/server'

const ok = (data: unknown) => HttpResponse.json({ status: 'success', data })
const vector = (result: unknown[]) => ok({ resultType: 'vector', result })
const NOW = Date.now()

beforeEach(() => {
  window.localStorage.clear()
  server.use(
    http.get('*/api/v1/metadata', () => ok({})),
    http.get('*/api/v1/labels', () => ok(['__name__', 'job'])),
    http.get('*/api/v1/label/:name/values', () => ok(['up', 'down'])),
    http.get('*/api/v1/status/tsdb', () => ok({ seriesCountByMetricName: [{ name: 'up', value: 7 }] })),
    http.get('*/api/v1/query_range', () => ok({ resultType: 'matrix', result: [] })),
    http.get('*/api/v1/query', () => vector([])),
  )
})

describe('explorer', () => {
  test('a table with labels as columns, constant labels apart, sorted by value', async () => {
    server.use(
      http.get('*/api/v1/query', () =>
        vector([
          { metric: { __name__: 'up', job: 'a', zone: 'z' }, value: [1, '3'] },
          { metric: { __name__: 'up', job: 'b', zone: 'z' }, value: [1, '9'] },
        ]),
      ),
    )
    const user = userEvent.setup()
    renderAt('/explore?q=up&view=table&live=0', <MetricsPage />)
    const table = await screen.findByRole('table', { name: 'Result' })
    expect(screen.getByText('zone="z"')).toBeInTheDocument()
    const jobs = () =>
      within(table)
        .getAllByRole('row')
        .slice(1)
        .map(r => within(r).getAllByRole('cell')[0]?.textContent)
    expect(jobs()).toEqual(['a', 'b'])
    await user.click(within(table).getByRole('button', { name: 'Value' }))
    expect(jobs()).toEqual(['b', 'a'])
  })

  test('formulas are written out before they are sent; switched-off queries are not asked', async () => {
    const asked: string[] = []
    server.use(
      http.get('*/api/v1/query', ({ request }) => {
        asked.push(new URL(request.url).searchParams.get('query') ?? '')
        return vector([])
      }),
    )
    renderAt('/explore?q=sum(a)&q=b&q=A%20%2F%20B&formula=C&off=A,B&view=table&live=0', <MetricsPage />)
    await waitFor(() => expect(asked).toContain('(sum(a)) / (b)'))
    expect(asked).not.toContain('b')
  })

  test('a formula that names nobody says so', async () => {
    renderAt('/explore?q=D%20%2B%201&formula=A&view=table&live=0', <MetricsPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('There is no query D.')
  })

  test('an earlier period is a second request, as much earlier', async () => {
    const starts: number[] = []
    server.use(
      http.get('*/api/v1/query_range', ({ request }) => {
        const p = new URL(request.url).searchParams
        if (p.get('query') === 'x') {
          starts.push(Number(p.get('start')))
        }
        return ok({ resultType: 'matrix', result: [] })
      }),
    )
    renderAt('/explore?q=x&vs=1d&live=0', <MetricsPage />)
    await waitFor(() => expect(starts.length).toBeGreaterThanOrEqual(2))
    expect(Math.max(...starts) - Math.min(...starts)).toBe(86_400)
  })

  test('warnings and the figures of the query are under it', async () => {
    server.use(
      http.get('*/api/v1/query', () =>
        HttpResponse.json({
          status: 'success',
          data: {
            resultType: 'vector',
            result: [{ metric: {}, value: [1, '1'] }],
            stats: {
              timings: { evalTotalTime: 0.002 },
              samples: { totalQueryableSamples: 1_500, peakSamples: 9 },
            },
          },
          infos: ['PromQL info: metric might not be a counter: "x" (1:6)'],
        }),
      ),
    )
    renderAt('/explore?q=rate(x[5m])&view=table&live=0', <MetricsPage />)
    expect(await screen.findByText(/1 series · 1.5k samples read · 2 ms evaluation/)).toBeInTheDocument()
    expect(screen.getByText(/might not be a counter/)).toBeInTheDocument()
  })

  test('builder steps change the query of the link', async () => {
    window.localStorage.setItem('bongsu.metric-mode', 'builder')
    const user = userEvent.setup()
    const { router } = renderAt('/explore?q=sum(rate(x%5B5m%5D))&view=table&live=0', <MetricsPage />)
    await user.click(await screen.findByRole('button', { name: 'Remove sum' }))
    await waitFor(() => expect(router.state.location.search).toMatchObject({ q: 'rate(x[5m])' }))
  })

  test('what the builder cannot show stays as code', async () => {
    window.localStorage.setItem('bongsu.metric-mode', 'builder')
    renderAt('/explore?q=a%20%2F%20b&view=table&live=0', <MetricsPage />)
    expect(await screen.findByText(/says more than the builder can show/)).toBeInTheDocument()
  })
})

describe('targets', () => {
  const target = {
    discoveredLabels: { __address__: 'a:1', job: 'node' },
    labels: { instance: 'a:1', job: 'node' },
    scrapePool: 'node',
    scrapeUrl: 'http://a:1/metrics',
    globalUrl: 'http://a:1/metrics',
    lastError: '',
    lastScrape: new Date(NOW - 3_000).toISOString(),
    lastScrapeDuration: 0.01,
    health: 'up',
    scrapeInterval: '15s',
    scrapeTimeout: '10s',
  }
  const answer = (activeTargets: unknown[]) =>
    server.use(
      http.get('*/api/v1/targets', () => ok({ activeTargets, droppedTargets: [], droppedTargetCounts: {} })),
      http.get('*/api/v1/scrape_pools', () =>
        ok({ scrapePools: activeTargets.length === 0 ? [] : ['node'] }),
      ),
    )

  test('pools, state filter in the link, the error of the one that is down', async () => {
    answer([
      target,
      { ...target, scrapeUrl: 'http://b:1/metrics', health: 'down', lastError: 'connection refused' },
    ])
    const user = userEvent.setup()
    const { router } = renderAt('/targets?live=0', <TargetsPage />)
    expect(await screen.findByRole('button', { name: /node 1 of 2 up/ })).toBeInTheDocument()
    expect(screen.getAllByText('1 of 2 up')).toHaveLength(2)
    await user.click(screen.getByRole('radio', { name: 'Down 1' }))
    await waitFor(() => expect(router.state.location.search).toMatchObject({ state: 'down' }))
  })

  test('nobody scraped: how to begin', async () => {
    answer([])
    renderAt('/targets?live=0', <TargetsPage />)
    expect(await screen.findByText('Nothing is scraped yet')).toBeInTheDocument()
    expect(screen.getByText(/scrape_configs:/)).toBeInTheDocument()
  })
})

describe('cardinality', () => {
  const row = (name: string, more = {}) => ({ name, series: 900, before: 300, share_ratio: 0.9, ...more })
  const one = (r: unknown) => ({ total: 1, rows: [r] })
  const body = {
    start_ms: NOW - 3_600_000,
    end_ms: NOW,
    looked_at_ratio: 0.5,
    series: { total: 1_000, before: 400, active: 1_000, created_1h: 10, created_24h: 600 },
    metrics: one(row('events_total')),
    labels: one(row('session_id', { values: 900 })),
    pairs: one(row('zone', { value: 'b' })),
    jobs: one(row('shop')),
    instances: one(row('shop', { value: 'a:1' })),
  }

  test('drilling down narrows the request and the link; advice names the label', async () => {
    const asked: URLSearchParams[] = []
    server.use(
      http.get('*/api/v1/cardinality/limits', () => HttpResponse.json({ limits: [] })),
      http.get('*/api/v1/cardinality', ({ request }) => {
        asked.push(new URL(request.url).searchParams)
        return HttpResponse.json(body)
      }),
    )
    const user = userEvent.setup()
    const { router } = renderAt('/cardinality?live=0', <CardinalityPage />)
    expect(await screen.findByText(/Label session_id of events_total has 900 values/)).toBeInTheDocument()
    expect(screen.getByText(/50% of the series were looked at/)).toBeInTheDocument()
    const [what] = screen.getAllByRole('button', { name: 'What to do' })
    await user.click(what as HTMLElement)
    expect(screen.getByText(/action: labeldrop/)).toBeInTheDocument()
    await user.click(
      within(screen.getByRole('table', { name: 'Jobs by series' })).getByRole('button', { name: 'shop' }),
    )
    await waitFor(() => expect(asked.at(-1)?.get('match[]')).toBe('{job="shop"}'))
    expect(router.state.location.search).toMatchObject({ by: 'job=shop' })
    await user.click(
      within(screen.getByRole('table', { name: 'Labels by distinct values' })).getByRole('button', {
        name: 'session_id',
      }),
    )
    await waitFor(() => expect(asked.at(-1)?.get('focus')).toBe('session_id'))
    await user.click(screen.getByRole('button', { name: 'Everything' }))
    await waitFor(() => expect(router.state.location.search).not.toHaveProperty('by'))
  })

  test('limits: who was refused, with an example', async () => {
    server.use(
      http.get('*/api/v1/cardinality', () => HttpResponse.json(body)),
      http.get('*/api/v1/cardinality/limits', () =>
        HttpResponse.json({
          limits: [
            {
              name: 'values_per_label',
              key: 'limits.values_per_label',
              max: 900,
              used: 900,
              refused: 12,
              offenders: [
                {
                  who: { metric: 'events_total', label: 'session_id' },
                  refused: 12,
                  since_ms: NOW - 60_000,
                  last_ms: NOW,
                  example: 'events_total{session_id="x"}',
                },
              ],
            },
          ],
        }),
      ),
    )
    renderAt('/cardinality?live=0', <CardinalityPage />)
    const table = await screen.findByRole('table', { name: 'Who was refused' })
    expect(within(table).getByText('events_total {session_id}')).toBeInTheDocument()
    expect(within(table).getByText('events_total{session_id="x"}')).toBeInTheDocument()
  })
})

describe('storage', () => {
  test('budget, outlook in a sentence, tiers, jobs', async () => {
    const day = 86_400_000
    const zero = { metrics_raw: 0, metrics_1m: 0, metrics_5m: 0, metrics_1h: 0, traces: 0, logs: 0 }
    server.use(
      http.get('*/api/v1/status/config', () =>
        ok({ yaml: '', keys: [{ key: 'storage.max_size', value: '20GB' }] }),
      ),
      http.get('*/api/v1/storage/sources', () =>
        HttpResponse.json({ by: 'metric', parts: 0, bytes: 0, distinct: 0, sources: [], other_bytes: 0 }),
      ),
      http.get('*/api/v1/storage', () =>
        HttpResponse.json({
          now_ms: NOW,
          path: '/data',
          used_bytes: 500,
          free_bytes: 1e9,
          min_free_bytes: 1,
          budget_bytes: 1_000,
          retention_ms: 30 * day,
          signals: [{ signal: 'metrics', bytes: 400, rows: 100 }],
          tiers: [
            {
              tier: 'raw',
              resolution_ms: 0,
              retention_ms: 14 * day,
              bytes: 300,
              points: 200,
              parts: 1,
              bytes_per_point: 1.5,
            },
          ],
          days: [],
          growth: { ...zero, bytes_per_day: 100, days_measured: 3 },
          forecast: {
            limit_bytes: 1_000,
            limited_by: 'budget',
            days_left: 5,
            full_ms: NOW + 5 * day,
            reason: '',
            next: {
              signal: 'metrics',
              tier: 'raw',
              day: '2026-01-01',
              start_ms: NOW - 20 * day,
              bytes: 50,
              reason: '',
            },
          },
          jobs: [{ name: 'metrics merge', state: 'running', progress_ratio: 0.4, runs: 1 }],
        }),
      ),
    )
    renderAt('/storage?live=0', <StoragePage />)
    expect(await screen.findByRole('meter', { name: 'Disk used' })).toHaveAttribute('aria-valuenow', '50')
    expect(screen.getByText('5 days')).toBeInTheDocument()
    expect(screen.getByText(/First to go then: Metrics, raw of/)).toBeInTheDocument()
    expect(screen.getByRole('meter', { name: 'metrics merge' })).toHaveAttribute('aria-valuenow', '40')
    const tiers = screen.getByRole('table', { name: 'Metrics by resolution' })
    expect(within(tiers).getByText('14d')).toBeInTheDocument()
    expect(await screen.findByText('storage.max_size')).toBeInTheDocument()
  })
})
