// Places in a query as the server names them, "line 1, col 12", both from 1.

export interface TextPlace {
  line: number
  column: number
}

/** What "parse error at line 1, col 12: ..." names; null when it names no place. */
export function errorPlace(message: string): TextPlace | null {
  const m = /line (\d+), col (\d+)/.exec(message)
  return m === null ? null : { line: Number(m[1]), column: Number(m[2]) }
}

/** Offset of a place in a text; one outside of it is its nearest end. */
export function placeOffset(text: string, { line, column }: TextPlace): number {
  const lines = text.split('\n')
  const before = lines.slice(0, Math.min(line, lines.length) - 1).reduce((n, l) => n + l.length + 1, 0)
  return Math.max(0, Math.min(text.length, before + column - 1))
}
