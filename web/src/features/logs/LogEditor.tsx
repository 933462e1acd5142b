// LogQL in the query editor.
import { StreamLanguage } from '@codemirror/language'
import { tags } from '@lezer/highlight'
import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { logqlCompletion } from '@/features/logs/complete'
import { logqlStream } from '@/features/logs/language'
import type { TextPlace } from '@/lib/textPlace'
import type { ResolvedRange } from '@/lib/time'
import { problemAt, QueryEditor, type QueryLanguage } from '@/ui/QueryEditor'

export interface Problem extends TextPlace {
  message: string
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

const tokens = StreamLanguage.define({
  ...logqlStream,
  tokenTable: { function: tags.function(tags.variableName) },
})

export default function LogEditor(props: LogEditorProps) {
  const { value, label, hint, onChange, onRun, problem } = props
  const { t } = useTranslation()
  const client = useQueryClient()
  const latest = useRef(props)
  latest.current = props
  const language = useMemo(
    (): QueryLanguage => ({
      extensions: tokens,
      complete: logqlCompletion({
        client,
        range: () => latest.current.range,
        help: name => t(`logql.${name}` as 'logql.json', { defaultValue: '' }),
      }),
      problems: view => {
        const said = latest.current.problem
        return said === null ? [] : [problemAt(view, said, said.message)]
      },
    }),
    [client, t],
  )
  return (
    <QueryEditor
      value={value}
      label={label}
      hint={hint}
      language={language}
      again={problem}
      onChange={onChange}
      onRun={onRun}
    />
  )
}
