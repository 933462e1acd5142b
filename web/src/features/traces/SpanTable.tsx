// Every span as a row (only those on screen exist), or spans of one service or operation taken together.
import { SegmentedControl, TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronUp, IconSearch } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type GroupRow, groupSpans } from '@/features/traces/merge'
import searchClasses from '@/features/traces/search.module.css'
import classes from '@/features/traces/traces.module.css'
import { preorder, type SpanNode, spanMatches, type TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger, formatPercent } from '@/lib/format'
import { Dot, Toned } from '@/ui/Figures'
import { type Column, SortableTable } from '@/ui/SortableTable'
import ui from '@/ui/ui.module.css'

const ROW = 30
const COLUMNS = ['service', 'operation', 'kind', 'offset', 'duration', 'self', 'status'] as const
type Key = (typeof COLUMNS)[number]
const TEMPLATE = 'minmax(110px, 1fr) minmax(140px, 2.4fr) 88px 88px 92px 104px 96px'

function value(n: SpanNode, key: Key): string | number {
  switch (key) {
    case 'service':
      return n.span.service
    case 'operation':
      return n.span.name
    case 'kind':
      return n.span.kind
    case 'offset':
      return n.start
    case 'duration':
      return n.end - n.start
    case 'self':
      return n.self
    case 'status':
      return n.span.status === 'error' ? 0 : 1
  }
}

export function sortSpans(nodes: SpanNode[], key: Key, down: boolean): SpanNode[] {
  const sorted = nodes
    .map(n => ({ n, v: value(n, key) }))
    .sort((a, b) =>
      typeof a.v === 'number' && typeof b.v === 'number' ? a.v - b.v : String(a.v).localeCompare(String(b.v)),
    )
    .map(x => x.n)
  return down ? sorted.reverse() : sorted
}

interface SpanTableProps {
  tree: TraceTree
  colors: Map<string, string>
  height: number
  selected: string
  find: string
  onFind: (text: string) => void
  onSelect: (spanId: string) => void
}

function Spans({ tree, colors, height, selected, find, onSelect }: SpanTableProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [order, setOrder] = useState<{ key: Key; down: boolean }>({ key: 'self', down: true })
  const scroll = useRef<HTMLDivElement>(null)
  const rows = useMemo(
    () =>
      sortSpans(
        preorder(tree.roots).filter(n => !n.missing && (find.trim() === '' || spanMatches(n.span, find))),
        order.key,
        order.down,
      ),
    [tree, find, order],
  )
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 15,
  })
  const at = rows.findIndex(r => r.span.span_id === selected)
  const onKey = (e: KeyboardEvent) => {
    const by: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 }
    const step = by[e.key]
    const next = step === undefined ? undefined : rows[Math.max(0, Math.min(rows.length - 1, at + step))]
    if (next !== undefined) {
      e.preventDefault()
      onSelect(next.span.span_id)
      virtual.scrollToIndex(rows.indexOf(next), { align: 'auto' })
    } else if (e.key === 'Escape') {
      onSelect('')
    }
  }
  const right = (k: Key) => (['offset', 'duration', 'self'].includes(k) ? searchClasses.numCell : undefined)
  const titles: Record<Key, string> = {
    service: t('common.service'),
    operation: t('traces.operation'),
    kind: t('trace.kind'),
    offset: t('trace.offset'),
    duration: t('traces.duration'),
    self: t('trace.self'),
    status: t('traces.status'),
  }
  return (
    <div
      ref={scroll}
      className={searchClasses.results}
      style={{ height }}
      role="grid"
      aria-label={t('trace.tab_spans')}
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      onKeyDown={onKey}
    >
      <div
        className={searchClasses.gridHead}
        role="row"
        tabIndex={-1}
        style={{ gridTemplateColumns: TEMPLATE, minWidth: 740 }}
      >
        {COLUMNS.map(k => (
          <div
            key={k}
            role="columnheader"
            tabIndex={-1}
            className={right(k)}
            aria-sort={order.key === k ? (order.down ? 'descending' : 'ascending') : undefined}
          >
            <button
              type="button"
              className={ui.sort}
              onClick={() =>
                setOrder({ key: k, down: order.key === k ? !order.down : right(k) !== undefined })
              }
            >
              {titles[k]}
              {order.key === k && (order.down ? <IconChevronDown size={12} /> : <IconChevronUp size={12} />)}
            </button>
          </div>
        ))}
      </div>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map(v => {
          const n = rows[v.index]
          if (n === undefined) {
            return null
          }
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid around it handles the keyboard
            <div
              key={v.key}
              className={searchClasses.gridRow}
              style={{
                transform: `translateY(${v.start}px)`,
                height: ROW,
                gridTemplateColumns: TEMPLATE,
                minWidth: 740,
                cursor: 'pointer',
              }}
              role="row"
              tabIndex={-1}
              aria-selected={n.span.span_id === selected}
              onClick={() => onSelect(n.span.span_id === selected ? '' : n.span.span_id)}
            >
              <div role="gridcell" tabIndex={-1}>
                <Dot color={colors.get(n.span.service) ?? ''} /> {n.span.service}
              </div>
              <div role="gridcell" tabIndex={-1} title={n.span.name}>
                {n.span.name}
              </div>
              <div role="gridcell" tabIndex={-1}>
                {t(`spanKind.${n.span.kind}`)}
              </div>
              <div role="gridcell" tabIndex={-1} className={searchClasses.numCell}>
                +{formatDurationNs(n.start, lang)}
              </div>
              <div role="gridcell" tabIndex={-1} className={searchClasses.numCell}>
                {formatDurationNs(n.end - n.start, lang)}
              </div>
              <div role="gridcell" tabIndex={-1} className={searchClasses.numCell}>
                {formatDurationNs(n.self, lang)}
              </div>
              <div role="gridcell" tabIndex={-1}>
                {n.span.status === 'error' ? (
                  <Toned tone="bad">{t('spanStatus.error')}</Toned>
                ) : (
                  t(`spanStatus.${n.span.status}`)
                )}
              </div>
            </div>
          )
        })}
      </div>
    </div>
  )
}

