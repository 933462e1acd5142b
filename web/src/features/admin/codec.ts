import { type Codec, oneOf } from '@/lib/search'

export const TABS = ['account', 'users', 'tokens', 'audit', 'processing', 'config'] as const
export type SettingsTab = (typeof TABS)[number]

export interface SettingsState {
  tab: SettingsTab
}

export const settingsCodec: Codec<SettingsState> = {
  decode: raw => ({ tab: oneOf(raw, 'tab', TABS, 'account') }),
  encode: s => ({ tab: s.tab === 'account' ? undefined : s.tab }),
}

/** Everyone has an account page; the rest needs an admin. */
export function allowedTabs(role: string | undefined, authEnabled: boolean): SettingsTab[] {
  const tabs: SettingsTab[] = role === 'admin' ? [...TABS] : ['account', 'config']
  return authEnabled ? tabs : tabs.filter(t => t !== 'account')
}
