// What a log line is made of, for the eye: terminal colours, marked words, stack traces, JSON. Pure.
import { ESC, ESCAPES } from '@/lib/ansi'

/* ---- terminal colours ---- */

export interface Style {
  /** One of the eight colours, or '' for the text's own. */
  color: string
  bold: boolean
  dim: boolean
}

export interface Span {
  from: number
  to: number
  style: Style
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
const PLAIN: Style = { color: '', bold: false, dim: false }

function styled(style: Style, codes: number[]): Style {
  let s = style
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i] ?? 0
    if (c === 0) {
      s = PLAIN
    } else if (c === 1) {
      s = { ...s, bold: true }
    } else if (c === 2) {
      s = { ...s, dim: true }
    } else if (c === 22) {
      s = { ...s, bold: false, dim: false }
    } else if (c >= 30 && c <= 37) {
      s = { ...s, color: COLORS[c - 30] ?? '' }
    } else if (c >= 90 && c <= 97) {
      s = { ...s, color: COLORS[c - 90] ?? '' }
    } else if (c === 39) {
      s = { ...s, color: '' }
    } else if (c === 38 || c === 48) {
      // 256 colours and true colours: the first sixteen are told apart, others are left as text
      const basic = codes[i + 1] === 5 ? codes[i + 2] : undefined
      if (c === 38) {
        s = { ...s, color: basic !== undefined && basic < 16 ? (COLORS[basic % 8] ?? '') : '' }
      }
      i += codes[i + 1] === 5 ? 2 : 4
    }
  }
  return s
}

/** The line without escape sequences, and what they meant. */
export function parseAnsi(line: string): { text: string; spans: Span[] } {
  if (!line.includes(ESC)) {
    return { text: line, spans: [] }
  }
  const spans: Span[] = []
  let text = ''
  let style = PLAIN
  let begun = 0
  let last = 0
  for (const m of line.matchAll(ESCAPES)) {
    text += line.slice(last, m.index)
    last = m.index + m[0].length
    if (m[2] !== 'm') {
      continue
    }
    if (style !== PLAIN && text.length > begun) {
      spans.push({ from: begun, to: text.length, style })
    }
    begun = text.length
    style = styled(
      style,
      (m[1] ?? '').split(';').map(c => Number(c) || 0),
    )
  }
  text += line.slice(last)
  if (style !== PLAIN && text.length > begun) {
    spans.push({ from: begun, to: text.length, style })
  }
  return { text, spans }
}

/* ---- marks ---- */

export interface Piece {
  text: string
  marked: boolean
  style: Style | null
}

const MARKS_MAX = 200

function markRanges(text: string, patterns: RegExp[]): [number, number][] {
  const found: [number, number][] = []
  for (const p of patterns) {
    p.lastIndex = 0
    for (const m of text.matchAll(p)) {
      if (m[0] !== '') {
        found.push([m.index, m.index + m[0].length])
      }
      if (found.length > MARKS_MAX) {
        break
      }
    }
  }
  found.sort((a, b) => a[0] - b[0])
  const out: [number, number][] = []
  for (const [from, to] of found) {
    const top = out.at(-1)
    if (top !== undefined && from <= top[1]) {
      top[1] = Math.max(top[1], to)
    } else {
      out.push([from, to])
    }
  }
  return out
}

/** Cuts a line wherever a colour or a mark begins or ends; joined they are the line. */
export function pieces(text: string, patterns: RegExp[], spans: Span[] = []): Piece[] {
  const marks = markRanges(text, patterns)
  if (marks.length === 0 && spans.length === 0) {
    return text === '' ? [] : [{ text, marked: false, style: null }]
  }
  const cuts = new Set([0, text.length])
  for (const [a, b] of marks) {
    cuts.add(a).add(b)
  }
  for (const s of spans) {
    cuts.add(s.from).add(Math.min(s.to, text.length))
  }
  const at = [...cuts].sort((a, b) => a - b)
  const out: Piece[] = []
  for (let i = 0; i + 1 < at.length; i++) {
    const [from = 0, to = 0] = [at[i], at[i + 1]]
    out.push({
      text: text.slice(from, to),
      marked: marks.some(([a, b]) => a <= from && to <= b),
      style: spans.find(s => s.from <= from && to <= s.to)?.style ?? null,
    })
  }
  return out
}

/* ---- stack traces ---- */

export type LineKind = 'text' | 'cause' | 'app' | 'library'

export interface StackLine {
  text: string
  kind: LineKind
}

const FRAME =
  /^\s+at\s|^\s*File ".+", line \d+|^\s+.+\.go:\d+|^\s*\S+\(.*\)\s*$|^\s*\.\.\. \d+ (?:more|common)|^\s+from .+:\d+:in/
const CAUSE =
  /^(?:\s*Caused by: |\s*Suppressed: |Traceback \(most recent call last\)|During handling of |The above exception )/
