// Two languages are bundled. English is always there (it types the keys and is the fallback); Korean is
// a chunk of its own, loaded before the first paint when it is the chosen language.
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import en from '@/i18n/en.json'
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

async function load(lang: Language): Promise<void> {
  if (lang === 'ko' && !i18next.hasResourceBundle('ko', 'translation')) {
    const ko = await import('@/i18n/ko.json')
    i18next.addResourceBundle('ko', 'translation', ko.default)
  }
}

export async function initI18n(lang: Language = preferredLanguage()): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: 'en',
    fallbackLng: 'en',
    resources: { en: { translation: en } },
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
