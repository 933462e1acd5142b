// Catalogues hold exactly the keys the code uses, in both languages, with the same placeholders.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import en from '@/i18n/en.json'
import ko from '@/i18n/ko.json'

type Tree = { [key: string]: string | Tree }

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

const english = flatten(en)
const korean = flatten(ko)
const code = sources('src').join('\n')
const base = (key: string) => key.replace(/_(one|other|zero|two|few|many)$/, '')
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(m => m[1]).sort()

/** Keys in quotes, and the fixed start of keys put together with a template. */
const literal = new Set([...code.matchAll(/['"]([a-z]\w*(?:\.\w+)+)['"]/gi)].map(m => m[1]))
const templates = [...code.matchAll(/`([a-z]\w*\.[\w.]*)\$\{/gi)].map(m => m[1] ?? '')

describe('catalogues', () => {
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
