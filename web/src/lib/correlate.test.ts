import { describe, expect, test } from 'vitest'
import {
  around,
  correlations,
  entityOf,
  hostTarget,
  labelName,
  logsQuery,
  matcherLabels,
  metricSelectors,
  metricsTarget,
  podLogsTarget,
  tracesTarget,
  traceTarget,
} from '@/lib/correlate'

const WINDOW = { startMs: 1_000.4, endMs: 2_000.2 }

describe('origin', () => {
  test.each([
    [
      { 'service.name': 'pay', 'service.namespace': 'shop', 'host.name': 'h1' },
      { service: 'pay', namespace: 'shop', host: 'h1' },
    ],
    [
      { 'resource.k8s.pod.name': 'p-1', 'resource.k8s.namespace.name': 'prod', k8s_container_name: 'app' },
      { pod: 'p-1', podNamespace: 'prod', container: 'app' },
    ],
    [
      { __name__: 'up', job: 'shop/pay', instance: 'a1b2' },
      { service: 'pay', namespace: 'shop', instance: 'a1b2' },
    ],
    [{ job: 'node', instance: 'h1:9100' }, { service: 'node' }],
    [{ service_name: 'pay', job: 'other' }, { service: 'pay' }],
    [{ service_name: '', pid: 7 }, {}],
  ])('%j', (labels, want) => expect(entityOf(labels)).toEqual(want))

  test.each([
    ['resource.host.name', 'host_name'],
    ['http.route', 'http_route'],
    ['1st', '_1st'],
  ])('label of %s', (name, want) => expect(labelName(name)).toBe(want))
})

describe('addresses', () => {
  test.each([
    [{ service: 'pay', namespace: 'shop', host: 'h1' }, '{service_name="pay", service_namespace="shop"}'],
    [{ host: 'h"1' }, '{host_name="h\\"1"}'],
    [{ service: 'pay', pod: 'p-1', podNamespace: 'prod' }, '{k8s_pod_name="p-1", k8s_namespace_name="prod"}'],
    [{}, null],
  ])('logs of %j', (entity, want) => expect(logsQuery(entity)).toBe(want))

  test('the window is whole milliseconds and stands still', () => {
    expect(hostTarget({ host: 'h1' }, WINDOW)).toEqual({
      to: '/hosts/$host',
      params: { host: 'h1' },
      search: { from: '1000', to: '2001', live: undefined },
    })
    expect(around(10_000, 1_000, 2_000)).toEqual({ startMs: 9_000, endMs: 12_000 })
  })

  test('traces', () => {
    expect(tracesTarget({ service: 'pay', instance: 'i1', host: 'h1' }, null)?.search).toEqual({
      service: 'pay',
      attr: ['resource.service.instance.id=i1'],
    })
    expect(tracesTarget({ host: 'h1' }, null)?.search).toEqual({ attr: ['resource.host.name=h1'] })
    expect(tracesTarget({ container: 'c' }, null)).toBeNull()
    expect(traceTarget('0'.repeat(32))).toBeNull()
    expect(traceTarget('ab', 'cd')).toEqual({
      to: '/traces/$traceId',
      params: { traceId: 'ab' },
      search: { span: 'cd' },
    })
  })

  test('metrics', () => {
    expect(metricSelectors({ service: 'a.b' })).toEqual(['{job=~"(.+/)?a\\\\.b"}'])
    expect(metricSelectors({ service: 'pay', namespace: 'shop', instance: 'i', host: 'h' })).toEqual([
      '{job="shop/pay", instance="i"}',
    ])
    expect(metricSelectors({ host: 'h' })).toEqual(['{host_name="h"}'])
    expect(metricsTarget({ pod: 'p', podNamespace: 'n' }, null)?.search.q).toBe(
      'sort_desc(count by (__name__) ({pod="p", namespace="n"}))',
    )
    expect(metricsTarget({}, null)).toBeNull()
  })

  test('the pod alone, without its container', () => {
    expect(podLogsTarget({ service: 's', pod: 'p', container: 'c' }, null)?.search.q).toBe(
      '{k8s_pod_name="p"}',
    )
    expect(podLogsTarget({ service: 's' }, null)).toBeNull()
  })

  test('a query tells what its sums have lost', () => {
    expect(
      matcherLabels('sum(rate(x_total{job="shop/pay", code=~"5.."}[5m])) / sum(rate(y{job="shop/pay"}[5m]))'),
    ).toEqual({
      job: 'shop/pay',
    })
    expect(matcherLabels('a{pod="1"} / b{pod="2"}')).toEqual({})
  })

  test('all but the page that asks', () => {
    expect(correlations({ job: 'pay', host_name: 'h' }, null, 'metrics').map(c => c.kind)).toEqual([
      'logs',
      'traces',
      'host',
    ])
    expect(correlations({ le: '5' }, null)).toEqual([])
  })
})
