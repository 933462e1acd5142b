// Preferences of this browser (language, theme, menu width). Storage may be off: then nothing is kept.

export function readPreference(key: string): string | null {
  try {
    return window.localStorage.getItem(`bongsu.${key}`)
  } catch {
    return null
  }
}

export function writePreference(key: string, value: string): void {
  try {
    window.localStorage.setItem(`bongsu.${key}`, value)
  } catch {
    // storage is full or off; the choice lasts until the page is closed
  }
}
