// The canvas half of TimeSeries: owns one uPlot instance and the one tooltip. Loaded on demand.
import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import {
  buildOptions,
  type ChartInput,
  type ChartMark,
  type ChartPoint,
  type ChartSeries,
  chartData,
  visibleSeries,
} from '@/charts/options'
import { CHART_INK } from '@/charts/palette'
import classes from '@/charts/TimeSeries.module.css'
import { formatDateTime, formatUnit } from '@/lib/format'

export interface UPlotViewProps {
  input: ChartInput
  onZoom?: ((startMs: number, endMs: number) => void) | undefined
  onMark?: ((mark: ChartMark) => void) | undefined
  onPoint?: ((point: ChartPoint) => void) | undefined
}

const TOOLTIP_ROWS = 12

function drawThresholds(u: uPlot, input: ChartInput): void {
  const { ctx } = u
  for (const t of input.thresholds) {
    const y = u.valToPos(t.value, 'y', true)
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) {
      continue
    }
    ctx.save()
    ctx.strokeStyle = t.color
    ctx.fillStyle = t.color
    ctx.setLineDash([6 * uPlot.pxRatio, 4 * uPlot.pxRatio])
    ctx.lineWidth = uPlot.pxRatio
    ctx.beginPath()
    ctx.moveTo(u.bbox.left, y)
    ctx.lineTo(u.bbox.left + u.bbox.width, y)
    ctx.stroke()
    ctx.font = `${10 * uPlot.pxRatio}px system-ui, sans-serif`
    ctx.textAlign = 'right'
    ctx.fillText(t.label, u.bbox.left + u.bbox.width - 4, y - 4)
    ctx.restore()
  }
}

const MARK_RADIUS = 4

function drawMarks(u: uPlot, input: ChartInput): void {
  const { ctx } = u
  const r = MARK_RADIUS * uPlot.pxRatio
  for (const m of input.marks ?? []) {
    const x = u.valToPos(m.time, 'x', true)
    const y = u.valToPos(m.value, 'y', true)
    if (
      x < u.bbox.left ||
      x > u.bbox.left + u.bbox.width ||
      y < u.bbox.top ||
      y > u.bbox.top + u.bbox.height
    ) {
      continue
    }
    ctx.save()
    ctx.beginPath()
    ctx.moveTo(x, y - r)
    ctx.lineTo(x + r, y)
    ctx.lineTo(x, y + r)
    ctx.lineTo(x - r, y)
    ctx.closePath()
    ctx.fillStyle = m.color
    ctx.strokeStyle = CHART_INK[input.scheme].background
    ctx.lineWidth = uPlot.pxRatio
    ctx.fill()
    ctx.stroke()
    ctx.restore()
  }
}

/** The drawn series nearest to the cursor, at the nearest time. */
function pointAt(u: uPlot, input: ChartInput): Omit<ChartPoint, 'x' | 'y'> | undefined {
  const { idx, top = 0 } = u.cursor
  const time = idx === null || idx === undefined ? undefined : input.times[idx]
  if (time === undefined || idx === null || idx === undefined) {
    return undefined
  }
  const data = chartData(input)
  let best: { series: ChartSeries; value: number; d: number } | undefined
  visibleSeries(input).forEach((series, i) => {
    const drawn = data[i + 1]?.[idx]
    const value = series.values[idx]
    if (typeof drawn === 'number' && typeof value === 'number') {
      const d = Math.abs(u.valToPos(drawn, 'y') - top)
      if (best === undefined || d < best.d) {
        best = { series, value, d }
      }
    }
  })
  return best === undefined ? undefined : { time, value: best.value, series: best.series }
}

/** The mark under the cursor, within a few pixels. */
function markAt(u: uPlot, input: ChartInput): ChartMark | undefined {
  const { left = -1, top = -1 } = u.cursor
  let best: ChartMark | undefined
  let distance = 9
  for (const m of input.marks ?? []) {
    const d = Math.hypot(u.valToPos(m.time, 'x') - left, u.valToPos(m.value, 'y') - top)
    if (d < distance) {
      distance = d
      best = m
    }
  }
  return best
}

function element(tag: string, className: string | undefined, text = ''): HTMLElement {
  const e = document.createElement(tag)
  e.className = className ?? ''
  e.textContent = text
  return e
}

function tooltipRows(u: uPlot, input: ChartInput, i: number): HTMLElement[] {
  const nearY = u.cursor.top ?? 0
  const rows = visibleSeries(input)
    .map(s => ({ s, v: s.values[i] ?? null }))
    .filter((r): r is { s: (typeof r)['s']; v: number } => r.v !== null)
  const nearest = input.stacked
    ? undefined
    : rows.reduce<(typeof rows)[number] | undefined>((best, r) => {
        const d = Math.abs(u.valToPos(r.v, 'y') - nearY)
        return best === undefined || d < Math.abs(u.valToPos(best.v, 'y') - nearY) ? r : best
      }, undefined)
  if (!input.stacked) {
    rows.sort((a, b) => b.v - a.v)
  }
  const top = rows.slice(0, TOOLTIP_ROWS)
  if (nearest !== undefined && !top.includes(nearest)) {
    top[top.length - 1] = nearest
  }
  const out = top.map(r => {
    const row = element(
      'div',
      r === nearest && rows.length > 1 ? `${classes.tipRow} ${classes.tipNear}` : classes.tipRow,
    )
    const mark = element('span', classes.tipMark)
    mark.style.background = r.s.color
    row.append(
      mark,
      element('span', classes.tipLabel, r.s.label),
      element('b', '', formatUnit(r.v, input.unit, input.lang)),
    )
    return row
  })
  if (rows.length > TOOLTIP_ROWS) {
    out.push(element('div', classes.tipMore, `+${rows.length - TOOLTIP_ROWS}`))
  }
  return out
}

