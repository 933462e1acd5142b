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
  const items = virtual.getVirtualItems()
  const before = items[0]?.start ?? 0
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  const next = (key: Key) =>
    order?.key !== key
      ? { key, down: key !== 'name' }
      : order.down === (key !== 'name')
        ? { key, down: !order.down }
        : null
  const head = (key: Key) => (
    <th
      key={key}
      className={key === 'name' ? undefined : classes.ltNum}
      aria-sort={order?.key === key ? (order.down ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" onClick={() => setOrder(next(key))}>
        {key === 'name' ? t('chart.series', { count: series.length }) : t(`chart.fig_${key}`)}
        {order?.key === key && (order.down ? <IconChevronDown size={11} /> : <IconChevronUp size={11} />)}
      </button>
    </th>
  )
  return (
    <div ref={scroll} className={classes.ltBox}>
      <table className={classes.lt} aria-label={t('chart.legend')} aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {head('name')}
            {FIGURES.map(head)}
          </tr>
        </thead>
        <tbody>
          {before > 0 && (
            <tr>
              <td style={{ height: before, padding: 0 }} colSpan={5} />
            </tr>
          )}
          {items.map(v => {
            const row = rows[v.index]
            if (row === undefined) {
              return null
            }
            const { s, sum } = row
            return (
              <tr key={s.label} data-hidden={hidden.has(s.label)}>
                <td className={classes.ltName}>
                  <button
                    type="button"
                    aria-pressed={!hidden.has(s.label)}
                    title={`${s.label}\n${t('chart.legendHint')}`}
                    onClick={e =>
                      onChange(
                        e.ctrlKey || e.shiftKey || e.metaKey
                          ? toggle(s.label, hidden)
                          : isolate(s.label, all, hidden),
                      )
                    }
                  >
                    <span
                      className={classes.swatch}
                      style={{
                        background:
                          s.dashed === true
                            ? `repeating-linear-gradient(90deg, ${s.color} 0 4px, transparent 4px 6px)`
                            : s.color,
                      }}
                    />
                    <span className={classes.itemLabel}>{s.label}</span>
                  </button>
                </td>
                {FIGURES.map(f => (
                  <td key={f} className={classes.ltNum}>
                    {formatUnit(sum[f], unit, i18n.language)}
                  </td>
                ))}
              </tr>
            )
          })}
          {after > 0 && (
            <tr>
              <td style={{ height: after, padding: 0 }} colSpan={5} />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  )
}
