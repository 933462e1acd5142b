// Request Velocity as a drawing: a column for each instance, a falling ball for each finished request, a bar for
// requests in flight; bars of the tick's requests when there are more columns than balls could be told apart in. Pure: a
// model and a canvas context in, pixels out, so that its cost can be measured.
import { type ColorScheme, toneColor } from '@/charts/palette'
import type { ApmInstance, ApmRow } from '@/features/apm/live/stream'

export const BALL_COLUMNS = 50
/** A ball's way down. */
const FALL_MS = 1_600
const TICK_MS = 2_000
/** Of one column: more would be one smear. */
const BALLS_PER_COLUMN = 40

type Stage = 0 | 1 | 2

interface Ball {
  id: number
  stage: Stage
  atMs: number
  /** Place across the column, 0 to 1. */
  x: number
  /** Requests it stands for. */
  weight: number
}

export interface VelocityModel {
  balls: Ball[]
}

export interface Column {
  id: number
  name: string
  up: boolean
  row: ApmRow | undefined
}

export interface Look {
  width: number
  height: number
  scheme: ColorScheme
  labels: boolean
  balls: boolean
  /** Texts for the columns' feet. */
  mean: (ms: number) => string
  number: (n: number) => string
  notReported: string
}

export function newVelocity(): VelocityModel {
  return { balls: [] }
}

/** Two sequences that are even together (powers of the plastic number): no streaks, and the same for the same tick. */
const spread = (n: number) => (n * 0.754_877_666) % 1
const spreadAcross = (n: number) => (n * 0.569_840_29) % 1

/** The requests of a tick begin to fall over the two seconds until the next one. */
export function addTick(model: VelocityModel, rows: ApmRow[], nowMs: number): void {
  for (const row of rows) {
    const weight = Math.max(1, Math.ceil(row.done / BALLS_PER_COLUMN))
    let n = 0
    for (const [stage, count] of [row.sat, row.tol, row.fru].entries()) {
      for (let left = count; left > 0; left -= weight) {
        model.balls.push({
          id: row.id,
          stage: stage as Stage,
          atMs: nowMs + spread(n + row.id * 0.37) * TICK_MS,
          x: spreadAcross(n + 1),
          weight: Math.min(weight, left),
        })
        n++
      }
    }
  }
}

const STAGE_TONE = ['good', 'warn', 'bad'] as const
const FOOT = 58
const FOOT_SMALL = 16

export function footHeight(labels: boolean): number {
  return labels ? FOOT : FOOT_SMALL
}

/** Column under a place, or undefined. */
export function columnAt(columns: Column[], look: Look, x: number): Column | undefined {
  return columns[Math.floor((x / look.width) * columns.length)]
}

function drawBalls(
  c: CanvasRenderingContext2D,
  model: VelocityModel,
  columns: Column[],
  look: Look,
  now: number,
) {
  const place = new Map(columns.map((v, i) => [v.id, i]))
  const each = look.width / Math.max(1, columns.length)
  const floor = look.height - footHeight(look.labels)
  const radius = Math.max(2, Math.min(5, each / 8))
  model.balls = model.balls.filter(b => now - b.atMs < FALL_MS)
  for (const stage of [0, 1, 2] as const) {
    c.fillStyle = toneColor(STAGE_TONE[stage], look.scheme)
    c.beginPath()
    for (const b of model.balls) {
      const at = place.get(b.id)
      const age = (now - b.atMs) / FALL_MS
      if (b.stage !== stage || at === undefined || age < 0) {
        continue
      }
      const r = Math.min(each / 3, radius * Math.sqrt(Math.min(4, b.weight)))
      const x = at * each + each * 0.15 + b.x * each * 0.7
      const y = r + age * age * (floor - 2 * r)
      // shape as well as colour: round, square, diamond would cost a path each; frustrated ones are squares
      if (stage === 2) {
        c.rect(x - r, y - r, 2 * r, 2 * r)
      } else {
        c.moveTo(x + r, y)
        c.arc(x, y, r, 0, 2 * Math.PI)
      }
    }
    c.fill()
  }
}

