// The question: TraceQL in the editor, or conditions as fields and chips that compile to the same text.
import { Autocomplete, Button, Menu, SegmentedControl, Select, TextInput, Tooltip } from '@mantine/core'
import { IconChevronDown, IconPlayerPlayFilled, IconPlayerStopFilled, IconPlus } from '@tabler/icons-react'
import { useIsFetching, useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { servicesQuery, spanNamesQuery } from '@/api/queries'
import { tagNamesQuery, tagValuesQuery } from '@/api/traceql'
import { INTRINSICS } from '@/features/traces/language'
import {
  type Condition,
  compileConditions,
  conditionText,
  fieldOf,
  literalOf,
  OPERATORS,
  type Operator,
  parseConditions,
  quoted,
  unquoted,
  withRange,
} from '@/features/traces/query'
import classes from '@/features/traces/search.module.css'
import { formatDurationMs } from '@/lib/format'
import type { ResolvedRange } from '@/lib/time'
import { FilterChips } from '@/ui/AttrFilters'
import filters from '@/ui/filters.module.css'
import { Loading } from '@/ui/States'

const TraceqlEditor = lazy(() => import('@/features/traces/TraceqlEditor'))

const SERVICE = 'resource.service.name'

export const EXAMPLES: {
  key: 'slow' | 'failedDb' | 'cascade' | 'many' | 'rate' | 'quantiles' | 'heat' | 'compare'
  q: string
}[] = [
  { key: 'slow', q: '{ nestedSetParent < 0 && duration > 500ms }' },
  { key: 'failedDb', q: '{ status = error } >> { span.db.system.name != nil }' },
  { key: 'cascade', q: '{ kind = server } >> { kind = server && status = error }' },
  { key: 'many', q: '{ kind = client } | count() > 10' },
  { key: 'rate', q: '{ nestedSetParent < 0 } | rate() by (resource.service.name, status)' },
  {
    key: 'quantiles',
    q: '{ kind = server } | quantile_over_time(duration, .5, .95, .99) by (resource.service.name)',
  },
  { key: 'heat', q: '{ nestedSetParent < 0 } | histogram_over_time(duration)' },
  { key: 'compare', q: '{ nestedSetParent < 0 } | compare({ status = error })' },
]

/** Commits on Enter and when left, so that half-typed durations are not asked for. */
function DurationInput({
  value,
  label,
  onCommit,
}: {
  value: string
  label: string
  onCommit: (literal: string) => void
}) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const literal = text.trim() === '' ? '' : literalOf('duration', '>=', text)
  const commit = () => literal !== null && literal !== value && onCommit(literal)
  return (
    <TextInput
      className={classes.short}
      aria-label={label}
      placeholder={label}
      value={text}
      error={literal === null}
      onChange={e => setText(e.currentTarget.value)}
      onBlur={commit}
      onKeyDown={e => e.key === 'Enter' && commit()}
    />
  )
}

function AddCondition({
  q,
  range,
  onAdd,
}: {
  q: string
  range: ResolvedRange
  onAdd: (c: Condition) => void
}) {
  const { t } = useTranslation()
  const [field, setField] = useState('')
  const [op, setOp] = useState<Operator>('=')
  const [value, setValue] = useState('')
  const names = useQuery(tagNamesQuery(range))
  const values = useQuery(tagValuesQuery(field, q, range))
  const literal = literalOf(field, op, value)
  const known = [
    ...new Set([
      ...INTRINSICS.map(([n]) => n),
      ...(names.data ?? [])
        .filter(s => s.name !== 'intrinsic')
        .flatMap(s => s.tags.map(tag => fieldOf(s.name, tag))),
    ]),
  ]
  const add = (typed = literal) => {
    if (field.trim() !== '' && typed !== null) {
      onAdd({ field: field.trim(), op, literals: [typed] })
      setField('')
      setValue('')
    }
  }
  return (
    <div className={classes.adder}>
      <Autocomplete
        className={classes.adderField}
        aria-label={t('traces.attribute')}
        placeholder={t('traces.attribute')}
        data={known}
        limit={60}
        value={field}
        onChange={setField}
      />
      <Select
        w={68}
        aria-label={t('traces.operator')}
        data={[...OPERATORS]}
        value={op}
        allowDeselect={false}
        onChange={v => setOp((v ?? '=') as Operator)}
      />
      <Autocomplete
        className={classes.adderValue}
        aria-label={t('traces.value')}
        placeholder={t('traces.value')}
        data={[...new Set((values.data ?? []).map(v => v.value))]}
        limit={60}
        value={value}
        onChange={setValue}
        onOptionSubmit={v => {
          const typed = values.data?.find(x => x.value === v)
          setValue(v)
          add(typed?.type === 'string' ? quoted(v) : literalOf(field, op, v))
        }}
        onKeyDown={e => e.key === 'Enter' && add()}
      />
      <Button
        variant="default"
        aria-label={t('filters.add')}
        disabled={field === '' || literal === null}
        onClick={() => add()}
        px={9}
      >
        <IconPlus size={14} />
      </Button>
    </div>
  )
}

