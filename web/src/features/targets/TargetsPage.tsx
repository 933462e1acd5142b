// Who is scraped and how it goes: pools, targets with their errors, labels before and after relabelling.
import { SegmentedControl, TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type DroppedTarget,
  type ScrapeTarget,
  scrapedSamplesQuery,
  scrapePoolsQuery,
  targetKey,
  targetsQuery,
} from '@/api/operations'
import { type Tone, toneColor } from '@/charts/palette'
import {
  filterDropped,
  filterTargets,
  isLate,
  labelChanges,
  lastScrapeMs,
  type Pool,
  poolsOf,
  SAMPLE_CONFIG,
  STATES,
  type TargetState,
  targetSelector,
  targetsCodec,
  timeShare,
} from '@/features/targets/targets'
import classes from '@/features/targets/targets.module.css'
import { formatAgo, formatDateTime, formatDurationMs, formatShort } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { useTimeRange } from '@/lib/timeRange'
import { Toned, ToneMark } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading, Snippet } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const TONE: Record<ScrapeTarget['health'], Tone> = { up: 'good', down: 'bad', unknown: 'none' }

function PoolCard({ pool, chosen, onChoose }: { pool: Pool; chosen: boolean; onChoose: () => void }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const tone: Tone = pool.down > 0 ? 'bad' : pool.total === 0 || pool.unknown === pool.total ? 'none' : 'good'
  return (
    <button type="button" className={classes.pool} aria-pressed={chosen} onClick={onChoose}>
      <span className={classes.poolName}>
        <ToneMark tone={tone} /> {pool.name}
      </span>
      <span className={classes.poolBar} aria-hidden="true">
        {(['up', 'unknown', 'down'] as const).map(k => (
          <span
            key={k}
            style={{
              width: `${pool.total > 0 ? (pool[k] / pool.total) * 100 : 0}%`,
              background: toneColor(TONE[k], scheme),
            }}
          />
        ))}
      </span>
      <span className={classes.poolText}>
        {t('targets.upOf', { up: pool.up, total: pool.total })}
        {pool.dropped > 0 && ` · ${t('targets.droppedCount', { count: pool.dropped })}`}
      </span>
    </button>
  )
}

/** The labels that say something beside the address: all but those every target has. */
function LabelList({ labels, hide }: { labels: Record<string, string>; hide: string[] }) {
  return (
    <span className={classes.labels}>
      {Object.entries(labels)
        .filter(([k]) => !hide.includes(k))
        .map(([k, v]) => (
          <span key={k} className={classes.label} title={`${k}="${v}"`}>
            <i>{k}</i>
            {v}
          </span>
        ))}
    </span>
  )
}

