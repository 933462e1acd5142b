import { describe, expect, test } from 'vitest'
import {
  guideOf,
  onlyLocal,
  placeOf,
  received,
  SOURCE_IDS,
  type SourceId,
} from '@/features/onboarding/sources'

const doors = [
  { name: 'http', address: '0.0.0.0:7800', on: true },
  { name: 'otlp_http', address: '[::]:14318', on: true },
  { name: 'syslog_tcp', address: '127.0.0.1:1514', on: true, requests: 5 },
  { name: 'syslog_udp', address: '127.0.0.1:1514', on: true, requests: 2 },
  { name: 'fluent', address: '0.0.0.0:12224', on: true, requests: 7 },
]
const open = { doors, auth_enabled: false }
const guarded = { doors, auth_enabled: true }
const place = placeOf('http://logs.example:7800')
const text = (id: SourceId, status = guarded, at = place) =>
  guideOf(id, status, at)
    .blocks.map(b => b.code)
    .join('\n')

const UNGUARDED: SourceId[] = ['fluentbit', 'fluentd', 'rsyslog', 'syslogng', 'logger']

describe('guides', () => {
  test.each(SOURCE_IDS)('%s: a token exactly where the door asks for one, and this server as target', id => {
    expect(text(id, open)).not.toContain('TOKEN')
    expect(text(id).includes('TOKEN')).toBe(!UNGUARDED.includes(id))
    expect(text(id)).toContain('logs.example')
    expect(text(id)).not.toMatch(/HOST|undefined|false/)
  })

  test.each([
    ['java', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://logs.example:14318'],
    ['collector', 'endpoint: http://logs.example:14318'],
    ['rsyslog', 'target="logs.example" port="1514"'],
    ['syslogng', 'syslog("logs.example" transport("tcp") port(1514))'],
    ['logger', 'logger --server logs.example --port 1514 --tcp'],
    ['fluentbit', 'port                 12224'],
    ['fluentd', 'port 12224'],
    ['filebeat', 'hosts: ["http://logs.example:7800/elasticsearch"]'],
    ['logstash', 'hosts => ["http://logs.example:7800/elasticsearch"]'],
    ['vector', 'endpoints: ["http://logs.example:7800/elasticsearch"]'],
    ['promtail', 'url: http://logs.example:7800/loki/api/v1/push'],
    ['alloy', 'url = "http://logs.example:7800/loki/api/v1/push"'],
    ['curl', "'http://logs.example:7800/api/v1/logs/import?_stream_fields=app'"],
    ['zipkin', 'http://logs.example:7800/api/v2/spans'],
    ['prometheus', 'url: http://logs.example:7800/api/v1/write'],
  ] as const)('%s: %s', (id, part) => expect(text(id)).toContain(part))

  test('behind TLS and a prefix everything goes the way the browser came', () => {
    const behind = placeOf('https://logs.example/watch/')
    expect(behind).toMatchObject({ host: 'logs.example', port: '443', tls: true, prefix: '/watch' })
    expect(text('filebeat', guarded, behind)).toContain('"https://logs.example:443/watch/elasticsearch"')
    expect(text('java', guarded, behind)).toContain('ENDPOINT=https://logs.example/watch/otlp')
    expect(guideOf('java', guarded, behind).door).toBe('http')
  })

  test('a closed door is said, with the usual port and how it is opened', () => {
    const closed = { doors: doors.slice(0, 1), auth_enabled: true }
    expect(guideOf('rsyslog', guarded, place).closed).toBeUndefined()
    expect(guideOf('rsyslog', closed, place).closed?.code).toContain('--syslog-listen-tcp 0.0.0.0:5514')
    expect(text('rsyslog', closed)).toContain('port="5514"')
    expect(guideOf('fluentd', closed, place).closed?.code).toContain('--fluent-listen 0.0.0.0:24224')
    expect(text('node', closed)).toContain('ENDPOINT=http://logs.example:7800/otlp')
  })

  test('a door on loopback is no use to others', () => {
    expect(onlyLocal(guarded, 'syslog_tcp', place)).toBe(true)
    expect(onlyLocal(guarded, 'fluent', place)).toBe(false)
    expect(onlyLocal(guarded, 'syslog_tcp', placeOf('http://127.0.0.1:7800'))).toBe(false)
    expect(onlyLocal(guarded, 'syslog_tcp', placeOf('http://localhost:7800'))).toBe(false)
    expect(onlyLocal(undefined, 'syslog_tcp', place)).toBe(false)
  })
})

test('what came in: of a door its own count, else that of the signals', () => {
  const counts = {
    doors,
    ingest: [
      { signal: 'logs', total: 40 },
      { signal: 'traces', total: 9 },
    ],
  }
  expect(received(guideOf('logger', open, place), counts)).toEqual({ metrics: 0, traces: 0, logs: 7 })
  expect(received(guideOf('fluentbit', open, place), counts).logs).toBe(7)
  expect(received(guideOf('java', open, place), counts)).toEqual({ metrics: 0, traces: 9, logs: 40 })
  expect(received(guideOf('prometheus', open, place), counts)).toEqual({ metrics: 0, traces: 0, logs: 0 })
})
