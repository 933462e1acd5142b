// The traces screens in a real browser. The traces with known ids come from tests/e2e/trace_data.py: f 10,000
// spans, a clocks that differ, b without its root, 1 and 2 of one operation.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, newContext, signIn } from './browser.mjs'
import { Shell } from './pages'

let browser: Browser
let context: BrowserContext
let page: Page
let shell: Shell
let problems: string[]

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

beforeEach(async () => {
  context = await newContext(browser)
  page = await context.newPage()
  page.setDefaultTimeout(30_000)
  shell = new Shell(page)
  problems = []
  page.on('pageerror', e => problems.push(e.message))
  await signIn(context)
})
afterEach(async () => {
  expect(problems).toEqual([])
  await context.close()
})

async function api<T>(path: string): Promise<T> {
  const answer = await context.request.get(path)
  if (!answer.ok()) {
    throw new Error(`${path}: ${answer.status()} ${await answer.text()}`)
  }
  return (await answer.json()) as T
}

const param = (name: string) => new URL(page.url()).searchParams.get(name)
const id = (digit: string) => digit.repeat(32)

async function openTrace(digit: string, search = ''): Promise<void> {
  // a server with other data (the mock) does not have them
  await shell.open(`/traces/${id(digit)}${search}`)
  await page.getByRole('tab', { name: 'Waterfall' }).waitFor()
}

describe('search', () => {
  test('builder, facets and TraceQL are one query; the list follows', async () => {
    await shell.open('/traces?live=0')
    await page.getByRole('combobox', { name: 'Service' }).click()
    await page.getByRole('option', { name: 'checkout', exact: true }).click()
    await page.waitForURL(u => u.searchParams.get('q') === '{ resource.service.name = "checkout" }')
    const facet = page.getByRole('region', { name: 'Facets' }).getByRole('list', { name: 'kind' })
    await facet.getByRole('button', { name: 'server', exact: true }).click()
    const q = '{ resource.service.name = "checkout" && kind = server }'
    await page.waitForURL(u => u.searchParams.get('q') === q)
    const end = Date.now()
    const want = await api<{ traces: unknown[] }>(
      `/api/v1/traces/query?limit=200&start_ms=${end - 3_600_000}&end_ms=${end}&q=${encodeURIComponent(q)}`,
    )
    await page.getByText(new RegExp(`^${want.traces.length} traces?`)).waitFor()
    const list = page.getByRole('grid', { name: 'Traces found' })
    expect(await list.getByRole('row').count()).toBeLessThan(80)
    await list.getByRole('button', { name: 'Matching spans' }).first().click()
    await list.getByRole('link', { name: 'POST /checkout', exact: true }).first().waitFor()
  })

  test('what the server refuses is underlined where it said; metrics are drawn', async () => {
    await shell.open('/traces?live=0')
    await page.getByText('TraceQL', { exact: true }).click()
    const editor = page.getByRole('textbox', { name: 'TraceQL' })
    await editor.click()
    await page.keyboard.insertText('{ kind = servr }')
    await page.keyboard.press('Control+Enter')
    await page
      .getByRole('alert')
      .getByText(/line 1, col 10/)
      .waitFor()
    await page.locator('.cm-lintRange-error').waitFor()
    await editor.click()
    await page.keyboard.press('Control+A')
    await page.keyboard.insertText('{ kind = server } | rate() by (resource.service.name)')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('img', { name: /Metrics of spans: chart/ }).waitFor()
    await page.getByText('Figures', { exact: true }).click()
    await page.getByRole('table', { name: 'Series' }).getByText('checkout').waitFor()
  })

  test('completion offers attributes and their values', async () => {
    await shell.open('/traces?live=0')
    await page.getByText('TraceQL', { exact: true }).click()
    await page.getByRole('textbox', { name: 'TraceQL' }).click()
    await page.keyboard.type('{ span.http.rou')
    await page.getByRole('option', { name: /span\.http\.route/ }).click()
    await page.keyboard.type(' = ')
    await page.getByRole('option', { name: /\/checkout/ }).click()
    await page.keyboard.press('Control+Enter')
    await page.waitForURL(u => u.searchParams.get('q') === '{ span.http.route = "/checkout"}')
  })

  test('a bucket of the distribution filters by duration', async () => {
    await shell.open('/traces?live=0')
    const bucket = page
      .getByRole('group', { name: 'Duration distribution' })
      .getByRole('button', { name: /[1-9]\d* spans/ })
      .first()
    await bucket.focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(u => /duration >= .* && duration <= /.test(u.searchParams.get('q') ?? ''))
    await page.getByRole('grid', { name: 'Traces found' }).getByRole('link').first().waitFor()
  })
})

