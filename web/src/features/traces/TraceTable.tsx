// The traces found: only the rows on screen exist. A trace opens to the spans that matched; columns are a
// choice of this browser, and any field can be one.
import { ActionIcon, Autocomplete, Checkbox, Popover, Tooltip } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconChevronUp, IconColumns3, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type FoundTrace, tagNamesQuery } from '@/api/traceql'
import { assignColors, toneColor } from '@/charts/palette'
import { SORTS, type TracesState } from '@/features/traces/codec'
import {
  COLUMNS,
  type ColumnChoice,
  type ColumnKey,
  fullBar,
  listRows,
  matchedOf,
  selectedText,
} from '@/features/traces/found'
import { fieldOf } from '@/features/traces/query'
import classes from '@/features/traces/search.module.css'
import traceClasses from '@/features/traces/traces.module.css'
import { attributeText } from '@/lib/attributes'
import { formatDurationNs, formatInteger, formatStamp } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { Dot, Toned } from '@/ui/Figures'
import ui from '@/ui/ui.module.css'

const ROW = 34
const SPAN_ROW = 28
const SHOWN_SERVICES = 3
/** Least width in pixels and share of what is left. */
const WIDTH: Record<ColumnKey, [number, number]> = {
  start: [160, 0],
  root: [210, 3],
  duration: [186, 0],
  spans: [68, 0],
  errors: [72, 0],
  services: [170, 2],
  matched: [78, 0],
  id: [270, 0],
}
const FIELD_WIDTH = 140

interface CellProps {
  column: ColumnKey
  trace: FoundTrace
  longest: number
  colors: Map<string, string>
}

function Cell({ column, trace, longest, colors }: CellProps) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const ns = Number(trace.duration_ns)
  switch (column) {
    case 'start':
      return <span className="num">{formatStamp(nsToMs(trace.start_ns), lang)}</span>
    case 'root':
      return (
        <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className={ui.link}>
          {trace.root_missing === true
            ? t('traces.rootMissing')
            : `${trace.root_service} · ${trace.root_name}`}
        </Link>
      )
    case 'duration':
      return (
        <div className={traceClasses.bar}>
          <div className={traceClasses.barTrack}>
            <div
              className={traceClasses.barFill}
              style={{
                width: `${longest === 0 ? 0 : Math.min(100, (ns / longest) * 100)}%`,
                background: trace.error_count > 0 ? toneColor('bad', scheme) : undefined,
              }}
            />
          </div>
          <span className={traceClasses.barText}>{formatDurationNs(ns, lang)}</span>
        </div>
      )
    case 'spans':
      return <>{formatInteger(trace.span_count, lang)}</>
    case 'errors':
      return trace.error_count > 0 ? (
        <Toned tone="bad">{formatInteger(trace.error_count, lang)}</Toned>
      ) : (
        <>0</>
      )
    case 'services':
      return (
        <div className={traceClasses.services}>
          {trace.services.slice(0, SHOWN_SERVICES).map(s => (
            <span key={s.name} title={t('traces.spansOf', { service: s.name, count: s.spans })}>
              <Dot color={colors.get(s.name) ?? ''} />
              {s.name}
            </span>
          ))}
          {trace.services.length > SHOWN_SERVICES && (
            <span
              title={trace.services
                .slice(SHOWN_SERVICES)
                .map(s => s.name)
                .join(', ')}
            >
              +{trace.services.length - SHOWN_SERVICES}
            </span>
          )}
        </div>
      )
    case 'matched':
      return <>{formatInteger(matchedOf(trace), lang)}</>
    case 'id':
      return <span className="mono">{trace.trace_id}</span>
  }
}

