// Rate, errors and duration of the matching spans over time, and how their durations spread (powers of two:
// a log scale). A drag over a chart zooms the time, over the distribution it filters by duration.
import { useElementSize } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { traceSeriesQuery } from '@/api/traceql'
import { TimeSeries } from '@/charts/TimeSeries'
import { SPAN_CONDITION, type SpanSet } from '@/features/traces/codec'
import { measured } from '@/features/traces/query'
import classes from '@/features/traces/search.module.css'
import {
  chartStep,
  type DurationBucket,
  durationBuckets,
  quantilesOf,
  redOf,
  stepTimes,
} from '@/features/traces/series'
import { formatDurationNs, formatInteger, formatPercent, formatUnit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

const HEIGHT = 128

interface DistributionProps {
  buckets: DurationBucket[]
  onPick: (loNs: number, hiNs: number) => void
}

export function Distribution({ buckets, onPick }: DistributionProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [drag, setDrag] = useState<[number, number] | null>(null)
  const most = Math.max(1, ...buckets.map(b => b.count))
  const picked = (i: number) => drag !== null && i >= Math.min(...drag) && i <= Math.max(...drag)
  const commit = (a: number, b: number) => {
    const [lo, hi] = [buckets[Math.min(a, b)], buckets[Math.max(a, b)]]
    setDrag(null)
    if (lo !== undefined && hi !== undefined) {
      onPick(lo.lo, hi.hi)
    }
  }
  // shift with the arrows widens the choice, as a drag does
  const onKey = (e: KeyboardEvent, i: number) => {
    const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
    const next = e.currentTarget.parentElement?.children[i + by]
    if (by !== 0 && next instanceof HTMLElement) {
      e.preventDefault()
      next.focus()
      setDrag(e.shiftKey ? [drag?.[0] ?? i, i + by] : null)
    } else if (e.key === 'Enter' || e.key === ' ') {
      e.preventDefault()
      commit(drag?.[0] ?? i, drag?.[1] ?? i)
    } else if (e.key === 'Escape') {
      setDrag(null)
    }
  }
  return (
    <div>
      <div
        className={classes.dist}
        role="group"
        aria-label={t('traces.distribution')}
        onPointerLeave={() => setDrag(null)}
      >
        {buckets.map((b, i) => (
          <button
            type="button"
            key={b.hi}
            className={classes.bucket}
            data-picked={picked(i)}
            tabIndex={i === 0 ? 0 : -1}
            aria-label={t('traces.bucket', {
              lo: formatDurationNs(b.lo, lang),
              hi: formatDurationNs(b.hi, lang),
              spans: formatInteger(b.count, lang),
            })}
            title={t('traces.bucket', {
              lo: formatDurationNs(b.lo, lang),
              hi: formatDurationNs(b.hi, lang),
              spans: formatInteger(b.count, lang),
            })}
            onPointerDown={() => setDrag([i, i])}
            onPointerEnter={e => drag !== null && e.buttons === 1 && setDrag([drag[0], i])}
            onPointerUp={() => drag !== null && commit(drag[0], i)}
            onKeyDown={e => onKey(e, i)}
          >
            <span style={{ height: b.count === 0 ? 0 : `${Math.max(2, (b.count / most) * 100)}%` }} />
          </button>
        ))}
      </div>
      <div className={classes.bucketTicks} aria-hidden="true">
        <span>{formatDurationNs(buckets[0]?.lo, lang)}</span>
        <span>{formatDurationNs(buckets[Math.floor(buckets.length / 2)]?.lo, lang)}</span>
        <span>{formatDurationNs(buckets.at(-1)?.hi, lang)}</span>
      </div>
    </div>
  )
}

interface RedChartsProps {
  q: string
  spans: SpanSet
  range: ResolvedRange
  onZoom: (startMs: number, endMs: number) => void
  onDuration: (loNs: number, hiNs: number) => void
}

export function RedCharts({ q, spans, range, onZoom, onDuration }: RedChartsProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const { ref, width } = useElementSize()
  const stepS = chartStep(range, Math.max(300, (width || 900) / 3))
  const condition = SPAN_CONDITION[spans]
  const rate = useQuery(traceSeriesQuery(measured(q, condition, 'rate() by (status)'), range, stepS))
  const quantiles = useQuery(
    traceSeriesQuery(measured(q, condition, 'quantile_over_time(duration, .5, .95, .99)'), range, stepS),
  )
  const spread = useQuery(
    traceSeriesQuery(measured(q, condition, 'histogram_over_time(duration)'), range, stepS),
  )
  const red = useMemo(
    () =>
      redOf(
        rate.data?.series ?? [],
        range,
        stepS,
        { ok: t('traces.fine'), error: t('traces.failed') },
        scheme,
      ),
    [rate.data, range, stepS, t, scheme],
  )
  const lines = useMemo(
    () => quantilesOf(quantiles.data?.series ?? [], stepTimes(range, stepS), scheme),
    [quantiles.data, range, stepS, scheme],
  )
  const buckets = useMemo(() => durationBuckets(spread.data?.series ?? []), [spread.data])
  const common = {
    range,
    height: HEIGHT,
    compact: true,
    onZoom,
    syncKey: 'traces',
    empty: t('traces.noneInRange'),
  }
  return (
    <div ref={ref} className={classes.charts}>
      <Panel
        title={t('traces.rate')}
        actions={
          red.errorRatio !== null && (
            <span className={classes.figure}>
              {formatUnit(red.perS, 'per_s', lang)}
              {' · '}
              <Toned tone={red.errorRatio > 0 ? 'bad' : 'good'} title={t('traces.errorRatio')}>
                {formatPercent(red.errorRatio, lang)}
              </Toned>
            </span>
          )
        }
      >
        {rate.isError && rate.data === undefined ? (
          <Failure compact error={rate.error} onRetry={() => void rate.refetch()} />
        ) : (
          <TimeSeries
            {...common}
            label={t('traces.rate')}
            times={red.times}
            series={red.rate}
            unit="per_s"
            kind="bars"
            stacked
            loading={rate.isPending}
          />
        )}
      </Panel>
      <Panel title={t('traces.durations')}>
        {quantiles.isError && quantiles.data === undefined ? (
          <Failure compact error={quantiles.error} onRetry={() => void quantiles.refetch()} />
        ) : (
          <TimeSeries
            {...common}
            label={t('traces.durations')}
            times={stepTimes(range, stepS)}
            series={lines}
            unit="s"
            nulls="connect"
            loading={quantiles.isPending}
          />
        )}
      </Panel>
      <Panel title={t('traces.distribution')} note={t('traces.distributionNote')}>
        {spread.isError && spread.data === undefined ? (
          <Failure compact error={spread.error} onRetry={() => void spread.refetch()} />
        ) : spread.isPending ? (
          <Loading rows={4} />
        ) : buckets.length === 0 ? (
          <Empty compact title={t('traces.noneInRange')} />
        ) : (
          <Distribution buckets={buckets} onPick={onDuration} />
        )}
      </Panel>
    </div>
  )
}
