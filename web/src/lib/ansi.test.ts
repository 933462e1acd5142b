import { expect, test } from 'vitest'
import { stripAnsi } from '@/lib/ansi'

test.each([
  ['plain', 'plain'],
  ['\u001b[32mGET\u001b[0m /items \u001b[1;33m200\u001b[m', 'GET /items 200'],
  ['\u001b]0;title\u0007x', 'x'],
  ['\u001b(Bx\u001b=', 'x'],
  ['a\u001b', 'a\u001b'],
])('%j', (text, plain) => expect(stripAnsi(text)).toBe(plain))