export function ColumnMenu({
  value,
  range,
  onChange,
}: {
  value: ColumnChoice
  range: ResolvedRange
  onChange: (c: ColumnChoice) => void
}) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const names = useQuery(tagNamesQuery(range))
  const known = (names.data ?? [])
    .filter(s => s.name === 'span' || s.name === 'resource')
    .flatMap(s => s.tags.map(tag => fieldOf(s.name, tag)))
    .filter(f => !value.fields.includes(f))
  const add = (field: string) => {
    onChange({ ...value, fields: [...value.fields, field] })
    setText('')
  }
  return (
    <Popover position="bottom-end" shadow="md" width={280}>
      <Popover.Target>
        <Tooltip label={t('traces.columns')}>
          <ActionIcon variant="default" size={30} aria-label={t('traces.columns')}>
            <IconColumns3 size={15} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown style={{ display: 'grid', gap: 6 }}>
        {COLUMNS.map(c => (
          <Checkbox
            key={c}
            size="xs"
            label={t(`traces.column_${c}`)}
            checked={value.shown.includes(c)}
            disabled={c === 'root'}
            onChange={e =>
              onChange({
                ...value,
                shown: COLUMNS.filter(x => (x === c ? e.currentTarget.checked : value.shown.includes(x))),
              })
            }
          />
        ))}
        {value.fields.map(f => (
          <div key={f} style={{ display: 'flex', alignItems: 'center', gap: 6 }}>
            <span className={`mono grow ${classes.clip}`}>{f}</span>
            <button
              type="button"
              className={classes.tiny}
              aria-label={t('traces.removeColumn', { field: f })}
              onClick={() => onChange({ ...value, fields: value.fields.filter(x => x !== f) })}
            >
              <IconX size={12} />
            </button>
          </div>
        ))}
        <Autocomplete
          size="xs"
          comboboxProps={{ withinPortal: false }}
          aria-label={t('traces.addColumn')}
          placeholder={t('traces.addColumn')}
          data={known}
          limit={40}
          value={text}
          onChange={setText}
          onOptionSubmit={add}
        />
      </Popover.Dropdown>
    </Popover>
  )
}

interface TraceTableProps {
  traces: FoundTrace[]
  columns: ColumnChoice
  sort: TracesState['sort']
  up: boolean
  height: number
  onSort: (sort: TracesState['sort'], up: boolean) => void
  onRead: () => void
}