function Detail({ target }: { target: ScrapeTarget }) {
  const { t, i18n } = useTranslation()
  const selector = targetSelector(target.labels)
  return (
    <div className={classes.detail}>
      <div className={classes.facts}>
        <span>
          {t('targets.address')}{' '}
          <a className={ui.link} href={target.globalUrl} target="_blank" rel="noreferrer">
            {target.scrapeUrl}
          </a>
        </span>
        <span>{t('targets.every', { interval: target.scrapeInterval, timeout: target.scrapeTimeout })}</span>
        <span>{t('targets.lastAt', { time: formatDateTime(lastScrapeMs(target), i18n.language) })}</span>
        <span className={classes.links}>
          <Link
            to="/explore"
            search={prev => ({ ...prev, q: `sort_desc(count by (__name__) (${selector}))`, view: 'table' })}
            className={ui.link}
          >
            {t('targets.itsMetrics')}
          </Link>
          <Link
            to="/explore"
            search={prev => ({
              ...prev,
              q: [`up${selector}`, `scrape_duration_seconds${selector}`],
              view: undefined,
            })}
            className={ui.link}
          >
            {t('targets.itsHistory')}
          </Link>
        </span>
      </div>
      <table className={classes.changes} aria-label={t('targets.relabelled')}>
        <thead>
          <tr>
            <th>{t('targets.label')}</th>
            <th>{t('targets.before')}</th>
            <th>{t('targets.after')}</th>
          </tr>
        </thead>
        <tbody>
          {labelChanges(target.discoveredLabels, target.labels).map(c => (
            <tr key={c.name} data-kind={c.kind}>
              <td>{c.name}</td>
              <td>{c.before ?? ''}</td>
              <td>
                {c.after ?? <em>{t('targets.removed')}</em>}
                {c.kind === 'added' && <em> {t('targets.added')}</em>}
                {c.kind === 'changed' && <em> {t('targets.changed')}</em>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  target: ScrapeTarget
  samples: number | undefined
  open: boolean
  nowMs: number
  onOpen: () => void
}

function TargetRow({ target, samples, open, nowMs, onOpen }: RowProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const last = lastScrapeMs(target)
  const share = timeShare(target)
  const late = isLate(target, nowMs)
  const Chevron = open ? IconChevronDown : IconChevronRight
  return (
    <div className={classes.row} data-health={target.health}>
      <button type="button" className={classes.cells} aria-expanded={open} onClick={onOpen}>
        <span className={classes.cState}>
          <Chevron size={13} />
          <Toned tone={TONE[target.health]}>{t(`targets.state_${target.health}`)}</Toned>
        </span>
        <span className={classes.cUrl} title={target.scrapeUrl}>
          <b>{target.labels.instance ?? target.scrapeUrl}</b>
          <span>{target.scrapePool}</span>
        </span>
        <LabelList labels={target.labels} hide={['job', 'instance']} />
        <span className={classes.cNum}>
          {late ? (
            <Toned tone="warn" title={t('targets.late')}>
              {formatAgo(last, nowMs, lang)}
            </Toned>
          ) : last === null ? (
            t('targets.never')
          ) : (
            formatAgo(last, nowMs, lang)
          )}
        </span>
        <span className={classes.cNum}>
          {last === null ? (
            '–'
          ) : share !== null && share > 0.8 ? (
            <Toned tone="warn" title={t('targets.nearTimeout', { timeout: target.scrapeTimeout })}>
              {formatDurationMs(target.lastScrapeDuration * 1_000, lang)}
            </Toned>
          ) : (
            formatDurationMs(target.lastScrapeDuration * 1_000, lang)
          )}
        </span>
        <span className={classes.cNum}>{target.scrapeInterval}</span>
        <span className={classes.cNum}>{samples === undefined ? '–' : formatShort(samples, lang)}</span>
      </button>
      {target.lastError !== '' && (
        <div className={classes.error} role="note">
          {target.lastError}
        </div>
      )}
      {open && <Detail target={target} />}
    </div>
  )
}

function TargetList(props: {
  rows: ScrapeTarget[]
  samples: Map<string, number> | undefined
  open: string
  nowMs: number
  onOpen: (url: string) => void
}) {
  const { t } = useTranslation()
  const scroll = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: props.rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: i => (props.rows[i]?.lastError === '' ? 42 : 66),
    getItemKey: i => `${props.rows[i]?.scrapePool} ${props.rows[i]?.scrapeUrl} ${i}`,
    overscan: 12,
    initialRect: { width: 1_000, height: 800 },
  })
  return (
    <div className={classes.list} role="group" aria-label={t('nav.targets')}>
      <div className={`${classes.cells} ${classes.head}`} aria-hidden="true">
        <span className={classes.cState}>{t('targets.state')}</span>
        <span className={classes.cUrl}>{t('targets.target')}</span>
        <span className={classes.labels}>{t('targets.labels')}</span>
        <span className={classes.cNum}>{t('targets.last')}</span>
        <span className={classes.cNum}>{t('targets.took')}</span>
        <span className={classes.cNum}>{t('targets.interval')}</span>
        <span className={classes.cNum}>{t('targets.samples')}</span>
      </div>
      <div ref={scroll} className={classes.scroll}>
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(v => {
            const target = props.rows[v.index]
            return target === undefined ? null : (
              <div
                key={v.key}
                ref={virtual.measureElement}
                data-index={v.index}
                className={classes.slot}
                style={{ transform: `translateY(${v.start}px)` }}
              >
                <TargetRow
                  target={target}
                  samples={props.samples?.get(targetKey(target.labels))}
                  open={props.open === `${target.scrapePool} ${target.scrapeUrl}`}
                  nowMs={props.nowMs}
                  onOpen={() => props.onOpen(`${target.scrapePool} ${target.scrapeUrl}`)}
                />
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

const MAX_DROPPED = 300

function DroppedList({ rows, total }: { rows: DroppedTarget[]; total: number }) {
  const { t } = useTranslation()
  return (
    <>
      <div className={classes.note}>{t('targets.droppedText')}</div>
      {rows.length === 0 && <Empty compact title={t('targets.noneDropped')} />}
      {rows.slice(0, MAX_DROPPED).map((d, i) => (
        <div key={i} className={classes.dropped}>
          <b>{d.discoveredLabels.__address__ ?? '–'}</b> <span className={classes.muted}>{d.scrapePool}</span>
          <div className={classes.muted}>{d.reason}</div>
          <LabelList labels={d.discoveredLabels} hide={['__address__']} />
        </div>
      ))}
      {total > Math.min(rows.length, MAX_DROPPED) && (
        <div className={classes.note}>
          {t('targets.droppedMore', { count: total - Math.min(rows.length, MAX_DROPPED) })}
        </div>
      )}
    </>
  )
}

function HowTo() {
  const { t } = useTranslation()
  return (
    <Empty title={t('targets.none')} text={t('targets.noneText')} snippet={SAMPLE_CONFIG}>
      <div className={ui.emptyText}>{t('targets.noneStart')}</div>
      <Snippet code="bongsu server --scrape-config prometheus.yml" />
    </Empty>
  )
}

export function TargetsPage() {
  const { t } = useTranslation()
  const { live, resolved } = useTimeRange()
  const [state, change] = usePageState(targetsCodec)
  const every = live ? 5_000 : false
  const targets = useQuery({ ...targetsQuery, refetchInterval: every })
  const pools = useQuery(scrapePoolsQuery)
  const samples = useQuery({ ...scrapedSamplesQuery, refetchInterval: live ? 15_000 : false })
  const data = targets.data
  const list = useMemo(() => filterTargets(data?.active ?? [], state), [data, state])
  const dropped = useMemo(() => filterDropped(data?.dropped ?? [], state), [data, state])
  const cards = useMemo(
    () => poolsOf(data?.active ?? [], data?.dropped ?? [], data?.droppedCounts ?? {}, pools.data ?? []),
    [data, pools.data],
  )
  const inPool = (data?.active ?? []).filter(x => state.pool === '' || x.scrapePool === state.pool)
  const droppedTotal = cards
    .filter(p => state.pool === '' || p.name === state.pool)
    .reduce((n, p) => n + p.dropped, 0)
  const count = (s: TargetState) =>
    s === 'all' ? inPool.length : s === 'dropped' ? droppedTotal : inPool.filter(x => x.health === s).length
  const up = (data?.active ?? []).filter(x => x.health === 'up').length
  const nowMs = live ? Math.max(resolved.endMs, targets.dataUpdatedAt) : targets.dataUpdatedAt
  const nothing = data !== undefined && cards.length === 0
  return (
    <Page
      title={t('nav.targets')}
      sub={data === undefined || nothing ? undefined : t('targets.upOf', { up, total: data.active.length })}
      actions={
        <TextInput
          w={280}
          value={state.find}
          placeholder={t('targets.find')}
          aria-label={t('targets.find')}
          leftSection={<IconSearch size={14} />}
          onChange={e => change({ find: e.currentTarget.value })}
        />
      }
    >
      {targets.isPending ? (
        <Panel>
          <Loading rows={8} />
        </Panel>
      ) : targets.isError && data === undefined ? (
        <Panel>
          <Failure error={targets.error} onRetry={() => void targets.refetch()} />
        </Panel>
      ) : nothing ? (
        <Panel>
          <HowTo />
        </Panel>
      ) : (
        <>
          <div className={classes.pools} role="group" aria-label={t('targets.pools')}>
            {cards.map(p => (
              <PoolCard
                key={p.name}
                pool={p}
                chosen={state.pool === p.name}
                onChoose={() => change({ pool: state.pool === p.name ? '' : p.name }, { push: true })}
              />
            ))}
          </div>
          <Panel flush label={t('nav.targets')}>
            <div className={classes.bar}>
              <SegmentedControl
                value={state.state}
                aria-label={t('targets.state')}
                onChange={v => change({ state: v as TargetState })}
                data={STATES.map(s => ({ value: s, label: `${t(`targets.filter_${s}`)} ${count(s)}` }))}
              />
            </div>
            {state.state === 'dropped' ? (
              <DroppedList rows={dropped} total={state.find === '' ? droppedTotal : dropped.length} />
            ) : list.length === 0 ? (
              <Empty compact title={t('targets.noMatch')} text={t('targets.noMatchText')} />
            ) : (
              <TargetList
                rows={list}
                samples={samples.data}
                open={state.open}
                nowMs={nowMs}
                onOpen={key => change({ open: state.open === key ? '' : key })}
              />
            )}
          </Panel>
        </>
      )}
    </Page>
  )
}
