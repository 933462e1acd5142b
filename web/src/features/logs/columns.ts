// Widths of the list's columns and what a change of them makes of the link.
import type { LogColumn } from '@/features/logs/codec'

export const TIME_WIDTH = 150
export const TWIST_WIDTH = 18
const WIDTHS: Record<string, number> = { detected_level: 66, service_name: 150 }
const OTHER = 150
export const MIN_WIDTH = 48
export const MAX_WIDTH = 900
const LINE_MIN = 280

export function widthOf(c: LogColumn): number {
  return c.width > 0 ? c.width : (WIDTHS[c.name] ?? OTHER)
}

/** grid-template-columns: twist, time, columns, the line with what is left. */
export function template(columns: LogColumn[], timeWidth = TIME_WIDTH): string {
  const own = columns.map(c => `${widthOf(c)}px`)
  return [`${TWIST_WIDTH}px`, `${timeWidth}px`, ...own, `minmax(${LINE_MIN}px, 1fr)`].join(' ')
}

export function totalWidth(columns: LogColumn[], timeWidth = TIME_WIDTH): number {
  const gaps = (columns.length + 2) * 8 + 20
  return TWIST_WIDTH + timeWidth + columns.reduce((n, c) => n + widthOf(c), 0) + LINE_MIN + gaps
}

export function toggleColumn(columns: LogColumn[], name: string): LogColumn[] {
  return columns.some(c => c.name === name)
    ? columns.filter(c => c.name !== name)
    : [...columns, { name, width: 0 }]
}

export function moveColumn(columns: LogColumn[], name: string, by: -1 | 1): LogColumn[] {
  const from = columns.findIndex(c => c.name === name)
  const to = from + by
  const moved = columns[from]
  if (moved === undefined || to < 0 || to >= columns.length) {
    return columns
  }
  const out = columns.filter(c => c.name !== name)
  out.splice(to, 0, moved)
  return out
}

export function resizeColumn(columns: LogColumn[], name: string, width: number): LogColumn[] {
  const w = Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, width)))
  return columns.map(c => (c.name === name ? { ...c, width: w } : c))
}
