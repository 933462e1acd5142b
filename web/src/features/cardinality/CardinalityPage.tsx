// Where the series come from, what makes them many, who was refused, and what to do about it. A click goes
// one level down; the way back is above the tables.
import { Button } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type Cardinality,
  type CardinalityRow,
  type CardinalityTable,
  cardinalityQuery,
} from '@/api/operations'
import { AdvicePanel } from '@/features/cardinality/AdvicePanel'
import {
  advise,
  cardinalityCodec,
  change as changeOf,
  narrow,
  rowKey,
  selectorOf,
  wholeMinutes,
} from '@/features/cardinality/cardinality'
import classes from '@/features/cardinality/cardinality.module.css'
import { LimitsPanel } from '@/features/cardinality/LimitsPanel'
import { formatInteger, formatPercent, formatShort } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useTimeRange } from '@/lib/timeRange'
import { Stat, Toned } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

function Change({ row }: { row: { series?: number; total?: number; before: number } }) {
  const { t, i18n } = useTranslation()
  const ratio = changeOf(row)
  const now = row.series ?? row.total ?? 0
  if (ratio === null) {
    return now > 0 ? <span className={classes.muted}>{t('cardinality.new')}</span> : null
  }
  if (Math.abs(ratio) < 0.005) {
    return <span className={classes.muted}>=</span>
  }
  return (
    <span title={t('cardinality.beforeWas', { count: row.before })}>
      {ratio > 0 ? '▲ +' : '▼ '}
      {formatPercent(ratio, i18n.language)}
    </span>
  )
}

interface TableProps {
  title: string
  note: string
  table: CardinalityTable
  name: (r: CardinalityRow) => string
  /** An extra column: distinct values, samples per second. */
  extra?: { title: string; text: (r: CardinalityRow) => string }
  bar: (r: CardinalityRow) => number
  onRow: (r: CardinalityRow) => void
  active?: (r: CardinalityRow) => boolean
  /** Whether there was anything the day before. */
  compared: boolean
  onMore?: (() => void) | undefined
}

