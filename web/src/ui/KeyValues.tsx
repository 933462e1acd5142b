import type { ReactNode } from 'react'
import { attributeText } from '@/lib/attributes'
import { CopyButton } from '@/ui/CopyButton'
import classes from '@/ui/ui.module.css'

interface KeyValuesProps {
  entries: Record<string, unknown>
  actions?: (key: string, value: unknown) => ReactNode
}

/** Attributes in key order, value in full, copyable. */
export function KeyValues({ entries, actions }: KeyValuesProps) {
  const keys = Object.keys(entries).sort()
  return (
    <div className={classes.kv}>
      {keys.map(k => (
        <KeyValue key={k} name={k} value={entries[k]} actions={actions} />
      ))}
    </div>
  )
}

function KeyValue({
  name,
  value,
  actions,
}: {
  name: string
  value: unknown
  actions?: KeyValuesProps['actions']
}) {
  const text = attributeText(value)
  return (
    <>
      <div className={classes.kvKey}>{name}</div>
      <div className={classes.kvValue}>{text}</div>
      <div className={classes.kvActions}>
        {actions?.(name, value)}
        <CopyButton value={text} size="xs" />
      </div>
    </>
  )
}
