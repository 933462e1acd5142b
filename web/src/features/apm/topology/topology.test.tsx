// Link, tones, TraceQL and the screen itself, with answers of the contract's shape.
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { beforeEach, describe, expect, test } from 'vitest'
import { TopologyPage } from '@/features/apm/topology/TopologyPage'
import {
  changeOf,
  edgeQuery,
  framesOf,
  matching,
  nodeQuery,
  savedPlaces,
  savePlaces,
  shortInstance,
  type Topology,
  type TopologyNode,
  toneOf,
  topologyCodec,
  widthOf,
} from '@/features/apm/topology/topology'
import { setLanguage } from '@/i18n'
import { renderAt } from '@/test/render'
import { server } from '@/test/server'

const f = { requests: 100, failed: 0, tps: 10, error_ratio: 0, mean_ms: 20, p95_ms: 40 }
const node = (id: string, kind: TopologyNode['kind'], more: Partial<TopologyNode> = {}): TopologyNode => ({
  ...f,
  id,
  name: id,
  kind,
  monitored: kind === 'service' || kind === 'web',
  ...more,
})
const NODES = {
  user: node('user', 'user'),
  shop: node('mall/shop', 'service', { namespace: 'mall', name: 'shop', instances: 2 }),
  db: node('postgresql db1/mall', 'database', { system: 'postgresql' }),
  pay: node('pay.example:8443', 'external'),
  queue: node('kafka orders', 'queue', { system: 'kafka' }),
  mailer: node('mailer', 'service'),
}
const answer: Topology = {
  level: 'group',
  live: true,
  start_ms: 1,
  end_ms: 10_001,
  nodes: Object.values(NODES),
  edges: [
    { ...f, client: 'user', server: 'mall/shop', connection_type: 'virtual_node' },
    { ...f, client: 'mall/shop', server: 'postgresql db1/mall', connection_type: 'database' },
    {
      ...f,
      client: 'mall/shop',
      server: 'pay.example:8443',
      connection_type: 'virtual_node',
      failed: 9,
      error_ratio: 0.09,
    },
    { ...f, client: 'mall/shop', server: 'mailer', connection_type: 'messaging_system' },
  ],
  overflow_requests: 0,
  waiting_spans: 0,
  unpaired_spans: 0,
}

