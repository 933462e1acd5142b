// Numbers with meaning: a labelled figure, a filled bar, a value with a tone. A tone always has a shape
// beside its colour.
import type { ReactNode } from 'react'
import { type Tone, toneColor } from '@/charts/palette'
import { formatPercent } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import classes from '@/ui/ui.module.css'

export function Stat({ label, value, hint }: { label: string; value: ReactNode; hint?: ReactNode }) {
  return (
    <div className={classes.stat}>
      <span className={classes.statLabel}>{label}</span>
      <span className={classes.statValue}>{value}</span>
      {hint !== undefined && <span className={classes.statHint}>{hint}</span>}
    </div>
  )
}

export function ToneMark({ tone, size = 10 }: { tone: Tone; size?: number }) {
  const color = toneColor(tone, useScheme())
  const shape = {
    good: <circle cx={5} cy={5} r={4} fill={color} />,
    info: <circle cx={5} cy={5} r={3.3} fill="none" stroke={color} strokeWidth={1.6} />,
    warn: <path d="M5 .8 9.600 9.200H.4z" fill={color} />,
    bad: <rect x={1} y={1} width={8} height={8} rx={1} fill={color} />,
    none: <line x1={1.5} x2={8.5} y1={5} y2={5} stroke={color} strokeWidth={2} />,
  }[tone]
  return (
    <svg width={size} height={size} viewBox="0 0 10 10" aria-hidden="true">
      {shape}
    </svg>
  )
}

export function Toned({ tone, children, title }: { tone: Tone; children: ReactNode; title?: string }) {
  return (
    <span className={classes.tone} title={title}>
      <ToneMark tone={tone} />
      {children}
    </span>
  )
}

/** Share 0..1 to a tone, with the two limits of the figure. */
export function shareTone(v: number | null | undefined, warn: number, bad: number): Tone {
  return v === null || v === undefined ? 'none' : v >= bad ? 'bad' : v >= warn ? 'warn' : 'good'
}

interface MeterProps {
  ratio: number | null | undefined
  label: string
  lang: string
  warn?: number
  bad?: number
  text?: string
}

export function Meter({ ratio, label, lang, warn = 0.8, bad = 0.92, text }: MeterProps) {
  const scheme = useScheme()
  const value = ratio ?? 0
  const tone = shareTone(ratio, warn, bad)
  return (
    <div className={classes.meter}>
      <div
        className={classes.meterTrack}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(value * 100)}
      >
        <div
          className={classes.meterFill}
          style={{
            width: `${Math.min(100, Math.max(0, value * 100))}%`,
            background: tone === 'good' ? toneColor('info', scheme) : toneColor(tone, scheme),
          }}
        />
      </div>
      <span className={classes.meterText}>{text ?? formatPercent(ratio, lang)}</span>
    </div>
  )
}

export function Dot({ color }: { color: string }) {
  return <span className={classes.dot} style={{ background: color }} />
}