describe('one trace', () => {
  test('open from the list, walk by keyboard, link to a span', async () => {
    await shell.open('/traces?live=0')
    const first = page.getByRole('grid', { name: 'Traces found' }).getByRole('link').first()
    await first.click()
    const tree = page.getByRole('tree')
    await tree.waitFor()
    await tree.focus()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const detail = page.getByRole('complementary', { name: 'Span detail' })
    await detail.waitFor()
    expect(param('span')).toMatch(/^[0-9a-f]{16}$/)
    await page.reload()
    await detail.waitFor()
    for (const name of ['Flame graph', 'Spans', 'Services', 'Logs']) {
      await page.getByRole('tab', { name, exact: true }).click()
      await page.getByRole('tabpanel', { name, exact: true }).waitFor()
    }
  })

  test('ten thousand spans: only rows on screen are in the page, scrolling and search stay quick', async () => {
    await openTrace('f')
    const tree = page.getByRole('tree')
    const rows = tree.getByRole('treeitem')
    await rows.first().waitFor()
    expect(await rows.count()).toBeLessThan(120)
    for (const share of [0.25, 0.6, 0.9]) {
      await tree.evaluate((e, s) => {
        e.scrollTop = e.scrollHeight * s
      }, share)
      const level = Math.floor(99 * share)
      await tree
        .getByText(new RegExp(`^batch (${level - 1}|${level}|${level + 1})$`))
        .first()
        .waitFor({ timeout: 5_000 })
        .catch(async () => expect(await rows.count()).toBeGreaterThan(10))
      expect(await rows.count()).toBeLessThan(120)
    }
    await tree.focus()
    await page.keyboard.press('End')
    await page.locator('[role=treeitem][aria-selected=true]').waitFor()
    await page.getByRole('textbox', { name: 'Find in spans' }).fill('batch 77')
    await page.keyboard.press('Enter')
    await tree.getByRole('treeitem', { selected: true }).getByText('batch 77').waitFor()
    await page.getByRole('tab', { name: 'Spans', exact: true }).click()
    const grid = page.getByRole('grid', { name: 'Spans' })
    await grid.waitFor()
    expect(await grid.getByRole('row').count()).toBeLessThan(80)
  }, 120_000)

  test('clocks that differ: moved with the offset shown, or as sent', async () => {
    await openTrace('a')
    const note = page.getByRole('note')
    await note.getByText(/api-1/).waitFor()
    expect(await note.textContent()).toMatch(/\+500 ms/)
    const tree = page.getByRole('tree')
    await tree.getByText('⇄ +500 ms').first().waitFor()
    await page.getByText('40 ms', { exact: true }).first().waitFor()
    await note.getByRole('switch', { name: 'Adjust clocks' }).click()
    await page.waitForURL(u => u.searchParams.get('clock') === 'raw')
    await tree.getByText('⇄').waitFor({ state: 'detached' })
  })

  test('a root that never came stands as a missing parent', async () => {
    await openTrace('b')
    await page.getByRole('tree').getByText('missing parent').waitFor()
    await page.getByText(/1 parent span never arrived/).waitFor()
  })

  test('compared with the fastest of its operation', async () => {
    await openTrace('2', '?tab=compare')
    await page.getByRole('button', { name: 'fastest' }).click()
    await page.waitForURL(u => u.searchParams.get('other') === id('1'))
    const table = page.getByRole('table', { name: 'Compare' })
    await table.locator('[data-diff="slower"]').filter({ hasText: 'SELECT' }).waitFor()
  })

  test('spans as a table: sorted by duration, found by name, and one opens with its place in the tree', async () => {
    const sent = await api<{ spans: { span_id: string; name: string }[] }>(`/api/v1/traces/${id('2')}`)
    await openTrace('2', '?tab=spans')
    const grid = page.getByRole('grid', { name: 'Spans' })
    await grid.getByRole('row').nth(sent.spans.length).waitFor()
    for (const name of new Set(sent.spans.map(x => x.name))) {
      await grid.getByRole('row').filter({ hasText: name }).first().waitFor()
    }
    const duration = grid.getByRole('columnheader', { name: 'Duration' })
    await duration.getByRole('button').click()
    await grid.locator('[role=columnheader][aria-sort=descending]', { hasText: 'Duration' }).waitFor()
    await grid.getByRole('row').nth(1).getByText('GET /cart').waitFor()
    await duration.getByRole('button').click()
    await grid
      .getByRole('row')
      .nth(1)
      .getByText(/SELECT/)
      .waitFor()
    await grid.getByRole('row').filter({ hasText: 'SELECT' }).first().click()
    await page
      .getByRole('complementary', { name: 'Span detail' })
      .getByText(/SELECT/)
      .first()
      .waitFor()
    expect(param('span')).toMatch(/^[0-9a-f]{16}$/)
  })

  test('services of a trace: calls, own time and who called whom are those of its spans', async () => {
    const sent = await api<{ spans: { service: string }[] }>(`/api/v1/traces/${id('2')}`)
    await openTrace('2', '?tab=services')
    const panel = page.getByRole('tabpanel', { name: 'Services' })
    for (const service of new Set(sent.spans.map(s => s.service))) {
      const row = panel.getByRole('row').filter({ hasText: service }).first()
      await row.waitFor()
      expect(await row.textContent()).toContain(String(sent.spans.filter(s => s.service === service).length))
    }
    const calls = panel.getByRole('table', { name: 'Calls between services' })
    await calls.getByRole('row').filter({ hasText: 'shop-web' }).filter({ hasText: 'shop-api' }).waitFor()
    await panel.getByRole('img', { name: 'Self time over the course of the trace' }).waitFor()
  })

  test('logs of the span, and one click to its service, metrics and host', async () => {
    await openTrace('2', `?span=${'4'.padStart(16, '0')}`)
    const detail = page.getByRole('complementary', { name: 'Span detail' })
    await detail.getByText('cart is slow today').waitFor()
    for (const name of ['Logs of the service', 'Metrics', 'Host']) {
      await detail.getByRole('link', { name, exact: true }).waitFor()
    }
    await detail.getByRole('link', { name: 'Host', exact: true }).click()
    await page.waitForURL(u => u.pathname.endsWith('/hosts/api-1'))
  })
})
