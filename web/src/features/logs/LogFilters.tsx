import { Button, Select, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { servicesQuery } from '@/api/queries'
import { severityColor } from '@/charts/palette'
import { type LogsState, SEVERITIES } from '@/features/logs/codec'
import classes from '@/features/logs/logs.module.css'
import { useScheme } from '@/lib/scheme'
import type { ResolvedRange } from '@/lib/time'
import { AttrInput, FilterChips } from '@/ui/AttrFilters'
import filters from '@/ui/filters.module.css'

interface LogFiltersProps {
  state: LogsState
  range: ResolvedRange
  onChange: (patch: Partial<LogsState>) => void
}

export function LogFilters({ state, range, onChange }: LogFiltersProps) {
  const { t } = useTranslation()
  const scheme = useScheme()
  const services = useQuery(servicesQuery(range))
  const [text, setText] = useState(state.text)
  useEffect(() => setText(state.text), [state.text])
  const known = [...new Set([...(services.data ?? []).map(s => s.service), state.service])]
    .filter(Boolean)
    .sort()
  const active =
    state.text !== '' ||
    state.severity.length > 0 ||
    state.service !== '' ||
    state.traceId !== '' ||
    state.attrs.length > 0
  const commit = () => text !== state.text && onChange({ text })
  const chips = [
    ...(state.traceId === ''
      ? []
      : [{ key: 'trace', text: `trace_id=${state.traceId}`, onRemove: () => onChange({ traceId: '' }) }]),
    ...state.attrs.map(a => ({
      key: a,
      text: a,
      onRemove: () => onChange({ attrs: state.attrs.filter(x => x !== a) }),
    })),
  ]
  return (
    <>
      <div className={filters.bar} role="search" aria-label={t('logs.search')}>
        <TextInput
          className={classes.search}
          value={text}
          placeholder={t('logs.searchHint')}
          aria-label={t('logs.search')}
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
          onBlur={commit}
          onKeyDown={e => e.key === 'Enter' && commit()}
        />
        <fieldset
          className={classes.levels}
          aria-label={t('logs.severity')}
          style={{ margin: 0, padding: 0 }}
        >
          {SEVERITIES.map(s => {
            const on = state.severity.includes(s)
            return (
              <button
                key={s}
                type="button"
                className={classes.level}
                aria-pressed={on}
                onClick={() =>
                  onChange({ severity: on ? state.severity.filter(x => x !== s) : [...state.severity, s] })
                }
              >
                <span style={{ background: severityColor(s, scheme) }} />
                {t(`severity.${s}`)}
              </button>
            )
          })}
        </fieldset>
        <Select
          className={classes.field}
          aria-label={t('traces.service')}
          placeholder={t('traces.anyService')}
          searchable
          clearable
          data={known}
          value={state.service || null}
          onChange={v => onChange({ service: v ?? '' })}
        />
        <AttrInput
          attrs={state.attrs}
          onChange={attrs => onChange({ attrs })}
          placeholder="http.route=/orders"
        />
        {active && (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => onChange({ text: '', severity: [], service: '', traceId: '', attrs: [] })}
          >
            {t('filters.clear')}
          </Button>
        )}
      </div>
      <FilterChips chips={chips} />
    </>
  )
}
