// The waterfall: only the rows on screen exist in the page, so ten thousand spans scroll like ten.
// Keyboard: up/down move, left/right fold, Home/End, Escape closes the detail.
import { ActionIcon, Switch, TextInput, Tooltip } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconFoldDown, IconFoldUp, IconSearch } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toneColor } from '@/charts/palette'
import classes from '@/features/traces/traces.module.css'
import {
  criticalPath,
  type Segment,
  type SpanNode,
  spanMatches,
  type TraceTree,
  ticks,
  visibleRows,
} from '@/features/traces/waterfall'
import { formatDurationNs } from '@/lib/format'
import { nsDiff } from '@/lib/ns'
import { useScheme } from '@/lib/scheme'
import { ToneMark } from '@/ui/Figures'

const ROW = 26
const MAX_INDENT = 24

interface RowProps {
  node: SpanNode
  tree: TraceTree
  top: number
  color: string
  folded: boolean
  selected: boolean
  dim: boolean
  segments: Segment[] | undefined
  onSelect: () => void
  onFold: () => void
}

function Lane({ node, tree, color, segments }: Pick<RowProps, 'node' | 'tree' | 'color' | 'segments'>) {
  const { i18n } = useTranslation()
  const scheme = useScheme()
  const total = tree.duration || 1
  const pct = (ns: number) => `${(ns / total) * 100}%`
  const failed = node.span.status === 'error'
  const label = formatDurationNs(node.end - node.start, i18n.language)
  return (
    <div className={classes.lane}>
      <div
        className={classes.span}
        style={{
          left: pct(node.start),
          width: pct(node.end - node.start),
          background: color,
          boxShadow: failed ? `0 0 0 1.5px ${toneColor('bad', scheme)}` : undefined,
        }}
      />
      {segments?.map(s => (
        <div
          key={s.start}
          className={classes.crit}
          style={{ left: pct(s.start), width: pct(s.end - s.start) }}
        />
      ))}
      {node.span.events.map((e, i) => (
        <div
          key={i}
          className={classes.mark}
          style={{ left: pct(Number(nsDiff(String(tree.startNs), e.time_ns))) }}
        />
      ))}
      <span className={classes.time} style={{ left: pct(node.end) }}>
        {label}
      </span>
    </div>
  )
}

function Row(props: RowProps) {
  const { node, tree, top, color, folded, selected, dim, segments, onSelect, onFold } = props
  const { t } = useTranslation()
  const { span } = node
  const failed = span.status === 'error'
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree around it handles the keyboard
    <div
      className={`${classes.row} ${dim ? classes.dim : ''}`}
      style={{ transform: `translateY(${top}px)` }}
      role="treeitem"
      tabIndex={-1}
      aria-level={node.depth + 1}
      aria-selected={selected}
      aria-expanded={node.children.length === 0 ? undefined : !folded}
      data-span-error={failed}
      onClick={onSelect}
    >
      <div className={classes.name} style={{ paddingLeft: 8 + Math.min(node.depth, MAX_INDENT) * 14 }}>
        {node.children.length > 0 ? (
          <button
            type="button"
            tabIndex={-1}
            className={classes.twist}
            aria-label={t(folded ? 'trace.unfold' : 'trace.fold')}
            onClick={e => {
              e.stopPropagation()
              onFold()
            }}
          >
            {folded ? <IconChevronRight size={13} /> : <IconChevronDown size={13} />}
          </button>
        ) : (
          <span className={classes.twist} />
        )}
        <span
          className={classes.span}
          style={{ position: 'static', width: 4, height: 14, background: color, flex: 'none' }}
        />
        {failed && <ToneMark tone="bad" />}
        {!failed && folded && node.errorBelow && <ToneMark tone="warn" />}
        <span className={classes.svc}>{span.service}</span>
        <span className={classes.opname} title={span.name}>
          {node.orphan && `${t('trace.orphan')} `}
          {span.name}
          {folded && ` (+${node.children.length})`}
        </span>
      </div>
      <Lane node={node} tree={tree} color={color} segments={segments} />
    </div>
  )
}

interface WaterfallProps {
  tree: TraceTree
  colors: Map<string, string>
  selected: string
  find: string
  height: number
  onSelect: (spanId: string) => void
  onFind: (text: string) => void
}

