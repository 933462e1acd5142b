// Virtual list with a head whose columns can be moved and resized, rows that open, and keys to walk in it;
// asks for the next page before its end is reached.
import { ActionIcon } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconChevronLeft, IconChevronRight, IconX } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type CSSProperties, type PointerEvent as ReactPointerEvent, useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import { LEVEL_COLUMN, type LogColumn, SERVICE_COLUMN } from '@/features/logs/codec'
import {
  moveColumn,
  resizeColumn,
  template,
  toggleColumn,
  totalWidth,
  widthOf,
} from '@/features/logs/columns'
import { LogRow, type RowLook } from '@/features/logs/LogRow'
import classes from '@/features/logs/logs.module.css'
import type { FieldActions } from '@/features/logs/PlusMinus'

interface HeadProps {
  columns: LogColumn[]
  grid: string
  onColumns: (columns: LogColumn[]) => void
}

function Head({ columns, grid, onColumns }: HeadProps) {
  const { t } = useTranslation()
  const title = (name: string) =>
    name === LEVEL_COLUMN ? t('common.severity') : name === SERVICE_COLUMN ? t('common.service') : name
  const drag = (c: LogColumn) => (e: ReactPointerEvent<HTMLElement>) => {
    e.preventDefault()
    const handle = e.currentTarget
    const begin = e.clientX
    const width = widthOf(c)
    handle.setPointerCapture(e.pointerId)
    const move = (m: PointerEvent) => onColumns(resizeColumn(columns, c.name, width + m.clientX - begin))
    const up = () => {
      handle.removeEventListener('pointermove', move)
      handle.removeEventListener('pointerup', up)
    }
    handle.addEventListener('pointermove', move)
    handle.addEventListener('pointerup', up)
  }
  return (
    <div className={classes.head} style={{ gridTemplateColumns: grid }}>
      <span />
      <span>{t('common.time')}</span>
      {columns.map((c, i) => (
        <span key={c.name} className={classes.headCell}>
          <span className={classes.headName} title={c.name}>
            {title(c.name)}
          </span>
          <span className={classes.headTools}>
            {i > 0 && (
              <ActionIcon
                size={16}
                variant="subtle"
                color="gray"
                aria-label={t('logs.columnLeft', { key: c.name })}
                onClick={() => onColumns(moveColumn(columns, c.name, -1))}
              >
                <IconChevronLeft size={12} />
              </ActionIcon>
            )}
            {i < columns.length - 1 && (
              <ActionIcon
                size={16}
                variant="subtle"
                color="gray"
                aria-label={t('logs.columnRight', { key: c.name })}
                onClick={() => onColumns(moveColumn(columns, c.name, 1))}
              >
                <IconChevronRight size={12} />
              </ActionIcon>
            )}
            <ActionIcon
              size={16}
              variant="subtle"
              color="gray"
              aria-label={t('logs.unpin', { key: c.name })}
              onClick={() => onColumns(toggleColumn(columns, c.name))}
            >
              <IconX size={12} />
            </ActionIcon>
          </span>
          <button
            type="button"
            className={classes.grip}
            aria-label={t('logs.resize', { key: c.name })}
            title={t('logs.resizeHint')}
            onPointerDown={drag(c)}
            onKeyDown={e => {
              const by = e.key === 'ArrowLeft' ? -16 : e.key === 'ArrowRight' ? 16 : 0
              if (by !== 0) {
                e.preventDefault()
                e.stopPropagation()
                onColumns(resizeColumn(columns, c.name, widthOf(c) + by))
              }
            }}
          />
        </span>
      ))}
      <span>{t('common.message')}</span>
    </div>
  )
}

export interface LogListProps {
  logs: LogRecord[]
  opened: ReadonlySet<string>
  active: number
  marks: RegExp[]
  columns: LogColumn[]
  look: RowLook
  dense: boolean
  height: number
  actions: FieldActions
  onColumns: (columns: LogColumn[]) => void
  onToggle: (id: string) => void
  onAround: (log: LogRecord) => void
  onScrolled: (away: boolean) => void
  onEnd?: (() => void) | undefined
}

export function LogList(props: LogListProps) {
  const { logs, opened, active, marks, columns, look, dense, height, actions } = props
  const { onColumns, onToggle, onAround, onScrolled, onEnd } = props
  const { t } = useTranslation()
  const scroll = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: logs.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => (dense ? 21 : 27),
    getItemKey: i => logs[i]?.id ?? i,
    overscan: 15,
    scrollPaddingStart: 30,
  })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (onEnd !== undefined && logs.length > 0 && last >= logs.length - 40) {
      onEnd()
    }
  }, [last, logs.length, onEnd])
  // biome-ignore lint/correctness/useExhaustiveDependencies: other widths and looks mean other heights
  useEffect(() => virtual.measure(), [look.wrap, dense])
  useEffect(() => {
    if (active >= 0) {
      virtual.scrollToIndex(active, { align: 'auto' })
    }
  }, [active, virtual])
  const { ref: box, width } = useElementSize()
  const timeWidth = look.times === 'relative' ? 96 : 150
  const grid = template(columns, timeWidth)
  return (
    <section
      ref={scroll}
      className={`${classes.list} ${dense ? classes.dense : ''}`}
      style={{ height }}
      aria-label={t('logs.list')}
      onScroll={e => onScrolled(e.currentTarget.scrollTop > 40)}
    >
      <div ref={box} style={{ position: 'sticky', left: 0, height: 0 }} />
      <div style={{ minWidth: totalWidth(columns, timeWidth), '--seen': `${width}px` } as CSSProperties}>
        <Head columns={columns} grid={grid} onColumns={onColumns} />
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
                  active={v.index === active}
                  columns={columns}
                  grid={grid}
                  look={look}
                  marks={marks}
                  actions={actions}
                  onToggle={onToggle}
                  onAround={onAround}
                />
              </div>
            )
          })}
        </div>
      </div>
    </section>
  )
}
