// YAML in CodeMirror 6 with line numbers; what the server finds wrong is underlined in its line.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import { onTyped, putText } from '@/ui/editorText'

/** Comments, keys and quoted texts are all there is to tell apart. */
const yaml = StreamLanguage.define({
  token(stream) {
    if (stream.eatSpace()) {
      return null
    }
    if (stream.match(/^#.*/)) {
      return 'comment'
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^']|'')*'?/)) {
      return 'string'
    }
    if (stream.match(/^[\w.*-]+(?=\s*:(?:\s|$))/)) {
      return 'propertyName'
    }
    if (stream.match(/^-?\d+(?:\.\d+)?(?:ms|s|m|h|[KMG]i?B)?\b/)) {
      return 'number'
    }
    if (stream.match(/^[^\s#,:[\]{}]+/)) {
      return null
    }
    stream.next()
    return null
  },
})

const highlight = HighlightStyle.define([
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.propertyName, color: 'var(--code-label)' },
])

const look = EditorView.theme({
  '&': { fontSize: '12.5px', backgroundColor: 'transparent', height: '100%' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-content': { padding: '8px 0', caretColor: 'var(--ink-1)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink-1)' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--ink-3)', border: 'none' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface-float)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    color: 'var(--ink-1)',
    fontSize: '12px',
  },
})

interface YamlEditorProps {
  value: string
  label: string
  readOnly?: boolean
  /** What is wrong, in which line (from 1). */
  problem?: { line: number; message: string } | undefined
  onChange: (text: string) => void
}

export default function YamlEditor({ value, label, readOnly = false, problem, onChange }: YamlEditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const latest = useRef(onChange)
  latest.current = onChange

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; `value` is pushed below
  useEffect(() => {
    if (host.current === null) {
      return
    }
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          lineNumbers(),
          lintGutter(),
          history(),
          yaml,
          syntaxHighlighting(highlight),
          look,
          keymap.of([indentWithTab, ...defaultKeymap, ...historyKeymap]),
          EditorView.contentAttributes.of({ 'aria-label': label }),
          EditorState.readOnly.of(readOnly),
          EditorState.tabSize.of(2),
          onTyped(text => latest.current(text)),
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
  }, [readOnly])

  useEffect(() => {
    if (view.current !== null) {
      putText(view.current, value)
    }
  }, [value])

  useEffect(() => {
    const v = view.current
    if (v === null) {
      return
    }
    if (problem === undefined) {
      v.dispatch(setDiagnostics(v.state, []))
      return
    }
    const line = v.state.doc.line(Math.min(Math.max(problem.line, 1), v.state.doc.lines))
    v.dispatch(
      setDiagnostics(v.state, [
        { from: line.from, to: line.to, severity: 'error', message: problem.message },
      ]),
      { effects: EditorView.scrollIntoView(line.from, { y: 'center' }) },
    )
  }, [problem])

  return <div ref={host} style={{ height: '100%' }} />
}
