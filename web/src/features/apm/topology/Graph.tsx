// The map itself, as SVG: nodes that can be reached by keyboard and moved, edges with their figures, zoom and pan
// without rendering anything anew.
import {
  type Icon,
  IconBolt,
  IconCloud,
  IconDatabase,
  IconDots,
  IconServer,
  IconStack2,
  IconUser,
  IconWorldWww,
} from '@tabler/icons-react'
import {
  memo,
  type PointerEvent as ReactPointerEvent,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { useTranslation } from 'react-i18next'
import { type Tone, toneColor } from '@/charts/palette'
import { boxOf, curveOf, NODE_H, NODE_W, type Point, waypoints } from '@/features/apm/topology/layout'
import {
  changeOf,
  edgeId,
  shortInstance,
  type Topology,
  type TopologyEdge,
  type TopologyNode,
  toneOf,
  widthOf,
} from '@/features/apm/topology/topology'
import classes from '@/features/apm/topology/topology.module.css'
import { edgeText, nodeText } from '@/features/apm/topology/words'
import { formatDurationMs, formatPercent, formatShort } from '@/lib/format'
import { useScheme } from '@/lib/scheme'

export const KIND_ICON: Record<TopologyNode['kind'], Icon> = {
  user: IconUser,
  web: IconWorldWww,
  service: IconServer,
  database: IconDatabase,
  cache: IconBolt,
  queue: IconStack2,
  external: IconCloud,
  other: IconDots,
}

const TONES: Tone[] = ['good', 'warn', 'bad', 'none', 'info']
const LABELS_MAX = 60
const LABELS_TOP = 24

/** About so many pixels wide at 12 px: what is Chinese, Japanese or Korean is twice as wide. */
function shorten(text: string, width: number): string {
  let w = 0
  for (let i = 0; i < text.length; i++) {
    w += text.charCodeAt(i) > 0x2e80 ? 12 : 7.3
    if (w > width) {
      return `${text.slice(0, Math.max(1, i - 1))}…`
    }
  }
  return text
}

/** A shape beside the colour, as everywhere (ui/Figures). */
function Mark({ tone, x, y, color }: { tone: Tone; x: number; y: number; color: string }) {
  switch (tone) {
    case 'bad':
      return <rect x={x} y={y} width={8} height={8} rx={1} fill={color} />
    case 'warn':
      return <path d={`M${x + 4} ${y - 0.5}l4.500 8.500h-9z`} fill={color} />
    case 'info':
      return <path d={`M${x + 4} ${y}v8M${x} ${y + 4}h8`} stroke={color} strokeWidth={2} />
    case 'none':
      return <path d={`M${x} ${y + 4}h8`} stroke={color} strokeWidth={2} />
    default:
      return <circle cx={x + 4} cy={y + 4} r={3.6} fill={color} />
  }
}

interface NodeProps {
  node: TopologyNode
  x: number
  y: number
  chosen: boolean
  dim: boolean
  onSelect: (id: string) => void
  onGrab: (id: string, e: ReactPointerEvent) => void
}

const NodeView = memo(function NodeView({ node, x, y, chosen, dim, onSelect, onGrab }: NodeProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const Icon = KIND_ICON[node.kind]
  const change = changeOf(node)
  const tone = change?.tone ?? toneOf(node)
  const name = node.kind === 'user' || node.kind === 'other' ? t(`topology.kind.${node.kind}`) : node.name
  const second = node.instance !== undefined ? shortInstance(node.instance) : node.namespace
  const gone = change?.what === 'gone'
  const figures = gone
    ? t('topology.gone')
    : `${formatShort(node.tps, lang)}/s · ${formatDurationMs(node.mean_ms, lang)}`
  return (
    <g
      role="button"
      tabIndex={0}
      aria-pressed={chosen}
      aria-label={nodeText(node, t, lang)}
      data-node={node.id}
      className={`${classes.node} ${node.monitored ? '' : classes.unseen} ${chosen ? classes.chosen : ''} ${dim ? classes.dim : ''} ${gone ? classes.goneNode : ''}`}
      transform={`translate(${x} ${y})`}
      onClick={() => onSelect(node.id)}
      onKeyDown={e => {
        if (e.key === 'Enter' || e.key === ' ') {
          e.preventDefault()
          onSelect(node.id)
        }
      }}
      onPointerDown={e => onGrab(node.id, e)}
    >
      <rect
        className={classes.card}
        width={NODE_W}
        height={NODE_H}
        rx={8}
        style={{ '--tone': toneColor(tone, scheme) } as React.CSSProperties}
      />
      {node.requests > 0 && (
        <path d={`M1 9v${NODE_H - 18}`} stroke={toneColor(tone, scheme)} strokeWidth={3} />
      )}
      <Icon
        x={11}
        y={second === undefined ? 10 : 9}
        width={18}
        height={18}
        stroke={1.6}
        className={classes.icon}
      />
      <text x={36} y={second === undefined ? 23 : 18} className={classes.name}>
        {shorten(name, node.instances !== undefined && node.instances > 1 ? 110 : 138)}
      </text>
      {second !== undefined && (
        <text x={36} y={31} className={classes.second}>
          {shorten(second, 138)}
        </text>
      )}
      {node.instances !== undefined && node.instances > 1 && node.instance === undefined && (
        <text x={NODE_W - 8} y={18} textAnchor="end" className={classes.second}>
          ×{node.instances}
        </text>
      )}
      <Mark tone={tone} x={15} y={37} color={toneColor(tone, scheme)} />
      <text x={36} y={46} className={classes.figures}>
        {figures}
        {(node.error_ratio ?? 0) > 0 && (
          <tspan fill={toneColor('bad', scheme)}> · {formatPercent(node.error_ratio, lang)}</tspan>
        )}
      </text>
      <title>{nodeText(node, t, lang)}</title>
    </g>
  )
})

interface EdgeProps {
  edge: TopologyEdge
  id: string
  path: string
  chosen: boolean
  dim: boolean
  onSelect: (id: string) => void
}

function edgeClass(p: { edge: TopologyEdge; chosen: boolean; dim: boolean }): string {
  const { edge } = p
  return [
    classes.edge,
    p.chosen ? classes.chosen : '',
    p.dim ? classes.dim : '',
    edge.change === 'gone' ? classes.goneEdge : edge.change === 'new' ? classes.newEdge : '',
    edge.connection_type === 'messaging_system' ? classes.message : '',
  ].join(' ')
}

const EdgeView = memo(function EdgeView(p: EdgeProps) {
  const { edge, id } = p
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const tone = changeOf(edge)?.tone ?? toneOf(edge)
  const text = `${edge.client} → ${edge.server}: ${edgeText(edge, t, i18n.language)}`
  return (
    <g
      role="button"
      tabIndex={-1}
      aria-label={text}
      data-edge={id}
      className={edgeClass(p)}
      onClick={() => p.onSelect(id)}
      onKeyDown={e => {
        if (e.key === 'Enter') {
          p.onSelect(id)
        }
      }}
    >
      <path className={classes.grab} d={p.path} />
      <path
        className={classes.line}
        d={p.path}
        style={{
          stroke: p.chosen
            ? 'var(--accent)'
            : tone === 'good'
              ? 'var(--line-strong)'
              : toneColor(tone, scheme),
          strokeWidth: widthOf(edge.change === 'gone' ? (edge.before?.tps ?? 0) : edge.tps),
        }}
        markerEnd={`url(#topology-arrow-${tone})`}
      />
      <title>{text}</title>
    </g>
  )
})

const signed = (v: number | undefined, lang: string) =>
  v === undefined ? '–' : `${v >= 1 ? '+' : '−'}${formatPercent(Math.abs(v - 1), lang)}`

interface LabelProps {
  edge: TopologyEdge
  id: string
  x: number
  y: number
  chosen: boolean
  dim: boolean
}

/** The figures of an edge, above all lines. The edge itself says them to screen readers. */
const LabelView = memo(function LabelView(p: LabelProps) {
  const { edge } = p
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const change = changeOf(edge)
  const tone = change?.tone ?? toneOf(edge)
  const failed = (edge.error_ratio ?? 0) > 0 ? formatPercent(edge.error_ratio, lang) : ''
  const lines =
    change?.what === 'gone'
      ? [t('topology.gone')]
      : change?.what === 'same'
        ? [`TPS ${signed(change.tps, lang)}`, `${t('topology.meanShort')} ${signed(change.mean, lang)}`]
        : [
            `${change?.what === 'new' ? `${t('topology.new')} · ` : ''}${formatShort(edge.tps, lang)}/s · ${formatDurationMs(edge.mean_ms, lang)}`,
            [edge.p95_ms === undefined ? '' : `p95 ${formatDurationMs(edge.p95_ms, lang)}`, failed]
              .filter(s => s !== '')
              .join(' · '),
          ].filter(s => s !== '')
  const width =
    Math.max(...lines.map(l => [...l].reduce((n, c) => n + (c.charCodeAt(0) > 0x2e80 ? 11 : 6.2), 0))) + 24
  return (
    <g
      data-edge={p.id}
      data-label=""
      className={`${classes.label} ${p.chosen ? classes.chosen : ''} ${p.dim ? classes.dim : ''}`}
      transform={`translate(${p.x - width / 2} ${p.y - lines.length * 7})`}
    >
      <rect className={classes.plate} width={width} height={lines.length * 14 + 2} rx={4} />
      <Mark tone={tone} x={5} y={4} color={toneColor(tone, scheme)} />
      {lines.map((l, i) => (
        <text key={l} x={17} y={12 + i * 14}>
          {l}
        </text>
      ))}
    </g>
  )
})

export interface GraphHandle {
  fit: () => void
  zoom: (factor: number) => void
}

interface GraphProps {
  topology: Topology
  places: ReadonlyMap<string, Point>
  selected: string
  /** Those that stand out; null: all. */
  near: Set<string> | null
  onSelect: (sel: string) => void
  onMove: (id: string, p: Point, done: boolean) => void
  handle: React.Ref<GraphHandle>
}

interface View {
  x: number
  y: number
  k: number
}

/** Pan and zoom of a group, kept outside of React so that a wheel's turn renders nothing. */
function useView(places: ReadonlyMap<string, Point>) {
  const svg = useRef<SVGSVGElement>(null)
  const group = useRef<SVGGElement>(null)
  const view = useRef<View>({ x: 0, y: 0, k: 1 })
  const latest = useRef(places)
  latest.current = places
  const fitted = useRef(false)
  const apply = useCallback(() => {
    const { x, y, k } = view.current
    group.current?.setAttribute('transform', `translate(${x} ${y}) scale(${k})`)
    svg.current?.setAttribute('data-far', k < 0.22 ? '2' : k < 0.5 ? '1' : '0')
  }, [])
  const fitAll = useCallback(() => {
    const box = boxOf(latest.current.values())
    const w = svg.current?.clientWidth || 1000
    const h = svg.current?.clientHeight || 560
    const k = Math.min(1.15, Math.max(0.08, Math.min(w / box.w, h / box.h)))
    view.current = { k, x: (w - box.w * k) / 2 - box.x * k, y: (h - box.h * k) / 2 - box.y * k }
    apply()
  }, [apply])
  const zoomAt = useCallback(
    (factor: number, px: number, py: number) => {
      const v = view.current
      const k = Math.min(3, Math.max(0.08, v.k * factor))
      view.current = { k, x: px - ((px - v.x) / v.k) * k, y: py - ((py - v.y) / v.k) * k }
      apply()
    },
    [apply],
  )
  useLayoutEffect(() => {
    if (!fitted.current && places.size > 0) {
      fitted.current = true
      fitAll()
    } else {
      apply()
    }
  }, [places, fitAll, apply])
  useEffect(() => {
    const el = svg.current
    const turn = (e: WheelEvent) => {
      e.preventDefault()
      const box = el?.getBoundingClientRect()
      zoomAt(
        Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0016)),
        e.clientX - (box?.left ?? 0),
        e.clientY - (box?.top ?? 0),
      )
    }
    el?.addEventListener('wheel', turn, { passive: false })
    return () => el?.removeEventListener('wheel', turn)
  }, [zoomAt])
  return { svg, group, view, apply, fitAll, zoomAt }
}

