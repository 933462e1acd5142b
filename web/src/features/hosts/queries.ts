// Every PromQL text of the host page. Names are those of the OpenTelemetry semantic conventions as the
// Prometheus compatibility rules spell them; one place, because agent and page must agree.
import { promString } from '@/api/prom'
import type { ChartKind } from '@/charts/options'
import type { Unit } from '@/lib/format'

export type HostChartKey =
  | 'cpu'
  | 'load'
  | 'memory'
  | 'swap'
  | 'diskIo'
  | 'diskOps'
  | 'diskBusy'
  | 'filesystem'
  | 'network'
  | 'packets'
  | 'networkErrors'
  | 'connections'
  | 'processes'

export interface HostChart {
  key: HostChartKey
  unit: Unit
  kind: ChartKind
  stacked: boolean
  /** Legend template of labels. */
  legend: string
  min?: number
  max?: number
  /** Legend texts in drawing order (stacks: bottom first); others follow. */
  order?: readonly string[]
  /** Share 0..1 that is worth a line. */
  threshold?: number
  query: (host: string, window: string) => string
}

/** `{host_name="...",more}` */
export function selector(host: string, more = ''): string {
  return `{host_name=${promString(host)}${more === '' ? '' : `,${more}`}}`
}

export const HOST_CHARTS: HostChart[] = [
  {
    key: 'cpu',
    unit: 'ratio',
    kind: 'area',
    stacked: true,
    legend: '{{cpu_mode}}',
    order: ['user', 'system', 'iowait', 'nice', 'interrupt', 'steal'],
    min: 0,
    max: 1,
    query: h => `sum by (cpu_mode) (system_cpu_utilization_ratio${selector(h, 'cpu_mode!="idle"')})`,
  },
  {
    key: 'load',
    unit: 'number',
    kind: 'line',
    stacked: false,
    legend: '{{__name__}}',
    order: ['1m', '5m', '15m'],
    min: 0,
    query: h => `{__name__=~"system_cpu_load_average_(1m|5m|15m)",host_name=${promString(h)}}`,
  },
  {
    key: 'memory',
    unit: 'bytes',
    kind: 'area',
    stacked: true,
    legend: '{{system_memory_state}}',
    order: ['used', 'slab', 'buffers', 'cached', 'free'],
    min: 0,
    query: h => `sum by (system_memory_state) (system_memory_usage_bytes${selector(h)})`,
  },
  {
    key: 'swap',
    unit: 'bytes',
    kind: 'area',
    stacked: true,
    legend: '{{system_paging_state}}',
    order: ['used', 'free'],
    min: 0,
    query: h => `sum by (system_paging_state) (system_paging_usage_bytes${selector(h)})`,
  },
  {
    key: 'diskIo',
    unit: 'bytes_per_s',
    kind: 'line',
    stacked: false,
    legend: '{{system_device}} {{disk_io_direction}}',
    min: 0,
    query: (h, w) =>
      `sum by (system_device, disk_io_direction) (rate(system_disk_io_bytes_total${selector(h)}[${w}]))`,
  },
  {
    key: 'diskOps',
    unit: 'per_s',
    kind: 'line',
    stacked: false,
    legend: '{{system_device}} {{disk_io_direction}}',
    min: 0,
    query: (h, w) =>
      `sum by (system_device, disk_io_direction) (rate(system_disk_operations_total${selector(h)}[${w}]))`,
  },
  {
    key: 'diskBusy',
    unit: 'ratio',
    kind: 'line',
    stacked: false,
    legend: '{{system_device}}',
    min: 0,
    query: (h, w) => `sum by (system_device) (rate(system_disk_io_time_seconds_total${selector(h)}[${w}]))`,
  },
  {
    key: 'filesystem',
    unit: 'ratio',
    kind: 'line',
    stacked: false,
    legend: '{{system_filesystem_mountpoint}}',
    min: 0,
    max: 1,
    threshold: 0.9,
    query: h => `max by (system_filesystem_mountpoint) (system_filesystem_utilization_ratio${selector(h)})`,
  },
  {
    key: 'network',
    unit: 'bytes_per_s',
    kind: 'line',
    stacked: false,
    legend: '{{network_interface_name}} {{network_io_direction}}',
    min: 0,
    query: (h, w) =>
      `sum by (network_interface_name, network_io_direction) (rate(system_network_io_bytes_total${selector(h)}[${w}]))`,
  },
  {
    key: 'packets',
    unit: 'per_s',
    kind: 'line',
    stacked: false,
    legend: '{{network_interface_name}} {{network_io_direction}}',
    min: 0,
    query: (h, w) =>
      `sum by (network_interface_name, network_io_direction) (rate(system_network_packet_count_total${selector(h)}[${w}]))`,
  },
  {
    key: 'networkErrors',
    unit: 'per_s',
    kind: 'line',
    stacked: false,
    legend: '{{network_interface_name}} {{network_io_direction}}',
    min: 0,
    query: (h, w) =>
      `sum by (network_interface_name, network_io_direction) (rate(system_network_errors_total${selector(h)}[${w}]))`,
  },
  {
    key: 'connections',
    unit: 'count',
    kind: 'area',
    stacked: true,
    legend: '{{network_transport}} {{network_connection_state}}',
    min: 0,
    query: h =>
      `sum by (network_transport, network_connection_state) (system_network_connection_count${selector(h)})`,
  },
  {
    key: 'processes',
    unit: 'count',
    kind: 'area',
    stacked: true,
    legend: '{{process_state}}',
    order: ['running', 'blocked', 'sleeping', 'stopped', 'defunct'],
    min: 0,
    query: h => `sum by (process_state) (system_process_count${selector(h)})`,
  },
]

export const uptime = (host: string) => `max(system_uptime_seconds${selector(host)})`
export const memoryLimit = (host: string) => `max(system_memory_limit_bytes${selector(host)})`

const PROCESS_LABELS = 'process_pid, process_executable_name, process_command_line, process_owner'

export const topCpu = (host: string, n: number) =>
  `topk(${n}, sum by (${PROCESS_LABELS}) (process_cpu_utilization_ratio${selector(host)}))`
export const topMemory = (host: string, n: number) =>
  `topk(${n}, sum by (${PROCESS_LABELS}) (process_memory_usage_bytes${selector(host)}))`

/** "system_cpu_load_average_5m" -> "5m": the load chart's legend. */
export function shortLegend(label: string): string {
  return label.replace(/^system_cpu_load_average_/, '')
}

/** Series in the chart's own order, coloured by place so that a mode keeps its colour on every host. */
export function inOrder<T extends { label: string }>(series: T[], order: readonly string[] | undefined): T[] {
  if (order === undefined) {
    return series
  }
  const place = (s: T) => (order.includes(s.label) ? order.indexOf(s.label) : order.length)
  return [...series].sort((a, b) => place(a) - place(b))
}