describe('pure parts', () => {
  test('the link keeps what is chosen and leaves defaults out', () => {
    const state = topologyCodec.decode({
      level: 'instance',
      mode: 'replay',
      at: '60000',
      compare: '7d',
      sel: 'n:a',
      group: 'g',
    })
    expect(topologyCodec.decode(topologyCodec.encode(state))).toEqual(state)
    const plain = topologyCodec.encode(topologyCodec.decode({ level: 'pod', mode: 'x', compare: '2d' }))
    expect(Object.values(plain).every(v => v === undefined)).toBe(true)
  })

  test('tones: failures and times, the worse of them', () => {
    expect(toneOf({ ...f, requests: 0, error_ratio: undefined, mean_ms: undefined, p95_ms: undefined })).toBe(
      'none',
    )
    expect(toneOf(f)).toBe('good')
    expect(toneOf({ ...f, error_ratio: 0.02 })).toBe('warn')
    expect(toneOf({ ...f, p95_ms: 1_001 })).toBe('warn')
    expect(toneOf({ ...f, p95_ms: 4_001, error_ratio: 0.02 })).toBe('bad')
    expect(widthOf(0)).toBeLessThan(widthOf(1))
    expect(widthOf(1e9)).toBe(7)
  })

  test('differences: new, gone, slower, failing', () => {
    expect(changeOf(f)).toBeUndefined()
    expect(changeOf({ ...f, change: 'new' })).toMatchObject({ what: 'new', tone: 'info' })
    expect(changeOf({ ...f, change: 'gone', before: f })).toMatchObject({ what: 'gone', tone: 'none' })
    expect(changeOf({ ...f, change: 'same', before: f })).toMatchObject({ tps: 1, mean: 1, tone: 'good' })
    expect(changeOf({ ...f, mean_ms: 31, change: 'same', before: f })?.tone).toBe('warn')
    expect(changeOf({ ...f, mean_ms: 40, change: 'same', before: f })?.tone).toBe('bad')
    expect(changeOf({ ...f, error_ratio: 0.05, change: 'same', before: f })?.tone).toBe('bad')
  })

  test('what is clicked as TraceQL', () => {
    expect(nodeQuery(NODES.shop)).toBe(
      '{ resource.service.name = "shop" && resource.service.namespace = "mall" && (kind = server || kind = consumer) }',
    )
    expect(nodeQuery(node('a"b', 'service', { instance: 'i', name: 'a"b' }))).toContain(
      'resource.service.name = "a\\"b" && (resource.service.instance.id = "i" ||',
    )
    expect(edgeQuery(NODES.user, NODES.mailer)).toBe(
      '{ resource.service.name = "mailer" && (kind = server || kind = consumer) }',
    )
    expect(edgeQuery(NODES.mailer, NODES.db, true)).toBe(
      '{ resource.service.name = "mailer" && (kind = client || kind = producer) && (span.db.system.name = "postgresql" || span.db.system = "postgresql") && status = error }',
    )
    expect(edgeQuery(NODES.mailer, NODES.pay)).toContain('span.server.address = "pay.example"')
    expect(edgeQuery(NODES.mailer, NODES.queue)).toContain('span.messaging.destination.name = "orders"')
    expect(edgeQuery(NODES.mailer, NODES.shop)).toMatch(/^\{ .*mailer.* \} > \{ .*shop.* \}$/)
  })

  test('search finds names, kinds and systems, and what they touch', () => {
    expect(matching(answer, ' ')).toBeNull()
    expect([...(matching(answer, 'POSTGRES')?.near ?? [])].sort()).toEqual([
      'mall/shop',
      'postgresql db1/mall',
    ])
    expect(matching(answer, 'nothing')?.near.size).toBe(0)
  })

  test('frames are whole minutes, at most sixty, and end with the range', () => {
    const hour = framesOf(0, 3_600_000)
    expect(hour.stepMs).toBe(60_000)
    expect(hour.times).toHaveLength(60)
    expect(hour.times.at(-1)).toBe(3_600_000)
    expect(framesOf(0, 7 * 86_400_000).times.length).toBeLessThanOrEqual(60)
    expect(framesOf(100_000, 130_000).times).toEqual([120_000])
  })

  test('places are kept by user and level, and broken ones ignored', () => {
    savePlaces('kim', 'group', new Map([['a', { x: 1.4, y: 2 }]]))
    expect(savedPlaces('kim', 'group').get('a')).toEqual({ x: 1, y: 2 })
    expect(savedPlaces('lee', 'group').size).toBe(0)
    window.localStorage.setItem('bongsu.topology.group.kim', '{"a":[1],"b":["x",2]')
    expect(savedPlaces('kim', 'group').size).toBe(0)
    expect(shortInstance('627cc493-f310-47de-96bd-71410b7dec09')).toBe('627cc493')
    expect(shortInstance('tomcat-1')).toBe('tomcat-1')
  })
})

