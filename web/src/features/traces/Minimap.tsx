// The whole trace on a strip: every span a line in the colour of its service. A drag zooms the waterfall's
// time; inside of a zoom it moves it, and the ends can be moved by keyboard.
import { useElementSize } from '@mantine/hooks'
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toneColor } from '@/charts/palette'
import classes from '@/features/traces/traces.module.css'
import type { View } from '@/features/traces/Waterfall'
import { preorder, type TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs } from '@/lib/format'
import { useScheme } from '@/lib/scheme'

const HEIGHT = 56

interface MinimapProps {
  tree: TraceTree
  colors: Map<string, string>
  view: View | null
  onView: (view: View | null) => void
}

export function Minimap({ tree, colors, view, onView }: MinimapProps) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [drag, setDrag] = useState<{ from: number; to: number; move: View | null } | null>(null)
  const whole = tree.duration || 1
  const order = useMemo(() => preorder(tree.roots), [tree])

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
    const line = Math.min(4, Math.max(1, (HEIGHT - 6) / order.length - 0.5))
    order.forEach((n, i) => {
      if (n.missing) {
        return
      }
      ctx.fillStyle =
        n.span.status === 'error' ? toneColor('bad', scheme) : (colors.get(n.span.service) ?? '#888888')
      const y = 3 + (i / order.length) * (HEIGHT - 6)
      ctx.fillRect((n.start / whole) * width, y, Math.max(1, ((n.end - n.start) / whole) * width), line)
    })
  }, [order, colors, width, whole, scheme])

  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    return (Math.min(box.width, Math.max(0, e.clientX - box.left)) / (box.width || 1)) * whole
  }
  const moved = (m: View, by: number): View => {
    const from = Math.max(0, Math.min(whole - (m.to - m.from), m.from + by))
    return { from, to: from + (m.to - m.from) }
  }
  const shown =
    drag === null
      ? view
      : drag.move !== null
        ? moved(drag.move, drag.to - drag.from)
        : { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) }
  const drop = () => {
    if (drag !== null && shown !== null) {
      const wide = (shown.to - shown.from) / whole
      onView(wide < 0.002 ? (drag.move === null ? null : view) : wide > 0.995 ? null : shown)
    }
    setDrag(null)
  }
  const onKey = (e: KeyboardEvent) => {
    const v = view ?? { from: 0, to: whole }
    const step = (v.to - v.from) / 10
    const centre = (v.from + v.to) / 2
    const zoomed = (f: number) => {
      const half = ((v.to - v.from) * f) / 2
      const from = Math.max(0, centre - half)
      const to = Math.min(whole, centre + half)
      onView(to - from >= whole * 0.999 ? null : { from, to })
    }
    const acts: Record<string, () => void> = {
      ArrowLeft: () => view !== null && onView(moved(view, -step)),
      ArrowRight: () => view !== null && onView(moved(view, step)),
      '+': () => zoomed(0.5),
      '=': () => zoomed(0.5),
      '-': () => zoomed(2),
      Escape: () => onView(null),
    }
    const act = acts[e.key]
    if (act !== undefined) {
      e.preventDefault()
      act()
    }
  }
  return (
    <div
      ref={ref}
      className={classes.minimap}
      style={{ height: HEIGHT }}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a strip to drag on and to walk by keyboard
      tabIndex={0}
      aria-label={
        view === null
          ? t('trace.minimap')
          : t('trace.minimapView', {
              from: formatDurationNs(view.from, i18n.language),
              to: formatDurationNs(view.to, i18n.language),
            })
      }
      onKeyDown={onKey}
      onPointerDown={e => {
        e.currentTarget.setPointerCapture(e.pointerId)
        const x = at(e)
        const inView = view !== null && x > view.from && x < view.to
        setDrag({ from: x, to: x, move: inView ? view : null })
      }}
      onPointerMove={e => drag !== null && setDrag({ ...drag, to: at(e) })}
      onPointerUp={drop}
      onDoubleClick={() => onView(null)}
    >
      <canvas ref={canvas} style={{ width: '100%', height: HEIGHT, display: 'block' }} />
      {shown !== null && (
        <>
          <div className={classes.veil} style={{ left: 0, width: `${(shown.from / whole) * 100}%` }} />
          <div className={classes.veil} style={{ right: 0, width: `${100 - (shown.to / whole) * 100}%` }} />
        </>
      )}
    </div>
  )
}
