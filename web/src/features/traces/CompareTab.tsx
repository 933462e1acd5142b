// Two traces of the same operation, path by path: what one has that the other lacks, what took longer. The
// other trace (the reference) is given by id, or found among those of the last hours.
import { Button, SegmentedControl, Switch, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { traceQuery } from '@/api/queries'
import { type FoundTrace, findTraces } from '@/api/traceql'
import { type DiffRow, type DiffState, diffTraces } from '@/features/traces/merge'
import { quoted } from '@/features/traces/query'
import classes from '@/features/traces/traces.module.css'
import { shiftText } from '@/features/traces/Waterfall'
import { buildTree, mainRoot, type TraceTree } from '@/features/traces/waterfall'
import { formatDurationNs, formatInteger, formatPercent } from '@/lib/format'
import { nsToMs } from '@/lib/ns'
import { toast } from '@/lib/toast'
import { Dot, Toned } from '@/ui/Figures'
import { Empty, errorText, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const AROUND_MS = 6 * 3_600_000
const CANDIDATES = 1_000
const MOST_ROWS = 2_000
const CHOICES = ['fastest', 'slowest', 'previous'] as const
type ChoiceKind = (typeof CHOICES)[number]

/** Of traces of the same root: none of it the trace itself. */
export function choose(
  found: FoundTrace[],
  self: string,
  startNs: string,
  kind: ChoiceKind,
): FoundTrace | undefined {
  const others = found.filter(x => x.trace_id !== self)
  const by = (a: FoundTrace, b: FoundTrace) => Number(BigInt(a.duration_ns) - BigInt(b.duration_ns))
  if (kind === 'previous') {
    return others
      .filter(x => BigInt(x.start_ns) < BigInt(startNs))
      .sort((a, b) => (BigInt(a.start_ns) < BigInt(b.start_ns) ? 1 : -1))[0]
  }
  const sorted = others.sort(by)
  return kind === 'fastest' ? sorted[0] : sorted.at(-1)
}

const TONE = { added: 'info', missing: 'none', slower: 'bad', faster: 'good', same: 'none' } as const

function Lanes({ row, whole, color }: { row: DiffRow; whole: number; color: string }) {
  return (
    <span className={classes.diffBars} aria-hidden="true">
      <span style={{ width: `${((row.a?.total ?? 0) / whole) * 100}%`, background: 'var(--ink-3)' }} />
      <span style={{ width: `${((row.b?.total ?? 0) / whole) * 100}%`, background: color }} />
    </span>
  )
}

function Diff({ a, b, colors }: { a: TraceTree; b: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [only, setOnly] = useState(false)
  const [state, setState] = useState<DiffState | 'all'>('all')
  const rows = useMemo(() => diffTraces(a, b), [a, b])
  const counts = useMemo(() => {
    const n: Record<DiffState, number> = { added: 0, missing: 0, slower: 0, faster: 0, same: 0 }
    for (const r of rows) {
      n[r.state]++
    }
    return n
  }, [rows])
  const whole = rows.reduce((n, r) => Math.max(n, r.a?.total ?? 0, r.b?.total ?? 0), 1)
  const shown = rows.filter(r => (state === 'all' || r.state === state) && !(only && r.state === 'same'))
  return (
    <>
      <div className={classes.tools} style={{ flexWrap: 'wrap' }}>
        <SegmentedControl
          size="xs"
          value={state}
          onChange={v => setState(v as typeof state)}
          data={[
            { value: 'all', label: t('trace.diffAll', { count: rows.length }) },
            ...(['slower', 'faster', 'added', 'missing'] as const).map(s => ({
              value: s,
              label: `${t(`trace.diff_${s}`)} ${formatInteger(counts[s], lang)}`,
            })),
          ]}
        />
        <Switch label={t('trace.diffOnly')} checked={only} onChange={e => setOnly(e.currentTarget.checked)} />
      </div>
      <div className={ui.scroll}>
        <table className={ui.table} aria-label={t('trace.tab_compare')}>
          <thead>
            <tr>
              <th>{t('trace.spanColumn')}</th>
              <th style={{ width: 92 }}>{t('trace.change')}</th>
              <th style={{ width: '18%' }}>{t('trace.diffBars')}</th>
              <th className={ui.right}>{t('trace.reference')}</th>
              <th className={ui.right}>{t('trace.thisTrace')}</th>
              <th className={ui.right}>{t('trace.delta')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.slice(0, MOST_ROWS).map(r => (
              <tr key={r.path} data-diff={r.state}>
                <td style={{ paddingLeft: 12 + Math.min(r.depth, 20) * 14 }}>
                  <Dot color={colors.get(r.service) ?? 'var(--line-strong)'} /> <b>{r.service}</b>{' '}
                  {r.service === '' ? <i>{t('trace.missingParent')}</i> : r.name}
                </td>
                <td>
                  <Toned tone={TONE[r.state]}>{t(`trace.diff_${r.state}`)}</Toned>
                </td>
                <td>
                  <Lanes row={r} whole={whole} color={colors.get(r.service) ?? 'var(--accent)'} />
                </td>
                {[r.a, r.b].map((s, i) => (
                  <td key={i} className={ui.right}>
                    {s === null
                      ? '–'
                      : `${s.count > 1 ? `${formatInteger(s.count, lang)} × ` : ''}${formatDurationNs(s.total / s.count, lang)}`}
                  </td>
                ))}
                <td className={ui.right}>
                  {r.a === null || r.b === null
                    ? '–'
                    : `${shiftText(r.delta, lang)} (${r.a.total === 0 ? '–' : formatPercent(r.delta / r.a.total, lang)})`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {shown.length > MOST_ROWS && (
          <p className={classes.hint}>{t('trace.diffMost', { count: MOST_ROWS })}</p>
        )}
      </div>
    </>
  )
}

/** Both traces on one time scale, a line for each span. */
function SideBySide({ a, b, colors }: { a: TraceTree; b: TraceTree; colors: Map<string, string> }) {
  const { t, i18n } = useTranslation()
  const whole = Math.max(a.duration, b.duration) || 1
  return (
    <div className={classes.sides}>
      {[a, b].map((tree, i) => {
        const flat = [...tree.byId.values()]
          .filter(n => !n.missing)
          .sort((x, y) => x.start - y.start)
          .slice(0, 400)
        return (
          <figure key={i}>
            <figcaption>
              {t(i === 0 ? 'trace.reference' : 'trace.thisTrace')} ·{' '}
              <b>{formatDurationNs(tree.duration, i18n.language)}</b> ·{' '}
              {t('traces.shownSpans', { count: tree.count })}
            </figcaption>
            <svg
              viewBox={`0 0 1000 ${Math.max(40, flat.length * 6)}`}
              preserveAspectRatio="none"
              style={{ height: Math.min(280, Math.max(40, flat.length * 6)) }}
              aria-hidden="true"
            >
              {flat.map((n, k) => (
                <rect
                  key={k}
                  x={(n.start / whole) * 1000}
                  y={k * 6 + 1}
                  width={Math.max(1.5, ((n.end - n.start) / whole) * 1000)}
                  height={4}
                  fill={colors.get(n.span.service)}
                />
              ))}
            </svg>
          </figure>
        )
      })}
    </div>
  )
}

interface CompareTabProps {
  traceId: string
  tree: TraceTree
  colors: Map<string, string>
  other: string
  onOther: (traceId: string) => void
}

export function CompareTab({ traceId, tree, colors, other, onOther }: CompareTabProps) {
  const { t } = useTranslation()
  const [text, setText] = useState(other)
  const [busy, setBusy] = useState<ChoiceKind | null>(null)
  const query = useQuery({ ...traceQuery(other), enabled: other !== '' })
  const reference = useMemo(
    () =>
      query.data === undefined
        ? null
        : buildTree(query.data.spans, { resources: query.data.resources, adjust: true }),
    [query.data],
  )
  const root = mainRoot(tree)
  const valid = /^[0-9a-f]{32}$/i.test(text.trim())
  const pick = async (kind: ChoiceKind) => {
    if (root === undefined) {
      return
    }
    setBusy(kind)
    try {
      const start = nsToMs(root.span.start_ns)
      const found = await findTraces(
        `{ nestedSetParent < 0 && resource.service.name = ${quoted(root.span.service)} && name = ${quoted(root.span.name)} }`,
        { startMs: Math.floor(start - AROUND_MS), endMs: Math.ceil(start + AROUND_MS) },
        CANDIDATES,
      )
      const chosen = choose(found, traceId, root.span.start_ns, kind)
      if (chosen === undefined) {
        void toast(t('trace.noOther'), 'bad')
      } else {
        setText(chosen.trace_id)
        onOther(chosen.trace_id)
      }
    } catch (e) {
      void toast(errorText(e), 'bad')
    }
    setBusy(null)
  }
  return (
    <div>
      <div className={classes.tools} style={{ flexWrap: 'wrap' }}>
        <span className={ui.panelNote}>{t('trace.compareWith')}</span>
        <TextInput
          w={290}
          value={text}
          placeholder={t('trace.otherId')}
          aria-label={t('trace.otherId')}
          classNames={{ input: 'mono' }}
          error={text.trim() !== '' && !valid}
          onChange={e => setText(e.currentTarget.value)}
          onKeyDown={e => e.key === 'Enter' && valid && onOther(text.trim().toLowerCase())}
        />
        <Button variant="default" disabled={!valid} onClick={() => onOther(text.trim().toLowerCase())}>
          {t('trace.compareRun')}
        </Button>
        <span className={ui.panelNote}>{t('trace.sameOperation')}</span>
        {CHOICES.map(kind => (
          <Button
            key={kind}
            variant="default"
            loading={busy === kind}
            disabled={root === undefined || root.missing}
            onClick={() => void pick(kind)}
          >
            {t(`trace.pick_${kind}`)}
          </Button>
        ))}
        {other !== '' && (
          <Link to="/traces/$traceId" params={{ traceId: other }} className={ui.link}>
            {t('trace.openOther')}
          </Link>
        )}
      </div>
      {other === '' ? (
        <Empty title={t('trace.compareEmpty')} text={t('trace.compareEmptyText')} />
      ) : query.isPending ? (
        <Loading />
      ) : query.isError ? (
        <Failure error={query.error} onRetry={() => void query.refetch()} />
      ) : reference !== null ? (
        <>
          <SideBySide a={reference} b={tree} colors={colors} />
          <Diff a={reference} b={tree} colors={colors} />
        </>
      ) : null}
    </div>
  )
}
