import { Autocomplete, Button, Select, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { servicesQuery, spanNamesQuery } from '@/api/queries'
import { durationParam, KINDS, STATUSES, type TracesState } from '@/features/traces/codec'
import classes from '@/features/traces/traces.module.css'
import type { ResolvedRange } from '@/lib/time'
import { AttrInput, FilterChips } from '@/ui/AttrFilters'
import filters from '@/ui/filters.module.css'

interface DraftProps {
  value: string
  label: string
  check?: (text: string) => boolean
  onCommit: (text: string) => void
}

/** Commits on Enter and when left, so that half-typed durations are not asked for. */
function DurationInput({ value, label, check, onCommit }: DraftProps) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const bad = text !== '' && check?.(text) === false
  const commit = () => !bad && text !== value && onCommit(text)
  return (
    <TextInput
      className={classes.short}
      aria-label={label}
      placeholder={label}
      value={text}
      error={bad}
      onChange={e => setText(e.currentTarget.value)}
      onBlur={commit}
      onKeyDown={e => e.key === 'Enter' && commit()}
    />
  )
}

interface TraceFiltersProps {
  state: TracesState
  range: ResolvedRange
  onChange: (patch: Partial<TracesState>) => void
}

export function TraceFilters({ state, range, onChange }: TraceFiltersProps) {
  const { t } = useTranslation()
  const services = useQuery(servicesQuery(range))
  const names = useQuery(spanNamesQuery(state.service, range))
  const [operation, setOperation] = useState(state.operation)
  useEffect(() => setOperation(state.operation), [state.operation])
  const known = [...new Set([...(services.data ?? []).map(s => s.service), state.service])]
    .filter(Boolean)
    .sort()
  const active = Object.values(state).some(v => v.length > 0)
  const isDuration = (text: string) => durationParam(text) !== ''
  return (
    <>
      <div className={filters.bar} role="search" aria-label={t('traces.search')}>
        <Select
          className={classes.field}
          aria-label={t('traces.service')}
          placeholder={t('traces.anyService')}
          searchable
          clearable
          data={known}
          value={state.service || null}
          onChange={v => onChange({ service: v ?? '', operation: '' })}
        />
        <Autocomplete
          className={classes.field}
          aria-label={t('traces.operation')}
          placeholder={t('traces.anyOperation')}
          data={names.data ?? []}
          value={operation}
          onChange={setOperation}
          onOptionSubmit={v => onChange({ operation: v })}
          onBlur={() => operation !== state.operation && onChange({ operation })}
          onKeyDown={e => e.key === 'Enter' && onChange({ operation })}
        />
        <Select
          w={120}
          aria-label={t('traces.status')}
          data={STATUSES.map(s => ({
            value: s,
            label: s === '' ? t('traces.anyStatus') : t(`spanStatus.${s}`),
          }))}
          value={state.status}
          allowDeselect={false}
          onChange={v => onChange({ status: (v ?? '') as TracesState['status'] })}
        />
        <Select
          w={130}
          aria-label={t('traces.kind')}
          data={KINDS.map(k => ({ value: k, label: k === '' ? t('traces.anyKind') : t(`spanKind.${k}`) }))}
          value={state.kind}
          allowDeselect={false}
          onChange={v => onChange({ kind: (v ?? '') as TracesState['kind'] })}
        />
        <DurationInput
          value={state.min}
          label={t('traces.min')}
          check={isDuration}
          onCommit={min => onChange({ min })}
        />
        <DurationInput
          value={state.max}
          label={t('traces.max')}
          check={isDuration}
          onCommit={max => onChange({ max })}
        />
        <AttrInput
          attrs={state.attrs}
          onChange={attrs => onChange({ attrs })}
          placeholder="http.response.status_code>=500"
        />
        {active && (
          <Button
            variant="subtle"
            color="gray"
            onClick={() =>
              onChange({ service: '', operation: '', status: '', kind: '', min: '', max: '', attrs: [] })
            }
          >
            {t('filters.clear')}
          </Button>
        )}
      </div>
      <FilterChips
        chips={state.attrs.map(a => ({
          key: a,
          text: a,
          onRemove: () => onChange({ attrs: state.attrs.filter(x => x !== a) }),
        }))}
      />
    </>
  )
}