export function TraceTable({ traces, columns, sort, up, height, onSort, onRead }: TraceTableProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const navigate = useNavigate()
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [at, setAt] = useState(-1)
  const scroll = useRef<HTMLDivElement>(null)
  const rows = useMemo(() => listRows(traces, open), [traces, open])
  const longest = useMemo(() => fullBar(traces.map(x => Number(x.duration_ns))), [traces])
  const colors = useMemo(
    () =>
      assignColors(
        traces.flatMap(x => x.services.map(s => s.name)),
        scheme,
      ),
    [traces, scheme],
  )
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: i => (rows[i]?.kind === 'trace' ? ROW : SPAN_ROW),
    getItemKey: i => {
      const r = rows[i]
      return r === undefined ? i : `${r.trace.trace_id}${r.kind}${r.kind === 'span' ? r.span.span_id : ''}`
    },
    overscan: 12,
  })
  const template = [
    '36px',
    ...columns.shown.map(c =>
      WIDTH[c][1] === 0 ? `${WIDTH[c][0]}px` : `minmax(${WIDTH[c][0]}px, ${WIDTH[c][1]}fr)`,
    ),
    ...columns.fields.map(() => `minmax(${FIELD_WIDTH}px, 1fr)`),
  ].join(' ')
  const minWidth =
    36 + columns.shown.reduce((n, c) => n + WIDTH[c][0], 0) + columns.fields.length * FIELD_WIDTH
  const flip = (id: string) => {
    const next = new Set(open)
    if (!next.delete(id)) {
      next.add(id)
    }
    onRead()
    setOpen(next)
  }
  const onKey = (e: KeyboardEvent) => {
    const row = rows[at]
    const go = (i: number) => {
      const next = Math.max(0, Math.min(rows.length - 1, i))
      setAt(next)
      virtual.scrollToIndex(next, { align: 'auto' })
    }
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      j: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      k: () => go(at - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => row?.kind === 'trace' && !open.has(row.trace.trace_id) && flip(row.trace.trace_id),
      ArrowLeft: () => row !== undefined && open.has(row.trace.trace_id) && flip(row.trace.trace_id),
      Enter: () =>
        row !== undefined &&
        void navigate({
          to: '/traces/$traceId',
          params: { traceId: row.trace.trace_id },
          search: (row.kind === 'span' ? { span: row.span.span_id } : {}) as never,
        }),
    }
    const move = moves[e.key]
    const inControl = e.target instanceof Element && e.target.closest('a, button, input') !== null
    if (move !== undefined && !inControl) {
      e.preventDefault()
      onRead()
      move()
    }
  }
  const right = (c: ColumnKey) => (['spans', 'errors', 'matched'].includes(c) ? classes.numCell : undefined)
  return (
    <div
      ref={scroll}
      className={classes.results}
      style={{ height: Math.min(height, virtual.getTotalSize() + 33) }}
      role="grid"
      aria-label={t('traces.list')}
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      onKeyDown={onKey}
      onScroll={e => e.currentTarget.scrollTop > 0 && onRead()}
    >
      <div
        className={classes.gridHead}
        role="row"
        tabIndex={-1}
        aria-rowindex={1}
        style={{ gridTemplateColumns: template, minWidth }}
      >
        <div role="columnheader" tabIndex={-1}>
          <span className="visually-hidden">{t('traces.open')}</span>
        </div>
        {columns.shown.map(c => {
          const key = SORTS.find(s => s === c)
          const sorted = key !== undefined && key === sort
          // names rise from A, everything else falls from the largest
          const rising = sorted && (key === 'root') !== up
          return (
            <div
              key={c}
              role="columnheader"
              tabIndex={-1}
              className={right(c)}
              aria-sort={sorted ? (rising ? 'ascending' : 'descending') : undefined}
            >
              {key === undefined ? (
                t(`traces.column_${c}`)
              ) : (
                <button type="button" className={ui.sort} onClick={() => onSort(key, sorted ? !up : false)}>
                  {t(`traces.column_${c}`)}
                  {sorted && (rising ? <IconChevronUp size={12} /> : <IconChevronDown size={12} />)}
                </button>
              )}
            </div>
          )
        })}
        {columns.fields.map(f => (
          <div key={f} role="columnheader" tabIndex={-1} className="mono" title={f}>
            {f}
          </div>
        ))}
      </div>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map(v => {
          const row = rows[v.index]
          if (row === undefined) {
            return null
          }
          const place = { transform: `translateY(${v.start}px)` }
          if (row.kind !== 'trace') {
            return (
              <div
                key={v.key}
                className={classes.matchRow}
                style={place}
                role="row"
                tabIndex={-1}
                aria-rowindex={v.index + 2}
                aria-selected={v.index === at}
              >
                {row.kind === 'rest' ? (
                  <span role="cell">{t('traces.moreMatches', { count: row.count })}</span>
                ) : (
                  <>
                    <span role="cell">
                      <Link
                        to="/traces/$traceId"
                        params={{ traceId: row.trace.trace_id }}
                        search={{ span: row.span.span_id } as never}
                        className={ui.link}
                      >
                        {row.span.name === '' ? row.span.span_id : row.span.name}
                      </Link>
                    </span>
                    <span role="cell" className="num">
                      {formatDurationNs(Number(row.span.duration_ns), lang)}
                    </span>
                    <span role="cell" className={`mono ${classes.attrs}`}>
                      {Object.entries(row.span.attributes)
                        .map(([k, x]) => `${k}=${attributeText(x)}`)
                        .join('  ')}
                    </span>
                  </>
                )}
              </div>
            )
          }
          const { trace } = row
          const id = trace.trace_id
          return (
            <div
              key={v.key}
              className={classes.gridRow}
              style={{ ...place, gridTemplateColumns: template, minWidth }}
              role="row"
              tabIndex={-1}
              aria-rowindex={v.index + 2}
              aria-selected={v.index === at}
            >
              <div role="cell" style={{ padding: '0 0 0 8px' }}>
                <button
                  type="button"
                  className={classes.tiny}
                  tabIndex={-1}
                  aria-expanded={open.has(id)}
                  aria-label={t('traces.showMatches')}
                  onClick={() => flip(id)}
                >
                  {open.has(id) ? <IconChevronDown size={13} /> : <IconChevronRight size={13} />}
                </button>
              </div>
              {columns.shown.map(c => (
                <div key={c} role="cell" className={right(c)}>
                  <Cell column={c} trace={trace} longest={longest} colors={colors} />
                </div>
              ))}
              {columns.fields.map(f => (
                <div key={f} role="cell" className="mono">
                  {selectedText(trace, f)}
                </div>
              ))}
            </div>
          )
        })}
      </div>
    </div>
  )
}
