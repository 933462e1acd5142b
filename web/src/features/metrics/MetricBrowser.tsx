// Every metric of the server: as a tree by name or by source, with type, unit, help, number of series and a
// small preview; Enter, a double click or the buttons put it into the query.
import { ActionIcon, Button, Group, SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconChevronDown, IconChevronRight, IconSearch, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { sampleNumber } from '@/api/prom'
import {
  instantQuery,
  labelNames,
  labelValues,
  metricMetadataQuery,
  metricNamesQuery,
  metricSeriesCountsQuery,
  rangeQuery,
} from '@/api/queries'
import { toneColor } from '@/charts/palette'
import { matrixOf, promChart } from '@/charts/promChart'
import { Sparkline } from '@/charts/Sparkline'
import { selectorText } from '@/features/metrics/builder'
import {
  type Metadata,
  matchMetrics,
  metadataOf,
  metricTree,
  suggestQuery,
} from '@/features/metrics/metricInfo'
import classes from '@/features/metrics/metrics.module.css'
import { guessUnit } from '@/features/metrics/unit'
import { formatShort, formatUnit } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { alignRange, stepFor } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

/** Labels that say where series come from, best first. */
const SOURCES = ['job', 'service_name', 'host_name', 'instance']

function useSource(by: string, value: string | null) {
  const values = useQuery({
    queryKey: ['browser_sources', by],
    queryFn: ({ signal }) => labelValues(by, [], signal),
    enabled: by !== '',
    staleTime: 60_000,
  })
  const names = useQuery({
    queryKey: ['browser_names', by, value],
    queryFn: ({ signal }) =>
      labelValues('__name__', [selectorText('', [{ name: by, op: '=', value: value ?? '' }])], signal),
    enabled: by !== '' && value !== null,
    staleTime: 60_000,
  })
  return { values: values.data ?? [], names: value === null ? undefined : names.data }
}

/** The metric as it is best read, small, with its newest value. */
function Preview({
  name,
  type,
  metadata,
}: {
  name: string
  type: string | undefined
  metadata: Metadata | undefined
}) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { resolved } = useTimeRange()
  const selector = selectorText(name, [])
  const isName = selector === name
  const suggested = isName ? suggestQuery(name, type) : selector
  const expr = type === 'histogram' || name.endsWith('_bucket') ? suggested : `avg(${suggested})`
  const stepS = stepFor(resolved, 220)
  const request = useMemo(
    () => ({ query: expr, stepS, ...alignRange(resolved, stepS) }),
    [expr, stepS, resolved],
  )
  const answer = useQuery(rangeQuery(request))
  const count = useQuery(instantQuery(`count(${selector})`, resolved.endMs))
  const chart = promChart(answer.data, request, '', scheme)
  const unit = guessUnit(suggested, metadata)
  const last = chart.series[0]?.values.findLast(v => v !== null)
  const n = count.data?.data.resultType === 'vector' ? count.data.data.result[0]?.value[1] : undefined
  return (
    <div className={classes.preview}>
      {matrixOf(answer.data).length > 0 ? (
        <Sparkline
          values={chart.series[0]?.values ?? []}
          width={168}
          height={36}
          color={toneColor('info', scheme)}
          label={t('metrics.previewOf', { name })}
        />
      ) : (
        <span className={classes.previewNone}>{answer.isPending ? '…' : t('metrics.previewNone')}</span>
      )}
      <div>
        <b>{formatUnit(last, unit, i18n.language)}</b>
        <div>{n === undefined ? ' ' : t('metrics.seriesCount', { count: sampleNumber(n) })}</div>
      </div>
    </div>
  )
}

function Detail({
  name,
  metadata,
  onPick,
  onClose,
}: {
  name: string
  metadata: Metadata | undefined
  onPick: (expr: string) => void
  onClose: () => void
}) {
  const { t } = useTranslation()
  const info = metadataOf(name, metadata)
  const labels = useQuery({
    queryKey: ['browser_labels', name],
    queryFn: ({ signal }) => labelNames([selectorText(name, [])], signal),
    staleTime: 60_000,
  })
  return (
    <div className={classes.detail}>
      <Group justify="space-between" wrap="nowrap" align="flex-start" gap={4}>
        <div className="mono" style={{ fontWeight: 600, overflowWrap: 'anywhere' }}>
          {name}
        </div>
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          aria-label={t('metrics.closeDetail')}
          onClick={onClose}
        >
          <IconX size={13} />
        </ActionIcon>
      </Group>
      <div className={classes.detailFacts}>
        {info?.type !== undefined && <span className={classes.tag}>{info.type}</span>}
        {info !== undefined && info.unit !== '' && <span className={classes.tag}>{info.unit}</span>}
      </div>
      <div className={classes.detailHelp}>{info?.help || t('metrics.noHelp')}</div>
      <Preview name={name} type={info?.type} metadata={metadata} />
      <div className={classes.detailLabels}>
        {(labels.data ?? [])
          .filter(l => l !== '__name__')
          .map(l => (
            <span key={l} className={classes.labelTag}>
              {l}
            </span>
          ))}
      </div>
      <Group gap={6} mt={8}>
        <Button size="compact-xs" onClick={() => onPick(suggestQuery(name, info?.type))}>
          {t('metrics.use')}
        </Button>
        <Button size="compact-xs" variant="default" onClick={() => onPick(selectorText(name, []))}>
          {t('metrics.useRaw')}
        </Button>
      </Group>
    </div>
  )
}

