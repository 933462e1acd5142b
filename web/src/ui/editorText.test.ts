import { EditorView } from '@codemirror/view'
import { expect, test } from 'vitest'
import { onTyped, putText } from '@/ui/editorText'

test('what the parent puts in is not told it back; what is typed is', () => {
  const heard: string[] = []
  const view = new EditorView({ doc: 'a', extensions: onTyped(text => heard.push(text)) })
  putText(view, 'b')
  putText(view, 'b')
  expect([view.state.doc.toString(), heard]).toEqual(['b', []])
  view.dispatch({ changes: { from: 1, insert: 'c' } })
  expect(heard).toEqual(['bc'])
})
