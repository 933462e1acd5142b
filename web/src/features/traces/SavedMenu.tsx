// The last searches of this browser, and those kept under a name.
import { ActionIcon, Button, Popover, Tabs, TextInput } from '@mantine/core'
import { IconHistory, IconStar, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { readSearches, removeSearch, type SavedSearch, type Shelf, saveSearch } from '@/features/traces/saved'
import classes from '@/features/traces/search.module.css'
import { formatAgo } from '@/lib/format'
import { Empty } from '@/ui/States'

export function SavedMenu({ q, onPick }: { q: string; onPick: (q: string) => void }) {
  const { t, i18n } = useTranslation()
  const [open, setOpen] = useState(false)
  const [lists, setLists] = useState<Record<Shelf, SavedSearch[]>>({ 'trace-history': [], 'trace-saved': [] })
  const [name, setName] = useState('')
  const read = () =>
    setLists({ 'trace-history': readSearches('trace-history'), 'trace-saved': readSearches('trace-saved') })
  const save = () => {
    if (name.trim() !== '' && q !== '') {
      saveSearch(name.trim(), q)
      setName('')
      read()
    }
  }
  const list = (shelf: Shelf) => (
    <ul className={classes.savedList}>
      {lists[shelf].map(s => (
        <li key={`${s.name}|${s.q}`}>
          <button
            type="button"
            className={classes.savedItem}
            onClick={() => {
              setOpen(false)
              onPick(s.q)
            }}
          >
            {s.name !== '' && <b>{s.name}</b>}
            <span className="mono">{s.q}</span>
            {s.name === '' && <small>{formatAgo(s.atMs, Date.now(), i18n.language)}</small>}
          </button>
          <ActionIcon
            size="sm"
            variant="subtle"
            color="gray"
            aria-label={t('traces.forget', { name: s.name || s.q })}
            onClick={() => {
              removeSearch(shelf, s)
              read()
            }}
          >
            <IconTrash size={13} />
          </ActionIcon>
        </li>
      ))}
    </ul>
  )
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" width={460}>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconHistory size={14} />}
          aria-expanded={open}
          onClick={() => {
            read()
            setOpen(!open)
          }}
        >
          {t('traces.searches')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={0}>
        <Tabs defaultValue="recent">
          <Tabs.List>
            <Tabs.Tab value="recent" leftSection={<IconHistory size={13} />}>
              {t('traces.recent')}
            </Tabs.Tab>
            <Tabs.Tab value="saved" leftSection={<IconStar size={13} />}>
              {t('traces.saved')}
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="recent">
            {lists['trace-history'].length === 0 ? (
              <Empty compact title={t('traces.historyEmpty')} />
            ) : (
              list('trace-history')
            )}
          </Tabs.Panel>
          <Tabs.Panel value="saved">
            <div className={classes.saveRow}>
              <TextInput
                className="grow"
                value={name}
                placeholder={t('traces.saveName')}
                aria-label={t('traces.saveName')}
                onChange={e => setName(e.currentTarget.value)}
                onKeyDown={e => e.key === 'Enter' && save()}
              />
              <Button disabled={name.trim() === '' || q === ''} onClick={save}>
                {t('traces.save')}
              </Button>
            </div>
            {lists['trace-saved'].length === 0 ? (
              <Empty compact title={t('traces.savedEmpty')} />
            ) : (
              list('trace-saved')
            )}
          </Tabs.Panel>
        </Tabs>
      </Popover.Dropdown>
    </Popover>
  )
}
