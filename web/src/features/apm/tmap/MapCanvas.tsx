// The T-Map on one canvas: time to the right, duration upwards, colour by count on a log scale; cells with failed
// requests are red and have a point in the middle. A rectangle, by pointer or keys, makes a box.
import { useElementSize } from '@mantine/hooks'
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { rampColor } from '@/charts/Heatmap'
import { CHART_INK, toneColor } from '@/charts/palette'
import {
  type Axis,
  type Box,
  type Cell,
  type Class,
  drawnOf,
  levelOf,
  msOf,
  shareOf,
  ticksOf,
} from '@/features/apm/tmap/cells'
import classes from '@/features/apm/tmap/tmap.module.css'
import { formatClock, formatDurationMs, formatInteger, formatStamp } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'

const HEIGHT = 380
const LEFT = 68
const RIGHT = 10
const TOP = 8
const BOTTOM = 22
const ROW = 6
const KEY_STEP = 12

/** ms after the range's start, us, outcome. */
export interface Dot {
  startMs: number
  tookMs: number
  bad: boolean
}

interface MapProps {
  cells: Cell[]
  stepMs: number
  /** In place of cells. */
  dots: Dot[] | null
  axis: Axis
  range: ResolvedRange
  status: Class[]
  boxes: Box[]
  onBox: (box: Box) => void
}

interface Place {
  x: number
  y: number
}