export function Graph({ topology, places, selected, near, onSelect, onMove, handle }: GraphProps) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const { svg, group, view, apply, fitAll, zoomAt } = useView(places)
  const drag = useRef<{ id: string; px: number; py: number; from: Point; moved: boolean } | null>(null)
  const [panning, setPanning] = useState(false)
  const suppress = useRef(false)
  const live = useRef({ places, onMove, onSelect })
  live.current = { places, onMove, onSelect }

  useImperativeHandle(handle, () => ({
    fit: fitAll,
    zoom: f => zoomAt(f, (svg.current?.clientWidth ?? 0) / 2, (svg.current?.clientHeight ?? 0) / 2),
  }))

  const grab = useCallback(
    (id: string, e: ReactPointerEvent) => {
      const from = live.current.places.get(id)
      if (e.button === 0 && from !== undefined) {
        e.stopPropagation()
        drag.current = { id, px: e.clientX, py: e.clientY, from, moved: false }
        svg.current?.setPointerCapture?.(e.pointerId)
      }
    },
    [svg],
  )
  const selectNode = useCallback((id: string) => {
    if (!suppress.current) {
      live.current.onSelect(`n:${id}`)
    }
  }, [])
  const selectEdge = useCallback((id: string) => live.current.onSelect(`e:${id}`), [])

  const move = (e: ReactPointerEvent) => {
    const d = drag.current
    if (d === null) {
      return
    }
    const [dx, dy] = [e.clientX - d.px, e.clientY - d.py]
    if (!d.moved && Math.abs(dx) + Math.abs(dy) < 4) {
      return
    }
    d.moved = true
    if (d.id === '') {
      view.current = { ...view.current, x: d.from.x + dx, y: d.from.y + dy }
      apply()
    } else {
      onMove(d.id, { x: d.from.x + dx / view.current.k, y: d.from.y + dy / view.current.k }, false)
    }
  }
  const drop = (e: ReactPointerEvent) => {
    const d = drag.current
    drag.current = null
    setPanning(false)
    svg.current?.releasePointerCapture?.(e.pointerId)
    if (d === null) {
      const label = (e.target as Element).closest('[data-label]')
      if (label !== null) {
        selectEdge(label.getAttribute('data-edge') ?? '')
      }
      return
    }
    if (d.id === '') {
      if (!d.moved) {
        onSelect('')
      }
      return
    }
    if (d.moved) {
      const p = live.current.places.get(d.id)
      if (p !== undefined) {
        onMove(d.id, p, true)
      }
    } else {
      // the capture sends the click to the drawing, so the choice is made here
      onSelect(`n:${d.id}`)
    }
    suppress.current = true
    window.setTimeout(() => {
      suppress.current = false
    }, 0)
  }

  const labelled = useMemo(() => {
    const ids = topology.edges.map(e => [edgeId(e), e.tps] as const)
    return new Set(
      (ids.length <= LABELS_MAX ? ids : [...ids].sort((a, b) => b[1] - a[1]).slice(0, LABELS_TOP)).map(
        e => e[0],
      ),
    )
  }, [topology.edges])
  const curves = useMemo(() => {
    const [out, into, pair] = [
      new Map<string, number>(),
      new Map<string, number>(),
      new Map<string, number>(),
    ]
    for (const e of topology.edges) {
      out.set(e.client, (out.get(e.client) ?? 0) + 1)
      into.set(e.server, (into.get(e.server) ?? 0) + 1)
    }
    return topology.edges.map(e => {
      const [from, to] = [places.get(e.client), places.get(e.server)]
      const key = `${e.client}>${e.server}`
      const twin = pair.get(key) ?? 0
      pair.set(key, twin + 1)
      if (from === undefined || to === undefined) {
        return undefined
      }
      // the text goes to the end where fewer lines meet
      const fan = (out.get(e.client) ?? 0) - (into.get(e.server) ?? 0)
      const text = fan > 0 ? 0.6 : fan < 0 ? 0.4 : 0.5
      return curveOf(from, to, { bend: twin * 46, text, via: waypoints(from, to, places.values()) })
    })
  }, [topology.edges, places])
  const touched = selected.startsWith('n:') ? selected.slice(2) : undefined
  const dimmed = (e: TopologyEdge) => near !== null && !(near.has(e.client) && near.has(e.server))

  return (
    <svg
      ref={svg}
      className={`${classes.svg} ${panning ? classes.panning : ''}`}
      role="group"
      aria-label={t('topology.map')}
      onPointerDown={e => {
        if (e.button === 0 && !(e.target as Element).closest('[data-edge]')) {
          drag.current = {
            id: '',
            px: e.clientX,
            py: e.clientY,
            from: { x: view.current.x, y: view.current.y },
            moved: false,
          }
          setPanning(true)
          svg.current?.setPointerCapture?.(e.pointerId)
        }
      }}
      onPointerMove={move}
      onPointerUp={drop}
      onPointerCancel={drop}
      onDoubleClick={e => e.target === svg.current && fitAll()}
    >
      <defs>
        {TONES.map(tone => (
          <marker
            key={tone}
            id={`topology-arrow-${tone}`}
            viewBox="0 0 8 8"
            refX={1}
            refY={4}
            markerWidth={8}
            markerHeight={8}
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path
              d="M0 0.500 8 4 0 7.500z"
              fill={tone === 'good' ? 'var(--line-strong)' : toneColor(tone, scheme)}
            />
          </marker>
        ))}
      </defs>
      <g ref={group}>
        {topology.edges.map((e, i) => {
          const id = edgeId(e)
          const path = curves[i]?.path
          return path === undefined ? null : (
            <EdgeView
              key={id}
              id={id}
              edge={e}
              path={path}
              chosen={selected === `e:${id}`}
              dim={dimmed(e)}
              onSelect={selectEdge}
            />
          )
        })}
        {topology.edges.map((e, i) => {
          const id = edgeId(e)
          const mid = curves[i]?.mid
          const shown =
            labelled.has(id) || e.client === touched || e.server === touched || selected === `e:${id}`
          return mid === undefined || !shown ? null : (
            <LabelView
              key={id}
              id={id}
              edge={e}
              x={mid.x}
              y={mid.y}
              chosen={selected === `e:${id}`}
              dim={dimmed(e)}
            />
          )
        })}
        {topology.nodes.map(n => {
          const p = places.get(n.id)
          return p === undefined ? null : (
            <NodeView
              key={n.id}
              node={n}
              x={p.x}
              y={p.y}
              chosen={selected === `n:${n.id}`}
              dim={near !== null && !near.has(n.id)}
              onSelect={selectNode}
              onGrab={grab}
            />
          )
        })}
      </g>
    </svg>
  )
}
