// Every component test starts with English texts and the few browser parts jsdom lacks.
import '@testing-library/jest-dom/vitest'
import { cleanup, configure } from '@testing-library/react'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { initI18n, loadTexts } from '@/i18n'
import type { Part } from '@/i18n/texts'
import { server } from '@/test/server'

class NoResize implements ResizeObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver = NoResize
Element.prototype.scrollIntoView = () => {}
window.scrollTo = () => {}
window.matchMedia = query =>
  ({
    matches: false,
    media: query,
    addEventListener() {},
    removeEventListener() {},
  }) as unknown as MediaQueryList

// generous, because a loaded machine must not fail a test
configure({ asyncUtilTimeout: 20_000 })

beforeAll(async () => {
  await initI18n('en')
  const parts = Object.keys(import.meta.glob('@/i18n/en/*.json')).map(path =>
    path.replace(/.*\/|\.json$/g, ''),
  )
  await loadTexts(...(parts as Part[]))
  server.listen({ onUnhandledRequest: 'error' })
})
afterEach(() => {
  cleanup()
  server.resetHandlers()
})
afterAll(() => server.close())