function Table({ title, note, table, name, extra, bar, onRow, active, onMore, compared }: TableProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel
      flush
      title={title}
      note={note}
      actions={
        onMore !== undefined &&
        table.total > table.rows.length && (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={onMore}>
            {t('cardinality.more', { n: formatInteger(table.total, lang) })}
          </Button>
        )
      }
    >
      {table.rows.length === 0 ? (
        <Empty compact title={t('cardinality.nothing')} />
      ) : (
        <div className={classes.scroll}>
          <table className={classes.table} aria-label={title}>
            <thead>
              <tr>
                <th>{t('cardinality.name')}</th>
                {extra !== undefined && <th className={classes.num}>{extra.title}</th>}
                <th className={classes.num}>{t('cardinality.series')}</th>
                <th className={classes.num}>{t('cardinality.share')}</th>
                {compared && <th className={classes.num}>{t('cardinality.change')}</th>}
              </tr>
            </thead>
            <tbody>
              {table.rows.map(r => (
                <tr key={rowKey(r)} data-active={active?.(r) === true}>
                  <td>
                    <span className={classes.bar} style={{ width: `${Math.min(1, bar(r)) * 100}%` }} />
                    <button type="button" className={classes.name} title={name(r)} onClick={() => onRow(r)}>
                      {name(r)}
                    </button>
                  </td>
                  {extra !== undefined && <td className={classes.num}>{extra.text(r)}</td>}
                  <td className={classes.num}>{formatInteger(r.series, lang)}</td>
                  <td className={classes.num}>{formatPercent(r.share_ratio, lang)}</td>
                  {compared && (
                    <td className={classes.num}>
                      <Change row={r} />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Totals({ data }: { data: Cardinality }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const s = data.series
  const share = (n: number) => (s.total > 0 ? formatPercent(n / s.total, lang) : '–')
  const hourly = s.total > 0 ? s.created_1h / s.total : 0
  return (
    <Panel label={t('cardinality.totals')}>
      <div className={classes.totals}>
        <Stat
          label={t('cardinality.inRange')}
          value={formatInteger(s.total, lang)}
          hint={s.before > 0 ? <Change row={s} /> : t('cardinality.noBefore')}
        />
        <Stat
          label={t('cardinality.active')}
          value={formatInteger(s.active, lang)}
          hint={t('cardinality.activeHint')}
        />
        <Stat
          label={t('cardinality.created1h')}
          value={formatInteger(s.created_1h, lang)}
          hint={
            hourly > 0.25 && s.before > 0 ? (
              <Toned tone="warn">{t('cardinality.ofAll', { share: share(s.created_1h) })}</Toned>
            ) : (
              t('cardinality.ofAll', { share: share(s.created_1h) })
            )
          }
        />
        <Stat
          label={t('cardinality.created24h')}
          value={formatInteger(s.created_24h, lang)}
          hint={t('cardinality.ofAll', { share: share(s.created_24h) })}
        />
        <Stat
          label={t('cardinality.metrics')}
          value={formatInteger(data.metrics.total, lang)}
          hint={t('cardinality.perMetric', {
            n: formatShort(data.metrics.total > 0 ? s.total / data.metrics.total : 0, lang),
          })}
        />
        <Stat label={t('cardinality.labels')} value={formatInteger(data.labels.total, lang)} />
      </div>
      {data.looked_at_ratio < 1 && (
        <div className={classes.sampled}>
          {t('cardinality.sampled', { share: formatPercent(data.looked_at_ratio, lang) })}
        </div>
      )}
    </Panel>
  )
}

export function CardinalityPage() {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const { resolved } = useTimeRange()
  const [state, change] = usePageState(cardinalityCodec)
  const [limit, setLimit] = useState(20)
  const startMin = Math.floor(resolved.startMs / 60_000)
  const endMin = Math.floor(resolved.endMs / 60_000)
  const range = useMemo(
    () => wholeMinutes({ startMs: startMin * 60_000, endMs: endMin * 60_000 }),
    [startMin, endMin],
  )
  const match = selectorOf(state.path)
  const query = useQuery(cardinalityQuery(match, state.focus, range, limit))
  const data = query.data
  const advice = useMemo(() => (data === undefined ? [] : advise(data)), [data])
  const compared = (data?.series.before ?? 0) > 0
  const more = limit < 200 ? () => setLimit(200) : undefined
  const down = (label: string, value: string) =>
    change(
      { path: narrow(state.path, label, value), ...(state.focus === label ? { focus: '' } : {}) },
      { push: true },
    )
  const top = (table: CardinalityTable) => Math.max(1, ...table.rows.map(r => r.series))
  // equal rows of one series each are compared with the whole, not with each other
  const byShare = (table: CardinalityTable) => (r: CardinalityRow) =>
    top(table) <= 1 ? r.share_ratio : r.series / top(table)
  const rate = {
    title: t('cardinality.rate'),
    text: (r: CardinalityRow) => (r.samples_per_s === undefined ? '–' : formatShort(r.samples_per_s, lang)),
  }
  return (
    <Page
      title={t('nav.cardinality')}
      sub={t('cardinality.sub')}
      actions={
        match !== '' && (
          <Link
            to="/explore"
            search={prev => ({
              from: prev.from,
              to: prev.to,
              live: prev.live,
              q: `sort_desc(count by (__name__) (${match}))`,
              view: 'table',
            })}
            className={ui.link}
          >
            {t('cardinality.explore')}
          </Link>
        )
      }
    >
      {(state.path.length > 0 || state.focus !== '') && (
        <div className={classes.path} role="group" aria-label={t('cardinality.path')}>
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => change({ path: [], focus: '' }, { push: true })}
          >
            {t('cardinality.everything')}
          </Button>
          {state.path.map(([k, v], i) => (
            <Button
              key={k}
              size="compact-xs"
              variant="light"
              rightSection={<IconX size={11} />}
              aria-label={t('filters.remove', { filter: `${k}=${v}` })}
              onClick={() => change({ path: state.path.filter((_, n) => n !== i) }, { push: true })}
            >
              <span className="mono">{k === '__name__' ? v : `${k}="${v}"`}</span>
            </Button>
          ))}
          {state.focus !== '' && (
            <Button
              size="compact-xs"
              variant="light"
              color="gray"
              rightSection={<IconX size={11} />}
              onClick={() => change({ focus: '' }, { push: true })}
            >
              {t('cardinality.valuesOf', { label: state.focus })}
            </Button>
          )}
        </div>
      )}
      {query.isPending ? (
        <Panel>
          <Loading rows={8} />
        </Panel>
      ) : query.isError && data === undefined ? (
        <Panel>
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        </Panel>
      ) : data === undefined ? null : data.series.total === 0 ? (
        <Panel>
          <Empty title={t('cardinality.empty')} text={t('cardinality.emptyText')} />
        </Panel>
      ) : (
        <>
          <Totals data={data} />
          <AdvicePanel advice={advice} onFocus={label => change({ focus: label }, { push: true })} />
          <div className={classes.grid}>
            <div className={classes.column}>
              {data.focus !== undefined && (
                <Table
                  title={t('cardinality.valuesOf', { label: data.focus.label })}
                  note={t('cardinality.count', { n: formatInteger(data.focus.total, lang) })}
                  table={data.focus}
                  name={r => r.name}
                  bar={byShare(data.focus)}
                  onMore={more}
                  compared={compared}
                  onRow={r => down(data.focus?.label ?? '', r.name)}
                />
              )}
              <Table
                title={t('cardinality.topMetrics')}
                note={t('cardinality.count', { n: formatInteger(data.metrics.total, lang) })}
                table={data.metrics}
                name={r => r.name}
                bar={byShare(data.metrics)}
                onMore={more}
                compared={compared}
                onRow={r => down('__name__', r.name)}
              />
              <Table
                title={t('cardinality.topPairs')}
                note={t('cardinality.count', { n: formatInteger(data.pairs.total, lang) })}
                table={data.pairs}
                name={r => (r.name === '__name__' ? (r.value ?? '') : `${r.name}="${r.value ?? ''}"`)}
                bar={byShare(data.pairs)}
                onMore={more}
                compared={compared}
                onRow={r => down(r.name, r.value ?? '')}
              />
            </div>
            <div className={classes.column}>
              <Table
                title={t('cardinality.topLabels')}
                note={t('cardinality.count', { n: formatInteger(data.labels.total, lang) })}
                table={data.labels}
                name={r => r.name}
                extra={{ title: t('cardinality.values'), text: r => formatInteger(r.values, lang) }}
                bar={r => (r.values ?? 0) / Math.max(1, ...data.labels.rows.map(x => x.values ?? 0))}
                active={r => r.name === state.focus}
                onMore={more}
                compared={compared}
                onRow={r => change({ focus: r.name === state.focus ? '' : r.name }, { push: true })}
              />
              <Table
                title={t('cardinality.topJobs')}
                note={t('cardinality.count', { n: formatInteger(data.jobs.total, lang) })}
                table={data.jobs}
                name={r => r.name || t('cardinality.noJob')}
                extra={rate}
                bar={byShare(data.jobs)}
                onMore={more}
                compared={compared}
                onRow={r => down('job', r.name)}
              />
              <Table
                title={t('cardinality.topInstances')}
                note={t('cardinality.count', { n: formatInteger(data.instances.total, lang) })}
                table={data.instances}
                name={r => [r.name, r.value].filter(Boolean).join(' · ') || t('cardinality.noJob')}
                extra={rate}
                bar={byShare(data.instances)}
                onMore={more}
                compared={compared}
                onRow={r =>
                  change(
                    { path: narrow(narrow(state.path, 'job', r.name), 'instance', r.value ?? '') },
                    { push: true },
                  )
                }
              />
            </div>
          </div>
        </>
      )}
      <LimitsPanel />
    </Page>
  )
}
