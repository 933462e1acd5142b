// Starts Debian's Chromium the way every end-to-end run does: fixed window, UTC, nothing in the background.
import { chromium } from 'playwright-core'

export const BASE = (process.env.BONGSU_URL ?? 'http://127.0.0.1:7800').replace(/\/$/, '')
export const USER = process.env.BONGSU_USER ?? 'admin'
export const PASSWORD = process.env.BONGSU_PASSWORD ?? 'admin-password'
export const SETUP_TOKEN = process.env.BONGSU_SETUP_TOKEN ?? ''

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export function newContext(browser, { lang = 'en', theme = 'light', width = 1440, height = 900 } = {}) {
  return browser.newContext({
    baseURL: BASE,
    viewport: { width, height },
    locale: lang === 'ko' ? 'ko-KR' : 'en-US',
    timezoneId: 'UTC',
    colorScheme: theme,
    reducedMotion: 'reduce',
  })
}

/** Logs in through the API (or makes the first admin), so that screens can be opened directly. */
export async function signIn(context) {
  const session = await (await context.request.get('/api/v1/session')).json()
  if (session.authenticated) {
    return
  }
  const answer = session.setup_required
    ? await context.request.post('/api/v1/setup', {
        data: { token: SETUP_TOKEN, user: USER, password: PASSWORD },
      })
    : await context.request.post('/api/v1/session', { data: { user: USER, password: PASSWORD } })
  if (!answer.ok()) {
    throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`)
  }
}
