// The legend as a table of min, mean, max and last: sorted by a click on the head; a click on a row shows
// only that series, Ctrl+click switches one. Only the rows in sight exist, so thousands of series are fine.
import { IconChevronDown, IconChevronUp } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ChartSeries, isolate, type SeriesSummary, summarize, toggle } from '@/charts/options'
import classes from '@/charts/TimeSeries.module.css'
import { formatUnit, type Unit } from '@/lib/format'

const FIGURES = ['min', 'mean', 'max', 'last'] as const
type Key = 'name' | keyof SeriesSummary
const ROW = 22

interface LegendTableProps {
  series: ChartSeries[]
  unit: Unit
  hidden: ReadonlySet<string>
  onChange: (hidden: ReadonlySet<string>) => void
}

export function LegendTable({ series, unit, hidden, onChange }: LegendTableProps) {
  const { t, i18n } = useTranslation()
  const [order, setOrder] = useState<{ key: Key; down: boolean } | null>(null)
  const scroll = useRef<HTMLDivElement>(null)
  const all = useMemo(() => series.map(s => s.label), [series])
  const rows = useMemo(() => {
    const list = series.map(s => ({ s, sum: summarize(s.values) }))
    if (order === null) {
      return list
    }
    const sign = order.down ? -1 : 1
    return list.sort((a, b) =>
      order.key === 'name'
        ? a.s.label.localeCompare(b.s.label, undefined, { numeric: true }) * sign
        : ((a.sum[order.key] ?? Number.NEGATIVE_INFINITY) - (b.sum[order.key] ?? Number.NEGATIVE_INFINITY)) *
          sign,
    )
  }, [series, order])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 10,
    initialRect: { width: 800, height: 220 },
  })
  const head = (key: Key) => (
    <button
      type="button"
      role="columnheader"
      key={key}
      className={key === 'name' ? classes.ltName : classes.ltNum}
      aria-sort={order?.key === key ? (order.down ? 'descending' : 'ascending') : 'none'}
      onClick={() =>
        setOrder(
          order?.key !== key
            ? { key, down: key !== 'name' }
            : order.down === (key !== 'name')
              ? { key, down: !order.down }
              : null,
        )
      }
    >
      {key === 'name' ? t('chart.series', { count: series.length }) : t(`chart.fig_${key}`)}
      {order?.key === key && (order.down ? <IconChevronDown size={11} /> : <IconChevronUp size={11} />)}
    </button>
  )
  return (
    <div className={classes.lt} role="table" aria-label={t('chart.legend')} aria-rowcount={rows.length + 1}>
      <div className={`${classes.ltRow} ${classes.ltHead}`} role="row">
        <span className={classes.ltMark} role="columnheader">
          <span className="visually-hidden">{t('chart.legend')}</span>
        </span>
        {head('name')}
        {FIGURES.map(head)}
      </div>
      <div ref={scroll} className={classes.ltBody} role="rowgroup">
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }} role="presentation">
          {virtual.getVirtualItems().map(v => {
            const row = rows[v.index]
            if (row === undefined) {
              return null
            }
            const { s, sum } = row
            return (
              <div
                key={s.label}
                role="row"
                className={classes.ltRow}
                style={{ position: 'absolute', top: 0, transform: `translateY(${v.start}px)` }}
                data-hidden={hidden.has(s.label)}
                onClick={e =>
                  onChange(
                    e.ctrlKey || e.shiftKey || e.metaKey
                      ? toggle(s.label, hidden)
                      : isolate(s.label, all, hidden),
                  )
                }
                onKeyDown={() => {}}
              >
                <span className={classes.ltMark} role="cell">
                  <span
                    className={classes.swatch}
                    style={
                      s.dashed === true
                        ? { background: `repeating-linear-gradient(90deg, ${s.color} 0 4px, transparent 4px 6px)` }
                        : { background: s.color }
                    }
                  />
                </span>
                <span className={classes.ltName} role="cell">
                  <button
                    type="button"
                    className={classes.ltButton}
                    aria-pressed={!hidden.has(s.label)}
                    title={`${s.label}\n${t('chart.legendHint')}`}
                  >
                    {s.label}
                  </button>
                </span>
                {FIGURES.map(f => (
                  <span key={f} className={classes.ltNum} role="cell">
                    {formatUnit(sum[f], unit, i18n.language)}
                  </span>
                ))}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}
