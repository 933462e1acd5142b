// Icicle on a canvas: by time, or spans of the same path taken together. A click zooms to a box (or opens
// the span when it is zoomed already), the search marks boxes, arrows walk and Enter zooms.
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconSearch, IconZoomReset } from '@tabler/icons-react'
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toneColor } from '@/charts/palette'
import { type Box, mergedFlame, timeFlame } from '@/features/traces/flame'
import searchClasses from '@/features/traces/search.module.css'
import classes from '@/features/traces/traces.module.css'
import type { TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger, formatPercent } from '@/lib/format'
import { useScheme } from '@/lib/scheme'

const ROW = 22

interface FlameGraphProps {
  tree: TraceTree
  colors: Map<string, string>
  height: number
  find: string
  onFind: (text: string) => void
  onOpen: (spanId: string) => void
}

function ink(color: string): string {
  const n = Number.parseInt(color.slice(1, 7), 16)
  const light = 0.299 * ((n >> 16) & 255) + 0.587 * ((n >> 8) & 255) + 0.114 * (n & 255)
  return light > 140 ? '#10141a' : '#ffffff'
}

export function FlameGraph({ tree, colors, height, find, onFind, onOpen }: FlameGraphProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [merged, setMerged] = useState(false)
  const [zoom, setZoom] = useState<Box | null>(null)
  const [cursor, setCursor] = useState('')
  const [over, setOver] = useState<{ box: Box; x: number; y: number } | null>(null)
  const flame = useMemo(() => (merged ? mergedFlame(tree) : timeFlame(tree)), [tree, merged])
  const from = zoom?.x0 ?? 0
  const span = (zoom?.x1 ?? 1) - from || 1
  const canvasH = Math.max(ROW, flame.rows * ROW)
  const text = find.trim().toLowerCase()
  const matches = (b: Box) => `${b.service} ${b.label}`.toLowerCase().includes(text)

  // biome-ignore lint/correctness/useExhaustiveDependencies: `text` stands for `matches`
  useEffect(() => {
    const c = canvas.current
    const ctx = c?.getContext('2d') ?? null
    if (c === null || ctx === null || width <= 0) {
      return
    }
    const ratio = window.devicePixelRatio || 1
    c.width = Math.round(width * ratio)
    c.height = Math.round(canvasH * ratio)
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
    ctx.clearRect(0, 0, width, canvasH)
    ctx.font = '11.5px system-ui, sans-serif'
    ctx.textBaseline = 'middle'
    for (const b of flame.boxes) {
      const x = ((b.x0 - from) / span) * width
      const w = ((b.x1 - b.x0) / span) * width
      if (x + w < 0 || x > width) {
        continue
      }
      const left = Math.max(0, x)
      const wide = Math.max(0.6, Math.min(width, x + w) - left - (w > 3 ? 1 : 0))
      const y = b.row * ROW
      const color = b.service === '' ? '#8a93a1' : (colors.get(b.service) ?? '#888888')
      ctx.globalAlpha = text === '' || matches(b) ? 1 : 0.22
      ctx.fillStyle = color
      ctx.fillRect(left, y, wide, ROW - 2)
      if (b.errors > 0) {
        ctx.fillStyle = toneColor('bad', scheme)
        ctx.fillRect(left, y + ROW - 5, wide, 3)
      }
      if (b.key === cursor) {
        ctx.strokeStyle = scheme === 'dark' ? '#ffffff' : '#10141a'
        ctx.lineWidth = 2
        ctx.strokeRect(left + 1, y + 1, Math.max(1, wide - 2), ROW - 4)
      }
      if (wide > 40) {
        ctx.fillStyle = ink(color)
        ctx.save()
        ctx.beginPath()
        ctx.rect(left, y, wide - 3, ROW)
        ctx.clip()
        const count = b.count > 1 ? ` ×${b.count}` : ''
        ctx.fillText(
          `${b.service === '' ? t('trace.missingParent') : `${b.service} · ${b.label}`}${count}  ${formatDurationNs(b.total, lang)}`,
          left + 5,
          y + ROW / 2 - 1,
        )
        ctx.restore()
      }
    }
    ctx.globalAlpha = 1
  }, [flame, width, canvasH, from, span, colors, scheme, lang, text, cursor, t])

  const boxAt = (e: MouseEvent): Box | undefined => {
    const r = e.currentTarget.getBoundingClientRect()
    const row = Math.floor((e.clientY - r.top) / ROW)
    const x = from + ((e.clientX - r.left) / r.width) * span
    const slack = (span / r.width) * 1.5
    return (
      flame.boxes.find(b => b.row === row && b.x0 <= x && b.x1 >= x) ??
      flame.boxes.find(b => b.row === row && b.x0 - slack <= x && b.x1 + slack >= x)
    )
  }
  const pick = (b: Box) => {
    setCursor(b.key)
    if (zoom?.key === b.key) {
      if (b.spanId !== '') {
        onOpen(b.spanId)
      }
    } else {
      setZoom(b)
    }
  }
  const onKey = (e: KeyboardEvent) => {
    const now = flame.boxes.find(b => b.key === cursor) ?? flame.boxes[0]
    if (now === undefined) {
      return
    }
    const row = (r: number) => flame.boxes.filter(b => b.row === r).sort((a, b) => a.x0 - b.x0)
    const beside = (by: number) => {
      const list = row(now.row)
      return list[list.indexOf(now) + by]
    }
    const targets: Record<string, () => Box | undefined> = {
      ArrowDown: () => row(now.row + 1).find(b => b.x1 >= now.x0 && b.x0 <= now.x1),
      ArrowUp: () => row(now.row - 1).find(b => b.x0 <= now.x0 && b.x1 >= now.x0),
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
    }
    const target = targets[e.key]
    if (target !== undefined) {
      e.preventDefault()
      setCursor(target()?.key ?? now.key)
    } else if (e.key === 'Enter') {
      pick(now)
    } else if (e.key === 'Escape') {
      setZoom(null)
    }
  }
  const found = text === '' ? [] : flame.boxes.filter(matches)
  return (
    <div>
      <div className={classes.tools}>
        <SegmentedControl
          size="xs"
          value={merged ? 'merged' : 'time'}
          onChange={v => {
            setMerged(v === 'merged')
            setZoom(null)
            setCursor('')
          }}
          data={[
            { value: 'time', label: t('trace.flameTime') },
            { value: 'merged', label: t('trace.flameMerged') },
          ]}
        />
        <TextInput
          w={230}
          value={find}
          placeholder={t('trace.find')}
          aria-label={t('trace.find')}
          leftSection={<IconSearch size={14} />}
          onChange={e => onFind(e.currentTarget.value)}
        />
        {text !== '' && (
          <span className={classes.hits} role="status">
            {t('trace.flameFound', {
              count: found.reduce((n, b) => n + b.count, 0),
              time: formatDurationNs(
                found.reduce((n, b) => n + b.self, 0),
                lang,
              ),
            })}
          </span>
        )}
        <div className="grow" />
        {zoom !== null && (
          <Button
            size="compact-xs"
            variant="light"
            leftSection={<IconZoomReset size={13} />}
            onClick={() => setZoom(null)}
          >
            {t('trace.wholeTime')}
          </Button>
        )}
      </div>
      <div style={{ maxHeight: height, overflow: 'auto', padding: '8px 12px' }}>
        <div ref={ref} style={{ position: 'relative' }}>
          <canvas
            ref={canvas}
            style={{ width: '100%', height: canvasH, display: 'block', cursor: 'pointer' }}
            role="img"
            tabIndex={0}
            aria-label={t('trace.flameSummary', { boxes: flame.boxes.length, rows: flame.rows })}
            onKeyDown={onKey}
            onMouseMove={e => {
              const box = boxAt(e)
              const r = e.currentTarget.getBoundingClientRect()
              setOver(box === undefined ? null : { box, x: e.clientX - r.left, y: e.clientY - r.top })
            }}
            onMouseLeave={() => setOver(null)}
            onClick={e => {
              const box = boxAt(e)
              if (box !== undefined) {
                pick(box)
              }
            }}
          />
          {over !== null && (
            <div
              className={searchClasses.tip}
              style={{
                top: over.y + 16,
                ...(over.x > width / 2 ? { right: width - over.x + 8 } : { left: over.x + 8 }),
              }}
            >
              <b>
                {over.box.service === ''
                  ? t('trace.missingParent')
                  : `${over.box.service} · ${over.box.label}`}
              </b>
              <div className="num">
                {t('trace.flameTip', {
                  total: formatDurationNs(over.box.total, lang),
                  self: formatDurationNs(over.box.self, lang),
                  share: formatPercent(over.box.x1 - over.box.x0, lang),
                })}
              </div>
              {over.box.count > 1 && (
                <div>
                  {t('traces.tipSpans', {
                    spans: formatInteger(over.box.count, lang),
                    errors: over.box.errors,
                  })}
                </div>
              )}
            </div>
          )}
        </div>
      </div>
      <p className={classes.hint}>{t(merged ? 'trace.flameMergedHint' : 'trace.flameTimeHint')}</p>
    </div>
  )
}
