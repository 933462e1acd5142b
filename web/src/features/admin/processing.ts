// What the Processing tab works out of the server's words.
export interface Problem {
  line: number
  message: string
}

/** "console:12: redaction "x": ..." and "console:12:3: ..." to the line and what is said of it. */
export function problemOf(text: string): Problem | undefined {
  const m = /^[^:\s]+:(\d+):(?:\d+:)?\s*(.*)$/s.exec(text)
  return m === null ? undefined : { line: Number(m[1]), message: m[2] ?? '' }
}

/** "key=value" lines to attributes; numbers and booleans are what they look like. */
export function attributesOf(text: string): Record<string, string | number | boolean> {
  const out: Record<string, string | number | boolean> = {}
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    const key = line.slice(0, at).trim()
    if (at <= 0 || key === '') {
      continue
    }
    const value = line.slice(at + 1).trim()
    if (value === 'true' || value === 'false') {
      out[key] = value === 'true'
    } else if (/^-?\d{1,15}$/.test(value)) {
      out[key] = Number(value)
    } else {
      out[key] = value
    }
  }
  return out
}

export interface AttributeChange {
  key: string
  before: string | undefined
  after: string | undefined
}

function shown(v: unknown): string | undefined {
  return v === undefined ? undefined : typeof v === 'string' ? v : JSON.stringify(v)
}

/** Every attribute that is or was there, changed ones first. */
export function attributeChanges(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): AttributeChange[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const rows = keys.map(key => ({ key, before: shown(before[key]), after: shown(after[key]) }))
  return [...rows.filter(r => r.before !== r.after), ...rows.filter(r => r.before === r.after)]
}

export const EXAMPLE = `redaction:
  - detector: kr_resident_number
  - detector: kr_phone
  - {detector: card, mode: mask}
  - {detector: email, mode: hash}
  - {detector: secret, mode: label}
drop:
  - {name: health-checks, when: {signals: traces, span: ["GET /health*"]}}
derive:
  - {name: trace-ids, trace_id: true}
`
