// Every trace found as a point: time to the right, duration upwards on a log scale. Failed traces are red
// diamonds, others blue dots. A rectangle chooses traces for the list below, a click opens one.
import { useElementSize } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import { type PointerEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { FoundTrace } from '@/api/traceql'
import { CHART_INK, toneColor } from '@/charts/palette'
import classes from '@/features/traces/search.module.css'
import { formatClock, formatDurationNs, formatStamp } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'

const HEIGHT = 240
const LEFT = 64
const RIGHT = 10
const TOP = 10
const BOTTOM = 22

export interface Point {
  id: string
  x: number
  y: number
  failed: boolean
}

export interface Plot {
  points: Point[]
  /** ns. */
  ticks: { ns: number; y: number }[]
}

export function plotOf(traces: FoundTrace[], range: ResolvedRange, width: number): Plot {
  const logs = traces.map(t => Math.log10(Math.max(1_000, Number(t.duration_ns))))
  const lo = Math.floor(Math.min(...logs, 6))
  const hi = Math.max(lo + 1, Math.ceil(Math.max(...logs, 6)))
  const plotW = Math.max(1, width - LEFT - RIGHT)
  const plotH = HEIGHT - TOP - BOTTOM
  const yOf = (log: number) => TOP + plotH - ((log - lo) / (hi - lo)) * plotH
  return {
    points: traces.map((t, i) => ({
      id: t.trace_id,
      x: LEFT + ((nsToMs(t.start_ns) - range.startMs) / (range.endMs - range.startMs)) * plotW,
      y: yOf(logs[i] ?? lo),
      failed: t.error_count > 0,
    })),
    ticks: Array.from({ length: hi - lo + 1 }, (_, i) => ({ ns: 10 ** (lo + i), y: yOf(lo + i) })),
  }
}

export function inside(points: Point[], a: { x: number; y: number }, b: { x: number; y: number }): string[] {
  const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)]
  const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)]
  return points.filter(p => p.x >= x0 && p.x <= x1 && p.y >= y0 && p.y <= y1).map(p => p.id)
}

interface ScatterProps {
  traces: FoundTrace[]
  range: ResolvedRange
  chosen: ReadonlySet<string> | null
  onChoose: (ids: ReadonlySet<string> | null) => void
}

export function Scatter({ traces, range, chosen, onChoose }: ScatterProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const navigate = useNavigate()
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [drag, setDrag] = useState<{ from: { x: number; y: number }; to: { x: number; y: number } } | null>(
    null,
  )
  const [over, setOver] = useState<Point | null>(null)
  const plot = useMemo(() => plotOf(traces, range, width), [traces, range, width])
  const byId = useMemo(() => new Map(traces.map(x => [x.trace_id, x])), [traces])

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
    ctx.font = '11px system-ui, sans-serif'
    ctx.textBaseline = 'middle'
    ctx.textAlign = 'right'
    for (const tick of plot.ticks) {
      ctx.strokeStyle = ink.grid
      ctx.beginPath()
      ctx.moveTo(LEFT, Math.round(tick.y) + 0.5)
      ctx.lineTo(width - RIGHT, Math.round(tick.y) + 0.5)
      ctx.stroke()
      ctx.fillStyle = ink.axis
      ctx.fillText(formatDurationNs(tick.ns, lang), LEFT - 8, tick.y)
    }
    const marks = Math.max(2, Math.floor((width - LEFT) / 130))
    ctx.textBaseline = 'alphabetic'
    for (let i = 0; i <= marks; i++) {
      const ms = range.startMs + ((range.endMs - range.startMs) * i) / marks
      ctx.textAlign = i === 0 ? 'left' : i === marks ? 'right' : 'center'
      ctx.fillText(formatClock(ms, lang), LEFT + ((width - LEFT - RIGHT) * i) / marks, HEIGHT - 6)
    }
    // failed ones last, so that they lie on top
    for (const failed of [false, true]) {
      ctx.fillStyle = toneColor(failed ? 'bad' : 'info', scheme)
      for (const p of plot.points) {
        if (p.failed !== failed) {
          continue
        }
        ctx.globalAlpha = chosen === null || chosen.has(p.id) ? 0.75 : 0.15
        ctx.beginPath()
        if (failed) {
          ctx.moveTo(p.x, p.y - 5)
          ctx.lineTo(p.x + 5, p.y)
          ctx.lineTo(p.x, p.y + 5)
          ctx.lineTo(p.x - 5, p.y)
        } else {
          ctx.arc(p.x, p.y, 3.2, 0, Math.PI * 2)
        }
        ctx.fill()
      }
    }
    ctx.globalAlpha = 1
  }, [plot, width, scheme, lang, range, chosen])

  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    return { x: e.clientX - box.left, y: e.clientY - box.top }
  }
  const nearest = (x: number, y: number) => {
    let best: Point | null = null
    let least = 9 * 9
    for (const p of plot.points) {
      const d = (p.x - x) ** 2 + (p.y - y) ** 2
      if (d < least) {
        best = p
        least = d
      }
    }
    return best
  }
  const drop = (e: PointerEvent) => {
    const p = at(e)
    if (drag !== null && Math.abs(drag.from.x - p.x) + Math.abs(drag.from.y - p.y) > 8) {
      const ids = inside(plot.points, drag.from, p)
      onChoose(ids.length === 0 ? null : new Set(ids))
    } else {
      const hit = nearest(p.x, p.y)
      if (hit !== null) {
        void navigate({ to: '/traces/$traceId', params: { traceId: hit.id } })
      } else {
        onChoose(null)
      }
    }
    setDrag(null)
  }
  const shown = over === null ? undefined : byId.get(over.id)
  const failed = plot.points.filter(p => p.failed).length
  return (
    <div className={classes.scatter}>
      <div ref={ref} style={{ position: 'relative' }}>
        <canvas
          ref={canvas}
          style={{ width: '100%', height: HEIGHT }}
          role="img"
          aria-label={t('traces.scatterSummary', { traces: plot.points.length, failed })}
          onPointerDown={e => {
            e.currentTarget.setPointerCapture(e.pointerId)
            setDrag({ from: at(e), to: at(e) })
          }}
          onPointerMove={e => {
            const p = at(e)
            if (drag === null) {
              setOver(nearest(p.x, p.y))
            } else {
              setDrag({ from: drag.from, to: p })
              setOver(null)
            }
          }}
          onPointerUp={drop}
          onPointerLeave={() => setOver(null)}
        />
        {drag !== null && (
          <div
            className={classes.rect}
            style={{
              left: Math.min(drag.from.x, drag.to.x),
              top: Math.min(drag.from.y, drag.to.y),
              width: Math.abs(drag.from.x - drag.to.x),
              height: Math.abs(drag.from.y - drag.to.y),
            }}
          />
        )}
        {over !== null && shown !== undefined && (
          <div
            className={classes.tip}
            style={{
              top: Math.min(over.y + 10, HEIGHT - 70),
              ...(over.x > width / 2 ? { right: width - over.x + 12 } : { left: over.x + 12 }),
            }}
          >
            <b>
              {shown.root_service} · {shown.root_name}
            </b>
            <div className="num">
              {formatDurationNs(Number(shown.duration_ns), lang)} ·{' '}
              {formatStamp(nsToMs(shown.start_ns), lang)}
            </div>
            <div>{t('traces.tipSpans', { spans: shown.span_count, errors: shown.error_count })}</div>
          </div>
        )}
      </div>
    </div>
  )
}
