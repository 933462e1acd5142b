// Queries of this browser: the last ones that ran, and those kept under a name.
import { ActionIcon, Button, Popover, Tabs, TextInput } from '@mantine/core'
import { IconHistory, IconStar, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { formatAgo } from '@/lib/format'
import type { QueryStore, SavedQuery } from '@/lib/savedQueries'
import classes from '@/ui/queryMenu.module.css'
import { Empty } from '@/ui/States'

function List<Q>({
  items,
  text,
  onPick,
  onRemove,
}: {
  items: SavedQuery<Q>[]
  text: (query: Q) => string
  onPick: (s: SavedQuery<Q>) => void
  onRemove?: (s: SavedQuery<Q>) => void
}) {
  const { t, i18n } = useTranslation()
  return (
    <div className={classes.list}>
      {items.map(s => (
        <div key={`${s.name}|${text(s.query)}|${s.atMs}`} className={classes.row}>
          <button type="button" className={classes.item} onClick={() => onPick(s)}>
            {s.name !== '' && <b className={classes.name}>{s.name}</b>}
            <span className={classes.query}>{text(s.query).replace(/\s+/g, ' ')}</span>
            {s.name === '' && (
              <span className={classes.note}>{formatAgo(s.atMs, Date.now(), i18n.language)}</span>
            )}
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

export function QueryMenu<Q>({
  store,
  query,
  text,
  onPick,
}: {
  store: QueryStore<Q>
  /** What would be saved. */
  query: Q
  /** How a query reads in the lists; '' is nothing to save. */
  text: (query: Q) => string
  onPick: (query: Q) => void
}) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const [history, setHistory] = useState<SavedQuery<Q>[]>([])
  const [saved, setSaved] = useState<SavedQuery<Q>[]>([])
  const [name, setName] = useState('')
  const some = text(query).trim() !== ''
  const save = () => {
    if (name.trim() !== '' && some) {
      setSaved(store.save(name.trim(), query))
      setName('')
    }
  }
  const pick = (s: SavedQuery<Q>) => {
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
                <List items={history} text={text} onPick={pick} />
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
              <List items={saved} text={text} onPick={pick} onRemove={s => setSaved(store.remove(s.name))} />
            )}
          </Tabs.Panel>
        </Tabs>
      </Popover.Dropdown>
    </Popover>
  )
}