interface BuilderProps {
  q: string
  range: ResolvedRange
  onCommit: (q: string) => void
  onText: () => void
}

function Builder({ q, range, onCommit, onText }: BuilderProps) {
  const { t } = useTranslation()
  const conditions = parseConditions(q)
  const services = useQuery(servicesQuery(range))
  const single = (field: string) =>
    conditions?.find(c => c.field === field && c.op === '=' && c.literals.length === 1)
  const service = unquoted(single(SERVICE)?.literals[0] ?? '')
  const names = useQuery(spanNamesQuery(service, range))
  const operation = unquoted(single('name')?.literals[0] ?? '')
  const [draft, setDraft] = useState(operation)
  useEffect(() => setDraft(operation), [operation])
  if (conditions === null) {
    return (
      <div className={classes.complex}>
        <span>{t('traces.tooComplex')}</span>
        <code className="mono">{q}</code>
        <Button size="compact-sm" variant="default" onClick={onText}>
          {t('traces.editText')}
        </Button>
      </div>
    )
  }
  const set = (field: string, literal: string) => {
    const rest = conditions.filter(c => c !== single(field))
    onCommit(compileConditions(literal === '' ? rest : [...rest, { field, op: '=', literals: [literal] }]))
  }
  const bound = (ops: Operator[]) =>
    conditions.find(c => c.field === 'duration' && ops.includes(c.op))?.literals[0] ?? ''
  const [min, max] = [bound(['>', '>=']), bound(['<', '<='])]
  const known = [...new Set([...(services.data ?? []).map(s => s.service), service])].filter(Boolean).sort()
  const own = new Set([single(SERVICE), single('name'), single('status')])
  const chips = conditions.filter(
    c => !own.has(c) && !(c.field === 'duration' && ['>', '>=', '<', '<='].includes(c.op)),
  )
  return (
    <>
      <div className={filters.bar} role="search" aria-label={t('traces.search')}>
        <Select
          className={classes.field}
          aria-label={t('common.service')}
          placeholder={t('traces.anyService')}
          searchable
          clearable
          data={known}
          value={service || null}
          onChange={v => set(SERVICE, v === null ? '' : quoted(v))}
        />
        <Autocomplete
          className={classes.field}
          aria-label={t('traces.operation')}
          placeholder={t('traces.anyOperation')}
          data={names.data ?? []}
          value={draft}
          onChange={setDraft}
          onOptionSubmit={v => set('name', quoted(v))}
          onBlur={() => draft !== operation && set('name', draft === '' ? '' : quoted(draft))}
          onKeyDown={e => e.key === 'Enter' && set('name', draft === '' ? '' : quoted(draft))}
        />
        <Select
          w={118}
          aria-label={t('traces.status')}
          data={[
            { value: '', label: t('traces.anyStatus') },
            ...(['error', 'ok', 'unset'] as const).map(s => ({ value: s, label: t(`spanStatus.${s}`) })),
          ]}
          value={single('status')?.literals[0] ?? ''}
          allowDeselect={false}
          onChange={v => set('status', v ?? '')}
        />
        <DurationInput
          value={min}
          label={t('traces.min')}
          onCommit={v => onCommit(withRange(q, 'duration', v, max))}
        />
        <DurationInput
          value={max}
          label={t('traces.max')}
          onCommit={v => onCommit(withRange(q, 'duration', min, v))}
        />
        <AddCondition q={q} range={range} onAdd={c => onCommit(compileConditions([...conditions, c]))} />
        {conditions.length > 0 && (
          <Button variant="subtle" color="gray" onClick={() => onCommit('')}>
            {t('filters.clear')}
          </Button>
        )}
      </div>
      <FilterChips
        chips={chips.map((c, i) => ({
          key: `${i}${conditionText(c)}`,
          text: conditionText(c),
          onRemove: () => onCommit(compileConditions(conditions.filter(x => x !== c))),
        }))}
      />
    </>
  )
}

