import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.BONGSU_URL ?? 'http://127.0.0.1:7800'

// base './' together with <base href> in index.html keeps every address relative, so that a server
// behind a path prefix only has to change that one attribute.
export default defineConfig({
  base: './',
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: process.env.BONGSU_WEB_DIST ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    manifest: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    assetsInlineLimit: 0,
  },
  server: { proxy: { '/api': server, '/loki': server, '/metrics': server } },
})
