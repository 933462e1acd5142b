// Who may import whom inside src/: features use api, charts, ui, lib and i18n, never each other; lower
// folders never look up. Relative imports out of a folder are not used at all.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src/', import.meta.url))
const ALLOWED = {
  lib: ['lib', 'i18n'],
  i18n: ['i18n', 'lib'],
  api: ['api', 'lib'],
  charts: ['charts', 'api', 'lib', 'i18n'],
  ui: ['ui', 'charts', 'api', 'lib', 'i18n'],
  features: ['api', 'charts', 'ui', 'lib', 'i18n'],
  app: ['app', 'features', 'api', 'charts', 'ui', 'lib', 'i18n'],
  test: ['app', 'features', 'api', 'charts', 'ui', 'lib', 'i18n', 'test'],
}
const problems = []
function walk(dir) {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, e.name)
    if (e.isDirectory()) walk(path)
    else if (/\.tsx?$/.test(e.name)) check(path)
  }
}
function check(path) {
  const rel = relative(src, path)
  const [top, feature] = rel.split('/')
  const isTest = /\.test\.tsx?$/.test(rel)
  for (const m of readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
    const target = m[1]
    if (target.startsWith('.')) problems.push(`${rel}: relative import ${target}`)
    if (!target.startsWith('@/')) continue
    const [to, toFeature] = target.slice(2).split('/')
    const own = top === 'features' && to === 'features' && toFeature === feature
    if (!own && !(ALLOWED[top] ?? []).includes(to) && !(isTest && to === 'test'))
      problems.push(`${rel}: must not import ${target}`)
  }
}
walk(src)
for (const p of problems) console.error(p)
console.log(problems.length === 0 ? 'layers: ok' : `layers: ${problems.length} problems`)
process.exit(problems.length === 0 ? 0 : 1)