export function GroupTable({
  tree,
  colors,
  by,
}: {
  tree: TraceTree
  colors: Map<string, string>
  by: 'service' | 'operation'
}) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows = useMemo(() => groupSpans(tree, by), [tree, by])
  const columns = useMemo<Column<GroupRow>[]>(() => {
    const time = (key: 'self' | 'total' | 'max' | 'p95', title: string): Column<GroupRow> => ({
      key,
      title,
      right: true,
      sort: r => r[key],
      cell: r => formatDurationNs(r[key], lang),
    })
    return [
      {
        key: 'service',
        title: t('common.service'),
        sort: r => r.service,
        cell: r => (
          <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8 }}>
            <Dot color={colors.get(r.service) ?? ''} /> {r.service}
          </span>
        ),
      },
      ...(by === 'operation'
        ? [
            {
              key: 'name',
              title: t('traces.operation'),
              sort: (r: GroupRow) => r.name,
              cell: (r: GroupRow) => r.name,
            },
          ]
        : []),
      {
        key: 'count',
        title: t('trace.count'),
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
      time('self', t('trace.self')),
      {
        key: 'share',
        title: t('trace.selfShare'),
        right: true,
        sort: r => r.self,
        cell: r => formatPercent(tree.duration === 0 ? 0 : r.self / tree.duration, lang),
      },
      time('total', t('trace.total')),
      {
        key: 'mean',
        title: t('trace.mean'),
        right: true,
        sort: r => r.total / r.count,
        cell: r => formatDurationNs(r.total / r.count, lang),
      },
      time('p95', 'p95'),
      time('max', t('trace.max')),
    ]
  }, [t, lang, colors, tree.duration, by])
  return (
    <SortableTable
      label={t(by === 'service' ? 'trace.byService' : 'trace.byOperation')}
      rows={rows}
      columns={columns}
      rowKey={r => r.key}
      initialSort={{ key: 'self', down: true }}
    />
  )
}

export function SpanTable(props: SpanTableProps) {
  const { t } = useTranslation()
  const [by, setBy] = useState<'span' | 'operation' | 'service'>('span')
  return (
    <div style={{ minWidth: 0 }}>
      <div className={classes.tools}>
        <SegmentedControl
          size="xs"
          value={by}
          onChange={v => setBy(v as typeof by)}
          data={[
            { value: 'span', label: t('trace.bySpan') },
            { value: 'operation', label: t('trace.byOperation') },
            { value: 'service', label: t('trace.byService') },
          ]}
        />
        {by === 'span' && (
          <TextInput
            w={230}
            value={props.find}
            placeholder={t('trace.find')}
            aria-label={t('trace.find')}
            leftSection={<IconSearch size={14} />}
            onChange={e => props.onFind(e.currentTarget.value)}
          />
        )}
      </div>
      {by === 'span' ? <Spans {...props} /> : <GroupTable tree={props.tree} colors={props.colors} by={by} />}
    </div>
  )
}
