// The unit of a query's values, guessed from metric names and metadata so that axes read "1.2 MiB/s"
// without a setting. A wrong guess costs one click, so it only speaks when it is sure.
import { metricsIn } from '@/features/metrics/builder'
import type { Metadata } from '@/features/metrics/metricInfo'
import { metadataOf } from '@/features/metrics/metricInfo'
import type { Unit } from '@/lib/format'

const WORDS: Record<string, Unit> = {
  By: 'bytes',
  bytes: 'bytes',
  s: 's',
  seconds: 's',
  ms: 'ms',
  milliseconds: 'ms',
  ratio: 'ratio',
  percent: 'percent',
}

function unitOfName(name: string): Unit | undefined {
  const base = name.replace(/_(total|bucket|sum|count)$/, '')
  const last = /_(bytes|seconds|milliseconds|ratio|percent)$/.exec(base)?.[1]
  return last === undefined ? undefined : WORDS[last]
}

export function guessUnit(expr: string, metadata: Metadata | undefined): Unit {
  const metrics = metricsIn(expr)
  const first = metrics[0]
  if (first === undefined || new Set(metrics).size > 1 || /\*|\s\/\s|\^/.test(expr)) {
    return 'number'
  }
  if (
    /\b(count|count_over_time|changes|resets|group|absent|histogram_count|count_values)\s*[(b]/.test(expr)
  ) {
    return 'count'
  }
  const quantile = /\bhistogram_(quantile|avg)\s*\(/.test(expr)
  const base = WORDS[metadataOf(first, metadata)?.unit ?? ''] ?? unitOfName(first)
  const counted = /_(count|bucket)$/.test(first) && !quantile
  if (/\b(rate|irate|deriv)\s*\(/.test(expr) && !quantile) {
    if (counted) {
      return 'per_s'
    }
    return base === 'bytes'
      ? 'bytes_per_s'
      : base === 's'
        ? 'number'
        : base === undefined
          ? 'per_s'
          : 'number'
  }
  if (counted) {
    return 'count'
  }
  return base ?? 'number'
}

/** One unit for all queries, or plain numbers when they differ. */
export function commonUnit(exprs: string[], metadata: Metadata | undefined): Unit {
  const units = new Set(exprs.map(e => guessUnit(e, metadata)))
  const [only] = units
  return units.size === 1 && only !== undefined ? only : 'number'
}

/** An expression whose unit is that of the bounds of the histogram a query reads. */
export function bucketUnitExpr(expr: string): string {
  const metric = metricsIn(expr)[0]
  return metric === undefined ? expr : `histogram_quantile(0.5, ${metric})`
}