export function MetricBrowser({ onPick }: { onPick: (expr: string) => void }) {
  const { t, i18n } = useTranslation()
  const names = useQuery(metricNamesQuery)
  const metadata = useQuery(metricMetadataQuery)
  const counts = useQuery(metricSeriesCountsQuery)
  const [text, setText] = useState('')
  const [find] = useDebouncedValue(text, 120)
  const [mode, setMode] = useState<'tree' | 'list'>('tree')
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [picked, setPicked] = useState<string | null>(null)
  const [source, setSource] = useState<string | null>(null)
  const labels = useQuery({
    queryKey: ['builder_labels', ''],
    queryFn: ({ signal }) => labelNames([], signal),
    staleTime: 60_000,
  })
  const by = SOURCES.find(s => labels.data?.includes(s)) ?? ''
  const sources = useSource(by, source)
  const scroll = useRef<HTMLDivElement>(null)
  const pool = source === null ? names.data : sources.names
  const list = useMemo(() => matchMetrics(pool ?? [], find, metadata.data), [pool, find, metadata.data])
  const tree = useMemo(
    () => metricTree(list, open, mode === 'list' || (find !== '' && list.length <= 300)),
    [list, open, find, mode],
  )
  const shown = useMemo(
    () =>
      mode === 'list'
        ? list.map(n => ({ kind: 'metric' as const, key: n, name: n, short: n, depth: 0 }))
        : tree,
    [mode, list, tree],
  )
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 26,
    overscan: 14,
  })
  const flip = (key: string) => {
    const next = new Set(open)
    if (!next.delete(key)) {
      next.add(key)
    }
    setOpen(next)
  }
  const use = (name: string) => onPick(suggestQuery(name, metadataOf(name, metadata.data)?.type))
  const walk = (e: React.KeyboardEvent) => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    if (step === 0) {
      return
    }
    e.preventDefault()
    const buttons = [...(scroll.current?.querySelectorAll('button') ?? [])]
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement)
    buttons[Math.min(buttons.length - 1, Math.max(0, at + step))]?.focus()
  }
  return (
    <div className={classes.browser}>
      <Panel
        title={t('metrics.browser')}
        note={names.data === undefined ? undefined : t('metrics.metricCount', { count: list.length })}
        flush
      >
        <div className={classes.browserHead}>
          <TextInput
            value={text}
            placeholder={t('metrics.browserSearch')}
            aria-label={t('metrics.browserSearch')}
            leftSection={<IconSearch size={14} />}
            onChange={e => setText(e.currentTarget.value)}
            onKeyDown={walk}
          />
          <Group gap={6} wrap="nowrap">
            <SegmentedControl
              size="xs"
              value={mode}
              onChange={v => setMode(v as 'tree' | 'list')}
              data={[
                { value: 'tree', label: t('metrics.tree') },
                { value: 'list', label: t('metrics.list') },
              ]}
            />
            {by !== '' && (
              <Select
                className="grow"
                clearable
                searchable
                limit={200}
                value={source}
                data={sources.values}
                placeholder={t('metrics.anySource')}
                aria-label={t('metrics.source', { label: by })}
                onChange={setSource}
              />
            )}
          </Group>
        </div>
        {names.isPending && <Loading rows={8} height={16} />}
        {names.isError && <Failure compact error={names.error} onRetry={() => void names.refetch()} />}
        {pool !== undefined && list.length === 0 && (
          <Empty compact title={names.data?.length === 0 ? t('metrics.noMetrics') : t('metrics.noneFound')} />
        )}
        <div
          ref={scroll}
          className={classes.browserList}
          onKeyDown={walk}
          role="group"
          aria-label={t('metrics.browser')}
        >
          <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
            {rows.getVirtualItems().map(v => {
              const row = shown[v.index]
              if (row === undefined) {
                return null
              }
              const style = {
                transform: `translateY(${v.start}px)`,
                paddingLeft: 12 + row.depth * 14 + (row.kind === 'metric' && mode === 'tree' ? 20 : 0),
              }
              if (row.kind === 'group') {
                const Chevron = row.open ? IconChevronDown : IconChevronRight
                return (
                  <button
                    type="button"
                    key={`g:${row.key}`}
                    className={classes.metric}
                    style={style}
                    aria-expanded={row.open}
                    onClick={() => flip(row.key)}
                  >
                    <Chevron size={12} />
                    <span className={classes.metricName}>{row.name}…</span>
                    <span className={classes.metricType}>{row.count}</span>
                  </button>
                )
              }
              const series = counts.data?.get(row.name)
              return (
                <button
                  type="button"
                  key={row.key}
                  className={classes.metric}
                  style={style}
                  aria-current={picked === row.name}
                  title={metadataOf(row.name, metadata.data)?.help}
                  onClick={() => setPicked(row.name)}
                  onDoubleClick={() => use(row.name)}
                  onKeyDown={e => e.key === 'Enter' && picked === row.name && use(row.name)}
                >
                  <span className={classes.metricName} title={row.name}>
                    {row.short}
                  </span>
                  <span className={classes.metricType}>
                    {metadataOf(row.name, metadata.data)?.type}
                    {series !== undefined && <b>{formatShort(series, i18n.language)}</b>}
                  </span>
                </button>
              )
            })}
          </div>
        </div>
        {picked !== null && (
          <Detail name={picked} metadata={metadata.data} onPick={onPick} onClose={() => setPicked(null)} />
        )}
      </Panel>
    </div>
  )
}
