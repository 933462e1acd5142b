// The waterfall: only the rows on screen exist in the page, so ten thousand spans scroll like ten.
// Keyboard: j/k or up/down move, h/l or left/right fold, Enter opens the detail, n/N go to the next match,
// Escape closes the detail.
import { ActionIcon, Button, Menu, Switch, TextInput, Tooltip } from '@mantine/core'
import {
  IconChevronDown,
  IconChevronRight,
  IconChevronUp,
  IconFold,
  IconLink,
  IconSearch,
  IconZoomReset,
} from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toneColor } from '@/charts/palette'
import { Minimap } from '@/features/traces/Minimap'
import classes from '@/features/traces/traces.module.css'
import {
  criticalPath,
  foldedBelow,
  foldedInService,
  mainRoot,
  preorder,
  type Segment,
  type SpanNode,
  selfSegments,
  spanMatches,
  type TraceTree,
  ticks,
  visibleRows,
} from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger } from '@/lib/format'
import { nsDiff } from '@/lib/ns'
import { useScheme } from '@/lib/scheme'
import { ToneMark } from '@/ui/Figures'

const ROW = 26
const MAX_INDENT = 24
/** More parts than this in one bar cannot be told apart. */
const MAX_PARTS = 150

/** What part of the time the lanes show, ns. */
export interface View {
  from: number
  to: number
}

interface RowProps {
  node: SpanNode
  tree: TraceTree
  view: View
  top: number
  color: string
  folded: boolean
  selected: boolean
  dim: boolean
  hit: boolean
  segments: Segment[] | undefined
  onSelect: () => void
  onFold: () => void
}

function Lane({
  node,
  tree,
  view,
  color,
  segments,
}: Pick<RowProps, 'node' | 'tree' | 'view' | 'color' | 'segments'>) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const width = view.to - view.from || 1
  const at = (ns: number) => ((ns - view.from) / width) * 100
  const clip = (v: number) => Math.min(100, Math.max(0, v))
  const part = (a: number, b: number) => {
    const left = clip(at(a))
    return { left: `${left}%`, width: `${clip(at(b)) - left}%` }
  }
  const seen = (a: number, b: number) => b >= view.from && a <= view.to
  const failed = node.span.status === 'error'
  const label = formatDurationNs(node.end - node.start, i18n.language)
  const own = node.children.length === 0 ? [] : selfSegments(node)
  const end = at(node.end)
  if (!seen(node.start, node.end)) {
    return (
      <div className={classes.lane}>
        <span className={classes.outside} style={node.end < view.from ? { left: 4 } : { right: 4 }}>
          {node.end < view.from ? '◂' : '▸'} {label}
        </span>
      </div>
    )
  }
  return (
    <div className={classes.lane}>
      <div
        className={`${classes.span} ${node.missing ? classes.ghost : ''}`}
        style={{
          ...part(node.start, node.end),
          background: node.missing
            ? undefined
            : own.length > 0 && own.length <= MAX_PARTS
              ? `color-mix(in srgb, ${color} 42%, var(--surface))`
              : color,
          boxShadow: failed ? `0 0 0 1.5px ${toneColor('bad', scheme)}` : undefined,
        }}
      />
      {own.length > 0 &&
        own.length <= MAX_PARTS &&
        !node.missing &&
        own
          .filter(([a, b]) => seen(a, b))
          .map(([a, b]) => (
            <div key={a} className={classes.own} style={{ ...part(a, b), background: color }} />
          ))}
      {segments
        ?.filter(s => seen(s.start, s.end))
        .map(s => (
          <div key={s.start} className={classes.crit} style={part(s.start, s.end)} />
        ))}
      {node.span.events.map((e, i) => {
        const when = nsDiff(String(tree.startNs), e.time_ns) + node.shift
        return seen(when, when) ? (
          <div
            key={i}
            className={classes.mark}
            data-exception={e.name === 'exception'}
            title={`${e.name} +${formatDurationNs(when - node.start, i18n.language)}`}
            style={{ left: `${at(when)}%` }}
          />
        ) : null
      })}
      {/* the text stands where there is room: right of the bar, or left of it at the end */}
      <span
        className={classes.time}
        style={
          end > 88 && at(node.start) > 12
            ? { right: `${100 - clip(at(node.start))}%` }
            : { left: `${clip(end)}%` }
        }
      >
        {label}
        {node.shift !== 0 && (
          <span
            className={classes.shift}
            title={t('trace.shiftedBy', { offset: shiftText(node.shift, i18n.language) })}
          >
            ⇄ {shiftText(node.shift, i18n.language)}
          </span>
        )}
      </span>
    </div>
  )
}

