// The Storage screen's link: by= what sources are told apart by.
import { type Codec, oneOf } from '@/lib/search'

export const SOURCES_BY = ['metric', 'job', 'instance'] as const
export type SourcesBy = (typeof SOURCES_BY)[number]

export const storageCodec: Codec<{ by: SourcesBy }> = {
  decode: raw => ({ by: oneOf(raw, 'by', SOURCES_BY, 'metric') }),
  encode: s => ({ by: s.by === 'metric' ? undefined : s.by }),
}
