// Beside the map: the figures of what is chosen, what it calls and who calls it, and the ways on from there.
import { CloseButton } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import {
  edgeId,
  edgeQuery,
  errorTone,
  type Figures,
  groupOf,
  nodeQuery,
  type Topology,
  type TopologyEdge,
  type TopologyNode,
  timeTone,
  toneOf,
} from '@/features/apm/topology/topology'
import classes from '@/features/apm/topology/topology.module.css'
import { formatDurationMs, formatInteger, formatPercent, formatShort } from '@/lib/format'
import { Toned, ToneMark } from '@/ui/Figures'
import ui from '@/ui/ui.module.css'

function Facts({ f, before }: { f: Figures; before?: Figures }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows: [string, (x: Figures) => string, ReactNode?][] = [
    ['TPS', x => `${formatShort(x.tps, lang)}/s`],
    [t('topology.requests'), x => formatInteger(x.requests, lang)],
    [t('topology.mean'), x => formatDurationMs(x.mean_ms, lang)],
    ['p95', x => formatDurationMs(x.p95_ms, lang)],
    [t('topology.max'), x => formatDurationMs(x.max_ms, lang)],
    [t('topology.errors'), x => formatPercent(x.error_ratio ?? 0, lang)],
  ]
  return (
    <dl className={classes.facts}>
      {before !== undefined && (
        <>
          <dt />
          <dd>{t('topology.now')}</dd>
          <dd className={classes.then}>{t('topology.before')}</dd>
        </>
      )}
      {rows.map(([label, text], i) => (
        <div key={label} style={{ display: 'contents' }}>
          <dt>{label}</dt>
          <dd>
            {i === 5 ? (
              <Toned tone={errorTone(f)}>{text(f)}</Toned>
            ) : i === 3 ? (
              <Toned tone={timeTone(f)}>{text(f)}</Toned>
            ) : (
              text(f)
            )}
          </dd>
          <dd className={classes.then}>{before !== undefined && text(before)}</dd>
        </div>
      ))}
    </dl>
  )
}

function Head({ title, sub, onClose }: { title: string; sub: string; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <div className={classes.sideHead}>
      <div style={{ flex: '1 1 auto', minWidth: 0 }}>
        <h2 className={classes.sideTitle}>{title}</h2>
        <p className={classes.sub}>{sub}</p>
      </div>
      <CloseButton size="sm" aria-label={t('topology.close')} onClick={onClose} />
    </div>
  )
}

function Edges({
  title,
  edges,
  other,
  onSelect,
}: {
  title: string
  edges: TopologyEdge[]
  other: 'client' | 'server'
  onSelect: (sel: string) => void
}) {
  const { i18n } = useTranslation()
  if (edges.length === 0) {
    return null
  }
  return (
    <div>
      <h3 className={classes.sub}>{title}</h3>
      <ul className={classes.list}>
        {[...edges]
          .sort((a, b) => b.tps - a.tps)
          .map(e => (
            <li key={edgeId(e)}>
              <button type="button" onClick={() => onSelect(`e:${edgeId(e)}`)}>
                <span>
                  <ToneMark tone={toneOf(e)} /> {e[other]}
                </span>
                <span className="num">{formatShort(e.tps, i18n.language)}/s</span>
              </button>
            </li>
          ))}
      </ul>
    </div>
  )
}

interface DetailsProps {
  topology: Topology
  selected: string
  onSelect: (sel: string) => void
}

