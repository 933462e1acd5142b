// Unix nanoseconds arrive as decimal strings because JSON numbers cannot hold them; arithmetic stays
// in BigInt until a difference is small enough for a number.

export function nsToMs(ns: string): number {
  const n = toBig(ns)
  return Number(n / 1_000_000n) + Number(n % 1_000_000n) / 1e6
}

export function nsDiff(from: string, to: string): number {
  return Number(toBig(to) - toBig(from))
}

export function toBig(ns: string): bigint {
  return /^-?\d+$/.test(ns) ? BigInt(ns) : 0n
}