export function Waterfall({ tree, colors, selected, find, height, onSelect, onFind }: WaterfallProps) {
  const { t, i18n } = useTranslation()
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set())
  const [critical, setCritical] = useState(true)
  const scroll = useRef<HTMLDivElement>(null)
  const rows = useMemo(() => visibleRows(tree, collapsed), [tree, collapsed])
  const path = useMemo(() => {
    const by = new Map<string, Segment[]>()
    for (const s of criticalPath(tree.roots[0])) {
      by.set(s.id, [...(by.get(s.id) ?? []), s])
    }
    return by
  }, [tree])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 20,
  })
  const at = rows.findIndex(r => r.span.span_id === selected)
  const marks = ticks(tree.duration, 5)

  // biome-ignore lint/correctness/useExhaustiveDependencies: only when another span is selected
  useEffect(() => {
    if (at >= 0) {
      virtual.scrollToIndex(at, { align: 'auto' })
    }
  }, [selected])

  const fold = (id: string, close: boolean) => {
    const next = new Set(collapsed)
    if (close) {
      next.add(id)
    } else {
      next.delete(id)
    }
    setCollapsed(next)
  }
  const onKey = (e: KeyboardEvent) => {
    const node = rows[at]
    const go = (i: number) => {
      const target = rows[Math.max(0, Math.min(rows.length - 1, i))]
      if (target !== undefined) {
        onSelect(target.span.span_id)
      }
    }
    const left = () => {
      if (node !== undefined && node.children.length > 0 && !collapsed.has(node.span.span_id)) {
        fold(node.span.span_id, true)
      } else if (node?.parent) {
        onSelect(node.parent.span.span_id)
      }
    }
    const moves = new Map<string, () => void>([
      ['ArrowDown', () => go(at + 1)],
      ['ArrowUp', () => go(at - 1)],
      ['PageDown', () => go(at + 15)],
      ['PageUp', () => go(at - 15)],
      ['Home', () => go(0)],
      ['End', () => go(rows.length - 1)],
      ['Escape', () => onSelect('')],
      ['ArrowLeft', left],
      ['ArrowRight', () => node !== undefined && fold(node.span.span_id, false)],
    ])
    const move = moves.get(e.key)
    if (move !== undefined) {
      e.preventDefault()
      move()
    }
  }
  const foldAll = () =>
    setCollapsed(
      new Set(
        [...tree.byId.values()].filter(n => n.children.length > 0 && n.depth > 0).map(n => n.span.span_id),
      ),
    )
  return (
    <div style={{ minWidth: 0 }}>
      <div className={classes.tools}>
        <TextInput
          w={240}
          value={find}
          placeholder={t('trace.find')}
          aria-label={t('trace.find')}
          leftSection={<IconSearch size={14} />}
          onChange={e => onFind(e.currentTarget.value)}
        />
        <Switch
          label={t('trace.critical')}
          checked={critical}
          onChange={e => setCritical(e.currentTarget.checked)}
        />
        <div className="grow" />
        <Tooltip label={t('trace.unfoldAll')}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t('trace.unfoldAll')}
            onClick={() => setCollapsed(new Set())}
          >
            <IconFoldDown size={16} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={t('trace.foldAll')}>
          <ActionIcon variant="subtle" color="gray" aria-label={t('trace.foldAll')} onClick={foldAll}>
            <IconFoldUp size={16} />
          </ActionIcon>
        </Tooltip>
      </div>
      <div className={classes.head} aria-hidden="true">
        <div>{t('trace.spanColumn')}</div>
        <div className={classes.ruler}>
          {marks.map(m => (
            <span key={m} className={classes.tick} style={{ left: `${(m / (tree.duration || 1)) * 100}%` }}>
              {formatDurationNs(m, i18n.language)}
            </span>
          ))}
        </div>
      </div>
      <div
        ref={scroll}
        className={classes.scroll}
        style={{ height }}
        role="tree"
        aria-label={t('trace.waterfall')}
        tabIndex={0}
        onKeyDown={onKey}
      >
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(v => {
            const node = rows[v.index]
            if (node === undefined) {
              return null
            }
            const id = node.span.span_id
            return (
              <Row
                key={v.key}
                node={node}
                tree={tree}
                top={v.start}
                color={colors.get(node.span.service) ?? 'var(--ink-3)'}
                folded={collapsed.has(id)}
                selected={id === selected}
                dim={find.trim() !== '' && !spanMatches(node.span, find)}
                segments={critical ? path.get(id) : undefined}
                onSelect={() => onSelect(id === selected ? '' : id)}
                onFold={() => fold(id, !collapsed.has(id))}
              />
            )
          })}
        </div>
      </div>
    </div>
  )
}
