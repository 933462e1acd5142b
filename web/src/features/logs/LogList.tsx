// Virtual list with rows that open; asks for the next page before its end is reached.
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import { type AddFilter, LogRow } from '@/features/logs/LogRow'
import classes from '@/features/logs/logs.module.css'

interface LogListProps {
  logs: LogRecord[]
  opened: ReadonlySet<string>
  words: string[]
  height: number
  onToggle: (id: string) => void
  onFilter: AddFilter
  onScrolled: (away: boolean) => void
  onEnd?: (() => void) | undefined
}

export function LogList({
  logs,
  opened,
  words,
  height,
  onToggle,
  onFilter,
  onScrolled,
  onEnd,
}: LogListProps) {
  const { t } = useTranslation()
  const scroll = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: logs.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 27,
    getItemKey: i => logs[i]?.id ?? i,
    overscan: 15,
  })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (onEnd !== undefined && logs.length > 0 && last >= logs.length - 20) {
      onEnd()
    }
  }, [last, logs.length, onEnd])
  return (
    <section
      ref={scroll}
      className={classes.list}
      style={{ height }}
      aria-label={t('logs.list')}
      onScroll={e => onScrolled(e.currentTarget.scrollTop > 40)}
    >
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(v => {
          const log = logs[v.index]
          return log === undefined ? null : (
            <div
              key={v.key}
              ref={virtual.measureElement}
              data-index={v.index}
              data-open={opened.has(log.id)}
              className={classes.row}
              style={{ transform: `translateY(${v.start}px)` }}
            >
              <LogRow
                log={log}
                open={opened.has(log.id)}
                words={words}
                onToggle={onToggle}
                onFilter={onFilter}
              />
            </div>
          )
        })}
      </div>
    </section>
  )
}
