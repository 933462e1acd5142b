// A heat map on one canvas: time to the right, value ranges upwards, colour by count. A drag zooms, the
// cursor reads one cell, and the whole is described in words for people who cannot see it.
import { useElementSize } from '@mantine/hooks'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import classes from '@/charts/Heatmap.module.css'
import { type HeatData, heatLevel, heatQuantile } from '@/charts/heat'
import { CHART_INK, type ColorScheme } from '@/charts/palette'
import tipClasses from '@/charts/TimeSeries.module.css'
import { formatClock, formatDateTime, formatNumber, formatPercent, formatUnit, type Unit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'

const LEFT = 72
const BOTTOM = 24
const TOP = 8
const RIGHT = 12

/** From almost the surface to deep: light on dark, dark on light. */
const RAMP: Record<ColorScheme, [number, number, number][]> = {
  light: [
    [226, 238, 248],
    [135, 185, 222],
    [47, 111, 176],
    [77, 42, 122],
    [40, 10, 60],
  ],
  dark: [
    [27, 45, 66],
    [40, 92, 140],
    [84, 160, 196],
    [240, 196, 106],
    [255, 244, 214],
  ],
}

export function rampColor(level: number, scheme: ColorScheme): string {
  const ramp = RAMP[scheme]
  const x = Math.min(1, Math.max(0, level)) * (ramp.length - 1)
  const i = Math.min(ramp.length - 2, Math.floor(x))
  const a = ramp[i] ?? [0, 0, 0]
  const b = ramp[i + 1] ?? a
  const mix = (n: 0 | 1 | 2) => Math.round(a[n] + (b[n] - a[n]) * (x - i))
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`
}

interface HeatmapProps {
  label: string
  data: HeatData
  unit: Unit
  range: ResolvedRange
  height?: number
  onZoom?: (startMs: number, endMs: number) => void
}

export function Heatmap({ label, data, unit, range, height = 340, onZoom }: HeatmapProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [cell, setCell] = useState<{ column: number; row: number; x: number; y: number } | null>(null)
  const [drag, setDrag] = useState<[number, number] | null>(null)
  const plotW = Math.max(0, width - LEFT - RIGHT)
  const plotH = height - BOTTOM - TOP
  const start = range.startMs / 1_000
  const end = range.endMs / 1_000
  const step = (data.times[1] ?? 0) - (data.times[0] ?? 0) || end - start
  const xOf = (time: number) => LEFT + ((time - start) / (end - start)) * plotW
  const timeAt = (x: number) => start + ((x - LEFT) / plotW) * (end - start)
  const rowH = plotH / Math.max(1, data.rows.length)

  const bound = useMemo(
    () => (v: number) =>
      v === Number.NEGATIVE_INFINITY
        ? '-∞'
        : v === Number.POSITIVE_INFINITY
          ? '+∞'
          : formatUnit(v, unit, lang),
    [unit, lang],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: xOf follows from the listed ones
  useEffect(() => {
    const c = canvas.current
    const ctx = c?.getContext('2d') ?? null
    if (c === null || ctx === null || width <= 0) {
      return
    }
    const ratio = window.devicePixelRatio || 1
    c.width = Math.round(width * ratio)
    c.height = Math.round(height * ratio)
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
    ctx.clearRect(0, 0, width, height)
    const ink = CHART_INK[scheme]
    const cellW = Math.max(1, (step / (end - start)) * plotW)
    ctx.save()
    ctx.beginPath()
    ctx.rect(LEFT, TOP, plotW, plotH)
    ctx.clip()
    data.counts.forEach((counts, i) => {
      const x = xOf(data.times[i] ?? 0) - cellW
      counts?.forEach((n, r) => {
        if (n > 0) {
          ctx.fillStyle = rampColor(heatLevel(n, data.max), scheme)
          const y = TOP + plotH - (r + 1) * rowH
          // whole pixels, or seams show between the cells
          const [x0, y0] = [Math.round(x), Math.round(y)]
          ctx.fillRect(x0, y0, Math.round(x + cellW) - x0, Math.round(y + rowH) - y0)
        }
      })
    })
    ctx.restore()
    ctx.font = '11px system-ui, sans-serif'
    ctx.fillStyle = ink.axis
    ctx.strokeStyle = ink.grid
    ctx.textBaseline = 'middle'
    ctx.textAlign = 'right'
    const every = Math.max(1, Math.ceil(18 / rowH))
    data.rows.forEach((row, r) => {
      if (r % every === 0) {
        ctx.fillText(bound(row.hi), LEFT - 6, TOP + plotH - (r + 1) * rowH)
      }
    })
    ctx.textAlign = 'center'
    ctx.textBaseline = 'alphabetic'
    const ticks = Math.max(2, Math.floor(plotW / 110))
    const day = end - start > 86_400 * 1.5
    for (let i = 0; i <= ticks; i++) {
      const s = start + ((end - start) * i) / ticks
      const text = day
        ? new Intl.DateTimeFormat(lang, {
            month: 'numeric',
            day: 'numeric',
            hour: '2-digit',
            hourCycle: 'h23',
          }).format(s * 1_000)
        : formatClock(s * 1_000, lang).slice(0, 5)
      ctx.textAlign = i === 0 ? 'left' : i === ticks ? 'right' : 'center'
      ctx.fillText(text, xOf(s), height - 8)
    }
    ctx.beginPath()
    ctx.moveTo(LEFT, TOP + plotH + 0.5)
    ctx.lineTo(LEFT + plotW, TOP + plotH + 0.5)
    ctx.stroke()
  }, [data, width, height, scheme, lang, bound, start, end, step, plotW, plotH, rowH])

  const at = (e: React.MouseEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    return { x: e.clientX - box.left, y: e.clientY - box.top }
  }
  const move = (e: React.MouseEvent) => {
    const { x, y } = at(e)
    if (drag !== null) {
      setDrag([drag[0], x])
    }
    const time = timeAt(x)
    // a column tells of the step that ends at its time
    const column = data.times.findIndex(s => time <= s && time > s - step)
    const row = Math.floor((TOP + plotH - y) / rowH)
    setCell(column < 0 || row < 0 || row >= data.rows.length ? null : { column, row, x, y })
  }
  const drop = () => {
    if (drag !== null && Math.abs(drag[1] - drag[0]) > 6) {
      const [a, b] = [Math.min(...drag), Math.max(...drag)]
      onZoom?.(timeAt(a) * 1_000, timeAt(b) * 1_000)
    }
    setDrag(null)
  }

  const counts = cell === null ? null : data.counts[cell.column]
  const total = counts?.reduce((a, b) => a + b, 0) ?? 0
  return (
    <div ref={ref} className={classes.root}>
      {width > 0 && (
        <>
          <canvas
            ref={canvas}
            style={{ width, height }}
            role="img"
            aria-label={t('chart.heatSummary', { label, rows: data.rows.length, columns: data.times.length })}
            onMouseMove={move}
            onMouseLeave={() => {
              setCell(null)
              setDrag(null)
            }}
            onMouseDown={e => setDrag([at(e).x, at(e).x])}
            onMouseUp={drop}
          />
          {drag !== null && Math.abs(drag[1] - drag[0]) > 3 && (
            <div
              className={classes.select}
              style={{ left: Math.min(...drag), width: Math.abs(drag[1] - drag[0]), top: TOP, height: plotH }}
            />
          )}
          {cell !== null && drag === null && (
            <div
              className={tipClasses.tip}
              style={{
                top: Math.min(cell.y + 12, height - 90),
                ...(cell.x > width / 2 ? { right: width - cell.x + 14 } : { left: cell.x + 14 }),
              }}
            >
              <div className={tipClasses.tipTime}>
                {formatDateTime((data.times[cell.column] ?? 0) * 1_000, lang)}
              </div>
              <div className={tipClasses.tipRow}>
                <span>
                  {bound(data.rows[cell.row]?.lo ?? 0)} – {bound(data.rows[cell.row]?.hi ?? 0)}
                </span>
                <b>
                  {formatNumber(counts?.[cell.row] ?? 0, lang)}
                  {total > 0 && ` (${formatPercent((counts?.[cell.row] ?? 0) / total, lang)})`}
                </b>
              </div>
              {[0.5, 0.95, 0.99].map(q => (
                <div key={q} className={tipClasses.tipRow}>
                  <span>p{q * 100}</span>
                  <b>{formatUnit(heatQuantile(data, cell.column, q), unit, lang)}</b>
                </div>
              ))}
            </div>
          )}
          <div className={classes.legend} aria-hidden="true">
            <span>0</span>
            <div
              className={classes.ramp}
              style={{
                background: `linear-gradient(90deg, ${[0.06, 0.3, 0.55, 0.8, 1].map(l => rampColor(l, scheme)).join(', ')})`,
              }}
            />
            <span>{formatNumber(data.max, lang)}</span>
          </div>
        </>
      )}
    </div>
  )
}
