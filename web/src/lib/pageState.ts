import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import type { Codec, RawSearch } from '@/lib/search'

/** State that lives in the link: [value, change]. `push` adds a history entry, else the entry is replaced. */
export function usePageState<T extends object>(
  codec: Codec<T>,
): [T, (patch: Partial<T>, options?: { push?: boolean }) => void] {
  const raw = useSearch({ strict: false }) as Record<string, unknown>
  const navigate = useNavigate()
  const state = useMemo(() => codec.decode(raw), [codec, raw])
  const change = useCallback(
    (patch: Partial<T>, options?: { push?: boolean }) => {
      void navigate({
        to: '.',
        search: (prev: RawSearch) => ({ ...prev, ...codec.encode({ ...codec.decode(prev), ...patch }) }),
        replace: options?.push !== true,
      })
    },
    [codec, navigate],
  )
  return [state, change]
}
