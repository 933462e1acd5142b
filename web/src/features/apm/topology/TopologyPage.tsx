// Who calls whom: the map of groups or instances, live, over a range, replayed, or against the time before.
import { ActionIcon, SegmentedControl, Select, TextInput, Tooltip } from '@mantine/core'
import { IconFocusCentered, IconMinus, IconPlus, IconRoute, IconSearch, IconX } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { sessionQuery } from '@/api/queries'
import { type TopologyAsk, topologyQuery } from '@/api/topology'
import { Details } from '@/features/apm/topology/Details'
import { EdgeTable } from '@/features/apm/topology/EdgeTable'
import { Graph, type GraphHandle } from '@/features/apm/topology/Graph'
import { layout, type Point } from '@/features/apm/topology/layout'
import { Replay } from '@/features/apm/topology/Replay'
import {
  COMPARES,
  framesOf,
  LEVELS,
  MODES,
  matching,
  savedPlaces,
  savePlaces,
  type Topology,
  type TopologyState,
  topologyCodec,
  VIEWS,
} from '@/features/apm/topology/topology'
import classes from '@/features/apm/topology/topology.module.css'
import { formatDateTime, formatInteger } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useTimeRange } from '@/lib/timeRange'
import { ToneMark } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

/** Places of the nodes: what has one keeps it while the page is open; what a person moved is kept by the browser. */
function usePlaces(topology: Topology | undefined, user: string, level: string, scope: string) {
  const kept = useRef({ key: '', auto: new Map<string, Point>(), own: new Map<string, Point>() })
  const [version, setVersion] = useState(0)
  const key = `${user}\n${level}\n${scope}`
  // biome-ignore lint/correctness/useExhaustiveDependencies: version says that a node was moved
  const places = useMemo(() => {
    const k = kept.current
    if (k.key !== key) {
      kept.current = { key, auto: new Map(), own: savedPlaces(user, level) }
    }
    const { auto, own } = kept.current
    if (topology === undefined) {
      return new Map<string, Point>()
    }
    const ids = topology.nodes.map(n => n.id)
    const users = new Set(topology.nodes.filter(n => n.kind === 'user').map(n => n.id))
    const edges = topology.edges.map(e => ({ from: e.client, to: e.server }))
    const laid = layout(ids, edges, auto, id => users.has(id))
    for (const [id, p] of laid) {
      auto.set(id, p)
    }
    return new Map([...laid].map(([id, p]) => [id, own.get(id) ?? p]))
  }, [topology, key, version, user, level])
  const move = useCallback(
    (id: string, p: Point, done: boolean) => {
      kept.current.own.set(id, p)
      if (done) {
        savePlaces(user, level, kept.current.own)
      }
      setVersion(v => v + 1)
    },
    [user, level],
  )
  const arrange = useCallback(() => {
    kept.current.auto.clear()
    kept.current.own.clear()
    savePlaces(user, level, kept.current.own)
    setVersion(v => v + 1)
  }, [user, level])
  return { places, move, arrange }
}

function Tools({ graph, onArrange }: { graph: React.RefObject<GraphHandle | null>; onArrange: () => void }) {
  const { t } = useTranslation()
  const tools = [
    { key: 'zoomIn', icon: IconPlus, act: () => graph.current?.zoom(1.25) },
    { key: 'zoomOut', icon: IconMinus, act: () => graph.current?.zoom(0.8) },
    { key: 'fit', icon: IconFocusCentered, act: () => graph.current?.fit() },
    {
      key: 'arrange',
      icon: IconRoute,
      act: () => {
        onArrange()
        window.setTimeout(() => graph.current?.fit(), 0)
      },
    },
  ] as const
  return (
    <div className={classes.tools} role="toolbar" aria-label={t('topology.tools')}>
      {tools.map(({ key, icon: Icon, act }) => (
        <Tooltip key={key} label={t(`topology.${key}`)}>
          <ActionIcon variant="default" size="md" aria-label={t(`topology.${key}`)} onClick={act}>
            <Icon size={15} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      ))}
    </div>
  )
}

