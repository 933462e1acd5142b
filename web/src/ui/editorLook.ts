// How every query editor looks: colours of tokens and the theme, from the variables of the page.
import { HighlightStyle } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export const editorHighlight = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.atom, color: 'var(--code-number)' },
  { tag: tags.name, color: 'var(--code-label)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.modifier, color: 'var(--code-keyword)' },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--code-bad)' },
])

export const editorLook = EditorView.theme({
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
  '.cm-tooltip.cm-tooltip-hover, .cm-tooltip-lint': { padding: '6px 10px', maxWidth: '460px' },
  '.cm-diagnostic': { padding: '4px 8px' },
  '.cm-diagnosticAction': {
    border: '1px solid var(--line)',
    backgroundColor: 'var(--surface-2)',
    color: 'var(--ink-1)',
    borderRadius: '4px',
    padding: '1px 6px',
    fontFamily: 'var(--mono)',
    cursor: 'pointer',
  },
  '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal', marginLeft: '10px' },
  '.cm-tooltip.cm-completionInfo': { padding: '8px 10px', maxWidth: '360px' },
})
