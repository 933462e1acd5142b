// The simple search: words, levels, filters as chips. Everything becomes LogQL, which is shown below.
import { ActionIcon, Autocomplete, Button, Popover, Select, TextInput, Tooltip } from '@mantine/core'
import { IconFilterPlus, IconLetterCase, IconSearch, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { detectedFieldsQuery, fieldValuesQuery, lokiLabelsQuery } from '@/api/logs'
import { severityColor } from '@/charts/palette'
import {
  addFilter,
  compile,
  EMPTY_QUERY,
  type FieldFilter,
  LEVEL,
  levelsOf,
  opposite,
  parseTerms,
  type SimpleQuery,
  termsText,
  withLevels,
} from '@/features/logs/builder'
import { LEVEL_NAMES, type LevelName, levelOf, lokiLevels } from '@/features/logs/codec'
import { EVERYTHING, FILTER_OPERATORS, type FilterOperator } from '@/features/logs/logql'
import classes from '@/features/logs/logs.module.css'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import filters from '@/ui/filters.module.css'

interface SimpleBarProps {
  query: SimpleQuery
  range: ResolvedRange
  onChange: (query: SimpleQuery) => void
}

function AddFilter({ query, range, onChange }: SimpleBarProps) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  const [op, setOp] = useState<FilterOperator>('=')
  const [value, setValue] = useState('')
  const text = compile(query)
  const labels = useQuery({ ...lokiLabelsQuery(range), enabled: open })
  const fields = useQuery(detectedFieldsQuery(EVERYTHING, range, open))
  const streams = new Set(labels.data ?? [])
  const found = (fields.data ?? []).filter(f => !streams.has(f.label))
  const isStream = streams.has(name)
  const parser = found.find(f => f.label === name)?.parsers?.[0]
  const values = useQuery(
    fieldValuesQuery(
      parser === 'json' || parser === 'logfmt' ? `${text} | ${parser}` : text,
      name,
      range,
      30,
      open && (isStream || found.some(f => f.label === name)),
    ),
  )
  const good = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && (value !== '' || op === '=' || op === '!=')
  const add = () => {
    if (!good) {
      return
    }
    const f: FieldFilter = { name, op, value }
    const numeric = ['>', '>=', '<', '<='].includes(op)
    const next =
      isStream && !numeric
        ? { ...query, streams: addFilter(query.streams, f) }
        : { ...query, fields: addFilter(query.fields, f) }
    if (!isStream && next.parser === '' && (parser === 'json' || parser === 'logfmt')) {
      next.parser = parser
    }
    onChange(next)
    setName('')
    setValue('')
    setOp('=')
    setOpen(false)
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" width={420} trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconFilterPlus size={14} />}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {t('logs.addFilter')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          className={classes.addFilter}
          onSubmit={e => {
            e.preventDefault()
            add()
          }}
        >
          <Autocomplete
            data-autofocus
            label={t('logs.field')}
            value={name}
            onChange={setName}
            data={[
              { group: t('logs.streams'), items: [...streams].sort() },
              { group: t('logs.fields'), items: found.map(f => f.label).sort() },
            ]}
            maxDropdownHeight={260}
            comboboxProps={{ withinPortal: false }}
          />
          <Select
            label={t('logs.operator')}
            value={op}
            withCheckIcon={false}
            onChange={v => setOp((v ?? '=') as FilterOperator)}
            data={FILTER_OPERATORS.map(o => ({ value: o, label: o }))}
            comboboxProps={{ withinPortal: false }}
          />
          <Autocomplete
            label={t('logs.value')}
            value={value}
            onChange={setValue}
            data={[...new Set((values.data ?? []).map(v => v.value).filter(v => v !== ''))]}
            maxDropdownHeight={260}
            comboboxProps={{ withinPortal: false }}
          />
          <Button type="submit" disabled={!good}>
            {t('filters.add')}
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  )
}

