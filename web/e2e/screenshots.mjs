// Saves every screen in both languages and both themes to web/screenshots/ (not in git), for people to
// look at. npm run screenshots [-- name-part ...]; SHOTS_LANG and SHOTS_THEME narrow it down.
import { mkdir } from 'node:fs/promises'
import { launch, newContext, signIn } from './browser.mjs'

const out = new URL('../screenshots/', import.meta.url).pathname
const only = process.argv.slice(2)
const langs = (process.env.SHOTS_LANG ?? 'en,ko').split(',')
const themes = (process.env.SHOTS_THEME ?? 'light,dark').split(',')

async function firstOf(context, path, pick) {
  const answer = await context.request.get(path)
  return answer.ok() ? pick(await answer.json()) : undefined
}

const browser = await launch()
await mkdir(out, { recursive: true })
const problems = []
for (const lang of langs) {
  for (const theme of themes) {
    const context = await newContext(browser, { lang, theme })
    const page = await context.newPage()
    page.on('pageerror', e => problems.push(`${page.url()}: ${e.message}`))
    page.on('console', m => m.type() === 'error' && problems.push(`${page.url()}: ${m.text()}`))
    const shot = async (name, url, act) => {
      if (only.length > 0 && !only.some(o => name.includes(o))) {
        return
      }
      await page.goto(url)
      await page.waitForLoadState('networkidle').catch(() => {})
      await act?.()
      await page.waitForTimeout(500)
      await page.screenshot({ path: `${out}${name}-${lang}-${theme}.png` })
      console.log(`${name}-${lang}-${theme}.png`)
    }
    await shot('login', '/')
    await shot('setup', '/setup?token=first')
    await signIn(context)
    const host = await firstOf(context, '/api/v1/hosts', b => b.hosts[0]?.host)
    const trace = await firstOf(
      context,
      '/api/v1/traces?limit=30',
      b =>
        [...b.traces].sort((x, y) => y.error_count - x.error_count || y.span_count - x.span_count)[0]
          ?.trace_id,
    )
    await shot('overview', '/')
    await shot('hosts', '/hosts')
    if (host !== undefined) {
      await shot('host', `/hosts/${encodeURIComponent(host)}`)
    }
    const expr = encodeURIComponent(
      'sum by (cpu_mode) (rate(system_cpu_time_seconds_total{cpu_mode!="idle"}[5m]))',
    )
    await shot('metrics', `/explore?q=${expr}&stack=1&legend=A:{{cpu_mode}}`)
    await shot('metrics-empty', '/explore')
    await shot('metrics-error', '/explore?q=sum(up&view=table')
    await shot('metrics-table', '/explore?q=system_cpu_load_average_1m&view=table')
    const buckets = encodeURIComponent(
      'sum by (le) (increase(http_server_request_duration_seconds_bucket[1m]))',
    )
    await shot('metrics-heatmap', `/explore?q=${buckets}&view=heatmap`)
    await shot('metrics-figures', '/explore?q=system_cpu_load_average_1m&view=stat')
    await shot('metrics-builder', `/explore?q=${expr}&vs=1h`, async () => {
      await page
        .locator('label[class*="SegmentedControl"]')
        .filter({ hasText: /^(Builder|빌더)$/ })
        .click()
    })
    await shot('targets', '/targets')
    await shot('targets-dropped', '/targets?state=dropped')
    await shot('cardinality', '/cardinality')
    await shot('add-data', '/add-data')
    await shot('cardinality-focus', '/cardinality?focus=instance')
    await shot('storage', '/storage')
    await shot('traces', '/traces')
    if (trace !== undefined) {
      await shot('trace', `/traces/${trace}`)
      await shot('trace-span', `/traces/${trace}`, async () => {
        await page
          .locator('[data-span-error="true"]')
          .last()
          .click({ timeout: 3_000 })
          .catch(() => {})
      })
      await shot('trace-logs', `/traces/${trace}?tab=logs`)
    }
    await shot('logs', '/logs')
    await shot('logs-open', '/logs', async () => {
      await page
        .locator('[data-log-row]')
        .nth(2)
        .click({ timeout: 3_000 })
        .catch(() => {})
    })
    await shot('logs-none', '/logs?text=nothing-has-this-word')
    await shot('status', '/status')
    for (const tab of ['account', 'users', 'tokens', 'audit', 'config']) {
      await shot(`settings-${tab}`, `/settings?tab=${tab}`)
    }
    await shot('not-found', '/no/such/page')
    await context.close()
  }
}
await browser.close()
for (const p of [...new Set(problems)]) {
  console.log(`problem: ${p}`)
}
