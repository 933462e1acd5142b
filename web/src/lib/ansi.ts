// Escape sequences of terminals, as programs write them into their logs.

export const ESC = String.fromCharCode(27)
const BELL = String.fromCharCode(7)

/** Group 1 and 2: parameters and final byte of a control sequence. */
export const ESCAPES = new RegExp(
  [
    `${ESC}\\[([0-9;?]*)([A-Za-z])`,
    `${ESC}\\][^${BELL}${ESC}]*(?:${BELL}|${ESC}\\\\)`,
    `${ESC}[()][A-B0-2]`,
    `${ESC}[=>]`,
  ].join('|'),
  'g',
)

/** The text alone, for where colours have no place. */
export function stripAnsi(text: string): string {
  return text.includes(ESC) ? text.replaceAll(ESCAPES, '') : text
}
