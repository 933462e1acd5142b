// First load (index.html and everything that the overview pulls in without a click) must stay within 250 kB gzipped.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMIT = 250 * 1000
const dist = process.env.BONGSU_WEB_DIST ?? fileURLToPath(new URL('../dist', import.meta.url))
const read = name => readFileSync(join(dist, name))
const manifest = JSON.parse(read('.vite/manifest.json'))
const entry = Object.values(manifest).find(c => c.isEntry)
const files = new Set(['index.html'])
function add(chunk) {
  if (files.has(chunk.file)) return
  files.add(chunk.file)
  for (const css of chunk.css ?? []) files.add(css)
  for (const name of chunk.imports ?? []) add(manifest[name])
}
add(entry)
const key = path => {
  const found = Object.keys(manifest).find(k => k.endsWith(path))
  if (!found) throw new Error(`first load: no chunk ${path}`)
  return manifest[found]
}
// the overview is what opens after the login, and the frame fetches its menus by itself: both count
add(key('overview/OverviewPage.tsx'))
add(key('app/Menus.tsx'))
// the texts of one language, and Korean is the larger
for (const part of ['base', 'overview']) add(key(`i18n/ko/${part}.json`))

let total = 0
for (const f of files) {
  const n = gzipSync(read(f), { level: 9 }).length
  total += n
  console.log(`${String(n).padStart(8)}  ${f}`)
}
console.log(`${String(total).padStart(8)}  first load, limit ${LIMIT}`)
const html = read('index.html').toString()
if (/<script(?![^>]*\bsrc=)[^>]*>/.test(html)) {
  console.error('index.html has an inline script; the content security policy forbids it')
  process.exit(1)
}
if (total > LIMIT) {
  console.error('first load is over its budget')
  process.exit(1)
}
