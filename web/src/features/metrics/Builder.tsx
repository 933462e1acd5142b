// A query put together by choosing: metric, label filters, then a chain of steps, each applied to what the
// one before it gives. Writes PromQL; reads back whatever parseBuilder() understands.
import {
  ActionIcon,
  Autocomplete,
  Button,
  Menu,
  MultiSelect,
  Select,
  TextInput,
  Tooltip,
} from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { labelNames, labelValues, metricNamesQuery } from '@/api/queries'
import {
  AGG_OPS,
  aggParam,
  type BuilderMatcher,
  type BuilderQuery,
  type BuilderStep,
  builderText,
  MATH_OPS,
  type MatchOp,
  RANGE_FNS,
  rangeParam,
  selectorText,
  VECTOR_FNS,
} from '@/features/metrics/builder'
import classes from '@/features/metrics/builder.module.css'
import { functionDoc } from '@/features/metrics/functions'
import { type Metadata, metadataOf } from '@/features/metrics/metricInfo'

const MATCH_OPS: MatchOp[] = ['=', '!=', '=~', '!~']
const WINDOWS = ['1m', '2m', '5m', '10m', '15m', '30m', '1h', '6h', '1d']

function useLabelNames(metric: string): string[] {
  const { data } = useQuery({
    queryKey: ['builder_labels', metric],
    queryFn: ({ signal }) => labelNames(metric === '' ? [] : [selectorText(metric, [])], signal),
    staleTime: 60_000,
  })
  return (data ?? []).filter(n => n !== '__name__')
}

function useLabelValues(name: string, metric: string, others: BuilderMatcher[], open: boolean): string[] {
  const selector = selectorText(metric, others)
  const { data } = useQuery({
    queryKey: ['builder_values', name, selector],
    queryFn: ({ signal }) => labelValues(name, selector === '' ? [] : [selector], signal),
    enabled: open && name !== '',
    staleTime: 30_000,
  })
  return data ?? []
}

/** A box that takes any text and offers names; it speaks only when the choice is made. */
function Choice(props: {
  value: string
  label: string
  options: string[]
  width: number | string
  placeholder?: string
  autoFocus?: boolean
  onOpen?: () => void
  onChoose: (value: string) => void
}) {
  const [text, setText] = useState(props.value)
  useEffect(() => setText(props.value), [props.value])
  const choose = (v: string) => {
    if (v !== props.value) {
      props.onChoose(v)
    }
  }
  return (
    <Autocomplete
      value={text}
      w={props.width}
      limit={100}
      maxDropdownHeight={280}
      data={[...new Set(props.options)]}
      aria-label={props.label}
      placeholder={props.placeholder}
      data-autofocus={props.autoFocus}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
      classNames={{ input: classes.mono, option: classes.mono }}
      onDropdownOpen={props.onOpen}
      onChange={setText}
      onOptionSubmit={choose}
      onBlur={() => choose(text)}
      onKeyDown={e => {
        if (e.key === 'Enter') {
          choose(text)
        }
      }}
    />
  )
}

function NumberBox({
  value,
  label,
  onChange,
}: {
  value: number
  label: string
  onChange: (v: number) => void
}) {
  const [text, setText] = useState(String(value))
  useEffect(() => setText(String(value)), [value])
  const good = text.trim() !== '' && Number.isFinite(Number(text))
  const commit = () => (good && Number(text) !== value ? onChange(Number(text)) : undefined)
  return (
    <TextInput
      w={70}
      value={text}
      aria-label={label}
      error={!good}
      classNames={{ input: classes.mono }}
      onChange={e => setText(e.currentTarget.value)}
      onBlur={commit}
      onKeyDown={e => e.key === 'Enter' && commit()}
    />
  )
}

function Chip({ title, onRemove, children }: { title: string; onRemove: () => void; children: ReactNode }) {
  const { t } = useTranslation()
  return (
    <div className={classes.chip} role="group" aria-label={title}>
      {children}
      <ActionIcon
        size="sm"
        variant="subtle"
        color="gray"
        aria-label={t('metrics.b_remove', { name: title })}
        onClick={onRemove}
      >
        <IconX size={12} />
      </ActionIcon>
    </div>
  )
}

function MatcherChip({
  matcher,
  metric,
  others,
  names,
  onChange,
  onRemove,
}: {
  matcher: BuilderMatcher
  metric: string
  others: BuilderMatcher[]
  names: string[]
  onChange: (m: BuilderMatcher) => void
  onRemove: () => void
}) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const values = useLabelValues(matcher.name, metric, others, open)
  return (
    <Chip title={`${matcher.name}${matcher.op}${matcher.value}`} onRemove={onRemove}>
      <Choice
        value={matcher.name}
        label={t('metrics.b_label')}
        placeholder={t('metrics.b_label')}
        options={names}
        width={130}
        onChoose={name => onChange({ ...matcher, name, value: name === matcher.name ? matcher.value : '' })}
      />
      <Select
        w={58}
        value={matcher.op}
        data={MATCH_OPS}
        aria-label={t('metrics.b_op')}
        withCheckIcon={false}
        rightSectionWidth={0}
        classNames={{ input: classes.mono }}
        onChange={op => onChange({ ...matcher, op: op as MatchOp })}
      />
      <Choice
        value={matcher.value}
        label={t('metrics.b_value')}
        placeholder={t('metrics.b_value')}
        options={values}
        width={170}
        onOpen={() => setOpen(true)}
        onChoose={value => onChange({ ...matcher, value })}
      />
    </Chip>
  )
}

