import { ActionIcon, TextInput, Tooltip } from '@mantine/core'
import { IconTrash } from '@tabler/icons-react'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import type { PromAnswer } from '@/api/prom'
import { letter, type MetricQuery, parsePosition } from '@/features/metrics/codec'
import classes from '@/features/metrics/metrics.module.css'
import { statsOf } from '@/features/metrics/run'
import { formatDurationMs, formatShort } from '@/lib/format'
import { ToneMark } from '@/ui/Figures'
import { errorText } from '@/ui/States'

const PromEditor = lazy(() => import('@/features/metrics/PromEditor'))

/** The server's message; with a position, the line of the query and a caret under it. */
export function QueryProblem({ expr, error }: { expr: string; error: unknown }) {
  const text = errorText(error)
  const at = parsePosition(text)
  const line = at === null ? undefined : expr.split('\n')[at.line - 1]
  return (
    <div className={classes.problem} role="alert">
      <ToneMark tone="bad" /> {text}
      {at !== null && line !== undefined && (
        <pre aria-hidden="true">
          {line}
          {'\n'}
          {' '.repeat(Math.max(0, at.column - 1))}^
        </pre>
      )}
    </div>
  )
}

function Under({ answer, stepS }: { answer: PromAnswer; stepS: number | undefined }) {
  const { t, i18n } = useTranslation()
  const s = statsOf(answer)
  const parts = [
    t('metrics.seriesCount', { count: s.series }),
    ...(s.samples === null ? [] : [t('metrics.samples', { samples: formatShort(s.samples, i18n.language) })]),
    ...(s.evalMs === null
      ? []
      : [t('metrics.evalTime', { time: formatDurationMs(s.evalMs, i18n.language) })]),
    ...(stepS === undefined ? [] : [t('metrics.step', { step: stepS })]),
  ]
  return (
    <div className={classes.under}>
      {parts.join(' · ')}
      {[...answer.warnings, ...answer.infos].map(w => (
        <div key={w}>
          <ToneMark tone="warn" /> {w}
        </div>
      ))}
    </div>
  )
}

interface QueryRowProps {
  index: number
  query: MetricQuery
  answer: PromAnswer | undefined
  error: unknown
  stepS?: number | undefined
  onChange: (q: MetricQuery) => void
  onRun: () => void
  onRemove: (() => void) | undefined
  onToggle: () => void
}

export function QueryRow({
  index,
  query,
  answer,
  error,
  stepS,
  onChange,
  onRun,
  onRemove,
  onToggle,
}: QueryRowProps) {
  const { t } = useTranslation()
  const name = letter(index)
  return (
    <div className={classes.row}>
      <Tooltip label={query.on ? t('metrics.switchOff') : t('metrics.switchOn')}>
        <button
          type="button"
          className={classes.letter}
          aria-pressed={query.on}
          aria-label={t('metrics.toggle', { name })}
          onClick={onToggle}
        >
          {name}
        </button>
      </Tooltip>
      <div className={classes.editorBox}>
        <Suspense fallback={<div className={classes.editorFallback}>{query.expr || ' '}</div>}>
          <PromEditor
            value={query.expr}
            label={t('metrics.editor', { name })}
            hint={t('metrics.placeholder')}
            onChange={expr => onChange({ ...query, expr })}
            onRun={onRun}
            autoFocus={index === 0 && query.expr === ''}
          />
        </Suspense>
        {error !== null && error !== undefined && query.on && (
          <QueryProblem expr={query.expr} error={error} />
        )}
        {answer !== undefined && !error && query.on && <Under answer={answer} stepS={stepS} />}
      </div>
      <TextInput
        className={classes.legendInput}
        aria-label={t('metrics.legendOf', { name })}
        placeholder={t('metrics.legendHint', { open: '{{', close: '}}' })}
        value={query.legend}
        onChange={e => onChange({ ...query, legend: e.currentTarget.value })}
        onBlur={onRun}
        onKeyDown={e => {
          if (e.key === 'Enter') {
            onRun()
          }
        }}
      />
      <ActionIcon
        variant="subtle"
        color="gray"
        size={30}
        aria-label={t('metrics.remove', { name })}
        disabled={onRemove === undefined}
        onClick={onRemove}
      >
        <IconTrash size={15} />
      </ActionIcon>
    </div>
  )
}
