// Cells of a T-Map: the server's duration buckets (src/apm/tmap_bucket.h has the same formula), scales of the duration
// axis, and cells put together for the rows that are drawn. Pure.
import type { Schemas } from '@/api/client'

export type TmapCells = Schemas['TmapCells']

const SUB = 32

/** Smallest duration of a bucket, ms. */
export function bucketMs(bucket: number): number {
  return (bucket < SUB ? bucket : (SUB + (bucket % SUB)) * 2 ** (Math.floor(bucket / SUB) - 1)) / 1_000
}

export const CLASSES = ['ok', '4xx', '5xx'] as const
export type Class = (typeof CLASSES)[number]
export type Counts = [number, number, number]

/** One bucket of one column of time. */
export interface Cell {
  startMs: number
  loMs: number
  hiMs: number
  n: Counts
}

export function cellsOf(a: TmapCells): Cell[] {
  const out: Cell[] = []
  const c = a.cells
  for (let i = 0; i + 4 < c.length; i += 5) {
    const bucket = (c[i + 1] ?? 0) << a.shift
    out.push({
      startMs: a.start_ms + (c[i] ?? 0) * a.step_ms,
      loMs: bucketMs(bucket),
      hiMs: bucketMs(bucket + (1 << a.shift)),
      n: [c[i + 2] ?? 0, c[i + 3] ?? 0, c[i + 4] ?? 0],
    })
  }
  return out
}

/** Columns that came whole take the place of those that were there; what is older than `fromMs` goes. */
export function merged(
  old: ReadonlyMap<number, Cell[]>,
  event: TmapCells,
  fromMs: number,
): Map<number, Cell[]> {
  const out = new Map([...old].filter(([startMs]) => startMs >= fromMs))
  const fresh = new Map<number, Cell[]>()
  for (const c of cellsOf(event)) {
    fresh.set(c.startMs, [...(fresh.get(c.startMs) ?? []), c])
  }
  for (const [startMs, cells] of fresh) {
    out.set(startMs, cells)
  }
  return out
}

export type Scale = 'log' | 'linear'

/** The duration axis: log begins at 1 ms, what is quicker lies on the ground. */
export interface Axis {
  scale: Scale
  maxMs: number
}

/** 0 at the bottom, 1 at the top; above 1: beyond the axis. */
export function shareOf(axis: Axis, ms: number): number {
  return axis.scale === 'linear'
    ? ms / axis.maxMs
    : Math.log10(Math.max(1, ms)) / Math.log10(Math.max(10, axis.maxMs))
}

export function msOf(axis: Axis, share: number): number {
  const s = Math.max(0, share)
  return axis.scale === 'linear' ? s * axis.maxMs : s <= 0 ? 0 : Math.max(10, axis.maxMs) ** s
}

export function ticksOf(axis: Axis): number[] {
  if (axis.scale === 'linear') {
    return [0, 0.25, 0.5, 0.75, 1].map(s => s * axis.maxMs)
  }
  const out: number[] = []
  for (let ms = 1; ms <= axis.maxMs; ms *= 10) {
    out.push(ms)
  }
  return out
}

/** What is drawn: a column of time, a row of the screen. The top row has what took longer, too. */
export interface Drawn {
  startMs: number
  row: number
  ok: number
  bad: number
}

export function drawnOf(cells: Iterable<Cell>, axis: Axis, rows: number, classes: readonly Class[]): Drawn[] {
  const by = new Map<string, Drawn>()
  const wanted = CLASSES.map(c => classes.length === 0 || classes.includes(c))
  for (const c of cells) {
    const ok = wanted[0] ? c.n[0] : 0
    const bad = (wanted[1] ? c.n[1] : 0) + (wanted[2] ? c.n[2] : 0)
    if (ok + bad === 0) {
      continue
    }
    const middle = (c.loMs + c.hiMs) / 2
    const row = Math.min(rows - 1, Math.max(0, Math.floor(shareOf(axis, middle) * rows)))
    const key = `${c.startMs} ${row}`
    const d = by.get(key)
    if (d === undefined) {
      by.set(key, { startMs: c.startMs, row, ok, bad })
    } else {
      d.ok += ok
      d.bad += bad
    }
  }
  return [...by.values()]
}

/** Depth of colour: logarithmic in the count. */
export function levelOf(n: number, max: number): number {
  return max <= 1 ? 0.6 : 0.12 + (0.88 * Math.log(n)) / Math.log(max)
}

export interface Box {
  startMs: number
  endMs: number
  minMs: number
  /** null: however long. */
  maxMs: number | null
}

export function encodeBox(b: Box): string {
  const short = (v: number) => String(Math.round(v * 1_000) / 1_000)
  return `${Math.round(b.startMs)}_${Math.round(b.endMs)}_${short(b.minMs)}_${b.maxMs === null ? '' : short(b.maxMs)}`
}

export function decodeBox(text: string): Box | null {
  const [a, b, c, d] = text.split('_')
  const box = {
    startMs: Number(a),
    endMs: Number(b),
    minMs: Number(c),
    maxMs: d === '' || d === undefined ? null : Number(d),
  }
  const whole = [box.startMs, box.endMs, box.minMs, box.maxMs ?? 0].every(Number.isFinite)
  return whole && box.startMs < box.endMs && box.minMs >= 0 && (box.maxMs === null || box.minMs < box.maxMs)
    ? box
    : null
}
