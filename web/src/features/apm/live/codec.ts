import { type Codec, one } from '@/lib/search'

export interface LivePageState {
  group: string
  labels: boolean
  balls: boolean
}

export const liveCodec: Codec<LivePageState> = {
  decode: raw => ({
    group: one(raw, 'group'),
    labels: one(raw, 'labels') !== 'off',
    balls: one(raw, 'balls') !== 'off',
  }),
  encode: s => ({
    group: s.group || undefined,
    labels: s.labels ? undefined : 'off',
    balls: s.balls ? undefined : 'off',
  }),
}
