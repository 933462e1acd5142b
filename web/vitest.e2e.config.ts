import { defineConfig } from 'vitest/config'

// End-to-end tests drive a real browser against BONGSU_URL; one file at a time, one browser.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    env: { TZ: 'UTC' },
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
