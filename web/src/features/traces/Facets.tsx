// Values of the matching spans with their counts, left of the results. A click includes, the second button
// leaves out; counts are exact and of the whole time range. Which fields are shown is kept in this browser.
import { Autocomplete } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconMinus, IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type TypedText, tagNamesQuery, traceValuesQuery } from '@/api/traceql'
import { type Choice, choicesOf, fieldOf, isKeywordField, measured, quoted } from '@/features/traces/query'
import classes from '@/features/traces/search.module.css'
import { formatInteger, formatShort } from '@/lib/format'
import { readPreference, writePreference } from '@/lib/storage'
import type { ResolvedRange } from '@/lib/time'
import { errorText, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const DEFAULT_FIELDS = [
  'resource.service.name',
  'name',
  'status',
  'kind',
  'span.http.route',
  'span.http.response.status_code',
  'span.db.system.name',
  'resource.host.name',
]
const OPEN_FIRST = 4
const SHOWN = 8
const MOST = 40

export function facetLiteral(field: string, value: TypedText): string {
  return value.type === 'nil' || value.type !== 'string' || isKeywordField(field)
    ? value.text
    : quoted(value.text)
}

function readFields(): string[] {
  try {
    const list: unknown = JSON.parse(readPreference('trace-facets') ?? '')
    return Array.isArray(list) && list.every(f => typeof f === 'string') ? list : DEFAULT_FIELDS
  } catch {
    return DEFAULT_FIELDS
  }
}

interface FacetProps {
  q: string
  field: string
  open: boolean
  range: ResolvedRange
  onFlip: () => void
  onRemove: () => void
  onChoice: (field: string, literal: string, choice: Choice) => void
}

function Facet({ q, field, open, range, onFlip, onRemove, onChoice }: FacetProps) {
  const { t, i18n } = useTranslation()
  const [all, setAll] = useState(false)
  const query = useQuery(
    traceValuesQuery(measured(q, '', `count_over_time() by (${field}) | topk(${MOST})`), range, open),
  )
  const chosen = choicesOf(q, field)
  const rows = (query.data ?? [])
    .map(s => ({ value: s.labels[field] ?? Object.values(s.labels)[0], count: s.value }))
    .filter((r): r is { value: TypedText; count: number } => r.value !== undefined && r.value.type !== 'nil')
    .sort((a, b) => b.count - a.count)
  const most = rows[0]?.count ?? 0
  const shown = all ? rows : rows.slice(0, SHOWN)
  return (
    <div className={classes.facet}>
      <div className={classes.facetHead}>
        <button
          type="button"
          className={classes.facetName}
          aria-expanded={open}
          title={field}
          onClick={onFlip}
        >
          {open ? <IconChevronDown size={13} /> : <IconChevronRight size={13} />}
          <span>{field.replace(/^(resource|span)\./, '')}</span>
        </button>
        <button
          type="button"
          className={classes.tiny}
          aria-label={t('traces.removeFacet', { field })}
          onClick={onRemove}
        >
          <IconX size={11} />
        </button>
      </div>
      {open &&
        (query.isPending ? (
          <Loading rows={3} height={14} />
        ) : query.isError && query.data === undefined ? (
          <div className={classes.facetNote} role="alert">
            {errorText(query.error)}
          </div>
        ) : rows.length === 0 ? (
          <div className={classes.facetNote}>{t('traces.facetEmpty')}</div>
        ) : (
          <ul className={classes.facetList} aria-label={field}>
            {shown.map(r => {
              const literal = facetLiteral(field, r.value)
              const choice = chosen.get(literal)
              return (
                <li key={literal} className={classes.value}>
                  <button
                    type="button"
                    className={classes.valueText}
                    data-choice={choice}
                    aria-pressed={choice === 'include'}
                    title={`${r.value.text}\n${formatInteger(r.count, i18n.language)}`}
                    onClick={() => onChoice(field, literal, 'include')}
                  >
                    {r.value.text === '' ? '""' : r.value.text}
                  </button>
                  <span className={classes.valueCount}>{formatShort(r.count, i18n.language)}</span>
                  <span className={classes.valueActions}>
                    <button
                      type="button"
                      className={classes.tiny}
                      aria-pressed={choice === 'include'}
                      aria-label={t('traces.include', { value: r.value.text })}
                      onClick={() => onChoice(field, literal, 'include')}
                    >
                      <IconPlus size={12} />
                    </button>
                    <button
                      type="button"
                      className={classes.tiny}
                      aria-pressed={choice === 'exclude'}
                      aria-label={t('traces.exclude', { value: r.value.text })}
                      onClick={() => onChoice(field, literal, 'exclude')}
                    >
                      <IconMinus size={12} />
                    </button>
                  </span>
                  <span
                    className={classes.valueBar}
                    style={{ width: `calc((100% - 12px) * ${most === 0 ? 0 : r.count / most})` }}
                    aria-hidden="true"
                  />
                </li>
              )
            })}
            {rows.length > SHOWN && (
              <li>
                <button
                  type="button"
                  className={ui.sort}
                  style={{ padding: '2px 6px', fontSize: 12 }}
                  onClick={() => setAll(!all)}
                >
                  {all ? t('traces.fewer') : t('traces.moreValues', { count: rows.length - SHOWN })}
                </button>
              </li>
            )}
          </ul>
        ))}
    </div>
  )
}

interface FacetsProps {
  q: string
  range: ResolvedRange
  onChoice: (field: string, literal: string, choice: Choice) => void
}

export function Facets({ q, range, onChoice }: FacetsProps) {
  const { t } = useTranslation()
  const [fields, setFields] = useState(readFields)
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(readFields().slice(0, OPEN_FIRST)))
  const [text, setText] = useState('')
  const names = useQuery(tagNamesQuery(range))
  const known = (names.data ?? [])
    .filter(s => s.name === 'span' || s.name === 'resource')
    .flatMap(s => s.tags.map(tag => fieldOf(s.name, tag)))
    .concat('statusMessage', 'rootName', 'rootServiceName', 'event:name')
    .filter(f => !fields.includes(f))
  const keep = (next: string[]) => {
    setFields(next)
    writePreference('trace-facets', JSON.stringify(next))
  }
  const flip = (field: string) => {
    const next = new Set(open)
    if (!next.delete(field)) {
      next.add(field)
    }
    setOpen(next)
  }
  const add = (field: string) => {
    if (field.trim() !== '' && !fields.includes(field.trim())) {
      keep([...fields, field.trim()])
      setOpen(new Set([...open, field.trim()]))
    }
    setText('')
  }
  return (
    <section className={`${ui.panel} ${classes.facets}`} aria-label={t('traces.facets')}>
      <div className={ui.panelHead}>
        <h2 className={ui.panelTitle}>{t('traces.facets')}</h2>
        <span className={ui.panelNote}>{t('traces.facetsNote')}</span>
      </div>
      {fields.map(f => (
        <Facet
          key={f}
          q={q}
          field={f}
          open={open.has(f)}
          range={range}
          onFlip={() => flip(f)}
          onRemove={() => keep(fields.filter(x => x !== f))}
          onChoice={onChoice}
        />
      ))}
      <div className={classes.facetFoot}>
        <Autocomplete
          size="xs"
          aria-label={t('traces.addFacet')}
          placeholder={t('traces.addFacet')}
          data={known}
          limit={60}
          value={text}
          onChange={setText}
          onOptionSubmit={add}
          onKeyDown={e => e.key === 'Enter' && known.includes(text) && add(text)}
        />
      </div>
    </section>
  )
}