function Chip({
  f,
  kind,
  onFlip,
  onRemove,
}: {
  f: FieldFilter
  kind: string
  onFlip: () => void
  onRemove: () => void
}) {
  const { t } = useTranslation()
  const text = `${f.name} ${f.op} ${f.value === '' ? '""' : f.value}`
  const negative = f.op.startsWith('!')
  return (
    <span className={filters.chip} data-negative={negative || undefined} data-kind={kind}>
      <Tooltip label={t('logs.flip')} openDelay={600}>
        <button
          type="button"
          className={classes.chipText}
          aria-label={t('logs.flipOf', { filter: text })}
          onClick={onFlip}
        >
          {text}
        </button>
      </Tooltip>
      <button type="button" aria-label={t('filters.remove', { filter: text })} onClick={onRemove}>
        <IconX size={12} />
      </button>
    </span>
  )
}

export function SimpleBar({ query, range, onChange }: SimpleBarProps) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const written = termsText(query.terms)
  const [text, setText] = useState(written)
  useEffect(() => setText(written), [written])
  const commit = () => {
    const terms = parseTerms(text)
    if (termsText(terms) !== written) {
      onChange({ ...query, terms })
    }
  }
  const levels = new Set(levelsOf(query).map(levelOf))
  const flip = (level: LevelName) => {
    const next = LEVEL_NAMES.filter(l => (l === level ? !levels.has(l) : levels.has(l)))
    onChange(withLevels(query, next.length === LEVEL_NAMES.length ? [] : lokiLevels(next)))
  }
  const fields = query.fields.filter(f => f.name !== LEVEL || !['=', '=~'].includes(f.op))
  const replace = (list: FieldFilter[], f: FieldFilter, by: FieldFilter[]) =>
    list.flatMap(x => (x === f ? by : [x]))
  const active = compile(query) !== compile(EMPTY_QUERY)
  return (
    <>
      <div className={filters.bar} role="search" aria-label={t('logs.search')}>
        <TextInput
          className={classes.search}
          value={text}
          placeholder={t('logs.searchHint')}
          aria-label={t('logs.search')}
          data-log-search=""
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
          onBlur={commit}
          onKeyDown={e => e.key === 'Enter' && commit()}
          rightSection={
            <Tooltip label={t('logs.matchCase')}>
              <ActionIcon
                size="sm"
                variant={query.matchCase ? 'light' : 'subtle'}
                color={query.matchCase ? 'blue' : 'gray'}
                aria-label={t('logs.matchCase')}
                aria-pressed={query.matchCase}
                onClick={() => onChange({ ...query, matchCase: !query.matchCase })}
              >
                <IconLetterCase size={15} />
              </ActionIcon>
            </Tooltip>
          }
        />
        <fieldset className={classes.levels} aria-label={t('common.severity')}>
          {LEVEL_NAMES.map(s => (
            <button
              key={s}
              type="button"
              className={classes.level}
              aria-pressed={levels.has(s)}
              onClick={() => flip(s)}
            >
              <span style={{ background: severityColor(s, scheme) }} />
              {t(`severity.${s}`)}
            </button>
          ))}
        </fieldset>
        <Select
          w={112}
          aria-label={t('logs.parser')}
          value={query.parser}
          withCheckIcon={false}
          data={[
            { value: '', label: t('logs.parser_none') },
            { value: 'json', label: 'json' },
            { value: 'logfmt', label: 'logfmt' },
          ]}
          onChange={v => onChange({ ...query, parser: (v ?? '') as SimpleQuery['parser'] })}
        />
        <AddFilter query={query} range={range} onChange={onChange} />
        {active && (
          <Button variant="subtle" color="gray" onClick={() => onChange({ ...EMPTY_QUERY })}>
            {t('filters.clear')}
          </Button>
        )}
      </div>
      {query.streams.length + fields.length > 0 && (
        <div className={filters.chips}>
          {query.streams.map((f, i) => (
            <Chip
              key={`s${i}${f.name}`}
              f={f}
              kind="stream"
              onFlip={() => onChange({ ...query, streams: replace(query.streams, f, [opposite(f)]) })}
              onRemove={() => onChange({ ...query, streams: replace(query.streams, f, []) })}
            />
          ))}
          {fields.map((f, i) => (
            <Chip
              key={`f${i}${f.name}`}
              f={f}
              kind="field"
              onFlip={() => onChange({ ...query, fields: replace(query.fields, f, [opposite(f)]) })}
              onRemove={() => onChange({ ...query, fields: replace(query.fields, f, []) })}
            />
          ))}
        </div>
      )}
    </>
  )
}