function StepChip({
  step,
  labels,
  onChange,
  onRemove,
}: {
  step: BuilderStep
  labels: string[]
  onChange: (s: BuilderStep) => void
  onRemove: () => void
}) {
  const { t, i18n } = useTranslation()
  const head = step.kind === 'range' || step.kind === 'fn' ? step.fn : step.op
  const pick = (data: readonly string[], value: string, width: number, set: (v: string) => void) => (
    <Tooltip label={functionDoc(value, i18n.language)?.text ?? value}>
      <Select
        w={width}
        value={value}
        data={data.includes(value) ? data : [value, ...data]}
        searchable
        aria-label={t('metrics.b_step')}
        withCheckIcon={false}
        classNames={{ input: classes.mono, option: classes.mono }}
        onChange={v => v !== null && set(v)}
      />
    </Tooltip>
  )
  return (
    <Chip title={head} onRemove={onRemove}>
      {step.kind === 'range' && (
        <>
          {pick(RANGE_FNS, step.fn, 160, fn => onChange({ kind: 'range', fn, window: step.window }))}
          {rangeParam[step.fn] !== undefined && (
            <NumberBox
              value={step.param ?? rangeParam[step.fn]?.value ?? 0}
              label={t('metrics.b_param')}
              onChange={param => onChange({ ...step, param })}
            />
          )}
          <Choice
            value={step.window}
            label={t('metrics.b_window')}
            options={WINDOWS}
            width={72}
            onChoose={window => onChange({ ...step, window })}
          />
        </>
      )}
      {step.kind === 'fn' && (
        <>
          {pick(Object.keys(VECTOR_FNS), step.fn, 170, fn =>
            onChange({ kind: 'fn', fn, params: [...(VECTOR_FNS[fn]?.params ?? [])] }),
          )}
          {step.params.map((p, i) => (
            <NumberBox
              key={i}
              value={p}
              label={t('metrics.b_param')}
              onChange={v => onChange({ ...step, params: step.params.map((old, n) => (n === i ? v : old)) })}
            />
          ))}
        </>
      )}
      {step.kind === 'agg' && (
        <>
          {pick(AGG_OPS, step.op, 100, op =>
            onChange({ kind: 'agg', op, grouping: step.grouping, labels: step.labels }),
          )}
          {step.op in aggParam && (
            <NumberBox
              value={step.param ?? aggParam[step.op] ?? 0}
              label={t('metrics.b_param')}
              onChange={param => onChange({ ...step, param })}
            />
          )}
          <Select
            w={92}
            value={step.grouping}
            aria-label={t('metrics.b_grouping')}
            withCheckIcon={false}
            data={[
              { value: 'none', label: t('metrics.b_all') },
              { value: 'by', label: 'by' },
              { value: 'without', label: 'without' },
            ]}
            onChange={v => onChange({ ...step, grouping: v as 'none' | 'by' | 'without' })}
          />
          {step.grouping !== 'none' && (
            <MultiSelect
              miw={140}
              size="xs"
              searchable
              value={step.labels}
              data={[...new Set([...labels, ...step.labels])]}
              placeholder={step.labels.length === 0 ? t('metrics.b_labels') : undefined}
              aria-label={t('metrics.b_labels')}
              comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
              classNames={{ option: classes.mono, pill: classes.mono }}
              onChange={next => onChange({ ...step, labels: next })}
            />
          )}
        </>
      )}
      {step.kind === 'math' && (
        <>
          {pick(MATH_OPS, step.op, 66, op => onChange({ ...step, op }))}
          <NumberBox
            value={step.value}
            label={t('metrics.b_number')}
            onChange={value => onChange({ ...step, value })}
          />
        </>
      )}
    </Chip>
  )
}

