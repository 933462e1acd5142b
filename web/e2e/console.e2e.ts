// The console in a real browser against BONGSU_URL. What is on screen is compared with what the API of
// the same server says, so the tests run against any server that holds some data of every signal.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, newContext, PASSWORD, SETUP_TOKEN, signIn, USER } from './browser.mjs'
import { Chart, Login, Metrics, Shell } from './pages'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser
let context: BrowserContext
let page: Page
let shell: Shell
let problems: string[]

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

async function fresh(options: Parameters<typeof newContext>[1] = {}): Promise<void> {
  context = await newContext(browser, options)
  page = await context.newPage()
  page.setDefaultTimeout(15_000)
  shell = new Shell(page)
  problems = []
  page.on('pageerror', e => problems.push(e.message))
  page.on('console', m => {
    if (m.text().includes('Content Security Policy')) {
      problems.push(m.text())
    }
  })
}

async function api<T>(path: string): Promise<T> {
  const answer = await context.request.get(path)
  if (!answer.ok()) {
    throw new Error(`${path}: ${answer.status()} ${await answer.text()}`)
  }
  return (await answer.json()) as T
}

interface Violation {
  id: string
  impact: string
  nodes: { target: string[]; failureSummary: string }[]
}

async function violations(): Promise<string[]> {
  await page.evaluate(axe)
  const found = (await page.evaluate(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'] }).then(r => r.violations)`,
  )) as Violation[]
  return found
    .filter(v => v.impact === 'critical' || v.impact === 'serious')
    .map(
      v =>
        `${v.id}: ${v.nodes
          .map(n => n.target.join(' '))
          .slice(0, 3)
          .join(' | ')}`,
    )
}

afterEach(async () => {
  expect(problems).toEqual([])
  await context.close()
})

describe('before the login', () => {
  beforeEach(() => fresh())

  test('first admin or login, then the overview', async () => {
    const session = await api<{ setup_required: boolean; auth_enabled: boolean }>('/api/v1/session')
    if (!session.auth_enabled) {
      await page.goto('/')
      await shell.heading('Overview').waitFor()
      return
    }
    const login = new Login(page)
    if (session.setup_required) {
      await page.goto(`/setup?token=${encodeURIComponent(SETUP_TOKEN)}`)
      await login.makeFirstAdmin(USER, PASSWORD)
      await shell.heading('Overview').waitFor()
      return
    }
    await page.goto('/')
    await login.submit(USER, `${PASSWORD}-wrong`)
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor()
    await login.submit(USER, PASSWORD)
    await shell.heading('Overview').waitFor()
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
  })
})