function NodeDetails({
  node,
  topology,
  onSelect,
}: {
  node: TopologyNode
  topology: Topology
  onSelect: (sel: string) => void
}) {
  const { t, i18n } = useTranslation()
  const facts = [
    t(`topology.kind.${node.kind}`),
    node.system,
    node.monitored
      ? undefined
      : node.kind === 'user' || node.kind === 'other'
        ? undefined
        : t('topology.unseen'),
    node.instances !== undefined && node.instances > 0 && node.instance === undefined
      ? t('topology.instances', { count: node.instances, n: formatInteger(node.instances, i18n.language) })
      : undefined,
  ].filter(f => f !== undefined && f !== '')
  return (
    <>
      <Head
        title={node.kind === 'user' || node.kind === 'other' ? t(`topology.kind.${node.kind}`) : node.id}
        sub={facts.join(' · ')}
        onClose={() => onSelect('')}
      />
      <Facts f={node} before={node.before} />
      <div className={classes.links}>
        {node.monitored && (
          <Link
            to={'/apm' as '/'}
            search={prev => ({ from: prev.from, to: prev.to, group: groupOf(node) })}
            className={ui.link}
          >
            {t('topology.dashboard')}
          </Link>
        )}
        {node.kind !== 'other' && (
          <Link
            to="/traces"
            search={prev => ({ from: prev.from, to: prev.to, q: nodeQuery(node) })}
            className={ui.link}
          >
            {t('topology.itsTraces')}
          </Link>
        )}
        {node.monitored && (
          <Link
            to="."
            search={prev => ({ ...prev, level: 'instance', group: groupOf(node), sel: undefined })}
            className={ui.link}
          >
            {t('topology.itsInstances')}
          </Link>
        )}
      </div>
      <Edges
        title={t('topology.calledBy')}
        edges={topology.edges.filter(e => e.server === node.id)}
        other="client"
        onSelect={onSelect}
      />
      <Edges
        title={t('topology.calls')}
        edges={topology.edges.filter(e => e.client === node.id)}
        other="server"
        onSelect={onSelect}
      />
    </>
  )
}

function EdgeDetails({
  edge,
  topology,
  onSelect,
}: {
  edge: TopologyEdge
  topology: Topology
  onSelect: (sel: string) => void
}) {
  const { t } = useTranslation()
  const client = topology.nodes.find(n => n.id === edge.client)
  const server = topology.nodes.find(n => n.id === edge.server)
  if (client === undefined || server === undefined) {
    return null
  }
  const countable = client.kind !== 'other' && server.kind !== 'other'
  return (
    <>
      <Head
        title={`${edge.client} → ${edge.server}`}
        sub={t(`topology.link.${edge.connection_type || 'direct'}`)}
        onClose={() => onSelect('')}
      />
      <Facts f={edge} before={edge.before} />
      {countable && (
        <div className={classes.links}>
          <Link
            to="/traces"
            search={prev => ({ from: prev.from, to: prev.to, q: edgeQuery(client, server) })}
            className={ui.link}
          >
            {t('topology.crossing')}
          </Link>
          {edge.failed > 0 && (
            <Link
              to="/traces"
              search={prev => ({ from: prev.from, to: prev.to, q: edgeQuery(client, server, true) })}
              className={ui.link}
            >
              {t('topology.crossingFailed')}
            </Link>
          )}
        </div>
      )}
      <ul className={classes.list}>
        {[client, server].map(n => (
          <li key={n.id}>
            <button type="button" onClick={() => onSelect(`n:${n.id}`)}>
              <span>
                <ToneMark tone={toneOf(n)} /> {n.id}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}

export function Details({ topology, selected, onSelect }: DetailsProps) {
  const { t } = useTranslation()
  const id = selected.slice(2)
  const node = selected.startsWith('n:') ? topology.nodes.find(n => n.id === id) : undefined
  const edge = selected.startsWith('e:') ? topology.edges.find(e => edgeId(e) === id) : undefined
  return (
    <aside className={classes.side} aria-label={t('topology.details')}>
      {node !== undefined ? (
        <NodeDetails node={node} topology={topology} onSelect={onSelect} />
      ) : edge !== undefined ? (
        <EdgeDetails edge={edge} topology={topology} onSelect={onSelect} />
      ) : (
        <Head
          title={id.split('>').slice(0, 2).join(' → ')}
          sub={t('topology.notNow')}
          onClose={() => onSelect('')}
        />
      )}
    </aside>
  )
}
