// Catalogues hold exactly the keys the code uses, in both languages, with the same placeholders.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

type Tree = { [key: string]: string | Tree }
type Files = Record<string, Tree>

/** Part name -> its tree. */
const partsOf = (files: Files) =>
  new Map(Object.entries(files).map(([path, tree]) => [path.replace(/.*\/|\.json$/g, ''), tree]))
const en = partsOf(import.meta.glob('./en/*.json', { eager: true, import: 'default' }) as Files)
const ko = partsOf(import.meta.glob('./ko/*.json', { eager: true, import: 'default' }) as Files)

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [k, v] of Object.entries(tree)) {
    if (typeof v === 'string') {
      out.set(prefix + k, v)
    } else {
      for (const [key, text] of flatten(v, `${prefix}${k}.`)) {
        out.set(key, text)
      }
    }
  }
  return out
}

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap(e =>
    e.isDirectory()
      ? sources(join(dir, e.name))
      : /\.tsx?$/.test(e.name) && !/\.test\.tsx?$|schema\.gen/.test(e.name)
        ? [readFileSync(join(dir, e.name), 'utf8')]
        : [],
  )
}

const english = new Map([...en.values()].flatMap(tree => [...flatten(tree)]))
const korean = new Map([...ko.values()].flatMap(tree => [...flatten(tree)]))
const code = sources('src').join('\n')
const base = (key: string) => key.replace(/_(one|other|zero|two|few|many)$/, '')
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(m => m[1]).sort()

/** Keys in quotes, and the fixed start of keys put together with a template. */
const literal = new Set([...code.matchAll(/['"]([a-z]\w*(?:\.\w+)+)['"]/gi)].map(m => m[1]))
const templates = [...code.matchAll(/`([a-z]\w*\.[\w.]*)\$\{/gi)].map(m => m[1] ?? '')

/** Feature folder -> the parts that the routes and lazy pieces of it fetch. */
function fetchedParts(): Map<string, Set<string>> {
  const out = new Map<string, Set<string>>()
  for (const m of code.matchAll(/\(\[([^\]]*)\],\s*\(\) =>\s*import\('@\/features\/(\w+)\//g)) {
    const parts = out.get(m[2] ?? '') ?? new Set(['base'])
    for (const name of (m[1] ?? '').matchAll(/'([^']+)'/g)) {
      parts.add(name[1] ?? '')
    }
    out.set(m[2] ?? '', parts)
  }
  return out
}

describe('catalogues', () => {
  test('both languages have the same parts, and no text is in two of them', () => {
    expect([...ko.keys()].sort()).toEqual([...en.keys()].sort())
    const tops = [...en.values()].flatMap(tree => Object.keys(tree))
    expect(tops.filter((k, i) => tops.indexOf(k) !== i)).toEqual([])
    for (const [part, tree] of en) {
      expect(Object.keys(ko.get(part) ?? {}).sort(), part).toEqual(Object.keys(tree).sort())
    }
  })

  test('a page fetches every part it shows, and what all pages use is in "base"', () => {
    const fetched = fetchedParts()
    const top = new Map([...en].flatMap(([part, tree]) => Object.keys(tree).map(k => [k, part] as const)))
    const missing: string[] = []
    const folders = readdirSync('src', { withFileTypes: true })
      .filter(e => e.isDirectory() && e.name !== 'test' && e.name !== 'features')
      .map(e => ({ folder: `src/${e.name}`, name: '' }))
    const features = readdirSync('src/features').map(name => ({ folder: `src/features/${name}`, name }))
    for (const { folder, name } of [...folders, ...features]) {
      const has = fetched.get(name) ?? new Set(['base'])
      for (const m of sources(folder)
        .join('\n')
        .matchAll(/\bt\(\s*['`](\w+)\./g)) {
        const part = top.get(m[1] ?? '')
        if (part !== undefined && !has.has(part)) {
          missing.push(`${folder}: ${m[1]}`)
        }
      }
    }
    expect([...new Set(missing)]).toEqual([])
  })

  test('Korean has every English key and no other', () => {
    expect([...new Set([...korean.keys()].map(base))].sort()).toEqual(
      [...new Set([...english.keys()].map(base))].sort(),
    )
  })

  test('placeholders are the same', () => {
    for (const [key, text] of korean) {
      expect(placeholders(text), key).toEqual(
        placeholders(english.get(key) ?? english.get(`${base(key)}_other`) ?? ''),
      )
    }
  })

  test('English plurals have both forms', () => {
    for (const key of english.keys()) {
      if (key.endsWith('_other')) {
        expect(english.has(`${base(key)}_one`), key).toBe(true)
      }
    }
  })

  test('every key is used', () => {
    const unused = [...english.keys()].filter(
      k => !literal.has(base(k)) && !literal.has(k) && !templates.some(t => k.startsWith(t)),
    )
    expect(unused).toEqual([])
  })

  test('every t() key exists', () => {
    const used = [...code.matchAll(/\bt\(\s*'([^']+)'/g)].map(m => m[1] ?? '')
    const missing = used.filter(k => !english.has(k) && !english.has(`${k}_other`))
    expect(missing).toEqual([])
    for (const t of templates.filter(t => code.includes(`t(\`${t}`))) {
      expect(
        [...english.keys()].some(k => k.startsWith(t)),
        t,
      ).toBe(true)
    }
  })

  test('no text is empty and Korean is translated', () => {
    for (const [key, text] of korean) {
      expect(text, key).not.toBe('')
    }
    const hangul = [...korean.values()].filter(v => /[가-힣]/.test(v)).length
    expect(hangul / korean.size).toBeGreaterThan(0.9)
  })
})
