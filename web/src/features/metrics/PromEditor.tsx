// PromQL in CodeMirror 6. The text belongs to the editor while one types; the parent hears of every
// change and of "run" (Enter; Shift+Enter is a new line).
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintKeymap } from '@codemirror/lint'
import { EditorState, Prec } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { PromQLExtension } from '@prometheus-io/codemirror-promql'
import { useEffect, useRef } from 'react'
import { completionClient } from '@/features/metrics/completion'

const highlight = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.modifier, color: 'var(--code-keyword)' },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--code-bad)' },
])

const look = EditorView.theme({
  '&': { fontSize: '13px', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '6px 0', caretColor: 'var(--ink-1)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-cursor': { borderLeftColor: 'var(--ink-1)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important',
  },
  '.cm-matchingBracket': { backgroundColor: 'color-mix(in srgb, var(--accent) 25%, transparent) !important' },
  '.cm-placeholder': { color: 'var(--ink-3)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface-float)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow-float)',
    color: 'var(--ink-1)',
    fontSize: '12px',
  },
  '.cm-tooltip-autocomplete ul li': { padding: '3px 8px !important' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 22%, transparent) !important',
    color: 'var(--ink-1) !important',
  },
  '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal', marginLeft: '10px' },
  '.cm-tooltip.cm-completionInfo': { padding: '8px 10px', maxWidth: '360px' },
})

interface PromEditorProps {
  value: string
  label: string
  hint: string
  onChange: (text: string) => void
  onRun: () => void
  autoFocus?: boolean
}

export default function PromEditor({
  value,
  label,
  hint,
  onChange,
  onRun,
  autoFocus = false,
}: PromEditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const handlers = useRef({ onChange, onRun })
  handlers.current = { onChange, onRun }

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
    }
    const promql = new PromQLExtension().setComplete({ remote: completionClient, maxMetricsMetadata: 20_000 })
    const run = Prec.highest(
      keymap.of([
        {
          key: 'Mod-Enter',
          run: () => {
            handlers.current.onRun()
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
            handlers.current.onRun()
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
          autocompletion({ icons: false, maxRenderedOptions: 60 }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          syntaxHighlighting(highlight),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          placeholder(hint),
          look,
          promql.asExtension(),
          EditorView.updateListener.of(u => {
            if (u.docChanged) {
              handlers.current.onChange(u.state.doc.toString())
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
  }, [label, hint])

  useEffect(() => {
    const editor = view.current
    if (editor !== null && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
    }
  }, [value])

  return <div ref={host} className="grow" />
}