const LIBRARY =
  /\b(?:java|javax|jdk|sun|com\.sun|jakarta|kotlin|kotlinx|scala|groovy|org\.(?:springframework|apache|hibernate|eclipse|jboss|junit|codehaus|glassfish|postgresql)|io\.(?:netty|micrometer|opentelemetry|grpc|undertow|reactivex|vertx)|reactor|com\.(?:fasterxml|zaxxer|google|mysql|intellij))\.|node:internal|node_modules|\(internal\/|site-packages|dist-packages|\/usr\/lib\/python|\/lib\/python3|\/usr\/local\/go\/|runtime\/|net\/http|\/pkg\/mod\/|vendor\/|^\s*\.\.\. \d+ /

/** Is the text a stack trace: at least two frames behind its first line? */
export function isStack(text: string): boolean {
  if (!text.includes('\n')) {
    return false
  }
  let frames = 0
  for (const line of text.split('\n').slice(1, 60)) {
    if (/^\s+at\s|^\s*File ".+", line \d+|^\s+.+\.go:\d+|^\s+from .+:\d+:in/.test(line) && ++frames >= 2) {
      return true
    }
  }
  return false
}

export function stackLines(text: string): StackLine[] {
  let library = false
  return text.split('\n').map((line, i) => {
    if (i === 0 || CAUSE.test(line)) {
      library = false
      return { text: line, kind: i === 0 && !CAUSE.test(line) ? 'text' : 'cause' }
    }
    if (FRAME.test(line)) {
      library = LIBRARY.test(line)
      return { text: line, kind: library ? 'library' : 'app' }
    }
    // the source text below a Python frame belongs to it
    return { text: line, kind: /^\s{4,}\S/.test(line) ? (library ? 'library' : 'app') : 'text' }
  })
}

export interface StackBlock {
  kind: LineKind
  lines: string[]
}

/** Neighbours of one kind together; runs of library frames are what is folded. */
export function stackBlocks(text: string): StackBlock[] {
  const out: StackBlock[] = []
  for (const l of stackLines(text)) {
    const top = out.at(-1)
    if (top?.kind === l.kind) {
      top.lines.push(l.text)
    } else {
      out.push({ kind: l.kind, lines: [l.text] })
    }
  }
  return out
}

/* ---- JSON ---- */

/** The object a line is, or undefined. */
export function jsonObject(text: string): Record<string, unknown> | undefined {
  const t = text.trim()
  if (!t.startsWith('{') || !t.endsWith('}')) {
    return undefined
  }
  try {
    const v: unknown = JSON.parse(t)
    return typeof v === 'object' && v !== null && !Array.isArray(v)
      ? (v as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Scalars of an object under the names LogQL's json gives them: nested names joined by "_". */
export function flatJson(value: Record<string, unknown>, prefix = '', depth = 0): [string, string][] {
  return Object.entries(value).flatMap(([k, v]): [string, string][] => {
    const name = (prefix === '' ? '' : `${prefix}_`) + k.replace(/[^a-zA-Z0-9_]/g, '_')
    if (typeof v === 'object' && v !== null) {
      return Array.isArray(v) || depth > 8 ? [] : flatJson(v as Record<string, unknown>, name, depth + 1)
    }
    return v === null ? [] : [[name, String(v)]]
  })
}

/** key=value pairs, when the line has at least two and begins with one. */
export function logfmtPairs(text: string): [string, string][] {
  if (!/^\s*[a-zA-Z_][\w.-]*=/.test(text) || text.includes('\n')) {
    return []
  }
  const out: [string, string][] = []
  for (const m of text.matchAll(/([a-zA-Z_][\w.-]*)=("(?:[^"\\]|\\.)*"|\S*)/g)) {
    const raw = m[2] ?? ''
    const value = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw
    out.push([(m[1] ?? '').replace(/[^a-zA-Z0-9_]/g, '_'), value])
  }
  return out.length < 2 ? [] : out
}

export type JsonPart = { text: string; kind: 'key' | 'string' | 'number' | 'word' | 'plain' }

/** Pretty JSON in coloured parts. */
export function jsonParts(value: unknown): JsonPart[] {
  const text = JSON.stringify(value, null, 2)
  const out: JsonPart[] = []
  let last = 0
  for (const m of text.matchAll(
    /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g,
  )) {
    if (m.index > last) {
      out.push({ text: text.slice(last, m.index), kind: 'plain' })
    }
    const kind =
      m[1] !== undefined ? 'key' : m[0].startsWith('"') ? 'string' : /^[tfn]/.test(m[0]) ? 'word' : 'number'
    out.push({ text: m[0], kind })
    last = m.index + m[0].length
  }
  out.push({ text: text.slice(last), kind: 'plain' })
  return out
}
