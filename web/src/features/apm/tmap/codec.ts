// The T-Map's link: what is shown, how, and the boxes that were drawn.
import { type Box, CLASSES, type Class, decodeBox, encodeBox, type Scale } from '@/features/apm/tmap/cells'
import { type Codec, many, one, oneOf } from '@/lib/search'

export const MODES = ['live', 'day', 'range'] as const
export type Mode = (typeof MODES)[number]
export const VIEWS = ['heat', 'dots'] as const
export const BOXES_MAX = 8
const MAX_MS = 60_000

export interface TmapState {
  groups: string[]
  mode: Mode
  /** YYYY-MM-DD of mode day; empty: today. */
  day: string
  view: (typeof VIEWS)[number]
  scale: Scale
  maxMs: number
  instance: string
  status: Class[]
  boxes: Box[]
  /** Which box is open. */
  open: number
}

export const tmapCodec: Codec<TmapState> = {
  decode: raw => {
    const maxMs = Number(one(raw, 'max'))
    const boxes = many(raw, 'box')
      .map(decodeBox)
      .filter(b => b !== null)
      .slice(0, BOXES_MAX)
    return {
      groups: many(raw, 'group').filter(g => g !== ''),
      mode: oneOf(raw, 'mode', MODES, 'live'),
      day: /^\d{4}-\d\d-\d\d$/.test(one(raw, 'day')) ? one(raw, 'day') : '',
      view: oneOf(raw, 'view', VIEWS, 'heat'),
      scale: oneOf(raw, 'scale', ['log', 'linear'], 'log'),
      maxMs: maxMs >= 10 && maxMs <= 3_600_000 ? maxMs : MAX_MS,
      instance: one(raw, 'instance'),
      status: CLASSES.filter(c => many(raw, 'status').includes(c)),
      boxes,
      open: Math.min(Math.max(0, Math.floor(Number(one(raw, 'tab')) || 0)), Math.max(0, boxes.length - 1)),
    }
  },
  encode: s => ({
    group: s.groups.length > 0 ? s.groups : undefined,
    mode: s.mode === 'live' ? undefined : s.mode,
    day: s.day === '' ? undefined : s.day,
    view: s.view === 'heat' ? undefined : s.view,
    scale: s.scale === 'log' ? undefined : s.scale,
    max: s.maxMs === MAX_MS ? undefined : String(s.maxMs),
    instance: s.instance === '' ? undefined : s.instance,
    status: s.status.length > 0 ? s.status : undefined,
    box: s.boxes.length > 0 ? s.boxes.map(encodeBox) : undefined,
    tab: s.open === 0 ? undefined : String(s.open),
  }),
}
