// The Storage screen's link: by= what sources are told apart by (of traces and logs: services).
import { type Codec, oneOf } from '@/lib/search'

export const SOURCES_BY = ['metric', 'job', 'instance', 'traces', 'logs'] as const
export type SourcesBy = (typeof SOURCES_BY)[number]

/** What to ask the server for: metrics by a label, traces and logs by service. */
export function sourcesOf(by: SourcesBy): { signal: 'metrics' | 'traces' | 'logs'; by: string } {
  return by === 'traces' || by === 'logs' ? { signal: by, by: 'service' } : { signal: 'metrics', by }
}

export const storageCodec: Codec<{ by: SourcesBy }> = {
  decode: raw => ({ by: oneOf(raw, 'by', SOURCES_BY, 'metric') }),
  encode: s => ({ by: s.by === 'metric' ? undefined : s.by }),
}
