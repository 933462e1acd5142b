import type { Host } from '@/api/queries'
import type { Tone } from '@/charts/palette'
import { type Codec, one } from '@/lib/search'

export interface HostsState {
  filter: string
}

export const hostsCodec: Codec<HostsState> = {
  decode: raw => ({ filter: one(raw, 'filter') }),
  encode: s => ({ filter: s.filter || undefined }),
}

/** Silent for this long, a host counts as lost (three missed intervals of a slow agent). */
export const LOST_AFTER_MS = 180_000

/** Lost hosts are grey, whatever their last values were; else the fullest resource decides. */
export function hostTone(h: Host, nowMs: number): Tone {
  if (nowMs - h.last_seen_ms > LOST_AFTER_MS) {
    return 'none'
  }
  const worst = Math.max(h.cpu_ratio ?? 0, h.memory_ratio ?? 0, h.disk_ratio ?? 0)
  return worst >= 0.95 ? 'bad' : worst >= 0.85 ? 'warn' : 'good'
}