/** Seconds since a request started, and the way to end it; nothing while answers are quick. */
function Running() {
  const { t, i18n } = useTranslation()
  const client = useQueryClient()
  const busy = useIsFetching({ queryKey: ['traceql'] }) > 0
  const [sinceMs, setSince] = useState<number | null>(null)
  const [now, setNow] = useState(0)
  useEffect(() => {
    if (!busy) {
      setSince(null)
      return
    }
    const started = Date.now()
    setSince(started)
    setNow(started)
    const id = window.setInterval(() => setNow(Date.now()), 200)
    return () => window.clearInterval(id)
  }, [busy])
  const took = sinceMs === null ? 0 : now - sinceMs
  return took < 600 ? null : (
    <div className={classes.running} role="status">
      <span className={classes.runningBar} aria-hidden="true" />
      <span className="num">{t('traces.running', { time: formatDurationMs(took, i18n.language) })}</span>
      <Button
        size="compact-xs"
        variant="default"
        leftSection={<IconPlayerStopFilled size={11} />}
        onClick={() => void client.cancelQueries({ queryKey: ['traceql'] })}
      >
        {t('common.cancel')}
      </Button>
    </div>
  )
}

interface SearchBarProps {
  q: string
  range: ResolvedRange
  mode: 'builder' | 'text'
  /** Of the query as it was sent. */
  error: string
  onMode: (mode: 'builder' | 'text') => void
  onRun: (q: string) => void
}

export function SearchBar({ q, range, mode, error, onMode, onRun }: SearchBarProps) {
  const { t } = useTranslation()
  const [draft, setDraft] = useState(q)
  useEffect(() => setDraft(q), [q])
  return (
    <div>
      <div className={classes.head}>
        <SegmentedControl
          size="xs"
          value={mode}
          onChange={v => {
            if (draft.trim() !== q) {
              onRun(draft.trim())
            }
            onMode(v as 'builder' | 'text')
          }}
          data={[
            { value: 'builder', label: t('traces.builder') },
            { value: 'text', label: 'TraceQL' },
          ]}
        />
        <Menu position="bottom-start" width={520}>
          <Menu.Target>
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              rightSection={<IconChevronDown size={12} />}
            >
              {t('traces.examples')}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {EXAMPLES.map(e => (
              <Menu.Item
                key={e.key}
                onClick={() => {
                  onMode('text')
                  onRun(e.q)
                }}
              >
                <div>{t(`traces.example_${e.key}`)}</div>
                <div className={`mono ${classes.exampleText}`}>{e.q}</div>
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        <div className="grow" />
        <Running />
      </div>
      {mode === 'builder' ? (
        <Builder q={q} range={range} onCommit={onRun} onText={() => onMode('text')} />
      ) : (
        <div className={classes.editorRow}>
          <div className={classes.editorBox}>
            <Suspense fallback={<Loading rows={1} />}>
              <TraceqlEditor
                value={draft}
                label="TraceQL"
                hint={t('traces.editorHint')}
                range={range}
                error={draft.trim() === q ? error : ''}
                onChange={setDraft}
                onRun={() => onRun(draft.trim())}
              />
            </Suspense>
          </div>
          <Tooltip label={t('traces.runHint')}>
            <Button leftSection={<IconPlayerPlayFilled size={13} />} onClick={() => onRun(draft.trim())}>
              {t('traces.run')}
            </Button>
          </Tooltip>
        </div>
      )}
    </div>
  )
}
