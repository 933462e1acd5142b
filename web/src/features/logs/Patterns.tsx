// What the lines have in common: one row for each statement of a program, how often it speaks and since when.
import { ActionIcon, Badge, Button, SegmentedControl, TextInput, Tooltip } from '@mantine/core'
import {
  IconArrowDownRight,
  IconArrowUpRight,
  IconFilter,
  IconFilterOff,
  IconSearch,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Fragment, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type LogPattern, logPatternsQuery } from '@/api/logs'
import { severityColor, toneColor } from '@/charts/palette'
import { Sparkline } from '@/charts/Sparkline'
import { Marked } from '@/features/logs/Body'
import { isLevel, LEVEL_NAMES, type LevelName, levelOf } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import { formatAgo, formatDateTime, formatInteger, formatPercent } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const NO_MARKS: RegExp[] = []

export const PATTERN_SORTS = ['count', 'new', 'rise'] as const
export type PatternSort = (typeof PATTERN_SORTS)[number]

export function sortPatterns(list: LogPattern[], by: PatternSort): LogPattern[] {
  // what nobody has seen before the range has risen from nothing
  const rise = (p: LogPattern) => p.count - p.previous_count
  return [...list].sort((a, b) =>
    by === 'new'
      ? Number(b.new === true) - Number(a.new === true) ||
        (b.first_seen_ms ?? 0) - (a.first_seen_ms ?? 0) ||
        b.count - a.count
      : by === 'rise'
        ? rise(b) - rise(a)
        : b.count - a.count,
  )
}

/** Counts by the levels of the list, worst first. */
export function levelMix(levels: Record<string, number>): [LevelName, number][] {
  const by = new Map<LevelName, number>()
  for (const [name, n] of Object.entries(levels)) {
    const level = isLevel(name) ? name : levelOf(name)
    by.set(level, (by.get(level) ?? 0) + n)
  }
  return [...LEVEL_NAMES].reverse().flatMap(l => {
    const n = by.get(l) ?? 0
    return n === 0 ? [] : [[l, n] as [LevelName, number]]
  })
}

function Template({ text }: { text: string }) {
  return (
    <span className={classes.template}>
      {text.split(/(<_>)/).map((p, i) =>
        p === '<_>' ? (
          <span key={i} className={classes.hole}>
            ···
          </span>
        ) : (
          <span key={i}>{p}</span>
        ),
      )}
    </span>
  )
}

function Trend({ p, lang }: { p: LogPattern; lang: string }) {
  const { t } = useTranslation()
  if (p.new === true) {
    return (
      <Badge size="sm" variant="light" color="orange" title={t('logs.newText')}>
        {t('logs.new')}
      </Badge>
    )
  }
  if (p.trend === undefined || Math.abs(p.trend) < 0.05) {
    return <span className={classes.none}>–</span>
  }
  const Icon = p.trend > 0 ? IconArrowUpRight : IconArrowDownRight
  return (
    <Tooltip label={t('logs.before', { count: p.previous_count })}>
      <span className={classes.trend}>
        <Icon size={13} />
        {p.trend > 9 ? `×${formatInteger(p.trend + 1, lang)}` : formatPercent(Math.abs(p.trend), lang)}
      </span>
    </Tooltip>
  )
}

function Mix({ p }: { p: LogPattern }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const mix = levelMix(p.levels)
  const most = [...mix].sort((a, b) => b[1] - a[1])[0]
  const text = mix
    .map(([l, n]) => `${t(`severity.${l}`)} ${formatPercent(n / Math.max(1, p.count), i18n.language)}`)
    .join(', ')
  return (
    <Tooltip label={text}>
      <span className={classes.mixCell}>
        <span className={classes.mix} role="img" aria-label={text}>
          {mix.map(([l, n]) => (
            <span
              key={l}
              style={{ width: `${(n / Math.max(1, p.count)) * 100}%`, background: severityColor(l, scheme) }}
            />
          ))}
        </span>
        <span className={classes.mixName}>{most === undefined ? '' : t(`severity.${most[0]}`)}</span>
      </span>
    </Tooltip>
  )
}

interface PatternsProps {
  query: string
  range: ResolvedRange
  height: number
  onFilter: (ids: string[], negated: boolean) => void
}

