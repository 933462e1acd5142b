// What the disk holds, how it grows, what goes next and when, and what is at work on it.
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type Storage, storageQuery, storageSourcesQuery } from '@/api/operations'
import { configQuery } from '@/api/queries'
import type { ChartSeries } from '@/charts/options'
import { type ColorScheme, seriesColor, toneColor } from '@/charts/palette'
import { TimeSeries } from '@/charts/TimeSeries'
import { SOURCES_BY, type SourcesBy, sourcesOf, storageCodec } from '@/features/storage/codec'
import { JobsPanel } from '@/features/storage/JobsPanel'
import {
  bytesPerSample,
  dayGrid,
  outlook,
  type Part,
  partsOf,
  roomOf,
  SLICES,
  storageSettings,
} from '@/features/storage/storage'
import classes from '@/features/storage/storage.module.css'
import { TiersPanel } from '@/features/storage/TiersPanel'
import {
  formatAgo,
  formatBytes,
  formatInteger,
  formatNumber,
  formatPercent,
  formatShort,
  formatSpan,
} from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { useScheme } from '@/lib/scheme'
import { durationText } from '@/lib/time'
import { Dot, Stat, Toned } from '@/ui/Figures'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure, Loading, Snippet } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const ORDER = [...SLICES, 'wal', 'meta'] as const

export function partColor(name: Part['name'], scheme: ColorScheme): string {
  return name === 'meta'
    ? toneColor('none', scheme)
    : seriesColor(ORDER.indexOf(name) + Number(name === 'wal'), scheme)
}

function Budget({ storage }: { storage: Storage }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const parts = partsOf(storage)
  const room = roomOf(storage)
  const share = room.bytes > 0 ? storage.used_bytes / room.bytes : 0
  return (
    <Panel title={t('storage.used')} note={<span className="mono">{storage.path}</span>}>
      <div className={classes.budgetHead}>
        <b>{formatBytes(storage.used_bytes, lang)}</b>
        <span>
          {t(room.kind === 'budget' ? 'storage.ofBudget' : 'storage.ofDisk', {
            room: formatBytes(room.bytes, lang),
            share: formatPercent(share, lang),
          })}
        </span>
        <span className={classes.right}>
          {t('storage.free', {
            free: formatBytes(storage.free_bytes, lang),
            min: formatBytes(storage.min_free_bytes, lang),
          })}
        </span>
      </div>
      <div
        className={classes.budget}
        role="meter"
        aria-label={t('storage.used')}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        {parts.map(p => (
          <span
            key={p.name}
            title={`${t(`storage.part_${p.name}`)}: ${formatBytes(p.bytes, lang)}`}
            style={{
              width: `${room.bytes > 0 ? Math.max(0.15, (p.bytes / room.bytes) * 100) : 0}%`,
              background: partColor(p.name, scheme),
            }}
          />
        ))}
      </div>
      <div className={classes.legend}>
        {parts.map(p => (
          <span key={p.name}>
            <Dot color={partColor(p.name, scheme)} /> {t(`storage.part_${p.name}`)}{' '}
            <b>{formatBytes(p.bytes, lang)}</b>
          </span>
        ))}
      </div>
    </Panel>
  )
}

