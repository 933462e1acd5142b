// Queries of this browser: the last ones that ran, and those kept under a name.
import { ActionIcon, Button, Popover, Tabs, TextInput } from '@mantine/core'
import { IconHistory, IconStar, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { formatAgo } from '@/lib/format'
import type { QueryStore, SavedQuery } from '@/lib/savedQueries'
import classes from '@/ui/queryMenu.module.css'
import { Empty } from '@/ui/States'

function List({
  items,
  onPick,
  onRemove,
}: {
  items: SavedQuery[]
  onPick: (s: SavedQuery) => void
  onRemove?: (s: SavedQuery) => void
}) {
  const { t, i18n } = useTranslation()
  return (
    <div className={classes.list}>
      {items.map(s => (
        <div key={`${s.name}|${s.atMs}`} className={classes.row}>
          <button type="button" className={classes.item} onClick={() => onPick(s)}>
            <span className={onRemove === undefined ? classes.query : undefined}>{s.name}</span>
            <span className={classes.note}>
              {onRemove === undefined ? formatAgo(s.atMs, Date.now(), i18n.language) : s.query}
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

export function QueryMenu({
  store,
  query,
  onPick,
}: {
  store: QueryStore
  /** What would be saved. */
  query: string
  onPick: (query: string) => void
}) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const [history, setHistory] = useState<SavedQuery[]>([])
  const [saved, setSaved] = useState<SavedQuery[]>([])
  const [name, setName] = useState('')
  const some = query.trim() !== ''
  const save = () => {
    if (name.trim() !== '' && some) {
      setSaved(store.save(name.trim(), query))
      setName('')
    }
  }
  const pick = (s: SavedQuery) => {
    setOpen(false)
    onPick(s.query)
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" width={460}>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconHistory size={14} />}
          aria-expanded={open}
          onClick={() => {
            setHistory(store.history())
            setSaved(store.saved())
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
                <div className={classes.foot}>
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="gray"
                    onClick={() => {
                      store.clearHistory()
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
            <div className={classes.foot}>
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
              <List items={saved} onPick={pick} onRemove={s => setSaved(store.remove(s.name))} />
            )}
          </Tabs.Panel>
        </Tabs>
      </Popover.Dropdown>
    </Popover>
  )
}
