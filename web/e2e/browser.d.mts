import type { Browser, BrowserContext } from 'playwright-core'

export const BASE: string
export const USER: string
export const PASSWORD: string
export const SETUP_TOKEN: string
export function launch(): Promise<Browser>
export function newContext(
  browser: Browser,
  options?: { lang?: 'en' | 'ko'; theme?: 'light' | 'dark'; width?: number; height?: number },
): Promise<BrowserContext>
export function signIn(context: BrowserContext): Promise<void>
