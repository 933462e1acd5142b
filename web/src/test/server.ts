// The answers component tests get unless they say otherwise (MSW).
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'

const NOW = 1_790_000_000_000

export const session = {
  authenticated: true,
  auth_enabled: true,
  setup_required: false,
  user: 'admin',
  role: 'admin',
  csrf_token: 'csrf-1',
}

export const serverStatus = {
  version: '0.1.0',
  start_ms: NOW - 1_000_000,
  now_ms: NOW,
  uptime_s: 1_000,
  ready: true,
  memory: { rss_bytes: 1e8, subsystems: [{ name: 'tsdb head', used_bytes: 1e7, max_bytes: 1e8 }] },
  disk: {
    path: '/data',
    used_bytes: 1e9,
    free_bytes: 9e9,
    budget_bytes: 2e9,
    signals: [{ signal: 'metrics', bytes: 5e8, rows: 1e6 }],
  },
  ingest: [
    {
      signal: 'metrics',
      per_s: 1234,
      total: 99,
      lag_ms: 500,
      dropped: [{ reason: 'out_of_order', total: 7 }],
    },
  ],
  doors: [{ name: 'http', address: '127.0.0.1:7800', on: true, requests: 5, errors: 0, queue: 0 }],
  jobs: [{ name: 'compact metrics', state: 'idle', runs: 3 }],
}

export const server = setupServer(
  http.get('*/api/v1/session', () => HttpResponse.json(session)),
  http.get('*/api/v1/status/server', () => HttpResponse.json({ ...serverStatus, now_ms: Date.now() })),
  http.get('*/api/v1/hosts', () => HttpResponse.json({ hosts: [] })),
  http.get('*/api/v1/services', () => HttpResponse.json({ services: [] })),
  http.get('*/api/v1/traces/query', () =>
    HttpResponse.json({ traces: [], more: false, stats: { rows_scanned: 0, elapsed_ms: 1 } }),
  ),
  http.get('*/api/metrics/query', () => HttpResponse.json({ series: [], metrics: {} })),
  http.get('*/api/metrics/query_range', () => HttpResponse.json({ series: [], metrics: {} })),
  http.get('*/api/v2/search/tags', () => HttpResponse.json({ scopes: [] })),
  http.get('*/api/v2/search/tag/:name/values', () => HttpResponse.json({ tagValues: [] })),
  http.get('*/api/v1/traces', () => HttpResponse.json({ traces: [] })),
  http.get('*/api/v1/logs', () => HttpResponse.json({ logs: [] })),
  http.get('*/api/v1/spans/names', () => HttpResponse.json({ names: [] })),
)