export function shiftText(ns: number, lang: string): string {
  return `${ns < 0 ? '−' : '+'}${formatDurationNs(Math.abs(ns), lang)}`
}

function Row(props: RowProps) {
  const { node, tree, view, top, color, folded, selected, dim, hit, segments, onSelect, onFold } = props
  const { t, i18n } = useTranslation()
  const { span } = node
  const failed = span.status === 'error'
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree around it handles the keyboard
    <div
      className={`${classes.row} ${dim ? classes.dim : ''} ${hit ? classes.hit : ''}`}
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
          style={{
            position: 'static',
            width: 4,
            height: 14,
            background: node.missing ? 'var(--line-strong)' : color,
            flex: 'none',
          }}
        />
        {failed && <ToneMark tone="bad" />}
        {!failed && folded && node.errorBelow && <ToneMark tone="warn" />}
        {node.missing ? (
          <span className={classes.opname}>
            <i>{t('trace.missingParent')}</i> <span className="mono">{span.span_id}</span>
          </span>
        ) : (
          <>
            <span className={classes.svc}>{span.service}</span>
            <span className={classes.opname} title={span.name}>
              {node.orphan && `${t('trace.orphan')} `}
              {span.name}
            </span>
          </>
        )}
        {folded && <span className={classes.below}>+{formatInteger(node.below, i18n.language)}</span>}
        {span.links.length > 0 && <IconLink size={12} aria-label={t('trace.links')} />}
      </div>
      <Lane node={node} tree={tree} view={view} color={color} segments={segments} />
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
  const [cursor, setCursor] = useState(selected)
  const [view, setView] = useState<View | null>(null)
  const scroll = useRef<HTMLDivElement>(null)
  const rows = useMemo(() => visibleRows(tree, collapsed), [tree, collapsed])
  const path = useMemo(() => {
    const by = new Map<string, Segment[]>()
    for (const s of criticalPath(mainRoot(tree))) {
      const list = by.get(s.id)
      if (list === undefined) {
        by.set(s.id, [s])
      } else {
        list.push(s)
      }
    }
    return by
  }, [tree])
  const hits = useMemo(
    () =>
      find.trim() === '' ? [] : preorder(tree.roots).filter(n => !n.missing && spanMatches(n.span, find)),
    [tree, find],
  )
  const hitIds = useMemo(() => new Set(hits.map(n => n.span.span_id)), [hits])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 20,
  })
  const shown: View = view ?? { from: 0, to: tree.duration }
  const width = shown.to - shown.from
  const at = rows.findIndex(r => r.span.span_id === cursor)
  const marks = ticks(width, 5, shown.from)
  const hitAt = hits.findIndex(n => n.span.span_id === cursor)

  useEffect(() => setCursor(c => (selected === '' ? c : selected)), [selected])
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when another span is meant
  useEffect(() => {
    if (at >= 0) {
      virtual.scrollToIndex(at, { align: 'auto' })
    }
  }, [cursor, at >= 0])

  const move = (id: string) => {
    setCursor(id)
    // an open detail follows the cursor
    if (selected !== '') {
      onSelect(id)
    }
  }
  const fold = (id: string, close: boolean) => {
    const next = new Set(collapsed)
    if (close) {
      next.add(id)
    } else {
      next.delete(id)
    }
    setCollapsed(next)
  }
  /** Opens what hides the span. */
  const reveal = (node: SpanNode) => {
    const next = new Set(collapsed)
    for (let p = node.parent; p !== null; p = p.parent) {
      next.delete(p.span.span_id)
    }
    if (next.size !== collapsed.size) {
      setCollapsed(next)
    }
    move(node.span.span_id)
  }
  const seek = (by: number) => {
    const n = hits.length
    const target = n === 0 ? undefined : hits[hitAt < 0 ? (by > 0 ? 0 : n - 1) : (hitAt + by + n) % n]
    if (target !== undefined) {
      reveal(target)
    }
  }
  const onKey = (e: KeyboardEvent) => {
    const node = rows[at]
    const go = (i: number) => {
      const target = rows[Math.max(0, Math.min(rows.length - 1, i))]
      if (target !== undefined) {
        move(target.span.span_id)
      }
    }
    const left = () => {
      if (node !== undefined && node.children.length > 0 && !collapsed.has(node.span.span_id)) {
        fold(node.span.span_id, true)
      } else if (node?.parent) {
        move(node.parent.span.span_id)
      }
    }
    const right = () => {
      if (node !== undefined && collapsed.has(node.span.span_id)) {
        fold(node.span.span_id, false)
      } else if (node?.children[0] !== undefined) {
        move(node.children[0].span.span_id)
      }
    }
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      j: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      k: () => go(at - 1),
      PageDown: () => go(at + 15),
      PageUp: () => go(at - 15),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      Escape: () => onSelect(''),
      Enter: () => node !== undefined && !node.missing && onSelect(node.span.span_id),
      ArrowLeft: left,
      h: left,
      ArrowRight: right,
      l: right,
      n: () => seek(1),
      N: () => seek(-1),
    }
    const act = e.ctrlKey || e.metaKey || e.altKey ? undefined : moves[e.key]
    if (act !== undefined) {
      e.preventDefault()
      act()
    }
  }
  return (
    <div style={{ minWidth: 0 }}>
      <div className={classes.tools}>
        <TextInput
          w={230}
          value={find}
          placeholder={t('trace.find')}
          aria-label={t('trace.find')}
          leftSection={<IconSearch size={14} />}
          onChange={e => onFind(e.currentTarget.value)}
          onKeyDown={e => e.key === 'Enter' && seek(e.shiftKey ? -1 : 1)}
        />
        {find.trim() !== '' && (
          <span className={classes.hits} role="status">
            {t('trace.hits', { at: hitAt + 1, of: formatInteger(hits.length, i18n.language) })}
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              aria-label={t('trace.previousHit')}
              onClick={() => seek(-1)}
            >
              <IconChevronUp size={14} />
            </ActionIcon>
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              aria-label={t('trace.nextHit')}
              onClick={() => seek(1)}
            >
              <IconChevronDown size={14} />
            </ActionIcon>
          </span>
        )}
        <Switch
          label={t('trace.critical')}
          checked={critical}
          onChange={e => setCritical(e.currentTarget.checked)}
        />
        <div className="grow" />
        {view !== null && (
          <Button
            size="compact-xs"
            variant="light"
            leftSection={<IconZoomReset size={13} />}
            onClick={() => setView(null)}
          >
            {t('trace.wholeTime')}
          </Button>
        )}
        <Tooltip label={t('trace.keys')} multiline w={260}>
          <span className={classes.keyHint}>j k h l</span>
        </Tooltip>
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="compact-sm" variant="default" leftSection={<IconFold size={14} />}>
              {t('trace.foldMenu')}
            </Button>
          </Menu.Target>
          <Menu.Dropdown mah={360} style={{ overflow: 'auto' }}>
            <Menu.Item onClick={() => setCollapsed(new Set())}>{t('trace.unfoldAll')}</Menu.Item>
            {[1, 2, 3, 4]
              .filter(level => level < tree.depth + 1)
              .map(level => (
                <Menu.Item key={level} onClick={() => setCollapsed(foldedBelow(tree, level))}>
                  {t('trace.foldLevel', { level })}
                </Menu.Item>
              ))}
            <Menu.Divider />
            {[...tree.services].sort().map(s => (
              <Menu.Item
                key={s}
                onClick={() => setCollapsed(new Set([...collapsed, ...foldedInService(tree, s)]))}
              >
                {t('trace.foldService', { service: s })}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      </div>
      <Minimap tree={tree} colors={colors} view={view} onView={setView} />
      <div className={classes.head} aria-hidden="true">
        <div>{t('trace.spanColumn')}</div>
        <div className={classes.ruler}>
          {marks.map(m => (
            <span
              key={m}
              className={classes.tick}
              style={{ left: `${((m - shown.from) / (width || 1)) * 100}%` }}
            >
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
                view={shown}
                top={v.start}
                color={colors.get(node.span.service) ?? 'var(--ink-3)'}
                folded={collapsed.has(id)}
                selected={id === cursor}
                dim={hits.length > 0 && !hitIds.has(id)}
                hit={hitIds.has(id)}
                segments={critical ? path.get(id) : undefined}
                onSelect={() => {
                  setCursor(id)
                  if (!node.missing) {
                    onSelect(id === selected ? '' : id)
                  }
                }}
                onFold={() => fold(id, !collapsed.has(id))}
              />
            )
          })}
        </div>
      </div>
    </div>
  )
}
