// PromQL in CodeMirror 6. The text belongs to the editor while one types; the parent hears of every
// change and of "run" (Enter; Shift+Enter is a new line). Findings of the editor itself and of the server
// are underlined where they are, with their way out.
import {
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { type Diagnostic, linter, lintKeymap } from '@codemirror/lint'
import { EditorState, Prec, StateEffect } from '@codemirror/state'
import { EditorView, hoverTooltip, keymap, placeholder, type Tooltip } from '@codemirror/view'
import { PromQLExtension } from '@prometheus-io/codemirror-promql'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { completionClient } from '@/features/metrics/completion'
import { findings, offsetAt } from '@/features/metrics/fixes'
import { FUNCTION_NAMES, functionDoc } from '@/features/metrics/functions'
import { type Metadata, metadataOf } from '@/features/metrics/metricInfo'
import { editorHighlight, editorLook } from '@/ui/editorLook'

/** Something the server said about the text that was sent. */
export interface Note {
  line: number
  column: number
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

/** Asks the linter to look again although the text is the same. */
const lookAgain = StateEffect.define<null>()

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
  const {
    value,
    label,
    hint,
    onChange,
    onRun,
    autoFocus = false,
    metadata,
    notes = NO_NOTES,
    formula = false,
  } = props
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const latest = useRef({ onChange, onRun, metadata, notes, t })
  latest.current = { onChange, onRun, metadata, notes, t }

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
    }
    const promql = new PromQLExtension()
      .setComplete({ remote: completionClient, maxMetricsMetadata: 20_000 })
      .activateLinter(false)
      .activateCompletion(false)
    const builtIn = new PromQLExtension().getLinter()
    const complete = async (context: CompletionContext) =>
      documented((await promql.getComplete().promQL(context)) as CompletionResult | null, lang)
    const lint = (v: EditorView): Diagnostic[] => {
      const text = v.state.doc.toString()
      const { notes: said, metadata: known, t: say } = latest.current
      const own = formula ? [] : findings(text, FUNCTION_NAMES, known)
      const out: Diagnostic[] = own.map(f => ({
        from: f.from,
        to: f.to,
        severity: f.severity,
        message: say(`metrics.find_${f.kind}`, { name: f.name }),
        actions: f.fixes.map(x => ({
          name: say(`metrics.fix_${x.name}`, { text: x.text }),
          apply: target => target.dispatch({ changes: { from: x.from, to: x.to, insert: x.insert } }),
        })),
      }))
      for (const n of said) {
        const from = offsetAt(text, n.line, n.column)
        const word = v.state.wordAt(from)
        out.push({
          from: word?.from ?? from,
          to: word?.to ?? Math.min(text.length, from + 1),
          severity: n.severity,
          message: n.message,
        })
      }
      if (!out.some(d => d.severity === 'error')) {
        out.push(...(builtIn.promQL()(v) as readonly Diagnostic[]))
      }
      return out
    }
    const run = Prec.highest(
      keymap.of([
        {
          key: 'Mod-Enter',
          run: () => {
            latest.current.onRun()
            return true
          },
        },
        { key: 'Ctrl-Space', run: startCompletion },
      ]),
    )
    // below the completion list, whose own Enter accepts the marked entry
    const enter = Prec.high(
      keymap.of([
        ...completionKeymap,
        {
          key: 'Enter',
          run: () => {
            latest.current.onRun()
            return true
          },
        },
      ]),
    )
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          run,
          enter,
          history(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({
            icons: false,
            maxRenderedOptions: 60,
            ...(formula ? { override: [] } : { override: [complete] }),
          }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          syntaxHighlighting(editorHighlight),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          placeholder(hint),
          editorLook,
          promql.asExtension(),
          linter(lint, {
            delay: 350,
            needsRefresh: u => u.transactions.some(x => x.effects.some(e => e.is(lookAgain))),
          }),
          hoverTooltip((v, pos) => wordTooltip(v, pos, lang, latest.current.metadata), { hoverTime: 250 }),
          EditorView.updateListener.of(u => {
            if (u.docChanged) {
              latest.current.onChange(u.state.doc.toString())
            }
          }),
        ],
      }),
    })
    view.current = editor
    if (autoFocus) {
      editor.focus()
    }
    return () => {
      view.current = null
      editor.destroy()
    }
  }, [label, hint, lang, formula])

  useEffect(() => {
    const editor = view.current
    if (editor !== null && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
    }
  }, [value])

  // biome-ignore lint/correctness/useExhaustiveDependencies: what the server said and what is known of metrics is looked at anew
  useEffect(() => {
    view.current?.dispatch({ effects: lookAgain.of(null) })
  }, [notes, metadata])

  return <div ref={host} className="grow" />
}