export function Patterns({ query, range, height, onFilter }: PatternsProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const [text, setText] = useState('')
  const [by, setBy] = useState<PatternSort>('count')
  const [open, setOpen] = useState('')
  const { data, isPending, isError, error, refetch } = useQuery(logPatternsQuery(query, range))
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase()
    return sortPatterns(
      (data?.patterns ?? []).filter(p => `${p.service} ${p.template}`.toLowerCase().includes(wanted)),
      by,
    )
  }, [data, text, by])
  if (isPending) {
    return (
      <Panel label={t('logs.patterns')}>
        <Loading rows={10} />
      </Panel>
    )
  }
  if (isError && data === undefined) {
    return (
      <Panel label={t('logs.patterns')}>
        <Failure error={error} onRetry={() => void refetch()} />
      </Panel>
    )
  }
  const top = Math.max(1, ...rows.map(p => p.count))
  return (
    <Panel flush label={t('logs.patterns')}>
      <div className={classes.patternsHead}>
        <TextInput
          w={260}
          value={text}
          placeholder={t('logs.findPattern')}
          aria-label={t('logs.findPattern')}
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
        />
        <SegmentedControl
          value={by}
          aria-label={t('logs.sortBy')}
          onChange={v => setBy(v as PatternSort)}
          data={PATTERN_SORTS.map(s => ({ value: s, label: t(`logs.sort_${s}`) }))}
        />
        <span className={classes.patternsNote}>
          {t('logs.patternCount', { count: data?.total_patterns ?? 0 })}
          {(data?.without_pattern ?? 0) > 0 &&
            ` · ${t('logs.withoutPattern', { count: data?.without_pattern ?? 0 })}`}
        </span>
      </div>
      {rows.length === 0 ? (
        <Empty title={t('logs.noPatterns')} text={t('logs.noPatternsText')} />
      ) : (
        <div className={ui.scroll} style={{ maxHeight: height }}>
          <table className={`${ui.table} ${classes.patternTable}`} aria-label={t('logs.patterns')}>
            <thead>
              <tr>
                <th className={ui.right} style={{ width: 150 }}>
                  {t('logs.count')}
                </th>
                <th style={{ width: 120 }}>{t('logs.overTime')}</th>
                <th style={{ width: 84 }}>{t('logs.trend')}</th>
                <th style={{ width: 110 }}>{t('common.severity')}</th>
                <th style={{ width: 110 }}>{t('common.service')}</th>
                <th style={{ minWidth: 240 }}>{t('logs.pattern')}</th>
                <th style={{ width: 110 }}>{t('logs.lastSeen')}</th>
                <th style={{ width: 66 }} aria-label={t('logs.actions')} />
              </tr>
            </thead>
            <tbody>
              {rows.map(p => (
                <Fragment key={`${p.service}|${p.pattern_id}`}>
                  <tr>
                    <td className={ui.right}>
                      <div className={classes.patternCount}>
                        <div style={{ width: `${(p.count / top) * 100}%` }} />
                        <b>{formatInteger(p.count, lang)}</b>
                        <span>{formatPercent(p.share, lang)}</span>
                      </div>
                    </td>
                    <td>
                      <Sparkline
                        values={p.counts}
                        color={toneColor('info', scheme)}
                        label={t('logs.overTime')}
                        width={104}
                        height={22}
                      />
                    </td>
                    <td>
                      <Trend p={p} lang={lang} />
                    </td>
                    <td>
                      <Mix p={p} />
                    </td>
                    <td className={classes.service}>{p.service}</td>
                    <td>
                      <button
                        type="button"
                        className={classes.patternButton}
                        aria-expanded={open === p.pattern_id}
                        onClick={() => setOpen(open === p.pattern_id ? '' : p.pattern_id)}
                      >
                        <Template
                          text={open === p.pattern_id ? p.template : (p.template.split('\n')[0] ?? '')}
                        />
                      </button>
                    </td>
                    <td className={classes.patternsNote} title={formatDateTime(p.last_seen_ms, lang)}>
                      {formatAgo(p.last_seen_ms, range.endMs, lang)}
                    </td>
                    <td>
                      <div className={classes.kvActions}>
                        <Tooltip label={t('logs.onlyPattern')}>
                          <ActionIcon
                            size="sm"
                            variant="subtle"
                            color="gray"
                            aria-label={t('logs.onlyPattern')}
                            onClick={() => onFilter(p.ids, false)}
                          >
                            <IconFilter size={14} />
                          </ActionIcon>
                        </Tooltip>
                        <Tooltip label={t('logs.withoutThisPattern')}>
                          <ActionIcon
                            size="sm"
                            variant="subtle"
                            color="gray"
                            aria-label={t('logs.withoutThisPattern')}
                            onClick={() => onFilter(p.ids, true)}
                          >
                            <IconFilterOff size={14} />
                          </ActionIcon>
                        </Tooltip>
                      </div>
                    </td>
                  </tr>
                  {open === p.pattern_id && (
                    <tr>
                      <td colSpan={8} className={classes.patternOpen}>
                        <div className={classes.optionLabel}>{t('logs.sample')}</div>
                        <pre className={classes.full}>
                          <Marked text={p.sample ?? ''} marks={NO_MARKS} />
                        </pre>
                        <div className={classes.openTools}>
                          <Button size="compact-xs" variant="light" onClick={() => onFilter(p.ids, false)}>
                            {t('logs.itsLines')}
                          </Button>
                          {p.first_seen_ms !== undefined && (
                            <span>
                              {t('logs.firstSeen', { time: formatDateTime(p.first_seen_ms, lang) })}
                            </span>
                          )}
                          <span>{t('logs.before', { count: p.previous_count })}</span>
                          <span className={classes.exact}>{p.pattern_id}</span>
                        </div>
                      </td>
                    </tr>
                  )}
                </Fragment>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
