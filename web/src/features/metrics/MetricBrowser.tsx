// Every metric name with its type, unit and help; a click puts it into the query.
import { Button, Group, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { metricMetadataQuery, metricNamesQuery } from '@/api/queries'
import classes from '@/features/metrics/metrics.module.css'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

type Metadata = Record<string, { type: string; help: string; unit: string }[]>

/** Histograms and summaries carry metadata under the name without its suffix. */
export function metadataOf(
  name: string,
  all: Metadata | undefined,
): { type: string; help: string; unit: string } | undefined {
  return (all?.[name] ?? all?.[name.replace(/_(bucket|count|sum|total)$/, '')])?.[0]
}

export function matchMetrics(names: string[], text: string): string[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return words.length === 0 ? names : names.filter(n => words.every(w => n.toLowerCase().includes(w)))
}

/** A counter is read as a rate, a classic histogram as a quantile. */
export function suggestQuery(name: string, type: string | undefined): string {
  if (name.endsWith('_bucket')) {
    return `histogram_quantile(0.95, sum by (le) (rate(${name}[5m])))`
  }
  if (type === 'histogram' && !name.endsWith('_sum') && !name.endsWith('_count')) {
    return `histogram_quantile(0.95, sum(rate(${name}[5m])))`
  }
  return type === 'counter' || name.endsWith('_total') ? `rate(${name}[5m])` : name
}

export function MetricBrowser({ onPick }: { onPick: (expr: string) => void }) {
  const { t } = useTranslation()
  const names = useQuery(metricNamesQuery)
  const metadata = useQuery(metricMetadataQuery)
  const [text, setText] = useState('')
  const [picked, setPicked] = useState<string | null>(null)
  const scroll = useRef<HTMLDivElement>(null)
  const list = useMemo(() => matchMetrics(names.data ?? [], text), [names.data, text])
  const rows = useVirtualizer({
    count: list.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 26,
    overscan: 12,
  })
  const info = picked === null ? undefined : metadataOf(picked, metadata.data)
  return (
    <div>
      <div className={classes.browser}>
        <Panel
          title={t('metrics.browser')}
          note={names.data === undefined ? undefined : `${list.length}`}
          flush
        >
          <div style={{ padding: '4px 12px 8px' }}>
            <TextInput
              value={text}
              placeholder={t('metrics.browserSearch')}
              aria-label={t('metrics.browserSearch')}
              leftSection={<IconSearch size={14} />}
              onChange={e => setText(e.currentTarget.value)}
            />
          </div>
          {names.isPending && <Loading rows={8} height={16} />}
          {names.isError && <Failure compact error={names.error} onRetry={() => void names.refetch()} />}
          {names.data !== undefined && list.length === 0 && <Empty compact title={t('metrics.noneFound')} />}
          <div
            ref={scroll}
            className={classes.browserList}
            style={{ height: `calc(100vh - ${picked === null ? 290 : 440}px)` }}
          >
            <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
              {rows.getVirtualItems().map(v => {
                const name = list[v.index] ?? ''
                return (
                  <button
                    type="button"
                    key={name}
                    className={classes.metric}
                    style={{ transform: `translateY(${v.start}px)` }}
                    aria-current={picked === name}
                    onClick={() => setPicked(name)}
                    onDoubleClick={() => onPick(suggestQuery(name, metadataOf(name, metadata.data)?.type))}
                  >
                    <span className={classes.metricName} title={name}>
                      {name}
                    </span>
                    <span className={classes.metricType}>{metadataOf(name, metadata.data)?.type}</span>
                  </button>
                )
              })}
            </div>
          </div>
          {picked !== null && (
            <div className={classes.detail}>
              <div className="mono" style={{ fontWeight: 600, overflowWrap: 'anywhere', marginBottom: 4 }}>
                {picked}
              </div>
              <dl style={{ margin: 0 }}>
                <dt>{t('metrics.type')}</dt>
                <dd>{info?.type ?? '–'}</dd>
                <dt>{t('metrics.unit')}</dt>
                <dd>{info?.unit || '–'}</dd>
                <dt>{t('metrics.help')}</dt>
                <dd>{info?.help || '–'}</dd>
              </dl>
              <Group gap={6} mt={8}>
                <Button size="compact-xs" onClick={() => onPick(suggestQuery(picked, info?.type))}>
                  {t('metrics.use')}
                </Button>
                <Button size="compact-xs" variant="default" onClick={() => onPick(picked)}>
                  {t('metrics.useRaw')}
                </Button>
              </Group>
            </div>
          )}
        </Panel>
      </div>
    </div>
  )
}
