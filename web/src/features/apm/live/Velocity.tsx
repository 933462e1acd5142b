// The canvas of Request Velocity. It draws outside of React: the stream's ticks go straight into the model.
import { useElementSize } from '@mantine/hooks'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import classes from '@/features/apm/live/live.module.css'
import {
  BALL_COLUMNS,
  type Column,
  drawVelocity,
  type Look,
  type VelocityModel,
} from '@/features/apm/live/velocity'
import { formatDurationMs, formatShort } from '@/lib/format'
import { useScheme } from '@/lib/scheme'

declare global {
  interface Window {
    /** For tests: milliseconds each of the last frames took to draw. */
    apmFrames?: number[]
  }
}

const HEIGHT = 260

export function Velocity({
  model,
  columns,
  labels,
  balls,
}: {
  model: VelocityModel
  columns: Column[]
  labels: boolean
  balls: boolean
}) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const still = useRef({ columns, look: null as Look | null })
  const text = t('apmLive.notReported')
  still.current = {
    columns,
    look: {
      width: Math.max(1, width),
      height: HEIGHT,
      scheme,
      labels,
      balls,
      mean: ms => formatDurationMs(ms, lang),
      number: n => formatShort(n, lang),
      notReported: text,
    },
  }
  useEffect(() => {
    const c = canvas.current?.getContext('2d')
    if (c === null || c === undefined || width === 0) {
      return
    }
    const scale = window.devicePixelRatio || 1
    c.canvas.width = Math.round(width * scale)
    c.canvas.height = Math.round(HEIGHT * scale)
    c.setTransform(scale, 0, 0, scale, 0, 0)
    let frame = 0
    let last = -1
    const draw = () => {
      const { columns: now, look } = still.current
      // bars only change with the data; balls move
      const key =
        model.balls.length === 0 || now.length > BALL_COLUMNS ? Math.floor(performance.now() / 250) : -2
      if (look !== null && (key === -2 || key !== last)) {
        const begin = performance.now()
        drawVelocity(c, model, now, look, Date.now())
        if (window.apmFrames !== undefined) {
          window.apmFrames.push(performance.now() - begin)
        }
        last = key
      }
      frame = requestAnimationFrame(draw)
    }
    frame = requestAnimationFrame(draw)
    return () => cancelAnimationFrame(frame)
  }, [model, width])
  return (
    <div ref={ref} className={classes.velocity}>
      <canvas ref={canvas} style={{ width: '100%', height: HEIGHT }} />
    </div>
  )
}
