import { useMemo } from 'react'
import { sparkPath } from '@/charts/sparkPath'

interface SparklineProps {
  values: (number | null)[]
  color: string
  label: string
  width?: number
  height?: number
  max?: number | undefined
  /** Stretch to the width of the parent. */
  fluid?: boolean
}

export function Sparkline({
  values,
  color,
  label,
  width = 96,
  height = 24,
  max,
  fluid = false,
}: SparklineProps) {
  const path = useMemo(() => sparkPath(values, width, height, max), [values, width, height, max])
  return (
    <svg
      role="img"
      aria-label={label}
      width={fluid ? '100%' : width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      style={{ display: 'block' }}
    >
      <path d={path.area} fill={color} fillOpacity={0.14} />
      <path d={path.line} fill="none" stroke={color} strokeWidth={1.3} vectorEffect="non-scaling-stroke" />
      {path.line === '' && (
        <line
          x1={0}
          x2={width}
          y1={height - 1}
          y2={height - 1}
          stroke="var(--line-strong)"
          strokeDasharray="2 3"
        />
      )}
    </svg>
  )
}
