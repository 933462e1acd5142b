// Which service took the time: self time as one bar and over the course of the trace, figures, and the
// calls between services.
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type CallRow, groupSpans, selfOverTime, serviceCalls } from '@/features/traces/merge'
import { GroupTable } from '@/features/traces/SpanTable'
import classes from '@/features/traces/traces.module.css'
import type { TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger, formatPercent } from '@/lib/format'
import { Dot, Toned } from '@/ui/Figures'
import { type Column, SortableTable } from '@/ui/SortableTable'

const PARTS = 80

export function Services({ tree, colors }: { tree: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows = useMemo(() => groupSpans(tree, 'service').sort((a, b) => b.self - a.self), [tree])
  const all = rows.reduce((n, r) => n + r.self, 0) || 1
  const over = useMemo(() => selfOverTime(tree, PARTS), [tree])
  const calls = useMemo(() => serviceCalls(tree), [tree])
  const most = useMemo(() => {
    let max = 0
    for (let i = 0; i < PARTS; i++) {
      max = Math.max(
        max,
        [...over.values()].reduce((n, s) => n + (s[i] ?? 0), 0),
      )
    }
    return max || 1
  }, [over])
  const columns: Column<CallRow>[] = [
    ...(['from', 'to'] as const).map(
      (key): Column<CallRow> => ({
        key,
        title: t(`trace.call_${key}`),
        sort: r => r[key],
        cell: r => (
          <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8 }}>
            <Dot color={colors.get(r[key]) ?? ''} /> {r[key]}
          </span>
        ),
      }),
    ),
    {
      key: 'count',
      title: t('trace.calls'),
      right: true,
      sort: r => r.count,
      cell: r => formatInteger(r.count, lang),
    },
    {
      key: 'errors',
      title: t('traces.errors'),
      right: true,
      sort: r => r.errors,
      cell: r => (r.errors > 0 ? <Toned tone="bad">{formatInteger(r.errors, lang)}</Toned> : '0'),
    },
    {
      key: 'total',
      title: t('trace.total'),
      right: true,
      sort: r => r.total,
      cell: r => formatDurationNs(r.total, lang),
    },
    {
      key: 'mean',
      title: t('trace.mean'),
      right: true,
      sort: r => r.total / r.count,
      cell: r => formatDurationNs(r.total / r.count, lang),
    },
    { key: 'p95', title: 'p95', right: true, sort: r => r.p95, cell: r => formatDurationNs(r.p95, lang) },
  ]
  return (
    <div>
      <h3 className={classes.sectionTitle}>{t('trace.selfByService')}</h3>
      <div
        className={classes.share}
        role="img"
        aria-label={rows.map(r => `${r.service} ${formatPercent(r.self / all, lang)}`).join(', ')}
      >
        {rows.map(r => (
          <div
            key={r.service}
            title={`${r.service}: ${formatDurationNs(r.self, lang)} (${formatPercent(r.self / all, lang)})`}
            style={{ width: `${(r.self / all) * 100}%`, background: colors.get(r.service) }}
          />
        ))}
      </div>
      <div className={classes.shareLegend}>
        {rows.map(r => (
          <span key={r.service}>
            <Dot color={colors.get(r.service) ?? ''} /> {r.service} <b>{formatPercent(r.self / all, lang)}</b>
          </span>
        ))}
      </div>
      <h3 className={classes.sectionTitle}>{t('trace.selfOverTime')}</h3>
      <svg
        className={classes.course}
        viewBox={`0 0 ${PARTS} 100`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t('trace.selfOverTime')}
      >
        {Array.from({ length: PARTS }, (_, i) => {
          let y = 100
          return rows.map(r => {
            const h = ((over.get(r.service)?.[i] ?? 0) / most) * 96
            y -= h
            return h > 0 ? (
              <rect
                key={`${i}${r.service}`}
                x={i}
                y={y}
                width={0.92}
                height={h}
                fill={colors.get(r.service)}
              />
            ) : null
          })
        })}
      </svg>
      <div className={classes.courseTicks} aria-hidden="true">
        <span>0</span>
        <span>{formatDurationNs(tree.duration / 2, lang)}</span>
        <span>{formatDurationNs(tree.duration, lang)}</span>
      </div>
      <h3 className={classes.sectionTitle}>{t('trace.byService')}</h3>
      <GroupTable tree={tree} colors={colors} by="service" />
      <h3 className={classes.sectionTitle}>{t('trace.callsBetween')}</h3>
      {calls.length === 0 ? (
        <p className={classes.hint}>{t('trace.noCalls')}</p>
      ) : (
        <SortableTable
          label={t('trace.callsBetween')}
          rows={calls}
          columns={columns}
          rowKey={r => `${r.from}\u0000${r.to}`}
          initialSort={{ key: 'total', down: true }}
        />
      )}
    </div>
  )
}