export function MapCanvas({ cells, stepMs, dots, axis, range, status, boxes, onBox }: MapProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [drag, setDrag] = useState<{ from: Place; to: Place } | null>(null)
  const [keys, setKeys] = useState<{ from: Place; to: Place } | null>(null)
  const [over, setOver] = useState<Place | null>(null)
  const plotW = Math.max(1, width - LEFT - RIGHT)
  const plotH = HEIGHT - TOP - BOTTOM
  const rows = Math.floor(plotH / ROW)
  const span = Math.max(1, range.endMs - range.startMs)
  const drawn = useMemo(() => drawnOf(cells, axis, rows, status), [cells, axis, rows, status])
  const most = useMemo(() => drawn.reduce((m, d) => Math.max(m, d.ok + d.bad), 0), [drawn])
  const total = useMemo(
    () => drawn.reduce((n, d) => ({ all: n.all + d.ok + d.bad, bad: n.bad + d.bad }), { all: 0, bad: 0 }),
    [drawn],
  )
  const xOf = (ms: number) => LEFT + ((ms - range.startMs) / span) * plotW
  const yOf = (ms: number) => TOP + plotH - Math.min(1, Math.max(0, shareOf(axis, ms))) * plotH
  const timeAt = (x: number) => range.startMs + ((x - LEFT) / plotW) * span
  const msAt = (y: number) => msOf(axis, (TOP + plotH - y) / plotH)

  // biome-ignore lint/correctness/useExhaustiveDependencies: the scales follow from the listed ones
  useEffect(() => {
    const c = canvas.current
    const ctx = c?.getContext('2d') ?? null
    if (c === null || ctx === null || width <= 0) {
      return
    }
    const ratio = window.devicePixelRatio || 1
    c.width = Math.round(width * ratio)
    c.height = Math.round(HEIGHT * ratio)
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
    ctx.clearRect(0, 0, width, HEIGHT)
    const ink = CHART_INK[scheme]
    const red = toneColor('bad', scheme)
    ctx.font = '11px system-ui, sans-serif'
    ctx.textAlign = 'right'
    ctx.textBaseline = 'middle'
    for (const ms of ticksOf(axis)) {
      const y = Math.round(yOf(ms)) + 0.5
      ctx.strokeStyle = ink.grid
      ctx.beginPath()
      ctx.moveTo(LEFT, y)
      ctx.lineTo(width - RIGHT, y)
      ctx.stroke()
      ctx.fillStyle = ink.axis
      ctx.fillText(formatDurationMs(ms, lang), LEFT - 8, Math.max(TOP + 5, y))
    }
    ctx.textBaseline = 'alphabetic'
    const marks = Math.max(2, Math.floor(plotW / 120))
    for (let i = 0; i <= marks; i++) {
      ctx.textAlign = i === 0 ? 'left' : i === marks ? 'right' : 'center'
      ctx.fillText(
        formatClock(range.startMs + (span * i) / marks, lang),
        LEFT + (plotW * i) / marks,
        HEIGHT - 6,
      )
    }
    ctx.save()
    ctx.beginPath()
    ctx.rect(LEFT, TOP, plotW, plotH)
    ctx.clip()
    if (dots !== null) {
      for (const bad of [false, true]) {
        ctx.fillStyle = bad ? red : toneColor('info', scheme)
        ctx.globalAlpha = 0.7
        for (const d of dots) {
          if (d.bad === bad) {
            const [x, y] = [xOf(d.startMs), yOf(d.tookMs)]
            ctx.fillRect(x - 1.5, y - 1.5, bad ? 4 : 3, bad ? 4 : 3)
          }
        }
      }
    } else {
      const rowH = plotH / rows
      for (const d of drawn) {
        const [x0, x1] = [Math.round(xOf(d.startMs)), Math.round(xOf(d.startMs + stepMs))]
        const [y0, y1] = [
          Math.round(TOP + plotH - (d.row + 1) * rowH),
          Math.round(TOP + plotH - d.row * rowH),
        ]
        const level = levelOf(d.ok + d.bad, most)
        ctx.globalAlpha = d.bad > 0 ? 0.45 + 0.55 * level : 1
        ctx.fillStyle = d.bad > 0 ? red : rampColor(level, scheme)
        ctx.fillRect(x0, y0, Math.max(1, x1 - x0), y1 - y0)
        if (d.bad > 0 && x1 - x0 >= 4) {
          ctx.globalAlpha = 1
          ctx.fillStyle = ink.background
          ctx.fillRect((x0 + x1) / 2 - 1, (y0 + y1) / 2 - 1, 2, 2)
        }
      }
    }
    ctx.restore()
    ctx.globalAlpha = 1
  }, [drawn, dots, most, width, scheme, lang, axis, range, stepMs, rows])

  const inside = (p: Place): Place => ({
    x: Math.min(LEFT + plotW, Math.max(LEFT, p.x)),
    y: Math.min(TOP + plotH, Math.max(TOP, p.y)),
  })
  const at = (e: PointerEvent): Place => {
    const box = e.currentTarget.getBoundingClientRect()
    return { x: e.clientX - box.left, y: e.clientY - box.top }
  }
  const make = (a: Place, b: Place) => {
    const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)]
    const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)]
    if (x1 - x0 < 3 || y1 - y0 < 3) {
      return
    }
    onBox({
      startMs: Math.floor(timeAt(x0)),
      endMs: Math.ceil(timeAt(x1)),
      minMs: y1 >= TOP + plotH ? 0 : Math.max(0, msAt(y1)),
      // at the upper edge: all that took longer, too, as it is drawn there
      maxMs: y0 <= TOP ? null : msAt(y0),
    })
  }
  const press = (e: KeyboardEvent) => {
    const steps: Record<string, Place> = {
      ArrowLeft: { x: -KEY_STEP, y: 0 },
      ArrowRight: { x: KEY_STEP, y: 0 },
      ArrowUp: { x: 0, y: -KEY_STEP },
      ArrowDown: { x: 0, y: KEY_STEP },
    }
    const step = steps[e.key]
    if (e.key === 'Enter' && keys !== null) {
      make(keys.from, keys.to)
      setKeys(null)
    } else if (e.key === 'Escape') {
      setKeys(null)
    } else if (step !== undefined) {
      e.preventDefault()
      const now = keys ?? {
        from: { x: LEFT + plotW / 2, y: TOP + plotH / 2 },
        to: { x: LEFT + plotW / 2 + 2 * KEY_STEP, y: TOP + plotH / 2 + 2 * KEY_STEP },
      }
      const move = (p: Place) => inside({ x: p.x + step.x, y: p.y + step.y })
      setKeys({ from: e.shiftKey ? now.from : move(now.from), to: move(now.to) })
    }
  }
  const rect = drag ?? keys
  const cell = over === null ? undefined : cellAt(over)

  function cellAt(p: Place) {
    const time = timeAt(p.x)
    const row = Math.floor(((TOP + plotH - p.y) / plotH) * rows)
    return drawn.find(d => d.row === row && time >= d.startMs && time < d.startMs + stepMs)
  }
  return (
    <div ref={ref} className={classes.map}>
      <canvas
        ref={canvas}
        className={classes.canvas}
        style={{ height: HEIGHT }}
        tabIndex={0}
        role="img"
        aria-label={t('tmap.summary', {
          requests: formatInteger(dots === null ? total.all : dots.length, lang),
          failed: formatInteger(dots === null ? total.bad : dots.filter(d => d.bad).length, lang),
        })}
        onKeyDown={press}
        onPointerDown={e => {
          e.currentTarget.setPointerCapture(e.pointerId)
          const p = inside(at(e))
          setKeys(null)
          setDrag({ from: p, to: p })
        }}
        onPointerMove={e => {
          const p = at(e)
          setOver(p)
          if (drag !== null) {
            setDrag({ from: drag.from, to: inside(p) })
          }
        }}
        onPointerUp={e => {
          if (drag !== null) {
            make(drag.from, inside(at(e)))
          }
          setDrag(null)
        }}
        onPointerLeave={() => setOver(null)}
      />
      {boxes.map(b => (
        <div
          key={`${b.startMs} ${b.endMs} ${b.minMs} ${b.maxMs}`}
          className={classes.kept}
          style={frame(
            inside({ x: xOf(b.startMs), y: b.maxMs === null ? TOP : yOf(b.maxMs) }),
            inside({ x: xOf(b.endMs), y: yOf(b.minMs) }),
          )}
        />
      ))}
      {rect !== null && <div className={classes.rect} style={frame(rect.from, rect.to)} />}
      {over !== null && cell !== undefined && drag === null && dots === null && (
        <div
          className={classes.tip}
          style={{
            top: Math.min(over.y + 12, HEIGHT - 80),
            ...(over.x > width / 2 ? { right: width - over.x + 12 } : { left: over.x + 12 }),
          }}
        >
          <div>{formatStamp(cell.startMs, lang)}</div>
          <div>
            {formatDurationMs(msOf(axis, cell.row / rows), lang)} –{' '}
            {formatDurationMs(msOf(axis, (cell.row + 1) / rows), lang)}
          </div>
          <b>
            {t('tmap.cell', {
              requests: formatInteger(cell.ok + cell.bad, lang),
              failed: formatInteger(cell.bad, lang),
            })}
          </b>
        </div>
      )}
    </div>
  )
}

function frame(a: Place, b: Place) {
  return {
    left: Math.min(a.x, b.x),
    top: Math.min(a.y, b.y),
    width: Math.abs(a.x - b.x),
    height: Math.abs(a.y - b.y),
  }
}
