// The Processing tab in a real browser: rules made in the console act on what comes in afterwards, and what is wrong
// with them stands at its line.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, newContext, signIn } from './browser.mjs'
import { Shell } from './pages'

let browser: Browser
let context: BrowserContext
let page: Page
let problems: string[]
let csrf: string
let ingest: string

const PATIENCE = { timeout: 30_000, interval: 250 }

async function send(method: 'put' | 'post', path: string, data: unknown): Promise<Record<string, string>> {
  const answer = await context.request[method](path, { data, headers: { 'X-CSRF-Token': csrf } })
  if (!answer.ok()) {
    throw new Error(`${path}: ${answer.status()} ${await answer.text()}`)
  }
  return (await answer.json()) as Record<string, string>
}

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

beforeEach(async () => {
  context = await newContext(browser)
  page = await context.newPage()
  page.setDefaultTimeout(30_000)
  problems = []
  page.on('pageerror', e => problems.push(e.message))
  await signIn(context)
  csrf = (await (await context.request.get('/api/v1/session')).json()).csrf_token ?? ''
  ingest =
    (await send('post', '/api/v1/tokens', { name: `e2e ${Date.now()}`, scopes: ['ingest'] })).secret ?? ''
  await send('put', '/api/v1/processing', { config: '' })
  await new Shell(page).open('/settings?tab=processing')
})
afterEach(async () => {
  await send('put', '/api/v1/processing', { config: '' })
  expect(problems).toEqual([])
  await context.close()
})

const editor = () => page.getByRole('textbox', { name: 'Rules as YAML' })
const attempt = () => page.getByRole('region', { name: 'Try it' })
const rule = (name: string) =>
  page.getByRole('table', { name: 'Rules' }).getByRole('row').filter({ hasText: name })

async function write(yaml: string): Promise<void> {
  await editor().click()
  await page.keyboard.press('Control+A')
  await page.keyboard.insertText(yaml)
}

async function ingested(path: string, data: string): Promise<void> {
  const answer = await context.request.post(path, {
    data,
    headers: { Authorization: `Bearer ${ingest}`, 'Content-Type': 'application/json' },
  })
  expect(answer.ok(), await answer.text()).toBe(true)
}

describe('processing', () => {
  test('a redaction rule: tried, saved, and a line that comes in afterwards is masked', async () => {
    await write('redaction:\n  - detector: kr_phone\n')
    await attempt().getByText('With the rules in the editor, not yet saved.').waitFor()
    await attempt().getByRole('textbox', { name: 'Log line' }).fill('call 010-1234-5678 back')
    await attempt().getByRole('button', { name: 'Run' }).click()
    await attempt().locator('mark', { hasText: '010-****-5678' }).waitFor()
    await attempt().getByText('Redaction: kr_phone × 1').waitFor()
    await page.getByRole('button', { name: 'Save and apply' }).click()
    await rule('kr_phone').waitFor()

    const service = `redacted-${Date.now()}`
    await ingested(
      '/api/v1/logs/import?_stream_fields=app',
      JSON.stringify({ message: 'call 010-9876-5432 back', level: 'info', app: service }),
    )
    await expect
      .poll(async () => {
        const rules = await (await context.request.get('/api/v1/processing')).json()
        return rules.rules.rules[0].matches
      }, PATIENCE)
      .toBe(1)
    await new Shell(page).open(`/logs?live=0&q=${encodeURIComponent(`{service_name="${service}"}`)}`)
    await page.getByText('call 010-****-5432 back').first().waitFor()
    expect(await page.getByText('9876').count()).toBe(0)
    await new Shell(page).open('/settings?tab=processing')
    await rule('kr_phone').getByRole('cell', { name: '1', exact: true }).first().waitFor()
  })

  test('what is wrong stands at its line; the rules before stay in force', async () => {
    await write('redaction:\n  - detector: kr_phone\n')
    await page.getByRole('button', { name: 'Save and apply' }).click()
    await rule('kr_phone').waitFor()
    await write('redaction:\n  - detector: kr_phone\n  - detector: no_such_thing\n')
    await page.getByRole('button', { name: 'Save and apply' }).click()
    await page
      .getByRole('alert')
      .getByText(/^Line 3:.*no_such_thing/)
      .waitFor()
    await page.locator('.cm-lintRange-error', { hasText: 'no_such_thing' }).waitFor()
    await page.locator('.cm-gutter-lint .cm-lint-marker-error').waitFor()
    await write('redaction: [\n')
    await page.getByRole('alert').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Save and apply' }).click()
    await page
      .getByRole('alert')
      .getByText(/^Line \d+:/)
      .waitFor()
    await page.getByRole('button', { name: 'Undo changes' }).click()
    await editor().getByText('kr_phone').waitFor()
    expect(await rule('no_such_thing').count()).toBe(0)
    expect(await page.getByRole('button', { name: 'Save and apply' }).isDisabled()).toBe(true)
  })

  test('a sampling policy: says what it would keep, keeps failed traces, counts the others', async () => {
    const policies = (rest: string) =>
      `sampling:\n  wait: 1s\n  policies:\n    - {name: errors, type: errors}\n${rest}`
    await write(policies('    - {name: rest, type: share, percent: 100}\n'))
    await attempt().getByText('Traces', { exact: true }).click()
    await attempt().getByRole('button', { name: 'Run' }).click()
    await attempt().getByText('Kept by the policy rest.').waitFor()
    await write(policies(''))
    await attempt().getByRole('button', { name: 'Run' }).click()
    await attempt().getByText('Alone in its trace, no policy would keep it.').waitFor()
    await page.getByRole('button', { name: 'Save and apply' }).click()
    await rule('errors').waitFor()

    const end = BigInt(Date.now()) * 1_000_000n
    const seed = Date.now().toString(16).padStart(30, '0')
    const span = (digits: string, code: number) => ({
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'sampled' } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: seed + digits,
              spanId: '00000000000000a1',
              name: 'GET /sampled',
              kind: 2,
              startTimeUnixNano: String(end - 5_000_000n),
              endTimeUnixNano: String(end),
              status: { code },
            },
          ],
        },
      ],
    })
    await ingested('/otlp/v1/traces', JSON.stringify({ resourceSpans: [span('01', 2), span('02', 0)] }))
    const found = async (digits: string) =>
      (await context.request.get(`/api/v1/traces/${seed}${digits}`)).status()
    await expect.poll(() => found('01'), PATIENCE).toBe(200)
    await expect
      .poll(
        async () => (await (await context.request.get('/api/v1/processing')).json()).spans.dropped_traces,
        PATIENCE,
      )
      .toBeGreaterThan(0)
    expect(await found('02')).toBe(404)
    await page.reload()
    await page.getByText('Tail sampling').waitFor()
    await page.getByText(/^dropped [1-9]/).waitFor()
  })
})
