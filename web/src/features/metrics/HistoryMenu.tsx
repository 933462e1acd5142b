// Queries of this browser: the last ones that ran, and those kept under a name.
import { ActionIcon, Button, Popover, Tabs, TextInput } from '@mantine/core'
import { IconHistory, IconStar, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { MetricQuery } from '@/features/metrics/codec'
import classes from '@/features/metrics/metrics.module.css'
import {
  clearHistory,
  readHistory,
  readSaved,
  removeSaved,
  type Saved,
  saveAs,
} from '@/features/metrics/saved'
import { formatAgo } from '@/lib/format'
import { Empty } from '@/ui/States'

function List({
  items,
  onPick,
  onRemove,
}: {
  items: Saved[]
  onPick: (s: Saved) => void
  onRemove?: (s: Saved) => void
}) {
  const { t, i18n } = useTranslation()
  return (
    <div className={classes.historyList}>
      {items.map(s => (
        <div key={`${s.name}|${s.atMs}`} className={classes.historyRow}>
          <button type="button" className={classes.historyItem} onClick={() => onPick(s)}>
            <span className={onRemove === undefined ? 'mono' : undefined}>{s.name}</span>
            <span className={classes.historyWhen}>
              {onRemove === undefined
                ? formatAgo(s.atMs, Date.now(), i18n.language)
                : s.queries.map(q => q.expr).join(' · ')}
            </span>
          </button>
          {onRemove !== undefined && (
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              aria-label={t('queryMenu.forget', { name: s.name })}
              onClick={() => onRemove(s)}
            >
              <IconTrash size={13} />
            </ActionIcon>
          )}
        </div>
      ))}
    </div>
  )
}

export function HistoryMenu({
  queries,
  onPick,
}: {
  queries: MetricQuery[]
  onPick: (queries: MetricQuery[]) => void
}) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const [history, setHistory] = useState<Saved[]>([])
  const [saved, setSaved] = useState<Saved[]>([])
  const [name, setName] = useState('')
  const some = queries.some(q => q.expr.trim() !== '')
  const save = () => {
    if (name.trim() !== '' && some) {
      setSaved(saveAs(name.trim(), queries))
      setName('')
    }
  }
  const pick = (s: Saved) => {
    setOpen(false)
    onPick(s.queries)
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" width={460}>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconHistory size={14} />}
          aria-expanded={open}
          onClick={() => {
            setHistory(readHistory())
            setSaved(readSaved())
            setOpen(!open)
          }}
        >
          {t('queryMenu.history')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={0}>
        <Tabs defaultValue="recent">
          <Tabs.List>
            <Tabs.Tab value="recent" leftSection={<IconHistory size={13} />}>
              {t('queryMenu.recent')}
            </Tabs.Tab>
            <Tabs.Tab value="saved" leftSection={<IconStar size={13} />}>
              {t('queryMenu.saved')}
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="recent">
            {history.length === 0 ? (
              <Empty compact title={t('queryMenu.historyEmpty')} />
            ) : (
              <>
                <List items={history} onPick={pick} />
                <div className={classes.historyFoot}>
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="gray"
                    onClick={() => {
                      clearHistory()
                      setHistory([])
                    }}
                  >
                    {t('queryMenu.clearHistory')}
                  </Button>
                </div>
              </>
            )}
          </Tabs.Panel>
          <Tabs.Panel value="saved">
            <div className={classes.historyFoot}>
              <TextInput
                className="grow"
                value={name}
                placeholder={t('queryMenu.saveName')}
                aria-label={t('queryMenu.saveName')}
                onChange={e => setName(e.currentTarget.value)}
                onKeyDown={e => e.key === 'Enter' && save()}
              />
              <Button disabled={name.trim() === '' || !some} onClick={save}>
                {t('queryMenu.save')}
              </Button>
            </div>
            {saved.length === 0 ? (
              <Empty compact title={t('queryMenu.savedEmpty')} text={t('queryMenu.savedText')} />
            ) : (
              <List items={saved} onPick={pick} onRemove={s => setSaved(removeSaved(s.name))} />
            )}
          </Tabs.Panel>
        </Tabs>
      </Popover.Dropdown>
    </Popover>
  )
}
