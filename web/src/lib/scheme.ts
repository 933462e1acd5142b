import { useComputedColorScheme } from '@mantine/core'

/** The theme in effect: "light" or "dark", never "auto". */
export function useScheme(): 'light' | 'dark' {
  return useComputedColorScheme('light', { getInitialValueInEffect: false })
}
