// TraceQL in the query editor.
import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useRef } from 'react'
import { tagNamesQuery, tagValuesQuery } from '@/api/traceql'
import { complete, type Lookups, traceqlMode } from '@/features/traces/language'
import { errorPlace } from '@/lib/textPlace'
import type { ResolvedRange } from '@/lib/time'
import { problemAt, QueryEditor, type QueryLanguage } from '@/ui/QueryEditor'

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
  const { value, label, hint, error, onChange, onRun } = props
  const client = useQueryClient()
  const latest = useRef(props)
  latest.current = props
  const language = useMemo((): QueryLanguage => {
    // completion never disturbs typing: a failed look-up is an empty list
    const look: Lookups = {
      names: () => client.fetchQuery(tagNamesQuery(latest.current.range)).catch(() => []),
      values: (field, filter) =>
        client.fetchQuery(tagValuesQuery(field, filter, latest.current.range)).catch(() => []),
    }
    return {
      extensions: traceqlMode,
      complete: context => complete(context, look),
      problems: view => {
        const said = latest.current.error
        const place = errorPlace(said)
        return place === null ? [] : [problemAt(view, place, said)]
      },
    }
  }, [client])
  return (
    <QueryEditor
      value={value}
      label={label}
      hint={hint}
      language={language}
      again={error}
      onChange={onChange}
      onRun={onRun}
    />
  )
}
