// Attribute values as the API sends them: JSON, with {"int":"..."} and {"bytes":"..."} for what JSON
// cannot hold. Also the filter syntax of the `attr` parameter.

export function attributeText(v: unknown): string {
  if (typeof v === 'string') {
    return v
  }
  if (v === null || v === undefined) {
    return ''
  }
  if (typeof v === 'object' && !Array.isArray(v)) {
    const o = v as Record<string, unknown>
    const keys = Object.keys(o)
    if (keys.length === 1 && typeof o.int === 'string') {
      return o.int
    }
    if (keys.length === 1 && typeof o.bytes === 'string') {
      return o.bytes
    }
  }
  return typeof v === 'object' ? JSON.stringify(v) : String(v)
}

export const ATTR_OPERATORS = ['=', '!=', '=~', '!~', '>=', '<=', '>', '<', 'exists'] as const
export type AttrOperator = (typeof ATTR_OPERATORS)[number]

export interface AttrFilter {
  key: string
  op: AttrOperator
  value: string
}

/** "http.route=/a" -> parts; a bare key means "exists". Null when the key is empty. */
export function parseAttrFilter(text: string): AttrFilter | null {
  const m = /^([^=!<>~\s]+)\s*(=~|!~|!=|>=|<=|=|>|<)\s*(.*)$/s.exec(text.trim())
  if (m !== null) {
    return { key: m[1] ?? '', op: (m[2] ?? '=') as AttrOperator, value: m[3] ?? '' }
  }
  const key = text.trim()
  return key === '' || /\s/.test(key) ? null : { key, op: 'exists', value: '' }
}

export function attrFilterText(f: AttrFilter): string {
  return f.op === 'exists' ? f.key : `${f.key}${f.op}${f.value}`
}
