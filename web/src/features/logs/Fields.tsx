// The explorer at the left: streams and fields of what was found. Values are counted over the whole range, and
// only when a field is opened.
import { Button, TextInput, Tooltip } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { detectedFieldsQuery, detectedLabelsQuery, fieldValuesQuery } from '@/api/logs'
import type { FieldOrigin } from '@/features/logs/builder'
import type { LogColumn } from '@/features/logs/codec'
import { EVERYTHING, selectorSpan } from '@/features/logs/logql'
import classes from '@/features/logs/logs.module.css'
import { type FieldActions, PinColumn, PlusMinus } from '@/features/logs/PlusMinus'
import { formatPercent, formatShort } from '@/lib/format'
import type { ResolvedRange } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { Empty, errorText, Failure, Loading } from '@/ui/States'

interface Entry {
  name: string
  type: string
  cardinality: number
  origin: FieldOrigin
}

const FEW = 8
const MANY = 50

interface ValuesProps {
  query: string
  range: ResolvedRange
  entry: Entry
  total: number
  actions: FieldActions
}

/** A field that the query does not parse yet is looked for with its parser. */
function queryFor(query: string, entry: Entry): string {
  return entry.origin === 'json' || entry.origin === 'logfmt'
    ? `${query} | ${entry.origin} | ${entry.name}!=""`
    : query
}

function Values({ query, range, entry, total, actions }: ValuesProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [limit, setLimit] = useState(FEW)
  const { data, isPending, isError, error, isFetching } = useQuery(
    fieldValuesQuery(queryFor(query, entry), entry.name, range, limit + 1),
  )
  if (isPending) {
    return <Loading rows={3} height={14} />
  }
  if (isError && data === undefined) {
    return <div className={classes.fieldNote}>{errorText(error)}</div>
  }
  const values = (data ?? []).slice(0, limit)
  const top = values[0]?.count ?? 1
  return (
    <div className={classes.values} aria-busy={isFetching}>
      {values.map(v => (
        <div key={v.value} className={classes.value}>
          <div className={classes.valueBar} style={{ width: `${(v.count / top) * 100}%` }} />
          <span className={classes.valueText} title={v.value}>
            {v.value === '' ? <i>{t('logs.absent')}</i> : v.value}
          </span>
          <span className={classes.valueTools}>
            <PlusMinus name={entry.name} value={v.value} origin={entry.origin} onFilter={actions.filter} />
          </span>
          <Tooltip label={formatShort(v.count, lang)}>
            <span className={classes.fieldCount}>
              {total > 0 ? formatPercent(Math.min(1, v.count / total), lang) : formatShort(v.count, lang)}
            </span>
          </Tooltip>
        </div>
      ))}
      {values.length === 0 && <div className={classes.fieldNote}>{t('logs.noValues')}</div>}
      {(data?.length ?? 0) > limit && limit < MANY && (
        <Button size="compact-xs" variant="subtle" color="gray" onClick={() => setLimit(MANY)}>
          {t('logs.moreValues')}
        </Button>
      )}
    </div>
  )
}

const TYPE_MARK: Record<string, string> = {
  stream: 'S',
  string: 'T',
  int: '#',
  float: '#',
  boolean: '?',
  duration: '⏱',
  bytes: 'B',
}

interface FieldsProps {
  query: string
  range: ResolvedRange
  height: number
  total: number
  columns: LogColumn[]
  actions: FieldActions
}

