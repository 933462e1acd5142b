// TraceQL in CodeMirror 6. Enter runs, Shift+Enter is a new line; what the server found wrong is underlined
// where it said so, until the text changes.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, syntaxHighlighting } from '@codemirror/language'
import { type Diagnostic, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { EditorState, Prec } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { tagNamesQuery, tagValuesQuery } from '@/api/traceql'
import { complete, errorPlace, type Lookups, traceqlMode } from '@/features/traces/language'
import type { ResolvedRange } from '@/lib/time'
import { editorHighlight, editorLook } from '@/ui/editorLook'

interface TraceqlEditorProps {
  value: string
  label: string
  hint: string
  range: ResolvedRange
  /** What the server said about the text as it is now; '' is nothing. */
  error: string
  onChange: (text: string) => void
  onRun: () => void
}

export default function TraceqlEditor(props: TraceqlEditorProps) {
  const { value, label, hint, error } = props
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const client = useQueryClient()
  const latest = useRef(props)
  latest.current = props

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
    }
    // completion never disturbs typing: a failed look-up is an empty list
    const look: Lookups = {
      names: () => client.fetchQuery(tagNamesQuery(latest.current.range)).catch(() => []),
      values: (field, filter) =>
        client.fetchQuery(tagValuesQuery(field, filter, latest.current.range)).catch(() => []),
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
          autocompletion({
            icons: false,
            maxRenderedOptions: 80,
            override: [context => complete(context, look)],
          }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          traceqlMode,
          syntaxHighlighting(editorHighlight),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          placeholder(hint),
          editorLook,
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
  }, [label, hint])

  useEffect(() => {
    const editor = view.current
    if (editor !== null && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
    }
  }, [value])

  useEffect(() => {
    const editor = view.current
    if (editor === null) {
      return
    }
    const text = editor.state.doc.toString()
    const place = error === '' ? null : errorPlace(error, text)
    const found: Diagnostic[] = []
    if (place !== null) {
      const at = Math.min(place, Math.max(0, text.length - 1))
      const word = editor.state.wordAt(at)
      found.push({
        from: word?.from ?? at,
        to: word?.to ?? Math.min(text.length, at + 1),
        severity: 'error',
        message: error,
      })
    }
    editor.dispatch(setDiagnostics(editor.state, found))
  }, [error])

  return <div ref={host} className="grow" />
}