function Forecast({ storage }: { storage: Storage }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const o = outlook(storage)
  const limit = t(storage.forecast.limited_by === 'budget' ? 'storage.budget' : 'storage.disk')
  const next = storage.forecast.next
  const date = (ms: number) =>
    new Intl.DateTimeFormat(lang, { year: 'numeric', month: 'short', day: 'numeric' }).format(ms)
  const days = (n: number) =>
    n >= 3_650
      ? t('storage.years', { n: formatInteger(n / 365, lang) })
      : n >= 1
        ? t('storage.days', { count: Math.floor(n) })
        : t('storage.hours', { count: Math.max(1, Math.floor(n * 24)) })
  return (
    <Panel title={t('storage.outlook')}>
      <div className={classes.figures}>
        <Stat
          label={t('storage.daysLeft')}
          value={
            o.kind === 'full' ? (
              <Toned tone={o.days < 7 ? 'warn' : 'good'}>{days(o.days)}</Toned>
            ) : o.kind === 'acting' ? (
              <Toned tone="info">{t('storage.full')}</Toned>
            ) : o.kind === 'levels' ? (
              <Toned tone="good">{t('storage.never')}</Toned>
            ) : (
              '–'
            )
          }
        />
        <Stat
          label={t('storage.growth')}
          value={storage.growth.bytes_per_day > 0 ? formatBytes(storage.growth.bytes_per_day, lang) : '–'}
          hint={
            storage.growth.bytes_per_day <= 0
              ? undefined
              : storage.growth.days_measured > 0
                ? t('storage.growthOver', { count: storage.growth.days_measured })
                : t('storage.growthRough')
          }
        />
        <Stat
          label={t('storage.perSample')}
          value={
            bytesPerSample(storage) === null
              ? '–'
              : t('storage.bytes', { n: formatNumber(bytesPerSample(storage), lang) })
          }
          hint={t('storage.perSampleHint')}
        />
      </div>
      <p className={classes.sentence} title={storage.forecast.reason}>
        {o.kind === 'full' &&
          t('storage.say_full', {
            limit,
            room: formatBytes(storage.forecast.limit_bytes, lang),
            date: date(o.atMs),
          })}
        {o.kind === 'acting' && t('storage.say_acting', { limit })}
        {o.kind === 'levels' && t('storage.say_levels', { bytes: formatBytes(o.bytes, lang), limit })}
        {o.kind === 'unknown' && t('storage.say_unknown')}{' '}
        {next !== undefined &&
          (o.kind === 'full' || o.kind === 'acting') &&
          t('storage.say_next', {
            what: t(
              next.tier === undefined
                ? `storage.part_${next.signal === 'metrics' ? 'metrics_raw' : next.signal}`
                : `storage.part_metrics_${next.tier}`,
            ),
            day: date(next.start_ms),
            bytes: formatBytes(next.bytes, lang),
          })}{' '}
        {t('storage.say_never')}
      </p>
    </Panel>
  )
}

function Growth({ storage }: { storage: Storage }) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const { times, series, range } = useMemo(() => {
    const grid = dayGrid(storage.days)
    return {
      times: grid.times,
      series: SLICES.filter(s => grid.values[s].some(v => (v ?? 0) > 0)).map(
        (s): ChartSeries => ({
          label: t(`storage.part_${s}`),
          color: partColor(s, scheme),
          values: grid.values[s],
        }),
      ),
      range: {
        startMs: (grid.times[0] ?? 0) * 1_000,
        endMs: ((grid.times.at(-1) ?? 0) + 86_400) * 1_000,
      },
    }
  }, [storage.days, scheme, t])
  return (
    <Panel title={t('storage.byDay')} note={t('storage.byDayNote')}>
      {times.length === 0 ? (
        <Empty compact title={t('storage.noDays')} text={t('storage.noDaysText')} />
      ) : (
        <TimeSeries
          label={t('storage.byDay')}
          times={times}
          series={series}
          unit="bytes"
          kind="bars"
          stacked
          height={180}
          range={range}
        />
      )}
    </Panel>
  )
}

