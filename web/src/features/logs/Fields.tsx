// Attribute names among the matching records with their most frequent values; each value can be asked
// for or left out.
import { TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronRight, IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type LogFilter, logFieldsQuery } from '@/api/queries'
import { type AddFilter, PlusMinus } from '@/features/logs/LogRow'
import classes from '@/features/logs/logs.module.css'
import { formatPercent, formatShort } from '@/lib/format'
import type { ResolvedRange } from '@/lib/time'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

interface FieldsProps {
  filter: LogFilter
  range: ResolvedRange
  height: number
  onFilter: AddFilter
}

export function Fields({ filter, range, height, onFilter }: FieldsProps) {
  const { t, i18n } = useTranslation()
  const { data, isPending, isError, error, refetch } = useQuery(logFieldsQuery(filter, range))
  const [text, setText] = useState('')
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const lang = i18n.language
  const fields = (data?.fields ?? []).filter(f => f.name.toLowerCase().includes(text.toLowerCase()))
  const toggle = (name: string) => {
    const next = new Set(open)
    if (!next.delete(name)) {
      next.add(name)
    }
    setOpen(next)
  }
  return (
    <Panel
      flush
      title={t('logs.fields')}
      note={data === undefined ? undefined : t('logs.sampled', { count: data.sampled })}
    >
      <div style={{ padding: '4px 12px 8px' }}>
        <TextInput
          value={text}
          placeholder={t('logs.findField')}
          aria-label={t('logs.findField')}
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
        />
      </div>
      <div className={classes.fields} style={{ height }}>
        {isPending ? (
          <Loading rows={8} height={16} />
        ) : isError && data === undefined ? (
          <Failure compact error={error} onRetry={() => void refetch()} />
        ) : fields.length === 0 ? (
          <Empty compact title={t('logs.noFields')} />
        ) : (
          fields.map(f => {
            const top = f.values[0]?.count ?? 1
            return (
              <div key={f.name}>
                <button
                  type="button"
                  className={classes.fieldItem}
                  aria-expanded={open.has(f.name)}
                  onClick={() => toggle(f.name)}
                >
                  {open.has(f.name) ? <IconChevronDown size={12} /> : <IconChevronRight size={12} />}
                  <span className={classes.fieldName} title={f.name}>
                    {f.name}
                  </span>
                  <span className={classes.fieldCount}>
                    {data === undefined || data.sampled === 0
                      ? formatShort(f.count, lang)
                      : formatPercent(f.count / data.sampled, lang)}
                  </span>
                </button>
                {open.has(f.name) && (
                  <div className={classes.values}>
                    {f.values.map(v => (
                      <div key={v.value} className={classes.value}>
                        <div className={classes.valueBar} style={{ width: `${(v.count / top) * 100}%` }} />
                        <span className={classes.valueText} title={v.value}>
                          {v.value === '' ? '""' : v.value}
                        </span>
                        <span className={classes.fieldCount}>{formatShort(v.count, lang)}</span>
                        <PlusMinus name={f.name} value={v.value} onFilter={onFilter} />
                      </div>
                    ))}
                  </div>
                )}
              </div>
            )
          })
        )}
      </div>
    </Panel>
  )
}
