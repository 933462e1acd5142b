// The text of the absolute time fields; pure.
import { resolvePoint } from '@/lib/time'

/** Unix ms -> "2026-11-21 09:30:00" in the browser's time zone, as the fields read it back. */
export function localText(ms: number): string {
  const d = new Date(ms)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

/** A field to one end of a link range: "now-2h" stays, a date becomes ms; null when unreadable. */
export function pointOf(text: string): string | null {
  const t = text.trim()
  if (t === 'now' || t.startsWith('now-')) {
    return resolvePoint(t, 0) === null ? null : t
  }
  const ms = resolvePoint(t, 0)
  return ms === null ? null : String(ms)
}
