import { useRef } from 'react'
import type { ResolvedRange } from '@/lib/time'

/**
 * The live range, held still while someone reads: a list that has been paged or opened must not jump.
 * A change of the range itself (another preset, a zoom) always passes: `key` names it.
 */
export function useSteadyRange(range: ResolvedRange, key: string, hold: boolean): ResolvedRange {
  const last = useRef({ range, key })
  if (!hold || last.current.key !== key) {
    last.current = { range, key }
  }
  return last.current.range
}
