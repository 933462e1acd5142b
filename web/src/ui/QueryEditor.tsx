// Every query editor: CodeMirror 6 with a language. The text belongs to the editor while one types; the parent hears
// of every change and of "run" (Enter; Shift+Enter is a new line). Problems are underlined where they are.
import {
  autocompletion,
  type CompletionSource,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { type Diagnostic, linter, lintKeymap } from '@codemirror/lint'
import { EditorState, type Extension, Prec, StateEffect } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { placeOffset, type TextPlace } from '@/lib/textPlace'
import { editorHighlight, editorLook } from '@/ui/editorLook'
import { onTyped, putText } from '@/ui/editorText'

export interface QueryLanguage {
  /** Tokens, hints and whatever else the language brings. */
  extensions: Extension
  /** null: nothing is looked up. */
  complete: CompletionSource | null
  /** Called again whenever the text or `again` changes. */
  problems: (view: EditorView) => Diagnostic[]
}

interface QueryEditorProps {
  value: string
  label: string
  hint: string
  /** The editor is made anew when this is another one: keep it in useMemo. */
  language: QueryLanguage
  /** What problems() looks at beside the text. */
  again: unknown
  onChange: (text: string) => void
  onRun: () => void
  autoFocus?: boolean
}

/** Asks the linter to look again although the text is the same. */
const lookAgain = StateEffect.define<null>()

/** The word at a place the server named, or the one character there. */
export function problemAt(
  view: EditorView,
  place: TextPlace,
  message: string,
  severity: Diagnostic['severity'] = 'error',
): Diagnostic {
  const text = view.state.doc.toString()
  const at = Math.min(placeOffset(text, place), Math.max(0, text.length - 1))
  const word = view.state.wordAt(at)
  return { from: word?.from ?? at, to: word?.to ?? Math.min(text.length, at + 1), severity, message }
}

export function QueryEditor(props: QueryEditorProps) {
  const { value, label, hint, language, again, autoFocus = false } = props
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const latest = useRef(props)
  latest.current = props

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
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
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({
            icons: false,
            maxRenderedOptions: 80,
            override: language.complete === null ? [] : [language.complete],
          }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          language.extensions,
          syntaxHighlighting(editorHighlight),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          placeholder(hint),
          editorLook,
          linter(language.problems, {
            delay: 250,
            needsRefresh: u => u.transactions.some(x => x.effects.some(e => e.is(lookAgain))),
          }),
          onTyped(text => latest.current.onChange(text)),
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
  }, [label, hint, language])

  useEffect(() => {
    if (view.current !== null) {
      putText(view.current, value)
    }
  }, [value])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the same text may have got other problems
  useEffect(() => {
    view.current?.dispatch({ effects: lookAgain.of(null) })
  }, [again])

  return <div ref={host} className="grow" />
}