function Signals({ storage }: { storage: Storage }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const day = (ms: number | undefined) =>
    ms === undefined || ms === 0
      ? '–'
      : new Intl.DateTimeFormat(lang, { month: 'short', day: 'numeric' }).format(ms)
  return (
    <Panel title={t('storage.bySignal')} flush>
      <div className={ui.scroll}>
        <table className={ui.table} aria-label={t('storage.bySignal')}>
          <thead>
            <tr>
              <th>{t('status.what')}</th>
              <th className={ui.right}>{t('status.size')}</th>
              <th className={ui.right}>{t('status.rows')}</th>
              <th className={ui.right}>{t('status.perRow')}</th>
              <th className={ui.right}>{t('status.oldest')}</th>
              <th className={ui.right}>{t('status.newest')}</th>
            </tr>
          </thead>
          <tbody>
            {storage.signals.map(s => (
              <tr key={s.signal}>
                <td style={{ whiteSpace: 'nowrap' }}>{t(`store.${s.signal}`)}</td>
                <td className={ui.right}>{formatBytes(s.bytes, lang)}</td>
                <td className={ui.right}>{s.rows === undefined ? '–' : formatShort(s.rows, lang)}</td>
                <td className={ui.right}>
                  {s.rows !== undefined && s.rows > 0 && s.bytes > 0
                    ? t('storage.bytes', { n: formatNumber(s.bytes / s.rows, lang) })
                    : '–'}
                </td>
                <td className={ui.right}>{day(s.oldest_ms)}</td>
                <td className={ui.right}>
                  {s.newest_ms ? formatAgo(s.newest_ms, storage.now_ms, lang) : '–'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

function Sources() {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [state, change] = usePageState(storageCodec)
  const query = useQuery(storageSourcesQuery(sourcesOf(state.by), 25))
  const data = query.data
  const top = Math.max(1, ...(data?.sources ?? []).map(s => s.bytes))
  const metrics = sourcesOf(state.by).signal === 'metrics'
  return (
    <Panel
      title={t('storage.sources')}
      note={
        !metrics
          ? t('storage.servicesNote')
          : data?.day === undefined
            ? undefined
            : t('storage.sourcesNote', { day: data.day })
      }
      flush
      actions={
        <SegmentedControl
          value={state.by}
          aria-label={t('storage.sourcesBy')}
          onChange={v => change({ by: v as SourcesBy })}
          data={SOURCES_BY.map(b => ({ value: b, label: t(`storage.by_${b}`) }))}
        />
      }
    >
      {query.isPending ? (
        <Loading rows={5} />
      ) : query.isError && data === undefined ? (
        <Failure compact error={query.error} onRetry={() => void query.refetch()} />
      ) : data === undefined || data.sources.length === 0 ? (
        <Empty compact title={t('storage.noSources')} text={t('storage.noDaysText')} />
      ) : (
        <div className={classes.sources}>
          <table className={ui.table} aria-label={t('storage.sources')}>
            <thead>
              <tr>
                <th>{t(metrics ? `storage.by_${state.by}` : 'storage.service')}</th>
                <th className={ui.right}>{t('status.size')}</th>
                <th className={ui.right}>{t('storage.share')}</th>
                <th className={ui.right}>{t(metrics ? 'storage.series' : 'status.rows')}</th>
              </tr>
            </thead>
            <tbody>
              {data.sources.map(s => (
                <tr key={s.name}>
                  <td className={classes.sourceName}>
                    <span className={classes.sourceBar} style={{ width: `${(s.bytes / top) * 100}%` }} />
                    <span className="mono" title={s.name}>
                      {s.name || t(metrics ? 'storage.noLabel' : 'storage.noService')}
                    </span>
                  </td>
                  <td className={ui.right}>{formatBytes(s.bytes, lang)}</td>
                  <td className={ui.right}>
                    {data.bytes > 0 ? formatPercent(s.bytes / data.bytes, lang) : '–'}
                  </td>
                  <td className={ui.right}>{formatShort((metrics ? s.series : s.rows) ?? 0, lang)}</td>
                </tr>
              ))}
              {data.other_bytes > 0 && (
                <tr>
                  <td className={classes.muted}>
                    {t('storage.others', { count: data.distinct - data.sources.length })}
                  </td>
                  <td className={ui.right}>{formatBytes(data.other_bytes, lang)}</td>
                  <td className={ui.right}>
                    {data.bytes > 0 ? formatPercent(data.other_bytes / data.bytes, lang) : '–'}
                  </td>
                  <td />
                </tr>
              )}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function HowToChange() {
  const { t } = useTranslation()
  const config = useQuery(configQuery)
  const rows = storageSettings(config.data?.keys ?? [])
  return (
    <Panel title={t('storage.change')}>
      <p className={classes.sentence}>{t('storage.changeText')}</p>
      <Snippet
        code={
          'storage:\n  max_size: 50GB     # --max-size, BONGSU_STORAGE_MAX_SIZE\n  retention: 30d     # --retention, BONGSU_STORAGE_RETENTION\n'
        }
      />
      {rows.length > 0 && (
        <dl className={classes.settings}>
          {rows.map(r => (
            <div key={r.key}>
              <dt className="mono">{r.key}</dt>
              <dd className="mono">{r.value}</dd>
            </div>
          ))}
        </dl>
      )}
      <Link to="/settings" search={prev => ({ ...prev, tab: 'config' })} className={ui.link}>
        {t('storage.allSettings')}
      </Link>
    </Panel>
  )
}

export function StoragePage() {
  const { t, i18n } = useTranslation()
  const query = useQuery(storageQuery)
  const storage = query.data
  return (
    <Page
      title={t('nav.storage')}
      sub={
        storage === undefined || storage.retention_ms <= 0
          ? undefined
          : t('storage.sub', { time: formatSpan(durationText(storage.retention_ms), i18n.language) })
      }
    >
      {query.isPending ? (
        <Panel>
          <Loading rows={8} />
        </Panel>
      ) : query.isError && storage === undefined ? (
        <Panel>
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        </Panel>
      ) : storage === undefined ? null : (
        <>
          <div className={classes.two}>
            <Budget storage={storage} />
            <Forecast storage={storage} />
          </div>
          <Growth storage={storage} />
          <TiersPanel storage={storage} />
          <div className={classes.two}>
            <Signals storage={storage} />
            <Sources />
          </div>
          <div className={classes.two}>
            <JobsPanel jobs={storage.jobs} nowMs={storage.now_ms} />
            <HowToChange />
          </div>
        </>
      )}
    </Page>
  )
}
