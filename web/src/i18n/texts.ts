// The texts in parts: one file for each part and language, fetched with the page that shows it. English types the
// keys. A new part is two files (en/NAME.json, ko/NAME.json), two lines here, and its name at the page's route.
import type activeUsers from '@/i18n/en/activeUsers.json'
import type apmLive from '@/i18n/en/apmLive.json'
import type auth from '@/i18n/en/auth.json'
import type base from '@/i18n/en/base.json'
import type cardinality from '@/i18n/en/cardinality.json'
import type hosts from '@/i18n/en/hosts.json'
import type logs from '@/i18n/en/logs.json'
import type metrics from '@/i18n/en/metrics.json'
import type onboarding from '@/i18n/en/onboarding.json'
import type overview from '@/i18n/en/overview.json'
import type settings from '@/i18n/en/settings.json'
import type status from '@/i18n/en/status.json'
import type storage from '@/i18n/en/storage.json'
import type targets from '@/i18n/en/targets.json'
import type tmap from '@/i18n/en/tmap.json'
import type topology from '@/i18n/en/topology.json'
import type traces from '@/i18n/en/traces.json'
import type welcome from '@/i18n/en/welcome.json'

interface Parts {
  activeUsers: typeof activeUsers
  apmLive: typeof apmLive
  auth: typeof auth
  base: typeof base
  cardinality: typeof cardinality
  hosts: typeof hosts
  logs: typeof logs
  metrics: typeof metrics
  onboarding: typeof onboarding
  overview: typeof overview
  settings: typeof settings
  status: typeof status
  storage: typeof storage
  targets: typeof targets
  tmap: typeof tmap
  topology: typeof topology
  traces: typeof traces
  welcome: typeof welcome
}

export type Part = keyof Parts

type Joined<T> = (T extends unknown ? (part: T) => void : never) extends (all: infer A) => void ? A : never

/** All parts together: no key is in two of them (i18n.test.ts). */
export type Texts = Joined<Parts[Part]>
