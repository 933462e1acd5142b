// The query string as plain text pairs: a key that repeats becomes a list, nothing is JSON, so links
// can be read and written by hand.

export type RawSearch = Record<string, string | string[] | undefined>

export function parseSearch(text: string): RawSearch {
  const out: RawSearch = {}
  for (const [key, value] of new URLSearchParams(text)) {
    const old = out[key]
    out[key] = old === undefined ? value : Array.isArray(old) ? [...old, value] : [old, value]
  }
  return out
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== null && v !== '') {
        params.append(key, String(v))
      }
    }
  }
  const text = params.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%2F', '/')
  return text === '' ? '' : `?${text}`
}

/** First value of a key, or the fallback. */
export function one(raw: Record<string, unknown>, key: string, fallback = ''): string {
  const v = raw[key]
  const first = Array.isArray(v) ? v[0] : v
  return typeof first === 'string' ? first : typeof first === 'number' ? String(first) : fallback
}

/** All values of a key. */
export function many(raw: Record<string, unknown>, key: string): string[] {
  const v = raw[key]
  const list = Array.isArray(v) ? v : v === undefined ? [] : [v]
  return list.map(String)
}

export function oneOf<T extends string>(
  raw: Record<string, unknown>,
  key: string,
  allowed: readonly T[],
  fallback: T,
): T {
  const v = one(raw, key)
  return (allowed as readonly string[]).includes(v) ? (v as T) : fallback
}

/** What a page keeps in its link. encode() leaves defaults out (undefined removes a key). */
export interface Codec<T> {
  decode(raw: Record<string, unknown>): T
  encode(state: T): RawSearch
}