describe('screen', () => {
  const asked: URL[] = []
  beforeEach(async () => {
    await setLanguage('en')
    window.localStorage.clear()
    asked.length = 0
  })
  const answers = (body: object) =>
    server.use(
      http.get('*/api/v1/apm/topology', ({ request }) => {
        asked.push(new URL(request.url))
        return HttpResponse.json(body)
      }),
    )

  test('nodes by keyboard, their figures and the ways to dashboard and traces', async () => {
    answers(answer)
    const user = userEvent.setup()
    const { router } = renderAt('/apm/topology', <TopologyPage />)
    const shop = await screen.findByRole('button', { name: /^mall\/shop, Service/ })
    expect(
      screen.getByRole('button', { name: /^postgresql db1\/mall, Database \(not monitored\)/ }),
    ).toBeInTheDocument()
    shop.focus()
    await user.keyboard('{Enter}')
    const side = await screen.findByRole('complementary', { name: 'Details' })
    expect(within(side).getByRole('link', { name: 'Dashboard of the group' })).toHaveAttribute(
      'href',
      '/apm?group=mall/shop',
    )
    expect(within(side).getByText('2 instances', { exact: false })).toBeInTheDocument()
    await user.click(within(side).getByRole('button', { name: /pay\.example/ }))
    const link = await within(side).findByRole('link', { name: 'Only failed ones' })
    expect(decodeURIComponent(link.getAttribute('href') ?? '').replaceAll('+', ' ')).toContain(
      'status = error',
    )
    expect(router.state.location.search).toMatchObject({ sel: 'e:mall/shop>pay.example:8443>virtual_node' })
    expect(asked[0]?.searchParams.get('start_ms')).toBeNull()
    await user.keyboard('{Escape}')
    await waitFor(() => expect(screen.queryByRole('complementary')).toBeNull())
  })

  test('a table for those who cannot see the map', async () => {
    answers(answer)
    const user = userEvent.setup()
    renderAt('/apm/topology?view=table', <TopologyPage />)
    const table = await screen.findByRole('table', { name: 'Who calls whom' })
    expect(within(table).getAllByRole('row')).toHaveLength(5)
    await user.type(screen.getByRole('textbox', { name: 'Find a node' }), 'mailer')
    await waitFor(() => expect(within(table).getAllByRole('row')).toHaveLength(2))
  })

  test('replay asks for one step at a time, difference for the time before', async () => {
    const gone = { ...answer.edges[3], requests: 0, failed: 0, tps: 0, change: 'gone', before: f }
    answers({
      ...answer,
      live: false,
      compare: { start_ms: 1, end_ms: 2 },
      edges: [{ ...answer.edges[0], change: 'new' }, gone],
      nodes: answer.nodes.map(n => ({ ...n, change: 'same', before: f })),
    })
    renderAt(
      '/apm/topology?mode=replay&compare=1d&from=1000000020000&to=1000003620000&view=table',
      <TopologyPage />,
    )
    const slider = await screen.findByRole('slider', { name: 'Moment' })
    expect(slider).toHaveAttribute('max', '59')
    const [first] = asked
    expect(first?.searchParams.get('compare')).toBe('1d')
    expect(Number(first?.searchParams.get('end_ms')) - Number(first?.searchParams.get('start_ms'))).toBe(
      60_000,
    )
    const table = await screen.findByRole('table')
    expect(within(table).getByText('new', { exact: false, selector: 'span' })).toBeInTheDocument()
    expect(within(table).getByText('Gone')).toBeInTheDocument()
  })

  test('nothing, too much and errors are said, in Korean as well', async () => {
    answers({ ...answer, nodes: [], edges: [] })
    renderAt('/apm/topology', <TopologyPage />)
    expect(await screen.findByText('Nobody calls anybody right now')).toBeInTheDocument()
    await setLanguage('ko')
    expect(await screen.findByText('지금 오가는 요청이 없습니다')).toBeInTheDocument()
  })

  test('a warning when the limits were reached', async () => {
    answers({ ...answer, overflow_requests: 12 })
    renderAt('/apm/topology', <TopologyPage />)
    expect(await screen.findByText(/^12 requests are shown under/)).toBeInTheDocument()
  })

  test('an error of the server', async () => {
    server.use(
      http.get('*/api/v1/apm/topology', () =>
        HttpResponse.json({ status: 'error', errorType: 'bad_data', error: 'level: no' }, { status: 400 }),
      ),
    )
    renderAt('/apm/topology', <TopologyPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('level: no')
  })
})
