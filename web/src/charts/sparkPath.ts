// Geometry of a sparkline: one SVG path for the line and one for the area; gaps lift the pen.

export interface SparkPath {
  line: string
  area: string
}

export function sparkPath(values: (number | null)[], width: number, height: number, max?: number): SparkPath {
  const present = values.filter((v): v is number => v !== null && Number.isFinite(v))
  if (present.length === 0 || values.length < 2) {
    return { line: '', area: '' }
  }
  const top = max ?? Math.max(...present)
  const low = Math.min(0, ...present)
  const span = top - low || 1
  const x = (i: number) => round((i / (values.length - 1)) * width)
  const y = (v: number) => round(height - 1 - ((Math.min(v, top) - low) / span) * (height - 2))
  let line = ''
  let area = ''
  let from = -1
  const close = (to: number) => {
    if (from >= 0) {
      area += `L${x(to)} ${height}L${x(from)} ${height}Z`
    }
  }
  values.forEach((v, i) => {
    if (v === null || !Number.isFinite(v)) {
      close(i - 1)
      from = -1
      return
    }
    const p = `${from < 0 ? 'M' : 'L'}${x(i)} ${y(v)}`
    line += p
    area += p
    if (from < 0) {
      from = i
    }
  })
  close(values.length - 1)
  return { line, area }
}

function round(v: number): number {
  return Math.round(v * 10) / 10
}
