// Where one says what to look for: the simple search, or LogQL. Both are one query; the mode is only how it is
// written.
import { Button, SegmentedControl, Tooltip } from '@mantine/core'
import { IconPlayerPlay, IconX } from '@tabler/icons-react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { compile, EMPTY_QUERY, parseSimple, type SimpleQuery } from '@/features/logs/builder'
import type { LogsState } from '@/features/logs/codec'
import type { Problem } from '@/features/logs/LogEditor'
import { EVERYTHING } from '@/features/logs/logql'
import classes from '@/features/logs/logs.module.css'
import { SimpleBar } from '@/features/logs/SimpleBar'
import type { ResolvedRange } from '@/lib/time'
import { CopyButton } from '@/ui/CopyButton'

const LogEditor = lazy(() => import('@/features/logs/LogEditor'))

interface QueryBarProps {
  state: LogsState
  range: ResolvedRange
  /** Of the query in the link. */
  error: string | null
  problem: Problem | null
  busy: boolean
  seconds: number
  onChange: (patch: Partial<LogsState>) => void
  onRun: () => void
  onCancel: () => void
}

function Running({ busy, seconds, onCancel }: Pick<QueryBarProps, 'busy' | 'seconds' | 'onCancel'>) {
  const { t } = useTranslation()
  return busy && seconds >= 1 ? (
    <span className={classes.running} role="status">
      {t('logs.searching', { count: seconds })}
      <Button size="compact-xs" variant="default" leftSection={<IconX size={12} />} onClick={onCancel}>
        {t('common.cancel')}
      </Button>
    </span>
  ) : null
}

export function QueryBar(props: QueryBarProps) {
  const { state, range, error, problem, busy, seconds, onChange, onRun, onCancel } = props
  const { t } = useTranslation()
  const written = state.q === '' ? EVERYTHING : state.q
  const [draft, setDraft] = useState(written)
  useEffect(() => setDraft(written), [written])
  const simple = parseSimple(state.q)
  const coded = state.mode === 'code' || simple === null
  const draftSimple = parseSimple(draft)
  const run = () => {
    if (draft.trim() === written.trim()) {
      onRun()
    } else {
      onChange({ q: draft.trim() })
    }
  }
  const setMode = (mode: string) => {
    if (mode === 'code') {
      onChange({ mode: 'code' })
    } else if (draftSimple !== null) {
      onChange({ mode: 'simple', q: draft.trim() === EVERYTHING ? '' : draft.trim() })
    }
  }
  const fromSimple = (q: SimpleQuery) => {
    const text = compile(q)
    onChange({ q: text === compile(EMPTY_QUERY) ? '' : text })
  }
  return (
    <div className={classes.query}>
      <div className={classes.mode}>
        <Tooltip label={t('logs.onlyLogql')} disabled={draftSimple !== null}>
          <SegmentedControl
            value={coded ? 'code' : 'simple'}
            aria-label={t('logs.mode')}
            onChange={setMode}
            data={[
              { value: 'simple', label: t('logs.mode_simple'), disabled: coded && draftSimple === null },
              { value: 'code', label: 'LogQL' },
            ]}
          />
        </Tooltip>
      </div>
      <div className={classes.queryMain}>
        {coded ? (
          <div className={classes.editorRow}>
            <div className={classes.editorBox}>
              <Suspense fallback={<div className={classes.editorFallback}>{draft}</div>}>
                <LogEditor
                  value={draft}
                  range={range}
                  label={t('logs.logql')}
                  hint={'{service_name="checkout"} |= "timeout" | json | status >= 500'}
                  problem={draft.trim() === written.trim() ? problem : null}
                  onChange={setDraft}
                  onRun={run}
                />
              </Suspense>
              {error !== null && draft.trim() === written.trim() && (
                <div className={classes.problem} role="alert">
                  {error}
                </div>
              )}
            </div>
            <Button leftSection={<IconPlayerPlay size={14} />} onClick={run}>
              {t('logs.run')}
            </Button>
          </div>
        ) : (
          <>
            <SimpleBar query={simple} range={range} onChange={fromSimple} />
            {state.q !== '' && (
              <div className={classes.compiled}>
                <button
                  type="button"
                  className={classes.compiledText}
                  title={t('logs.editLogql')}
                  onClick={() => setMode('code')}
                >
                  {state.q}
                </button>
                <CopyButton value={state.q} size="xs" />
              </div>
            )}
          </>
        )}
        <Running busy={busy} seconds={seconds} onCancel={onCancel} />
      </div>
    </div>
  )
}