function markRows(m: ChartMark, input: ChartInput): HTMLElement[] {
  const line = (k: string, v: string) => {
    const row = element('div', classes.tipRow)
    row.append(element('span', classes.tipLabel, k), element('b', '', v))
    return row
  }
  return [
    element('div', classes.tipTime, formatDateTime(m.time * 1_000, input.lang)),
    line(m.label, formatUnit(m.value, input.unit, input.lang)),
    ...m.detail.map(([k, v]) => line(k, v)),
  ]
}

export default function UPlotView({ input, onZoom, onMark, onPoint }: UPlotViewProps) {
  const host = useRef<HTMLDivElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const latest = useRef(input)
  latest.current = input
  const zoom = useRef(onZoom)
  zoom.current = onZoom
  const open = useRef(onMark)
  open.current = onMark
  const choose = useRef(onPoint)
  choose.current = onPoint
  const plot = useRef<uPlot | null>(null)
  const { width, height } = input
  const data = useMemo(() => chartData(input), [input])
  // A new instance only when the look changes; new numbers go through setData.
  const shape = JSON.stringify([
    input.series.map(s => [s.label, s.color, s.dashed]),
    [...input.hidden],
    input.kind,
    input.stacked,
    input.unit,
    input.scheme,
    input.lang,
    input.thresholds,
    input.syncKey,
    input.min,
    input.max,
    input.log,
    input.nulls,
    onZoom === undefined,
  ])

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for all of input but its numbers
  useEffect(() => {
    const root = host.current
    if (root === null) {
      return
    }
    let inside = false
    const showTip = (u: uPlot) => {
      const box = tip.current
      const i = u.cursor.idx
      if (box === null) {
        return
      }
      if (!inside || i === null || i === undefined) {
        box.hidden = true
        return
      }
      const mark = markAt(u, latest.current)
      u.over.style.cursor = mark === undefined || open.current === undefined ? '' : 'pointer'
      const rows = mark === undefined ? tooltipRows(u, latest.current, i) : []
      const t = latest.current.times[i]
      if (mark !== undefined) {
        box.replaceChildren(...markRows(mark, latest.current))
        place(u, box)
        return
      }
      if (rows.length === 0 || t === undefined) {
        box.hidden = true
        return
      }
      box.replaceChildren(
        element('div', classes.tipTime, formatDateTime(t * 1_000, latest.current.lang)),
        ...rows,
      )
      place(u, box)
    }
    const place = (u: uPlot, box: HTMLDivElement) => {
      box.hidden = false
      const left = u.over.offsetLeft + (u.cursor.left ?? 0)
      const flip = left > latest.current.width / 2
      box.style.left = flip ? '' : `${left + 14}px`
      box.style.right = flip ? `${latest.current.width - left + 14}px` : ''
      box.style.top = `${Math.max(0, Math.min((u.cursor.top ?? 0) - 10, latest.current.height - 40))}px`
    }
    const current = latest.current
    const options = buildOptions(
      { ...current, window: null },
      {
        onZoom: zoom.current === undefined ? undefined : (a, b) => zoom.current?.(a * 1_000, b * 1_000),
        draw: u => {
          drawThresholds(u, latest.current)
          drawMarks(u, latest.current)
        },
        setCursor: showTip,
        barsPath: uPlot.paths.bars?.({ size: [0.86, 64], align: 1 }),
      },
    )
    if (options.scales?.x !== undefined) {
      options.scales.x.range = (_u, lo, hi) => latest.current.window ?? [lo ?? 0, hi ?? 1]
    }
    const u = new uPlot(options, chartData(current), root)
    plot.current = u
    const enter = () => {
      inside = true
    }
    const leave = () => {
      inside = false
      if (tip.current !== null) {
        tip.current.hidden = true
      }
    }
    const click = (e: MouseEvent) => {
      const mark = markAt(u, latest.current)
      if (mark !== undefined) {
        open.current?.(mark)
        return
      }
      const point = pointAt(u, latest.current)
      if (point !== undefined) {
        choose.current?.({ ...point, x: e.clientX, y: e.clientY })
      }
    }
    u.over.addEventListener('click', click)
    u.over.addEventListener('mouseenter', enter)
    u.over.addEventListener('mouseleave', leave)
    return () => {
      plot.current = null
      u.destroy()
    }
  }, [shape])

  useEffect(() => {
    plot.current?.setSize({ width, height })
  }, [width, height])

  useEffect(() => {
    plot.current?.setData(data)
  }, [data])

  // biome-ignore lint/correctness/useExhaustiveDependencies: marks are drawn over the same data
  useEffect(() => {
    plot.current?.redraw(false, true)
  }, [input.marks])

  return (
    <div ref={host} className={classes.plot} style={{ height }}>
      <div ref={tip} className={classes.tip} hidden />
    </div>
  )
}