function Legend({ compare }: { compare: boolean }) {
  const { t } = useTranslation()
  return (
    <div className={classes.legend}>
      {compare ? (
        <>
          <span>
            <ToneMark tone="info" /> {t('topology.new')}
          </span>
          <span>
            <ToneMark tone="none" /> {t('topology.gone')}
          </span>
          <span>
            <ToneMark tone="warn" /> {t('topology.slower')}
          </span>
          <span>
            <ToneMark tone="bad" /> {t('topology.muchSlower')}
          </span>
        </>
      ) : (
        <>
          <span>
            <ToneMark tone="good" /> {t('topology.good')}
          </span>
          <span>
            <ToneMark tone="warn" /> {t('topology.warn')}
          </span>
          <span>
            <ToneMark tone="bad" /> {t('topology.bad')}
          </span>
        </>
      )}
      <span>{t('topology.dashed')}</span>
    </div>
  )
}

interface BarProps {
  state: TopologyState
  change: (patch: Partial<TopologyState>, options?: { push?: boolean }) => void
}

function Bar({ state, change }: BarProps) {
  const { t } = useTranslation()
  const find = useRef<HTMLInputElement>(null)
  return (
    <div className={classes.bar}>
      <SegmentedControl
        value={state.mode}
        aria-label={t('topology.mode')}
        onChange={v => change({ mode: v as TopologyState['mode'], at: 0 }, { push: true })}
        data={MODES.map(m => ({ value: m, label: t(`topology.mode_${m}`) }))}
      />
      <SegmentedControl
        value={state.level}
        aria-label={t('topology.level')}
        onChange={v => change({ level: v as TopologyState['level'], sel: '' }, { push: true })}
        data={LEVELS.map(l => ({ value: l, label: t(`topology.level_${l}`) }))}
      />
      <Select
        w={190}
        value={state.compare}
        aria-label={t('topology.compare')}
        allowDeselect={false}
        onChange={v => change({ compare: (v ?? '') as TopologyState['compare'] }, { push: true })}
        data={COMPARES.map(c => ({ value: c, label: t(`topology.compare_${c || 'none'}`) }))}
      />
      <TextInput
        ref={find}
        w={220}
        value={state.find}
        placeholder={t('topology.find')}
        aria-label={t('topology.find')}
        leftSection={<IconSearch size={14} />}
        onChange={e => change({ find: e.currentTarget.value })}
      />
      {state.group !== '' && (
        <Tooltip label={t('topology.allGroups')}>
          <ActionIcon
            variant="default"
            w="auto"
            px={8}
            aria-label={t('topology.allGroups')}
            onClick={() => change({ group: '', sel: '' }, { push: true })}
          >
            {state.group} <IconX size={13} style={{ marginLeft: 6 }} />
          </ActionIcon>
        </Tooltip>
      )}
      <span className="grow" />
      <SegmentedControl
        value={state.view}
        aria-label={t('topology.view')}
        onChange={v => change({ view: v as TopologyState['view'] })}
        data={VIEWS.map(v => ({ value: v, label: t(`topology.view_${v}`) }))}
      />
    </div>
  )
}

function Notes({ topology }: { topology: Topology }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <>
      {topology.compare !== undefined && (
        <div className={classes.note}>
          {t('topology.comparedWith', {
            from: formatDateTime(topology.compare.start_ms, lang),
            to: formatDateTime(topology.compare.end_ms, lang),
          })}
        </div>
      )}
      {topology.overflow_requests > 0 && (
        <div className={classes.note} role="status">
          <ToneMark tone="warn" />{' '}
          {t('topology.overflow', { n: formatInteger(topology.overflow_requests, lang) })}
        </div>
      )}
    </>
  )
}