/** A stacked bar of the tick's requests; the busiest column is the full height. */
function drawBars(c: CanvasRenderingContext2D, columns: Column[], look: Look) {
  const each = look.width / Math.max(1, columns.length)
  const floor = look.height - footHeight(look.labels && columns.length <= BALL_COLUMNS)
  const top = Math.max(1, ...columns.map(v => v.row?.done10 ?? 0))
  for (const stage of [0, 1, 2] as const) {
    c.fillStyle = toneColor(STAGE_TONE[stage], look.scheme)
    for (const [i, v] of columns.entries()) {
      const row = v.row
      if (row === undefined || row.done === 0) {
        continue
      }
      const unit = ((row.done10 / top) * (floor - 6)) / row.done
      const below = (stage > 0 ? row.sat : 0) + (stage > 1 ? row.tol : 0)
      const n = [row.sat, row.tol, row.fru][stage] ?? 0
      c.fillRect(i * each + each * 0.1, floor - (below + n) * unit, Math.max(1, each * 0.8), n * unit)
    }
  }
}

function shorten(c: CanvasRenderingContext2D, text: string, width: number): string {
  const most = Math.max(2, Math.floor(width / 6.2))
  return text.length <= most || c.measureText(text).width <= width
    ? text
    : `…${text.slice(text.length - most + 1)}`
}

function drawFeet(c: CanvasRenderingContext2D, columns: Column[], look: Look, ink: string, faint: string) {
  const each = look.width / Math.max(1, columns.length)
  const floor = look.height - FOOT
  c.font = '11px system-ui, sans-serif'
  c.textAlign = 'center'
  c.textBaseline = 'top'
  for (const [i, v] of columns.entries()) {
    const x = i * each + each / 2
    const row = v.row
    c.fillStyle = v.up ? ink : faint
    c.fillText(shorten(c, v.name, each - 4), x, floor + 4)
    if (each < 44) {
      continue
    }
    c.fillText(look.number((row?.done10 ?? 0) / 10), x, floor + 17)
    c.fillStyle = faint
    c.fillText(row === undefined || row.done10 === 0 ? '–' : look.mean(row.sum10 / row.done10), x, floor + 30)
    c.fillText(
      row?.inflight === undefined ? (each < 90 ? '–' : look.notReported) : look.number(row.inflight),
      x,
      floor + 43,
    )
  }
}

function drawInFlight(c: CanvasRenderingContext2D, columns: Column[], look: Look) {
  const each = look.width / Math.max(1, columns.length)
  const floor = look.height - footHeight(look.labels)
  const top = Math.max(10, ...columns.map(v => v.row?.inflight ?? 0))
  c.fillStyle = toneColor('info', look.scheme)
  for (const [i, v] of columns.entries()) {
    const n = v.row?.inflight ?? 0
    if (n > 0) {
      const h = (n / top) * (floor * 0.4)
      c.fillRect(i * each + each * 0.06, floor - h, Math.max(2, each * 0.06), h)
    }
  }
}

/** One frame. */
export function drawVelocity(
  c: CanvasRenderingContext2D,
  model: VelocityModel,
  columns: Column[],
  look: Look,
  now: number,
): void {
  const dark = look.scheme === 'dark'
  const ink = dark ? '#d5dbe5' : '#2a3342'
  const faint = dark ? '#8b96a8' : '#6b7686'
  const each = look.width / Math.max(1, columns.length)
  const many = columns.length > BALL_COLUMNS
  c.clearRect(0, 0, look.width, look.height)
  c.fillStyle = dark ? '#1d232c' : '#f5f7f9'
  for (let i = 0; !many && i < columns.length; i += 2) {
    c.fillRect(i * each, 0, each, look.height)
  }
  if (many) {
    drawBars(c, columns, look)
    return
  }
  if (look.balls) {
    drawBalls(c, model, columns, look, now)
  } else {
    drawBars(c, columns, look)
  }
  drawInFlight(c, columns, look)
  if (look.labels) {
    drawFeet(c, columns, look, ink, faint)
  }
}

/** Columns of the instances that matter: those that are up or had requests, by name. */
export function columnsOf(instances: ApmInstance[], rows: Map<number, ApmRow>): Column[] {
  return instances
    .filter(i => i.up || rows.has(i.id))
    .map(i => ({ id: i.id, name: i.name === '' ? '–' : i.name, up: i.up, row: rows.get(i.id) }))
}
