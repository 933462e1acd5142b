// Two languages, each a chunk of its own, loaded before the first paint when it is the chosen one. English types
// the keys; both have the same ones (i18n.test.ts), so there is no fallback to load.
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import type en from '@/i18n/en.json'
import { readPreference, writePreference } from '@/lib/storage'

export const LANGUAGES = ['en', 'ko'] as const
export type Language = (typeof LANGUAGES)[number]

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

export function preferredLanguage(): Language {
  const saved = readPreference('lang')
  if (saved === 'en' || saved === 'ko') {
    return saved
  }
  return navigator.language.startsWith('ko') ? 'ko' : 'en'
}

const CHUNKS = { en: () => import('@/i18n/en.json'), ko: () => import('@/i18n/ko.json') }

async function load(lang: Language): Promise<void> {
  if (!i18next.hasResourceBundle(lang, 'translation')) {
    i18next.addResourceBundle(lang, 'translation', (await CHUNKS[lang]()).default)
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
  await load(lang)
  await i18next.changeLanguage(lang)
  document.documentElement.lang = lang
  writePreference('lang', lang)
}