function AddStep({ canRange, onAdd }: { canRange: boolean; onAdd: (s: BuilderStep) => void }) {
  const { t, i18n } = useTranslation()
  const item = (name: string, step: BuilderStep) => (
    <Menu.Item key={name} onClick={() => onAdd(step)}>
      <span className="mono">{name}</span>{' '}
      <span className={classes.hint}>{functionDoc(name, i18n.language)?.text}</span>
    </Menu.Item>
  )
  return (
    <Menu position="bottom-start" width={340}>
      <Menu.Target>
        <Button size="compact-xs" variant="subtle" leftSection={<IconPlus size={12} />}>
          {t('metrics.b_addStep')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah={380} style={{ overflowY: 'auto' }}>
        {canRange && (
          <>
            <Menu.Label>{t('metrics.b_overTime')}</Menu.Label>
            {['rate', 'increase', 'avg_over_time', 'max_over_time', 'delta', 'deriv'].map(fn =>
              item(fn, { kind: 'range', fn, window: '5m' }),
            )}
          </>
        )}
        <Menu.Label>{t('metrics.b_aggregate')}</Menu.Label>
        {AGG_OPS.slice(0, 5).map(op => item(op, { kind: 'agg', op, grouping: 'by', labels: [] }))}
        {['topk', 'bottomk', 'quantile'].map(op =>
          item(op, { kind: 'agg', op, grouping: 'none', labels: [] }),
        )}
        <Menu.Label>{t('metrics.b_functions')}</Menu.Label>
        {Object.entries(VECTOR_FNS).map(([fn, d]) => item(fn, { kind: 'fn', fn, params: [...d.params] }))}
        <Menu.Label>{t('metrics.b_math')}</Menu.Label>
        {MATH_OPS.map(op => (
          <Menu.Item
            key={op}
            onClick={() => onAdd({ kind: 'math', op, value: op === '*' || op === '/' ? 100 : 0 })}
          >
            <span className="mono">{op}</span>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

interface BuilderProps {
  query: BuilderQuery
  metadata: Metadata | undefined
  onChange: (expr: string) => void
}

export function Builder({ query, metadata, onChange }: BuilderProps) {
  const { t } = useTranslation()
  const names = useQuery(metricNamesQuery)
  const labels = useLabelNames(query.metric)
  // a filter without a value is no PromQL yet: it is kept here until it has one
  const [draft, setDraft] = useState<BuilderMatcher | null>(null)
  const emit = (q: BuilderQuery) => onChange(builderText(q))
  const info = metadataOf(query.metric, metadata)
  const others = (i: number) => query.matchers.filter((_, n) => n !== i)
  const setMetric = (metric: string) => {
    const type = metadataOf(metric, metadata)?.type
    const counter = type === 'counter' || /_(total|bucket|count|sum)$/.test(metric)
    const fresh: BuilderStep[] = metric.endsWith('_bucket')
      ? [
          { kind: 'range', fn: 'rate', window: '5m' },
          { kind: 'agg', op: 'sum', grouping: 'by', labels: ['le'] },
          { kind: 'fn', fn: 'histogram_quantile', params: [0.95] },
        ]
      : counter
        ? [{ kind: 'range', fn: 'rate', window: '5m' }]
        : []
    emit({ ...query, metric, steps: query.steps.length === 0 ? fresh : query.steps })
  }
  return (
    <div className={classes.builder}>
      <div className={classes.line}>
        <span className={classes.name}>{t('metrics.b_metric')}</span>
        <Choice
          value={query.metric}
          label={t('metrics.b_metric')}
          placeholder={t('metrics.b_pickMetric')}
          options={names.data ?? []}
          width={320}
          onChoose={setMetric}
        />
        {info !== undefined && (
          <span className={classes.hint} title={info.help}>
            {[info.type, info.unit, info.help].filter(Boolean).join(' · ')}
          </span>
        )}
      </div>
      <div className={classes.line}>
        <span className={classes.name}>{t('metrics.b_filters')}</span>
        {query.matchers.map((m, i) => (
          <MatcherChip
            key={i}
            matcher={m}
            metric={query.metric}
            others={others(i)}
            names={labels}
            onChange={next =>
              emit({ ...query, matchers: query.matchers.map((old, n) => (n === i ? next : old)) })
            }
            onRemove={() => emit({ ...query, matchers: others(i) })}
          />
        ))}
        {draft !== null && (
          <MatcherChip
            matcher={draft}
            metric={query.metric}
            others={query.matchers}
            names={labels}
            onChange={m => {
              if (m.name !== '' && m.value !== '') {
                setDraft(null)
                emit({ ...query, matchers: [...query.matchers, m] })
              } else {
                setDraft(m)
              }
            }}
            onRemove={() => setDraft(null)}
          />
        )}
        <Button
          size="compact-xs"
          variant="subtle"
          leftSection={<IconPlus size={12} />}
          disabled={draft !== null}
          onClick={() => setDraft({ name: '', op: '=', value: '' })}
        >
          {t('metrics.b_addFilter')}
        </Button>
      </div>
      <div className={classes.line}>
        <span className={classes.name}>{t('metrics.b_steps')}</span>
        {query.steps.map((s, i) => (
          <StepChip
            key={i}
            step={s}
            labels={labels}
            onChange={next => emit({ ...query, steps: query.steps.map((old, n) => (n === i ? next : old)) })}
            onRemove={() => emit({ ...query, steps: query.steps.filter((_, n) => n !== i) })}
          />
        ))}
        <AddStep
          canRange={query.steps[0]?.kind !== 'range'}
          onAdd={s =>
            emit({ ...query, steps: s.kind === 'range' ? [s, ...query.steps] : [...query.steps, s] })
          }
        />
      </div>
    </div>
  )
}