export function Fields({ query, range, height, total, columns, actions }: FieldsProps) {
  const { t, i18n } = useTranslation()
  const span = selectorSpan(query)
  const selector = span === null ? EVERYTHING : query.slice(span.from, span.to)
  const labels = useQuery(detectedLabelsQuery(selector, range))
  const fields = useQuery(detectedFieldsQuery(query, range))
  const [text, setText] = useState('')
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(['record|detected_level']))
  const matches = (name: string) => name.toLowerCase().includes(text.trim().toLowerCase())
  const streams: Entry[] = (labels.data ?? [])
    .filter(l => l.label !== 'detected_level')
    .map(l => ({ name: l.label, type: 'stream', cardinality: l.cardinality, origin: 'stream' as const }))
    .sort((a, b) => Number(b.cardinality > 1) - Number(a.cardinality > 1) || a.name.localeCompare(b.name))
  const known = new Set(streams.map(s => s.name))
  const parsers = new Set(['json', 'logfmt'].filter(p => query.includes(`| ${p}`)))
  const record: Entry[] = (fields.data ?? [])
    .filter(f => !known.has(f.label) && /\p{L}/u.test(f.label)) // "__" of a text with "=" in it is no field
    .map((f): Entry => {
      const parser = f.parsers?.[0]
      return {
        name: f.label,
        type: f.type,
        cardinality: f.cardinality,
        origin:
          parser === 'json' || parser === 'logfmt' ? (parsers.has(parser) ? 'record' : parser) : 'record',
      }
    })
    .sort(
      (a, b) =>
        Number(b.name === 'detected_level') - Number(a.name === 'detected_level') ||
        a.name.localeCompare(b.name),
    )
  const toggle = (key: string) => {
    const next = new Set(open)
    if (!next.delete(key)) {
      next.add(key)
    }
    setOpen(next)
  }
  const section = (title: string, entries: Entry[]) => {
    const shown = entries.filter(e => matches(e.name))
    return shown.length === 0 ? null : (
      <div role="group" aria-label={title}>
        <div className={classes.fieldsTitle}>
          {title}
          <span className={classes.fieldCount}>{shown.length}</span>
        </div>
        {shown.map(e => {
          const key = `${e.origin}|${e.name}`
          const on = open.has(key)
          return (
            <div key={key}>
              <div className={classes.fieldItem}>
                <button
                  type="button"
                  className={classes.fieldButton}
                  aria-expanded={on}
                  onClick={() => toggle(key)}
                >
                  {on ? <IconChevronDown size={12} /> : <IconChevronRight size={12} />}
                  <Tooltip label={t(`logs.type_${e.type}` as 'logs.type_string', { defaultValue: e.type })}>
                    <span className={classes.fieldType}>{TYPE_MARK[e.type] ?? 'T'}</span>
                  </Tooltip>
                  <span className={classes.fieldName} title={e.name}>
                    {e.name}
                  </span>
                  {(e.origin === 'json' || e.origin === 'logfmt') && (
                    <span className={classes.parserTag}>{e.origin}</span>
                  )}
                </button>
                <span className={classes.fieldPin}>
                  <PinColumn
                    name={e.name}
                    pinned={columns.some(c => c.name === e.name)}
                    onPin={actions.pin}
                  />
                </span>
                <Tooltip label={t('logs.cardinality', { count: e.cardinality })}>
                  <span className={classes.fieldCount}>{formatShort(e.cardinality, i18n.language)}</span>
                </Tooltip>
              </div>
              {on && <Values query={query} range={range} entry={e} total={total} actions={actions} />}
            </div>
          )
        })}
      </div>
    )
  }
  const pending = labels.isPending && fields.isPending
  const failed = fields.isError && fields.data === undefined && labels.data === undefined
  const none = [...streams, ...record].filter(e => matches(e.name)).length === 0
  return (
    <Panel flush label={t('logs.fields')}>
      <div className={classes.fieldsHead}>
        <TextInput
          value={text}
          placeholder={t('logs.findField')}
          aria-label={t('logs.findField')}
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
        />
      </div>
      <div className={classes.fields} style={{ height }}>
        {pending ? (
          <Loading rows={8} height={16} />
        ) : failed ? (
          <Failure compact error={fields.error} onRetry={() => void fields.refetch()} />
        ) : none ? (
          <Empty compact title={t('logs.noFields')} />
        ) : (
          <>
            {section(t('logs.streams'), streams)}
            {section(t('logs.fields'), record)}
          </>
        )}
      </div>
    </Panel>
  )
}
