// Rules for logs and traces on their way in: what each did, the rules as YAML, and a place to try them.
import { Alert, Badge, Button, Loader, SegmentedControl, Select, Textarea, TextInput } from '@mantine/core'
import { IconDeviceFloppy, IconPlayerPlay, IconRotate } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { replaceProcessing, tryProcessing } from '@/api/mutations'
import { type Processing, type ProcessingResult, processingQuery, type Severity } from '@/api/queries'
import classes from '@/features/admin/admin.module.css'
import { attributeChanges, attributesOf, EXAMPLE, problemOf } from '@/features/admin/processing'
import { useAction } from '@/features/admin/useAction'
import { formatDateTime, formatInteger } from '@/lib/format'
import { Empty, errorText, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const YamlEditor = lazy(() => import('@/features/admin/YamlEditor'))

const SEVERITIES: Severity[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']

function RuleTable({ rules }: { rules: Processing['rules']['rules'] }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <div className={ui.scroll}>
      <table className={ui.table} aria-label={t('processing.rules')}>
        <thead>
          <tr>
            <th>{t('processing.section')}</th>
            <th>{t('processing.rule')}</th>
            <th>{t('processing.what')}</th>
            <th style={{ textAlign: 'right' }}>{t('processing.matches')}</th>
            <th style={{ textAlign: 'right' }}>{t('processing.rows')}</th>
          </tr>
        </thead>
        <tbody>
          {rules.map(r => (
            <tr key={`${r.section}/${r.name}`}>
              <td>{t(`processing.section_${r.section}`)}</td>
              <td className="mono">
                <b>{r.name}</b>
              </td>
              <td className={classes.help}>{r.what}</td>
              <td className="num" style={{ textAlign: 'right' }}>
                {formatInteger(r.matches, lang)}
              </td>
              <td className="num" style={{ textAlign: 'right' }}>
                {formatInteger(r.rows, lang)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function SpanFigures({ data }: { data: Processing }) {
  const { t, i18n } = useTranslation()
  const s = data.spans
  const figures = [
    ['waiting_traces', s.waiting_traces],
    ['kept_traces', s.kept_traces],
    ['dropped_traces', s.dropped_traces],
    ['late_spans', s.late_spans],
    ['early_traces', s.early_traces],
  ] as const
  if (!data.rules.sampling_enabled) {
    return null
  }
  return (
    <div className={classes.bar}>
      <b>{t('processing.sampling')}</b>
      {figures.map(([key, value]) => (
        <span key={key} className={classes.help}>
          {t(`processing.${key}`)} <b className="num">{formatInteger(value, i18n.language)}</b>
        </span>
      ))}
    </div>
  )
}

function Segments({ result }: { result: ProcessingResult }) {
  return (
    <pre className={classes.tried}>
      {result.segments.map((s, i) =>
        s.rule === '' ? (
          <span key={i}>{s.text}</span>
        ) : (
          <mark key={i} className={classes.masked} title={s.rule}>
            {s.text}
          </mark>
        ),
      )}
    </pre>
  )
}

function TryResult({ result, before }: { result: ProcessingResult; before: Record<string, unknown> }) {
  const { t } = useTranslation()
  const changes = attributeChanges(before, result.attributes)
  return (
    <div className={classes.result} aria-live="polite">
      <div className={classes.label}>{t('processing.after')}</div>
      {result.dropped_by !== '' ? (
        <Alert color="orange" p="xs">
          {t('processing.droppedBy', { rule: result.dropped_by })}
        </Alert>
      ) : (
        <Segments result={result} />
      )}
      {result.kept_by !== undefined && (
        <div className={classes.help}>
          {result.kept_by === ''
            ? t('processing.notKept')
            : t('processing.keptBy', { policy: result.kept_by })}
        </div>
      )}
      {result.trace_id !== undefined && result.trace_id !== '' && (
        <div className={classes.help}>
          {t('processing.traceId')} <span className="mono">{result.trace_id}</span>
        </div>
      )}
      {changes.length !== 0 && result.dropped_by === '' && (
        <table className={ui.table} aria-label={t('processing.attributes')}>
          <tbody>
            {changes.map(c => (
              <tr key={c.key}>
                <td className="mono">{c.key}</td>
                <td className="mono">
                  {c.before === c.after ? (
                    c.after
                  ) : (
                    <>
                      {c.before !== undefined && <del className={classes.gone}>{c.before}</del>}{' '}
                      {c.after !== undefined && <mark className={classes.masked}>{c.after}</mark>}
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className={classes.badges}>
        {result.rules.map(r => (
          <Badge key={`${r.section}/${r.name}`} size="sm" variant="default" tt="none" fw={500}>
            {t(`processing.section_${r.section}`)}: {r.name} × {r.matches}
          </Badge>
        ))}
        {result.rules.length === 0 && <span className={classes.help}>{t('processing.nothingDone')}</span>}
      </div>
    </div>
  )
}

function TryIt({ config }: { config: string | undefined }) {
  const { t } = useTranslation()
  const [signal, setSignal] = useState<'logs' | 'traces'>('logs')
  const [line, setLine] = useState(t('processing.sample'))
  const [span, setSpan] = useState('GET /orders')
  const [service, setService] = useState('shop')
  const [severity, setSeverity] = useState<Severity>('info')
  const [attributes, setAttributes] = useState('')
  const [before, setBefore] = useState<Record<string, unknown>>({})
  const run = useMutation({
    mutationFn: () => {
      const given = attributesOf(attributes)
      setBefore(given)
      const common = { service, attributes: given, ...(config !== undefined && { config }) }
      return tryProcessing(
        signal === 'logs'
          ? { signal, line, severity: severity as Exclude<Severity, 'unset'>, ...common }
          : { signal, span, message: line, ...common },
      )
    },
  })
  return (
    <section className={classes.side} aria-label={t('processing.try')}>
      <div className={classes.label}>{t('processing.try')}</div>
      <div className={classes.fields}>
        <SegmentedControl
          size="xs"
          value={signal}
          onChange={v => setSignal(v as 'logs' | 'traces')}
          data={[
            { value: 'logs', label: t('signal.logs') },
            { value: 'traces', label: t('signal.traces') },
          ]}
        />
        <TextInput
          size="xs"
          w={130}
          value={service}
          aria-label={t('processing.service')}
          placeholder={t('processing.service')}
          onChange={e => setService(e.currentTarget.value)}
        />
        {signal === 'logs' ? (
          <Select
            size="xs"
            w={100}
            data={SEVERITIES}
            value={severity}
            allowDeselect={false}
            aria-label={t('processing.severity')}
            onChange={v => setSeverity((v ?? 'info') as Severity)}
          />
        ) : (
          <TextInput
            size="xs"
            w={160}
            value={span}
            aria-label={t('processing.span')}
            onChange={e => setSpan(e.currentTarget.value)}
          />
        )}
      </div>
      <Textarea
        aria-label={t(signal === 'logs' ? 'processing.line' : 'processing.message')}
        autosize
        minRows={3}
        maxRows={10}
        classNames={{ input: 'mono' }}
        value={line}
        onChange={e => setLine(e.currentTarget.value)}
      />
      <Textarea
        aria-label={t('processing.attributes')}
        placeholder={t('processing.attributesHint')}
        autosize
        minRows={2}
        maxRows={8}
        classNames={{ input: 'mono' }}
        value={attributes}
        onChange={e => setAttributes(e.currentTarget.value)}
      />
      <div className={classes.fields}>
        <Button
          size="xs"
          leftSection={<IconPlayerPlay size={14} />}
          loading={run.isPending}
          onClick={() => run.mutate()}
        >
          {t('processing.tryRun')}
        </Button>
        <span className={classes.help}>
          {t(config !== undefined ? 'processing.triesEditor' : 'processing.triesInForce')}
        </span>
      </div>
      {run.isError && (
        <Alert color="red" p="xs">
          {errorText(run.error)}
        </Alert>
      )}
      {run.data !== undefined && <TryResult result={run.data} before={before} />}
    </section>
  )
}

export function ProcessingTab() {
  const { t, i18n } = useTranslation()
  const client = useQueryClient()
  const status = useQuery(processingQuery)
  const [draft, setDraft] = useState<string | null>(null)
  const save = useAction({
    run: (config: string) => replaceProcessing(config),
    done: t('processing.saved'),
    refresh: processingQuery.queryKey,
    // first what the server holds now, so that the editor never shows the rules before
    after: result => {
      client.setQueryData(processingQuery.queryKey, result)
      setDraft(null)
    },
    shown: e => problemOf(errorText(e)) !== undefined,
  })
  if (status.isPending) {
    return <Loading rows={10} />
  }
  if (status.isError) {
    return <Failure error={status.error} onRetry={() => void status.refetch()} />
  }
  const { rules } = status.data
  const fromFile = rules.source === 'file'
  const text = draft ?? rules.config
  const changed = draft !== null && draft !== rules.config
  const problem = save.isError ? problemOf(errorText(save.error)) : undefined
  return (
    <>
      <div className={classes.bar}>
        <span className={classes.text}>
          {fromFile ? t('processing.fromFile', { file: rules.file }) : t('processing.text')}
        </span>
        {rules.loaded_at_ms > 0 && (
          <span className={classes.help}>
            {t('processing.loaded', { time: formatDateTime(rules.loaded_at_ms, i18n.language) })}
          </span>
        )}
      </div>
      {rules.error !== '' && (
        <Alert color="red" p="xs" mx={12} mb={8} title={t('processing.notLoaded')}>
          <span className="mono">{rules.error}</span>
        </Alert>
      )}
      {rules.rules.length === 0 ? (
        <Empty compact title={t('processing.none')} text={t('processing.noneText')} />
      ) : (
        <RuleTable rules={rules.rules} />
      )}
      <SpanFigures data={status.data} />
      <div className={classes.split}>
        <section className={classes.side} aria-label={t('processing.config')}>
          <div className={classes.label}>{t('processing.config')}</div>
          <div className={classes.editor}>
            <Suspense fallback={<Loader size="sm" m={12} />}>
              <YamlEditor
                value={text}
                label={t('processing.config')}
                readOnly={fromFile}
                problem={problem}
                onChange={v => {
                  save.reset()
                  setDraft(v)
                }}
              />
            </Suspense>
          </div>
          {problem !== undefined && (
            <Alert color="red" p="xs">
              {t('processing.line_n', { line: problem.line })} {problem.message}
            </Alert>
          )}
          {!fromFile && (
            <div className={classes.fields}>
              <Button
                size="xs"
                leftSection={<IconDeviceFloppy size={14} />}
                disabled={!changed}
                loading={save.isPending}
                onClick={() => save.mutate(text)}
              >
                {t('processing.save')}
              </Button>
              <Button
                size="xs"
                variant="default"
                leftSection={<IconRotate size={14} />}
                disabled={!changed}
                onClick={() => {
                  save.reset()
                  setDraft(null)
                }}
              >
                {t('processing.revert')}
              </Button>
              {text.trim() === '' && (
                <Button size="xs" variant="subtle" onClick={() => setDraft(EXAMPLE)}>
                  {t('processing.example')}
                </Button>
              )}
            </div>
          )}
        </section>
        <TryIt config={changed ? text : undefined} />
      </div>
    </>
  )
}
