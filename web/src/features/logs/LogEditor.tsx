// LogQL in CodeMirror 6, as PromQL is in the metrics explorer: Enter runs, Shift+Enter is a new line. What the
// server found wrong is underlined where it is.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { type Diagnostic, linter, lintKeymap } from '@codemirror/lint'
import { EditorState, Prec, StateEffect } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { logqlCompletion } from '@/features/logs/complete'
import { logqlStream } from '@/features/logs/language'
import { placeOffset } from '@/features/logs/logql'
import type { ResolvedRange } from '@/lib/time'
import { editorHighlight, editorLook } from '@/ui/editorLook'

export interface Problem {
  message: string
  line: number
  column: number
}

interface LogEditorProps {
  value: string
  range: ResolvedRange
  label: string
  hint: string
  onChange: (text: string) => void
  onRun: () => void
  /** Of the text that was sent, while it is still the same. */
  problem: Problem | null
}

const lookAgain = StateEffect.define<null>()

export default function LogEditor(props: LogEditorProps) {
  const { value, range, label, hint, onChange, onRun, problem } = props
  const { t, i18n } = useTranslation()
  const client = useQueryClient()
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const latest = useRef({ onChange, onRun, problem, range, t })
  latest.current = { onChange, onRun, problem, range, t }

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
    }
    const complete = logqlCompletion({
      client,
      range: () => latest.current.range,
      help: name => latest.current.t(`logql.${name}` as 'logql.json', { defaultValue: '' }),
    })
    const lint = (v: EditorView): Diagnostic[] => {
      const said = latest.current.problem
      if (said === null) {
        return []
      }
      const text = v.state.doc.toString()
      const from = placeOffset(text, said.line, said.column)
      const word = v.state.wordAt(from)
      return [
        {
          from: Math.min(word?.from ?? from, Math.max(0, text.length - 1)),
          to: word?.to ?? Math.min(text.length, from + 1),
          severity: 'error',
          message: said.message,
        },
      ]
    }
    const run = () => {
      latest.current.onRun()
      return true
    }
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          Prec.highest(
            keymap.of([
              { key: 'Mod-Enter', run },
              { key: 'Ctrl-Space', run: startCompletion },
            ]),
          ),
          // below the completion list, whose own Enter accepts the marked entry
          Prec.high(keymap.of([...completionKeymap, { key: 'Enter', run }])),
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false, maxRenderedOptions: 60, override: [complete] }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          StreamLanguage.define({
            ...logqlStream,
            tokenTable: { function: tags.function(tags.variableName) },
          }),
          syntaxHighlighting(editorHighlight),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          placeholder(hint),
          editorLook,
          linter(lint, {
            delay: 200,
            needsRefresh: u => u.transactions.some(x => x.effects.some(e => e.is(lookAgain))),
          }),
          EditorView.updateListener.of(u => {
            if (u.docChanged) {
              latest.current.onChange(u.state.doc.toString())
            }
          }),
        ],
      }),
    })
    view.current = editor
    return () => {
      view.current = null
      editor.destroy()
    }
  }, [label, hint, i18n.language])

  useEffect(() => {
    const editor = view.current
    if (editor !== null && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
    }
  }, [value])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the same text may have got another problem
  useEffect(() => {
    view.current?.dispatch({ effects: lookAgain.of(null) })
  }, [problem])

  return <div ref={host} className="grow" />
}
