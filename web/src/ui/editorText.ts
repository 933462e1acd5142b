// The text of an editor and the text its parent holds: what the parent puts in is no change that it has to hear of.
import { Annotation, type Extension } from '@codemirror/state'
import { EditorView } from '@codemirror/view'

const fromParent = Annotation.define<true>()

export function putText(view: EditorView, text: string): void {
  if (view.state.doc.toString() !== text) {
    view.dispatch({
      changes: { from: 0, to: view.state.doc.length, insert: text },
      annotations: fromParent.of(true),
    })
  }
}

/** Calls `heard` with the text whenever somebody typed. */
export function onTyped(heard: (text: string) => void): Extension {
  return EditorView.updateListener.of(u => {
    if (u.docChanged && !u.transactions.some(t => t.annotation(fromParent) === true)) {
      heard(u.state.doc.toString())
    }
  })
}
