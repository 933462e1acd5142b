// Colours of charts. Categorical colours are told apart in both themes and by people with colour
// blindness (hues alternate in lightness); status colours follow the product's fixed meaning.

export type ColorScheme = 'light' | 'dark'

const CATEGORICAL: Record<ColorScheme, string[]> = {
  light: [
    '#2f6fb0',
    '#d9772b',
    '#3d9470',
    '#8a5fb8',
    '#b8902a',
    '#c2548b',
    '#2a9aa8',
    '#6b7686',
    '#a0522d',
    '#5566c9',
  ],
  dark: [
    '#6ba5e0',
    '#eb9654',
    '#5fbf97',
    '#b08fdc',
    '#d9b654',
    '#e383b1',
    '#55c2cf',
    '#9aa5b5',
    '#cf8a66',
    '#8c9bf0',
  ],
}

export function seriesColor(index: number, scheme: ColorScheme): string {
  const list = CATEGORICAL[scheme]
  return list[index % list.length] ?? '#888888'
}

function hashOf(name: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < name.length; i++) {
    h = Math.imul(h ^ name.charCodeAt(i), 0x01000193) >>> 0
  }
  return h
}

/**
 * One colour for each name: a name keeps its colour from screen to screen, and up to ten names shown
 * together never share one (the later name in the alphabet takes the next free colour).
 */
export function assignColors(names: Iterable<string>, scheme: ColorScheme): Map<string, string> {
  const taken = new Set<number>()
  const out = new Map<string, string>()
  for (const name of [...new Set(names)].sort()) {
    let slot = hashOf(name) % 10
    for (let i = 0; i < 10 && taken.has(slot); i++) {
      slot = (slot + 1) % 10
    }
    taken.add(slot)
    out.set(name, seriesColor(slot, scheme))
  }
  return out
}

export type Tone = 'good' | 'warn' | 'bad' | 'none' | 'info'

const TONES: Record<ColorScheme, Record<Tone, string>> = {
  light: { good: '#2c8a57', warn: '#c77414', bad: '#cc3b3b', none: '#98a2b1', info: '#2f6fb0' },
  dark: { good: '#4fb37c', warn: '#e89b3c', bad: '#ec6a6a', none: '#6b7686', info: '#6ba5e0' },
}

export function toneColor(tone: Tone, scheme: ColorScheme): string {
  return TONES[scheme][tone]
}

const SEVERITY: Record<ColorScheme, Record<string, string>> = {
  light: {
    trace: '#c3cad4',
    debug: '#98a2b1',
    info: '#5b93c9',
    warn: '#d9912f',
    error: '#cc3b3b',
    fatal: '#8b1e3f',
    unset: '#b4bcc8',
  },
  dark: {
    trace: '#465063',
    debug: '#66728a',
    info: '#5288bf',
    warn: '#d9973f',
    error: '#e05c5c',
    fatal: '#c2477a',
    unset: '#566074',
  },
}

export function severityColor(severity: string, scheme: ColorScheme): string {
  return SEVERITY[scheme][severity] ?? SEVERITY[scheme].unset ?? '#888888'
}

export const CHART_INK: Record<
  ColorScheme,
  { axis: string; grid: string; crosshair: string; background: string }
> = {
  light: { axis: '#6b7686', grid: '#e7eaee', crosshair: '#98a2b1', background: '#ffffff' },
  dark: { axis: '#8b96a8', grid: '#252b36', crosshair: '#66728a', background: '#171b22' },
}
