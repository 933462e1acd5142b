// How many records of each level over time; a drag zooms, a click on a level shows it alone.
import { useQuery } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { countLogs, type LevelCounts } from '@/api/logs'
import type { Histogram } from '@/api/queries'
import { CountHistogram } from '@/charts/CountHistogram'
import { severityColor } from '@/charts/palette'
import { LEVEL_NAMES, type LevelName, levelOf } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import { formatInteger, formatSpan } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { durationText, type ResolvedRange, stepFor } from '@/lib/time'
import { Failure } from '@/ui/States'

/** Trace at the bottom, fatal on top: what matters sits where the eye is. */
const ORDER = ['unset', ...LEVEL_NAMES.filter(l => l !== 'unset')]

/** critical and error are one level here. */
export function histogramOf(counts: LevelCounts): Histogram {
  const by = new Map<LevelName, number[]>()
  for (const [name, list] of counts.levels) {
    const level = levelOf(name)
    const old = by.get(level)
    by.set(level, old === undefined ? list : list.map((n, i) => n + (old[i] ?? 0)))
  }
  return {
    start_ms: counts.startMs,
    step_ms: counts.stepMs,
    series: [...by].map(([name, list]) => ({ name, counts: list })),
  }
}

export function totalOf(h: Histogram | undefined): number {
  return (h?.series ?? []).reduce((n, s) => n + s.counts.reduce((a, b) => a + b, 0), 0)
}

export interface CountsState {
  histogram: Histogram | undefined
  total: number
  stepMs: number
  progress: { done: number; of: number } | null
  pending: boolean
  error: unknown
  retry: () => void
}

export function useCounts(query: string, range: ResolvedRange, width: number, on: boolean): CountsState {
  // about ten pixels a bar
  const stepMs = stepFor(range, Math.max(120, width / 5), 1) * 1_000
  const [progress, setProgress] = useState<{
    key: string
    counts: LevelCounts
    done: number
    of: number
  } | null>(null)
  const key = `${query}|${range.startMs}|${range.endMs}|${stepMs}`
  const { data, isPending, isFetching, isPlaceholderData, isError, error, refetch } = useQuery({
    queryKey: ['log_counts', query, range, stepMs],
    queryFn: async ({ signal }) => {
      const counts = await countLogs(query, range, stepMs, signal, (c, done, of) =>
        setProgress({ key, counts: c, done, of }),
      )
      return histogramOf(counts)
    },
    enabled: on && width > 0,
    retry: false,
    placeholderData: old => old,
    gcTime: 60_000,
  })
  const partial = progress !== null && progress.key === key && isFetching ? progress : null
  const histogram = useMemo(
    () =>
      partial !== null && (isPlaceholderData || data === undefined) ? histogramOf(partial.counts) : data,
    [partial, isPlaceholderData, data],
  )
  return {
    histogram,
    total: totalOf(histogram),
    stepMs,
    progress: partial === null ? null : { done: partial.done, of: partial.of },
    pending: isPending && partial === null,
    error: isError && data === undefined ? error : null,
    retry: () => void refetch(),
  }
}

interface CountsProps {
  counts: CountsState
  range: ResolvedRange
  height: number
  onZoom: (startMs: number, endMs: number) => void
}

export function Counts({ counts, range, height, onZoom }: CountsProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const color = useCallback((n: string) => severityColor(n, scheme), [scheme])
  const name = useCallback((n: string) => t(`severity.${n}` as 'severity.info', { defaultValue: n }), [t])
  if (counts.error !== null) {
    return <Failure compact error={counts.error} onRetry={counts.retry} />
  }
  const { progress } = counts
  return (
    <>
      <div className={classes.countsHead}>
        <span>
          <b>{formatInteger(counts.total, lang)}</b> {t('logs.records', { count: counts.total })}
        </span>
        <span>{t('logs.oneBar', { span: formatSpan(durationText(counts.stepMs), lang) })}</span>
        {progress !== null && (
          <span role="status">{t('logs.counting', { done: progress.done, of: progress.of })}</span>
        )}
      </div>
      {progress !== null && (
        <div className={classes.progress}>
          <div style={{ width: `${(progress.done / progress.of) * 100}%` }} />
        </div>
      )}
      <CountHistogram
        label={t('logs.histogram')}
        data={counts.histogram}
        order={ORDER}
        color={color}
        name={name}
        range={range}
        loading={counts.pending}
        height={height}
        empty={t('logs.noneInRange')}
        onZoom={onZoom}
      />
    </>
  )
}