describe('logged in', () => {
  beforeEach(async () => {
    await fresh()
    await signIn(context)
  })

  test('every menu entry opens its page and keeps the time range', async () => {
    await shell.open('/?from=now-15m&to=now&live=0')
    for (const name of [
      'Hosts',
      'Metrics',
      'Traces',
      'Logs',
      'Targets',
      'Cardinality',
      'Storage',
      'Status',
      'Settings',
      'Overview',
    ]) {
      await shell.menu(name).click()
      await shell.heading(name).waitFor()
      const url = new URL(page.url())
      expect(url.searchParams.get('from'), name).toBe('now-15m')
      expect(url.searchParams.get('live'), name).toBe('0')
    }
  })

  test('Korean and dark theme are kept over a reload', async () => {
    await shell.open('/')
    await page.getByRole('button', { name: 'Language' }).click()
    await page.getByRole('menuitem', { name: '한국어' }).click()
    await shell.heading('개요').waitFor()
    await page.getByRole('button', { name: '어두운 테마' }).click()
    await page.reload()
    await shell.heading('개요').waitFor()
    expect(await page.locator('html').getAttribute('data-mantine-color-scheme')).toBe('dark')
    expect(await page.locator('html').getAttribute('lang')).toBe('ko')
  })

  test('"/" goes to the search box, which opens hosts', async () => {
    const { hosts } = await api<{ hosts: { host: string }[] }>('/api/v1/hosts')
    const host = hosts[0]?.host ?? ''
    expect(host).not.toBe('')
    await shell.open('/')
    await shell.search().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type(host)
    await page.getByRole('option', { name: host, exact: true }).first().click()
    await shell.heading(host).waitFor()
  })

  test('the overview shows the services and hosts of the API', async () => {
    const { services } = await api<{ services: { service: string }[] }>('/api/v1/services')
    const { hosts } = await api<{ hosts: { host: string }[] }>('/api/v1/hosts')
    await shell.open('/')
    const table = page.getByRole('table', { name: 'Services' })
    for (const s of services.slice(0, 3)) {
      await table.getByRole('link', { name: s.service, exact: true }).waitFor()
    }
    const names = page.getByRole('table', { name: 'Hosts' }).getByRole('link')
    await names.first().waitFor()
    expect(hosts.map(h => h.host)).toContain(await names.first().textContent())
  })

  test('host charts draw, and a drag zooms the whole page', async () => {
    const { hosts } = await api<{ hosts: { host: string }[] }>('/api/v1/hosts')
    await shell.open(`/hosts/${encodeURIComponent(hosts[0]?.host ?? '')}`)
    await shell.pause()
    const chart = new Chart(page, page.getByRole('region', { name: 'CPU by mode' }))
    await chart.canvas().waitFor()
    await chart.drag()
    await page.waitForURL(url => /^\d+$/.test(url.searchParams.get('from') ?? ''))
    const url = new URL(page.url())
    const span = Number(url.searchParams.get('to')) - Number(url.searchParams.get('from'))
    expect(span).toBeGreaterThan(3_600_000 * 0.3)
    expect(span).toBeLessThan(3_600_000 * 0.5)
    await page.getByRole('button', { name: 'Zoom out' }).click()
    await page.waitForURL(
      u => Number(u.searchParams.get('to')) - Number(u.searchParams.get('from')) > span * 1.9,
    )
  })

  test('metrics: run, error under the query, second query, table, link', async () => {
    const metrics = new Metrics(page)
    await shell.open('/explore')
    await metrics.type('A', 'system_cpu_load_average_1m')
    await page
      .getByRole('img', { name: /Query result/ })
      .locator('canvas')
      .waitFor()
    expect(new URL(page.url()).searchParams.getAll('q')).toEqual(['system_cpu_load_average_1m'])

    await metrics.type('A', 'sum(system_cpu_load_average_1m')
    const alert = metrics.row('A').getByRole('alert')
    await alert.waitFor()
    expect(await alert.textContent()).toMatch(/\d+:\d+/)

    await metrics.type('A', 'system_cpu_load_average_1m')
    await page.getByRole('button', { name: 'Add query' }).click()
    await metrics.type('B', 'system_cpu_load_average_5m')
    await metrics.tab('Table').click()
    await page
      .getByRole('cell', { name: /^system_cpu_load_average_5m/ })
      .first()
      .waitFor()

    await page.reload()
    await metrics.editor('B').waitFor()
    expect(await metrics.editor('B').textContent()).toBe('system_cpu_load_average_5m')
  })

  test('metrics: completion offers names of the server', async () => {
    const metrics = new Metrics(page)
    await shell.open('/explore')
    await metrics.editor('A').click()
    await page.keyboard.type('system_cpu_load', { delay: 20 })
    await page
      .locator('.cm-tooltip-autocomplete li')
      .filter({ hasText: 'system_cpu_load_average_1m' })
      .waitFor()
  })

  test('metrics: builder and code say the same', async () => {
    const metrics = new Metrics(page)
    await shell.open('/explore?live=0')
    await metrics.type('A', 'sum by (route) (rate(http_requests_total{code="200"}[5m]))')
    await metrics.chart().waitFor()
    await page.getByText('Builder', { exact: true }).click()
    await page.getByRole('combobox', { name: 'Metric', exact: true }).waitFor()
    expect(await page.getByRole('combobox', { name: 'Metric', exact: true }).inputValue()).toBe(
      'http_requests_total',
    )
    await page.getByRole('button', { name: 'Remove sum' }).click()
    await page.waitForURL(u => u.searchParams.get('q') === 'rate(http_requests_total{code="200"}[5m])')
    await page.getByText('Code', { exact: true }).click()
    expect(await metrics.editor('A').textContent()).toBe('rate(http_requests_total{code="200"}[5m])')
  })

  test('metrics: a formula over two queries, legend table, an earlier period', async () => {
    const metrics = new Metrics(page)
    const q = (e: string) => `q=${encodeURIComponent(e)}`
    await shell.open(
      `/explore?live=0&${q('sum(rate(http_requests_total{code="500"}[5m]))')}&${q('sum(rate(http_requests_total[5m]))')}&${q('A / B')}&formula=C&off=A,B&unit=ratio&vs=1h`,
    )
    await metrics.chart().waitFor()
    const legend = page.getByRole('table', { name: 'Legend' })
    await legend
      .getByRole('button', { name: /A \/ B/ })
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'More for query C' }).click()
    await page.getByRole('menuitem', { name: 'Explain' }).click()
    await page.getByRole('list', { name: 'Explain' }).getByText('sum', { exact: true }).first().waitFor()
  })

  test('metrics: heat map, figures, and a table that sorts', async () => {
    const q = encodeURIComponent('sum by (le) (increase(shop_request_seconds_bucket[30s]))')
    await shell.open(`/explore?q=${q}&view=heatmap&from=now-5m&to=now`)
    await page.getByRole('img', { name: /heat map of/ }).waitFor()
    await shell.open('/explore?q=shop_request_seconds_count&view=stat&from=now-5m&to=now')
    await page
      .getByText(/since the start/)
      .first()
      .waitFor()
    await shell.open('/explore?q=http_requests_total&view=table&live=0')
    const table = page.getByRole('table', { name: 'Result' })
    await table.getByRole('button', { name: 'Value' }).click()
    await table.locator('th[aria-sort=descending]').waitFor()
  })

  test('metrics: a fix for a forgotten range', async () => {
    const metrics = new Metrics(page)
    await shell.open('/explore?live=0')
    await metrics.editor('A').click()
    await page.keyboard.insertText('rate(http_requests_total)')
    await page.locator('.cm-lintRange-error').first().hover()
    await page.locator('.cm-diagnosticAction').first().click()
    expect(await metrics.editor('A').textContent()).toBe('rate(http_requests_total[5m])')
  })

  test('metrics: an exemplar opens its trace', async () => {
    const q = encodeURIComponent('histogram_quantile(0.9, sum by (le) (rate(checkout_seconds_bucket[1m])))')
    const answer = page.waitForResponse(r => r.url().includes('/query_exemplars'))
    await shell.open(`/explore?q=${q}&ex=1&from=now-5m&to=now&live=0`)
    const { data } = (await (await answer).json()) as { data: { exemplars: unknown[] }[] }
    expect(data.flatMap(s => s.exemplars).length).toBeGreaterThan(0)
    await new Metrics(page).chart().waitFor()
    await page.getByRole('button', { name: /\d+ exemplars/ }).click()
    const slowest = page.getByRole('table', { name: 'Slowest exemplars' })
    await slowest.getByRole('link').first().click()
    await page.getByRole('tree').waitFor()
  })

  test('metrics: history, saved queries and the metric browser', async () => {
    const metrics = new Metrics(page)
    await shell.open('/explore?live=0')
    await page.getByRole('textbox', { name: 'Find a metric' }).fill('shop_request_seconds_c')
    await page.getByRole('button', { name: /shop_request_seconds_count/ }).dblclick()
    await metrics.chart().waitFor()
    expect(new URL(page.url()).searchParams.get('q')).toBe('rate(shop_request_seconds_count[5m])')
    await page.getByRole('button', { name: 'History' }).click()
    await page.getByRole('tab', { name: 'Saved' }).click()
    await page.getByRole('textbox', { name: 'Name for these queries' }).fill('shop rate')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.reload()
    await page.getByRole('button', { name: 'History' }).click()
    await page.getByRole('tab', { name: 'Saved' }).click()
    await page
      .getByRole('button', { name: /shop rate/ })
      .first()
      .waitFor()
  })

  test('metrics: more series than a chart draws at first', async () => {
    await shell.open('/explore?q=shop_session_events_total&from=now-15m&to=now&live=0')
    await page.getByText(/1,?100 more series are not drawn/).waitFor()
    await page.getByRole('button', { name: 'Show all' }).click()
    await page.getByRole('button', { name: 'Show the first 100' }).waitFor()
    await page.getByText('1200 series').first().waitFor()
  })

  test('targets: pools, the error of one, labels before and after, the way to its metrics', async () => {
    await shell.open('/targets')
    await page.getByRole('button', { name: /^refused/ }).waitFor()
    await page
      .getByText(/refused|Connect|connect/)
      .nth(1)
      .waitFor()
    await page.getByRole('button', { name: /^exporter 1 of 1 up/ }).click()
    expect(new URL(page.url()).searchParams.get('pool')).toBe('exporter')
    await page.getByRole('button', { name: /^up 127\.0\.0\.1/ }).click()
    const changes = page.getByRole('table', { name: 'Labels before and after relabelling' })
    await changes.getByRole('row', { name: /__address__/ }).waitFor()
    await page.getByRole('link', { name: 'Its metrics' }).click()
    await page.getByRole('cell', { name: 'shop_request_seconds_bucket' }).waitFor()
    await shell.open('/targets?state=dropped')
    await page.getByText('127.0.0.1:2').first().waitFor()
  })

  test('cardinality: totals as the API says, down to one job, values of a label, what to do', async () => {
    await shell.open('/cardinality?live=0')
    const labels = page.getByRole('table', { name: 'Labels by distinct values' })
    await labels.getByRole('button', { name: 'session_id' }).click()
    await page.getByRole('table', { name: 'Values of session_id' }).waitFor()
    await page.getByRole('button', { name: 'What to do' }).first().click()
    await page.getByText('action: labeldrop').waitFor()
    await page
      .getByRole('table', { name: 'Jobs by series' })
      .getByRole('button', { name: 'shop', exact: true })
      .click()
    await page.waitForURL(u => u.searchParams.get('by') === 'job=shop')
    const { series } = await api<{ series: { total: number } }>(
      `/api/v1/cardinality?match[]=${encodeURIComponent('{job="shop"}')}`,
    )
    expect(series.total).toBe(12)
    await page.getByText('12', { exact: true }).first().waitFor()
    await page.getByRole('table', { name: 'Limits' }).getByText('All series').waitFor()
  })

  test('storage: figures of the API, tiers, jobs, the link keeps what sources are told apart by', async () => {
    await shell.open('/storage')
    for (const name of ['By signal', 'Metrics by resolution', 'Background jobs']) {
      await page.getByRole('table', { name }).waitFor()
    }
    await page.getByRole('meter', { name: 'Disk used' }).waitFor()
    await page.getByText('Instance', { exact: true }).click()
    await page.waitForURL(u => u.searchParams.get('by') === 'instance')
  })

  test('logs: open a record, filter by its value, clear', async () => {
    await shell.open('/logs?live=0')
    const row = page.locator('[data-log-row]').first()
    await row.click()
    expect(await row.getAttribute('aria-expanded')).toBe('true')
    await page
      .getByRole('region', { name: 'Log records' })
      .getByRole('button', { name: /^Only this value of / })
      .first()
      .click()
    await page.waitForURL(u => (u.searchParams.get('q') ?? '').startsWith('{'))
    await page.locator('[data-log-row]').first().waitFor()
    await page
      .getByRole('button', { name: /^Remove filter / })
      .first()
      .click()
    await page.waitForURL(u => !u.searchParams.has('q'))
  })

  test('logs: a word that nothing has', async () => {
    await shell.open('/logs?live=0')
    await page.getByRole('textbox', { name: 'Search logs' }).fill('zzqqzz-nothing-has-this')
    await page.keyboard.press('Enter')
    await page.getByText('No record matches').waitFor()
  })

  const logql = (q: string) => `/logs?live=0&mode=code&q=${encodeURIComponent(q)}`

  test('logs: a stack trace is folded, its own frames are not', async () => {
    await shell.open('/logs?live=0&text=Reservation')
    await page.locator('[data-log-row]').first().click()
    const body = page.getByTestId('log-body')
    await body.getByText('com.shop.stock.StockService.reserve').waitFor()
    expect(await body.getByText('CglibAopProxy.intercept').count()).toBe(0)
    await body
      .getByRole('button', { name: /library frames/ })
      .first()
      .click()
    await body.getByText('CglibAopProxy.intercept').waitFor()
  })

  test('logs: the lines around a record, and the way back', async () => {
    await shell.open('/logs?live=0&text=Reservation')
    await page.locator('[data-log-row]').first().click()
    await page.getByRole('button', { name: 'Lines around' }).click()
    const drawer = page.getByRole('dialog', { name: 'Lines around this record' })
    await drawer.getByText('service_name="stock"').waitFor()
    await drawer
      .getByText(/^Reserved sku/)
      .first()
      .waitFor()
    expect(new URL(page.url()).searchParams.get('around')).toMatch(/^\d+-\d+$/)
    // the link alone finds the record again
    await page.reload()
    await drawer.getByText('service_name="stock"').waitFor()
    await page.keyboard.press('Escape')
    await page.waitForURL(u => !u.searchParams.has('around'))
  })

  test('logs: JSON lines become columns and filters', async () => {
    await shell.open(`${logql('{service_name="gateway"} | json | status >= 404')}&col=status&col=user_id`)
    await page.locator('[data-log-row]').first().waitFor()
    expect(await page.locator('[data-log-row]').first().innerText()).toMatch(/404|500/)
    await page.getByText('Simple', { exact: true }).click()
    await page.getByRole('button', { name: 'Remove filter status >= 404' }).waitFor()
    await page.getByRole('button', { name: 'Remove the column status' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(u => u.searchParams.getAll('col').join() === 'user_id')
  })

  test('logs: an error is underlined where it is', async () => {
    await shell.open(logql('{service_name="gateway"} | jsn | x > 1'))
    await page
      .getByText(/parse error at line 1, col 32/)
      .first()
      .waitFor()
    await page.locator('.cm-lintRange-error').waitFor()
  })

  test('logs: a metric query draws a chart with figures', async () => {
    await shell.open(logql('sum by (service_name) (rate({service_name=~".+"}[1m]))'))
    await page.getByRole('img', { name: /Result of the LogQL query/ }).waitFor()
    await page.getByText('{service_name="gateway"}').waitFor()
  })

  test('logs: values of a field are counted when it is opened', async () => {
    await shell.open('/logs?live=0')
    const streams = page.getByRole('group', { name: 'Streams' })
    await streams.getByRole('button', { name: 'host_name', exact: false }).first().click()
    await streams.getByRole('button', { name: 'Only this value of host_name' }).first().waitFor()
  })

  test('logs: the keyboard walks, opens and copies nothing by accident', async () => {
    await shell.open('/logs?live=0')
    await page.locator('[data-log-row]').first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.locator('[data-log-row][data-active]').waitFor()
    await page.keyboard.press('Enter')
    await page.getByTestId('log-body').waitFor()
    await page.keyboard.press('Escape')
    await page.getByTestId('log-body').waitFor({ state: 'detached' })
    await page.keyboard.press('/')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Search logs')
  })

  test('logs: a pattern becomes a filter', async () => {
    await shell.open('/logs?live=0&tab=patterns')
    const row = page
      .getByRole('table', { name: 'Patterns' })
      .getByRole('row')
      .filter({ hasText: 'Reserved' })
      .first()
    await row.getByRole('button', { name: 'Only this pattern' }).click()
    await page.waitForURL(u => (u.searchParams.get('q') ?? '').includes('pattern_id'))
    await page.locator('[data-log-row]').first().waitFor()
    for (const text of await page.locator('[data-log-row]').allInnerTexts()) {
      expect(text).toContain('Reserved')
    }
  })

  test('a point of a chart leads to the logs of that time', async () => {
    await shell.open(
      `/explore?live=0&q=${encodeURIComponent('sum(rate(http_requests_total{job="shop"}[5m]))')}`,
    )
    const over = page.locator('.u-over').first()
    await over.waitFor()
    const box = await over.boundingBox()
    await over.click({ position: { x: (box?.width ?? 200) * 0.9, y: (box?.height ?? 100) / 2 } })
    await page.getByRole('menuitem', { name: 'Its logs at this time' }).click()
    await page.waitForURL(
      u => u.searchParams.get('q') === '{service_name="shop"}' && u.searchParams.has('from'),
    )
  })

  test('logs: export gives a file of the whole result', async () => {
    await shell.open('/logs?live=0&service=gateway')
    await page.locator('[data-log-row]').first().waitFor()
    await page.getByRole('button', { name: 'Export' }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download' }).click()
    const path = await (await download).path()
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(300)
    expect(lines.every(l => (JSON.parse(l) as { service: string }).service === 'gateway')).toBe(true)
  })

  test('logs: live tail connects', async () => {
    await shell.open('/logs')
    await page.getByRole('button', { name: 'Live tail' }).click()
    await page.getByText('Following live').waitFor()
    expect(new URL(page.url()).searchParams.get('tail')).toBe('1')
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await page.getByText(/^Paused/).waitFor()
  })

  test('status names every signal', async () => {
    await shell.open('/status')
    const table = page.getByRole('table', { name: 'Incoming data' })
    for (const signal of ['Metrics', 'Traces', 'Logs']) {
      await table.getByText(signal, { exact: true }).waitFor()
    }
  })

  test('settings: a token shows its secret once and can be revoked', async () => {
    const name = `e2e ${Date.now()}`
    await shell.open('/settings?tab=tokens')
    await page.getByRole('button', { name: 'Make token' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill(name)
    await dialog.getByRole('button', { name: 'Make token' }).click()
    await dialog.getByText('Copy the secret now').waitFor()
    await dialog.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('button', { name: `Remove ${name}` }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click()
    await page.getByRole('button', { name: `Remove ${name}` }).waitFor({ state: 'detached' })
  })

  test('settings: a user is added, gets a role, is removed; the audit log says so', async () => {
    const session = await api<{ auth_enabled: boolean }>('/api/v1/session')
    if (!session.auth_enabled) {
      return
    }
    const name = `e2e-${Date.now()}`
    await shell.open('/settings?tab=users')
    await page.getByRole('button', { name: 'Add user' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('User name').fill(name)
    await dialog.getByLabel('Password', { exact: true }).fill('a-long-password')
    await dialog.getByRole('button', { name: 'Add user' }).click()
    await page.getByRole('combobox', { name: `Role of ${name}` }).click()
    await page.getByRole('option', { name: 'Operator' }).click()
    await page.getByText('Role changed').waitFor()
    await page.getByRole('button', { name: `Remove ${name}` }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('button', { name: `Remove ${name}` }).waitFor({ state: 'detached' })
    await page.getByRole('tab', { name: 'Audit log' }).click()
    await page
      .getByRole('row')
      .filter({ hasText: 'User removed' })
      .filter({ hasText: name })
      .first()
      .waitFor()
  })

  test('a page that does not exist says so and leads back', async () => {
    await page.goto('/no/such/page')
    await page.getByText('There is no such page').waitFor()
    await page.getByRole('link', { name: 'Overview' }).last().click()
    await shell.heading('Overview').waitFor()
  })

  test('a server that stops answering is said, with a way to try again', async () => {
    await shell.open('/status')
    await page.getByRole('table', { name: 'Incoming data' }).waitFor()
    await page.route('**/api/v1/status/server', r => r.abort())
    await page.getByText('The server does not answer').waitFor({ timeout: 30_000 })
    await page.unroute('**/api/v1/status/server')
    await page.getByRole('button', { name: 'Retry' }).first().click()
    await page.getByText('The server does not answer').waitFor({ state: 'detached' })
  })
})

describe('accessible', () => {
  for (const theme of ['light', 'dark'] as const) {
    test(`no serious finding of axe, ${theme}`, async () => {
      await fresh({ theme })
      await signIn(context)
      const { traces } = await api<{ traces: { trace_id: string }[] }>('/api/v1/traces?limit=1')
      const { hosts } = await api<{ hosts: { host: string }[] }>('/api/v1/hosts')
      const paths = [
        '/',
        '/hosts',
        `/hosts/${encodeURIComponent(hosts[0]?.host ?? 'x')}`,
        '/explore?q=system_cpu_load_average_1m',
        '/traces',
        `/traces/${traces[0]?.trace_id ?? 'f'.repeat(32)}`,
        '/logs',
        '/explore?q=shop_session_events_total&view=table',
        '/targets',
        '/cardinality',
        '/add-data?via=rsyslog',
        '/storage',
        '/status',
        '/settings?tab=users',
        '/settings?tab=config',
      ]
      const found: string[] = []
      for (const path of paths) {
        await shell.open(path)
        await page.waitForLoadState('networkidle').catch(() => {})
        await page.waitForTimeout(300)
        found.push(...(await violations()).map(v => `${path} ${v}`))
      }
      expect(found).toEqual([])
    }, 180_000)
  }
})

describe('adding data', () => {
  test('a sender is set up with the ports of this server, and its first data shows by itself', async () => {
    await fresh()
    await signIn(context)
    await shell.open('/add-data')
    const status = await api<{ doors: { name: string; address: string; on: boolean }[] }>(
      '/api/v1/status/server',
    )
    const port = /:(\d+)$/.exec(status.doors.find(d => d.name === 'otlp_http')?.address ?? '')?.[1]
    await page.getByText(`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${port}`).waitFor()
    const senders = page.getByRole('navigation', { name: 'Senders' })
    await senders.getByRole('button', { name: 'rsyslog' }).click()
    await page.getByRole('alert').getByText('The door for syslog is closed').waitFor()
    await senders.getByRole('button', { name: 'Zipkin' }).click()
    await page
      .getByRole('status')
      .getByText(/^Waiting for data/)
      .waitFor()
    const csrf = (await api<{ csrf_token?: string }>('/api/v1/session')).csrf_token ?? ''
    const made = await context.request.post('/api/v1/tokens', {
      data: { name: 'add data', scopes: ['ingest'] },
      headers: { 'X-CSRF-Token': csrf },
    })
    const { secret } = (await made.json()) as { secret: string }
    const sent = await context.request.post('/api/v2/spans', {
      headers: { Authorization: `Bearer ${secret}` },
      data: [
        {
          traceId: Date.now().toString(16).padStart(32, '0'),
          id: '00000000000000b2',
          name: 'hello',
          duration: 1200,
          localEndpoint: { serviceName: 'zipkin-test' },
        },
      ],
    })
    expect(sent.status(), await sent.text()).toBe(202)
    await page
      .getByRole('status')
      .getByRole('link', { name: /^Traces \+\d/ })
      .waitFor()
    expect(problems).toEqual([])
    await context.close()
  })
})
