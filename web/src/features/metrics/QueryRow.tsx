import { ActionIcon, Menu, SegmentedControl, TextInput, Tooltip } from '@mantine/core'
import {
  IconArrowDown,
  IconArrowUp,
  IconBinaryTree2,
  IconBracketsAngle,
  IconCopy,
  IconDots,
  IconMath,
  IconTerminal2,
  IconTrash,
  IconWand,
} from '@tabler/icons-react'
import { lazy, Suspense, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { serverUrl } from '@/api/client'
import type { PromAnswer, RangeRequest } from '@/api/prom'
import { formatQuery } from '@/api/queries'
import { parseBuilder } from '@/features/metrics/builder'
import { letter, type MetricQuery, notePosition, parsePosition } from '@/features/metrics/codec'
import type { Expanded } from '@/features/metrics/formula'
import type { Metadata } from '@/features/metrics/metricInfo'
import classes from '@/features/metrics/metrics.module.css'
import type { Note } from '@/features/metrics/PromEditor'
import { curlOf } from '@/features/metrics/run'
import { Statistics } from '@/features/metrics/Statistics'
import { copyText } from '@/lib/export'
import { readPreference, writePreference } from '@/lib/storage'
import { toast } from '@/lib/toast'
import { ToneMark } from '@/ui/Figures'
import { errorText } from '@/ui/States'

const PromEditor = lazy(() => import('@/features/metrics/PromEditor'))
const Builder = lazy(async () => ({ default: (await import('@/features/metrics/Builder')).Builder }))
const ExplainTree = lazy(async () => ({ default: (await import('@/features/metrics/Explain')).ExplainTree }))

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

/** What the server said about this text, with places; nothing once the text has changed. */
function notesOf(sent: boolean, answer: PromAnswer | undefined, error: unknown): Note[] {
  if (!sent) {
    return []
  }
  const out: Note[] = []
  if (error) {
    const at = parsePosition(errorText(error))
    if (at !== null) {
      out.push({ line: at.line, column: at.column, message: at.message, severity: 'error' })
    }
  }
  for (const [list, severity] of [
    [answer?.warnings ?? [], 'warning'],
    [answer?.infos ?? [], 'info'],
  ] as const) {
    for (const message of list) {
      const at = notePosition(message)
      if (at !== null) {
        out.push({ ...at, message, severity })
      }
    }
  }
  return out
}

interface QueryRowProps {
  index: number
  count: number
  query: MetricQuery
  /** The query as it was last run; what is typed may differ. */
  committed: MetricQuery | undefined
  answer: PromAnswer | undefined
  error: unknown
  request: RangeRequest | undefined
  /** The answer is over a range, not of one moment. */
  ranged: boolean
  broken: Extract<Expanded, { problem: string }> | undefined
  metadata: Metadata | undefined
  onChange: (q: MetricQuery) => void
  /** A change that is complete by itself (the builder's, the formatter's): shown and run at once. */
  onCommit: (q: MetricQuery) => void
  onRun: () => void
  onRemove: (() => void) | undefined
  onToggle: () => void
  onMove: (by: -1 | 1) => void
  onDuplicate: (() => void) | undefined
}

export function QueryRow(props: QueryRowProps) {
  const { index, count, query, committed, answer, error, request, ranged, broken, metadata } = props
  const { onChange, onCommit, onRun, onRemove, onToggle, onMove, onDuplicate } = props
  const { t } = useTranslation()
  const name = letter(index)
  const [mode, setMode] = useState<'code' | 'builder'>(() =>
    readPreference('metric-mode') === 'builder' && query.formula !== true ? 'builder' : 'code',
  )
  const [explain, setExplain] = useState(false)
  const model = useMemo(() => (mode === 'builder' ? parseBuilder(query.expr) : null), [mode, query.expr])
  const sent = committed?.expr === query.expr
  const notes = useMemo(
    () => (query.formula ? [] : notesOf(sent, answer, error)),
    [sent, answer, error, query.formula],
  )
  const failed = error !== null && error !== undefined
  const format = async () => {
    try {
      onCommit({ ...query, expr: await formatQuery(query.expr) })
    } catch (e) {
      void toast(errorText(e), 'bad')
    }
  }
  const copy = async (text: string) => {
    const done = await copyText(text)
    void toast(done ? t('common.copied') : t('common.copyFailed'), done ? 'good' : 'bad')
  }
  return (
    <div className={classes.row} role="group" aria-label={t('metrics.queryOf', { name })}>
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
        {mode === 'builder' && model !== null ? (
          <Suspense fallback={<div className={classes.editorFallback}>{query.expr || ' '}</div>}>
            <Builder query={model} metadata={metadata} onChange={expr => onCommit({ ...query, expr })} />
            {query.expr !== '' && <code className={classes.builtText}>{query.expr}</code>}
          </Suspense>
        ) : (
          <>
            {mode === 'builder' && <div className={classes.tooRich}>{t('metrics.b_tooRich')}</div>}
            <Suspense fallback={<div className={classes.editorFallback}>{query.expr || ' '}</div>}>
              <PromEditor
                value={query.expr}
                label={t('metrics.editor', { name })}
                hint={query.formula ? t('metrics.formulaHint') : t('metrics.placeholder')}
                onChange={expr => onChange({ ...query, expr })}
                onRun={onRun}
                autoFocus={query.expr === '' && (index === 0 || index === count - 1)}
                metadata={metadata}
                notes={notes}
                formula={query.formula === true}
              />
            </Suspense>
          </>
        )}
        {broken !== undefined && (
          <div className={classes.problem} role="alert">
            <ToneMark tone="bad" /> {t(`metrics.formula_${broken.problem}`, { name: broken.name })}
          </div>
        )}
        {failed && query.on && (
          <QueryProblem expr={query.formula ? (request?.query ?? query.expr) : query.expr} error={error} />
        )}
        <div className={classes.editorFoot}>
          {answer !== undefined && !failed && query.on ? (
            <Statistics answer={answer} stepS={ranged ? request?.stepS : undefined} />
          ) : (
            <span className="grow" />
          )}
          <TextInput
            className={classes.legendInput}
            variant="unstyled"
            size="xs"
            aria-label={t('metrics.legendOf', { name })}
            placeholder={t('metrics.legendHint', { open: '{{', close: '}}' })}
            value={query.legend}
            onChange={e => onChange({ ...query, legend: e.currentTarget.value })}
            onBlur={() => committed !== undefined && committed.legend !== query.legend && onRun()}
            onKeyDown={e => e.key === 'Enter' && onRun()}
          />
        </div>
        {explain && (
          <Suspense>
            <ExplainTree expr={request?.query ?? query.expr} onClose={() => setExplain(false)} />
          </Suspense>
        )}
      </div>
      {query.formula !== true && (
        <SegmentedControl
          size="xs"
          className={classes.mode}
          value={mode}
          aria-label={t('metrics.mode')}
          onChange={v => {
            writePreference('metric-mode', v)
            setMode(v as 'code' | 'builder')
          }}
          data={[
            { value: 'builder', label: t('metrics.builder') },
            { value: 'code', label: t('metrics.code') },
          ]}
        />
      )}
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size={30} aria-label={t('metrics.more', { name })}>
            <IconDots size={15} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconWand size={14} />}
            disabled={query.formula}
            onClick={() => void format()}
          >
            {t('metrics.format')}
          </Menu.Item>
          <Menu.Item leftSection={<IconBinaryTree2 size={14} />} onClick={() => setExplain(!explain)}>
            {t('metrics.explain')}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconCopy size={14} />}
            disabled={onDuplicate === undefined}
            onClick={onDuplicate}
          >
            {t('metrics.duplicate')}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconArrowUp size={14} />}
            disabled={index === 0}
            onClick={() => onMove(-1)}
          >
            {t('metrics.moveUp')}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconArrowDown size={14} />}
            disabled={index === count - 1}
            onClick={() => onMove(1)}
          >
            {t('metrics.moveDown')}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconMath size={14} />}
            onClick={() => onChange({ ...query, formula: query.formula !== true })}
          >
            {t(query.formula ? 'metrics.asQuery' : 'metrics.asFormula')}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconBracketsAngle size={14} />}
            onClick={() => void copy(request?.query ?? query.expr)}
          >
            {t('metrics.copyPromql')}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconTerminal2 size={14} />}
            disabled={request === undefined}
            onClick={() => request !== undefined && void copy(curlOf(request, serverUrl()))}
          >
            {t('metrics.copyCurl')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
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
