// Two languages, each in parts that are chunks of their own: "base" is there before the first paint, the part of a
// page comes with the page. Both languages have the same keys (i18n.test.ts), so there is no fallback to load.
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import type { Part, Texts } from '@/i18n/texts'
import { readPreference, writePreference } from '@/lib/storage'

export const LANGUAGES = ['en', 'ko'] as const
export type Language = (typeof LANGUAGES)[number]

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: Texts }
  }
}

export function preferredLanguage(): Language {
  const saved = readPreference('lang')
  if (saved === 'en' || saved === 'ko') {
    return saved
  }
  return navigator.language.startsWith('ko') ? 'ko' : 'en'
}

const FILES = import.meta.glob<object>(['./en/*.json', './ko/*.json'], { import: 'default' })

/** Parts that pages have asked for; a change of language fetches them all before it shows. */
const wanted = new Set<Part>(['base'])
const fetched = new Map<string, Promise<void>>()
let target: Language = 'en'

function load(lang: Language, part: Part): Promise<void> {
  const path = `./${lang}/${part}.json`
  const known = fetched.get(path)
  if (known !== undefined) {
    return known
  }
  const file = FILES[path]
  const loading =
    file === undefined
      ? Promise.reject(new Error(`no texts ${path}`))
      : file().then(texts => {
          i18next.addResourceBundle(lang, 'translation', texts, true)
        })
  fetched.set(path, loading)
  // a lost connection is tried again the next time
  loading.catch(() => fetched.delete(path))
  return loading
}

/** Resolves when the texts of these parts can be shown in the language of the moment and the one it changes to. */
export async function loadTexts(...parts: Part[]): Promise<void> {
  for (const part of parts) {
    wanted.add(part)
  }
  const shown = i18next.language === 'ko' ? 'ko' : 'en'
  await Promise.all([...new Set([shown, target] as const)].flatMap(lang => parts.map(p => load(lang, p))))
}

/** An importer that resolves when the texts are there as well. */
export function withTexts<M>(parts: Part[], load: () => Promise<M>): () => Promise<M> {
  return async () => {
    const [module] = await Promise.all([load(), loadTexts(...parts)])
    return module
  }
}

export async function initI18n(lang: Language = preferredLanguage()): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: lang,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
  })
  await setLanguage(lang)
}

export async function setLanguage(lang: Language): Promise<void> {
  target = lang
  await Promise.all([...wanted].map(part => load(lang, part)))
  await i18next.changeLanguage(lang)
  document.documentElement.lang = lang
  writePreference('lang', lang)
}