export function TopologyPage() {
  const { t } = useTranslation()
  const [state, change] = usePageState(topologyCodec)
  const { resolved } = useTimeRange()
  const client = useQueryClient()
  const user = useQuery(sessionQuery).data?.user ?? ''
  const graph = useRef<GraphHandle>(null)
  const frames = useMemo(() => framesOf(resolved.startMs, resolved.endMs), [resolved])
  const at =
    state.mode === 'replay' && frames.times.includes(state.at) ? state.at : (frames.times.at(-1) ?? 0)
  const askAt = useCallback(
    (moment: number): TopologyAsk => ({
      level: state.level,
      group: state.group,
      compare: state.compare,
      range: { startMs: moment - frames.stepMs, endMs: moment },
    }),
    [state.level, state.group, state.compare, frames.stepMs],
  )
  const ask: TopologyAsk =
    state.mode === 'replay'
      ? askAt(at)
      : {
          level: state.level,
          group: state.group,
          compare: state.compare,
          range: state.mode === 'live' ? undefined : resolved,
        }
  const topology = useQuery(topologyQuery(ask))
  const data = topology.data?.level === state.level ? topology.data : undefined
  const { places, move, arrange } = usePlaces(data, user, state.level, state.group)
  const near = useMemo(
    () => (data === undefined ? null : (matching(data, state.find)?.near ?? null)),
    [data, state.find],
  )
  const select = useCallback((sel: string) => change({ sel }), [change])
  const seek = useCallback((moment: number) => change({ at: moment }), [change])

  useEffect(() => {
    const i = frames.times.indexOf(at)
    for (const next of state.mode === 'replay' ? frames.times.slice(i + 1, i + 4) : []) {
      void client.prefetchQuery(topologyQuery(askAt(next)))
    }
  }, [state.mode, at, frames.times, askAt, client])

  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      const typing = e.target instanceof HTMLElement && /^(input|textarea|select)$/i.test(e.target.tagName)
      if (e.ctrlKey || e.metaKey || e.altKey || typing) {
        return
      }
      if (e.key === 'Escape') {
        select('')
      } else if (e.key === '+' || e.key === '=') {
        graph.current?.zoom(1.25)
      } else if (e.key === '-') {
        graph.current?.zoom(0.8)
      } else if (e.key === '0') {
        graph.current?.fit()
      }
    }
    window.addEventListener('keydown', key)
    return () => window.removeEventListener('keydown', key)
  }, [select])

  const empty = data !== undefined && data.edges.length === 0
  return (
    <Page title={t('nav.topology')} sub={t(`topology.sub_${state.mode}`)}>
      <Panel flush label={t('nav.topology')}>
        <Bar state={state} change={change} />
        {state.mode === 'replay' && (
          <Replay
            times={frames.times}
            stepMs={frames.stepMs}
            at={at}
            ready={!topology.isPlaceholderData && !topology.isFetching}
            onAt={seek}
          />
        )}
        {data !== undefined && <Notes topology={data} />}
        {topology.isError && data === undefined ? (
          <Failure error={topology.error} onRetry={() => void topology.refetch()} />
        ) : data === undefined ? (
          <Loading rows={8} />
        ) : empty ? (
          <Empty
            title={t(state.mode === 'live' ? 'topology.emptyLive' : 'topology.empty')}
            text={t(state.mode === 'live' ? 'topology.emptyLiveText' : 'topology.emptyText')}
          />
        ) : (
          <div className={`${classes.stage} ${state.mode === 'replay' ? classes.withReplay : ''}`}>
            {state.view === 'map' ? (
              <div className={classes.canvas}>
                <Graph
                  topology={data}
                  places={places}
                  selected={state.sel}
                  near={near}
                  onSelect={select}
                  onMove={move}
                  handle={graph}
                />
                <Tools graph={graph} onArrange={arrange} />
                <Legend compare={data.compare !== undefined} />
              </div>
            ) : (
              <div className={`grow ${classes.tableWrap}`}>
                <EdgeTable topology={data} near={near} onSelect={select} />
              </div>
            )}
            {state.sel !== '' && <Details topology={data} selected={state.sel} onSelect={select} />}
          </div>
        )}
      </Panel>
    </Page>
  )
}
