import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core'

// Slate ink with one calm blue for what can be pressed; ember is kept for the logo, and green, orange
// and red for the state of things.
const blue: MantineColorsTuple = [
  '#edf4fb',
  '#d9e6f4',
  '#b0cbe8',
  '#84aedc',
  '#5f95d1',
  '#4885cb',
  '#2f6fb0',
  '#29629d',
  '#1f548c',
  '#0d467a',
]
const dark: MantineColorsTuple = [
  '#dde2ea',
  '#b4bcc9',
  '#8b96a8',
  '#5c6779',
  '#3a4352',
  '#2b323e',
  '#1f252e',
  '#171b22',
  '#12161c',
  '#0d1015',
]

export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: 6,
  colors: { blue, dark },
  defaultRadius: 6,
  fontFamily:
    'Inter, Pretendard, system-ui, -apple-system, "Segoe UI", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  headings: { fontWeight: '650' },
  components: {
    Alert: {
      styles: { body: { minWidth: 0 } },
      // the library's own tints are loud on a dark page
      vars: (_: unknown, { color = 'blue' }: { color?: string }) => {
        const ink = `var(--mantine-color-${color}-6)`
        return {
          root: {
            '--alert-bg': `color-mix(in srgb, ${ink} 12%, var(--surface))`,
            '--alert-bd': `1px solid color-mix(in srgb, ${ink} 40%, var(--surface))`,
            '--alert-color': 'var(--ink-1)',
          },
        }
      },
    },
    Button: { defaultProps: { size: 'xs' }, styles: { label: { fontWeight: 500 } } },
    TextInput: { defaultProps: { size: 'xs', withAsterisk: false } },
    PasswordInput: { defaultProps: { size: 'sm', withAsterisk: false } },
    Select: { defaultProps: { size: 'xs' } },
    Autocomplete: { defaultProps: { size: 'xs' } },
    SegmentedControl: { defaultProps: { size: 'xs' }, styles: { label: { fontWeight: 500 } } },
    Switch: { defaultProps: { size: 'xs' } },
    Tooltip: { defaultProps: { openDelay: 250, fz: 'xs' } },
    Menu: { defaultProps: { shadow: 'md' } },
    Tabs: { styles: { tab: { fontSize: 13, paddingBlock: 8 } } },
  },
})

const TINTED = ['blue', 'gray', 'green', 'orange', 'red']

/** On a dark page the library's tints are loud: the same hues, mixed into what is under them. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {},
  dark: Object.fromEntries(
    TINTED.flatMap(c => [
      [`--mantine-color-${c}-light`, `color-mix(in srgb, var(--mantine-color-${c}-5) 20%, transparent)`],
      [
        `--mantine-color-${c}-light-hover`,
        `color-mix(in srgb, var(--mantine-color-${c}-5) 28%, transparent)`,
      ],
      [`--mantine-color-${c}-light-color`, `var(--mantine-color-${c}-${c === 'blue' ? 2 : 3})`],
    ]),
  ),
})
