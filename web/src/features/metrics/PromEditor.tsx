// PromQL in the query editor. Findings of the editor itself and of the server are underlined where they are, with their
// way out; names under the mouse are explained.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import type { Diagnostic } from '@codemirror/lint'
import { type EditorView, hoverTooltip, type Tooltip } from '@codemirror/view'
import { PromQLExtension } from '@prometheus-io/codemirror-promql'
import { useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { completionClient } from '@/features/metrics/completion'
import { findings } from '@/features/metrics/fixes'
import { FUNCTION_NAMES, functionDoc } from '@/features/metrics/functions'
import { type Metadata, metadataOf } from '@/features/metrics/metricInfo'
import type { TextPlace } from '@/lib/textPlace'
import { problemAt, QueryEditor, type QueryLanguage } from '@/ui/QueryEditor'

/** Something the server said about the text that was sent. */
export interface Note extends TextPlace {
  message: string
  severity: 'error' | 'warning' | 'info'
}

interface PromEditorProps {
  value: string
  label: string
  hint: string
  onChange: (text: string) => void
  onRun: () => void
  autoFocus?: boolean
  metadata?: Metadata | undefined
  /** Only while the text is still the one that was sent. */
  notes?: Note[]
  /** A formula's letters are no metrics; nothing is looked up for them. */
  formula?: boolean
}

const NO_NOTES: Note[] = []

function element(tag: string, text: string, style: string): HTMLElement {
  const e = document.createElement(tag)
  e.textContent = text
  e.className = style
  return e
}

function box(head: string, lines: string[]): HTMLElement {
  const root = document.createElement('div')
  root.append(element('div', head, 'mono'))
  for (const l of lines) {
    root.append(element('div', l, ''))
  }
  return root
}

/** The word under the mouse: a function's signature, or what is known of a metric. */
function wordTooltip(
  view: EditorView,
  pos: number,
  lang: string,
  metadata: Metadata | undefined,
): Tooltip | null {
  const word = view.state.wordAt(pos)
  if (word === null) {
    return null
  }
  const name = view.state.sliceDoc(word.from, word.to)
  const fn = functionDoc(name, lang)
  const info = metadataOf(name, metadata)
  if (fn === undefined && info === undefined) {
    return null
  }
  const dom =
    fn !== undefined
      ? box(fn.signature, [fn.text])
      : box(name, [[info?.type, info?.unit].filter(Boolean).join(' · '), info?.help ?? ''])
  return { pos: word.from, end: word.to, above: true, create: () => ({ dom }) }
}

function documented(result: CompletionResult | null, lang: string): CompletionResult | null {
  if (result === null) {
    return null
  }
  const options = result.options.map((o): Completion => {
    const fn = functionDoc(o.label, lang)
    return fn === undefined || (o.type !== 'function' && o.type !== 'keyword')
      ? o
      : { ...o, detail: fn.signature.slice(o.label.length), info: fn.text }
  })
  return { ...result, options }
}

export default function PromEditor(props: PromEditorProps) {
  const { value, label, hint, onChange, onRun, autoFocus = false, formula = false } = props
  const { metadata, notes = NO_NOTES } = props
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const latest = useRef({ metadata, notes })
  latest.current = { metadata, notes }
  const language = useMemo((): QueryLanguage => {
    const promql = new PromQLExtension()
      .setComplete({ remote: completionClient, maxMetricsMetadata: 20_000 })
      .activateLinter(false)
      .activateCompletion(false)
    const builtIn = new PromQLExtension().getLinter().promQL()
    const complete = async (context: CompletionContext) =>
      documented((await promql.getComplete().promQL(context)) as CompletionResult | null, lang)
    const problems = (view: EditorView): Diagnostic[] => {
      const { notes: said, metadata: known } = latest.current
      const own = formula ? [] : findings(view.state.doc.toString(), FUNCTION_NAMES, known)
      const out: Diagnostic[] = own.map(f => ({
        from: f.from,
        to: f.to,
        severity: f.severity,
        message: t(`metrics.find_${f.kind}`, { name: f.name }),
        actions: f.fixes.map(x => ({
          name: t(`metrics.fix_${x.name}`, { text: x.text }),
          apply: target => target.dispatch({ changes: { from: x.from, to: x.to, insert: x.insert } }),
        })),
      }))
      out.push(...said.map(n => problemAt(view, n, n.message, n.severity)))
      if (!out.some(d => d.severity === 'error')) {
        out.push(...(builtIn(view) as readonly Diagnostic[]))
      }
      return out
    }
    return {
      extensions: [
        promql.asExtension(),
        hoverTooltip((v, pos) => wordTooltip(v, pos, lang, latest.current.metadata), { hoverTime: 250 }),
      ],
      complete: formula ? null : complete,
      problems,
    }
  }, [lang, formula, t])
  // what the server said and what is known of metrics is looked at anew
  const again = useMemo(() => ({ notes, metadata }), [notes, metadata])
  return (
    <QueryEditor
      value={value}
      label={label}
      hint={hint}
      language={language}
      again={again}
      onChange={onChange}
      onRun={onRun}
      autoFocus={autoFocus}
    />
  )
}
