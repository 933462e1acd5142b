import { describe, expect, test } from 'vitest'
import { assignColors } from '@/charts/palette'
import { allowedTabs, settingsCodec } from '@/features/admin/codec'
import { hostsCodec, hostTone, LOST_AFTER_MS } from '@/features/hosts/codec'
import { HOST_CHARTS, selector, topCpu } from '@/features/hosts/queries'
import { agentSnippet, doorPort, otlpSnippet } from '@/lib/doors'

describe('hosts', () => {
  const now = 1_790_000_000_000
  test.each([
    [{ last_seen_ms: now, cpu_ratio: 0.2 }, 'good'],
    [{ last_seen_ms: now, memory_ratio: 0.9 }, 'warn'],
    [{ last_seen_ms: now, disk_ratio: 0.97 }, 'bad'],
    [{ last_seen_ms: now - LOST_AFTER_MS - 1, cpu_ratio: 0.99 }, 'none'],
  ])('tone of %j', (h, tone) => expect(hostTone({ host: 'a', ...h }, now)).toBe(tone))

  test('host names are quoted in every query', () => {
    const host = 'we"ird\\host'
    for (const c of HOST_CHARTS) {
      expect(c.query(host, '1m')).toContain('host_name="we\\"ird\\\\host"')
    }
    expect(topCpu(host, 5)).toContain('topk(5,')
    expect(selector('a', 'b="c"')).toBe('{host_name="a",b="c"}')
  })

  test('filter in the link', () => {
    expect(hostsCodec.encode(hostsCodec.decode({ filter: 'db' }))).toEqual({ filter: 'db' })
  })
})

describe('settings', () => {
  test('who sees what', () => {
    expect(allowedTabs('admin', true)).toEqual([
      'account',
      'users',
      'tokens',
      'audit',
      'processing',
      'config',
    ])
    expect(allowedTabs('viewer', true)).toEqual(['account', 'config'])
    expect(allowedTabs('admin', false)).not.toContain('account')
  })
  test('tab in the link', () => {
    expect(settingsCodec.decode(settingsCodec.encode({ tab: 'audit' }))).toEqual({ tab: 'audit' })
    expect(settingsCodec.decode({ tab: 'nope' })).toEqual({ tab: 'account' })
  })
})

test('colours: stable by name, never shared among ten', () => {
  const names = ['gateway', 'catalog', 'orders', 'payment', 'inventory', 'notification', 'a', 'b', 'c', 'd']
  const colors = assignColors(names, 'light')
  expect(new Set(colors.values()).size).toBe(10)
  expect(assignColors([...names].reverse(), 'light')).toEqual(colors)
})

test('snippets use the doors of this server', () => {
  const doors = [{ name: 'otlp_http', address: '[::]:14318', on: true }]
  expect(doorPort(doors, 'otlp_http')).toBe('14318')
  expect(doorPort([{ name: 'otlp_http', address: 'x:1', on: false }], 'otlp_http')).toBeUndefined()
  expect(otlpSnippet({ doors }, 'apm.example')).toContain(
    'OTEL_EXPORTER_OTLP_ENDPOINT=http://apm.example:14318',
  )
  expect(agentSnippet(undefined, 'https://apm.example')).toBe(
    'bongsu-agent --server https://apm.example --token TOKEN',
  )
  expect(agentSnippet({ auth_enabled: false }, 'http://x')).toBe('bongsu-agent --server http://x')
  expect(otlpSnippet({ doors, auth_enabled: false }, 'x')).not.toContain('TOKEN')
})
