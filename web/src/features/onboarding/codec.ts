import { SOURCE_IDS, type SourceId } from '@/features/onboarding/sources'
import { type Codec, oneOf } from '@/lib/search'

export interface AddDataState {
  via: SourceId
}

export const addDataCodec: Codec<AddDataState> = {
  decode: raw => ({ via: oneOf(raw, 'via', SOURCE_IDS, 'java') }),
  encode: s => ({ via: s.via === 'java' ? undefined : s.via }),
}
