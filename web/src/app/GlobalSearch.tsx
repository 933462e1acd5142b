// One box for everything that has a name: a trace id opens the trace; hosts, services and metrics are
// matched as one types. "/" moves the cursor here.
import { Combobox, Loader, ScrollArea, useCombobox } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { hostsQuery, metricNamesQuery, servicesQuery } from '@/api/queries'
import { SearchFrame } from '@/app/SearchBox'
import classes from '@/app/Shell.module.css'
import { type FoundKind, findAnything } from '@/app/search'
import { useTimeRange } from '@/lib/timeRange'

const KINDS: FoundKind[] = ['trace', 'host', 'service', 'metric', 'logs']

/** Mounted when the box has got the focus, with what was typed until then. */
export default function GlobalSearch({ typed }: { typed: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState(typed)
  const [active, setActive] = useState(false)
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() })
  const { resolved } = useTimeRange()
  // asked once when the box gets the focus, not at every tick of the clock
  const [range, setRange] = useState(resolved)
  const hosts = useQuery({ ...hostsQuery(range), enabled: active })
  const services = useQuery({ ...servicesQuery(range), enabled: active })
  const metrics = useQuery({ ...metricNamesQuery, enabled: active })
  useHotkeys([['/', () => input.current?.focus()]])
  useEffect(() => input.current?.focus(), [])

  const found = findAnything(text, {
    hosts: hosts.data?.map(h => h.host) ?? [],
    services: services.data?.map(s => s.service) ?? [],
    metrics: metrics.data ?? [],
  })
  const open = (kind: FoundKind, name: string) => {
    combobox.closeDropdown()
    input.current?.blur()
    setText('')
    if (kind === 'trace') {
      void navigate({ to: '/traces/$traceId', params: { traceId: name } })
    } else if (kind === 'host') {
      void navigate({ to: '/hosts/$host', params: { host: name } })
    } else if (kind === 'service') {
      void navigate({ to: '/traces', search: { service: name } })
    } else if (kind === 'metric') {
      void navigate({ to: '/explore', search: { q: [name] } })
    } else {
      void navigate({ to: '/logs', search: { text: name } })
    }
  }
  return (
    <Combobox
      store={combobox}
      width={420}
      position="bottom-start"
      onOptionSubmit={v => {
        const [kind, ...rest] = v.split(':')
        open(kind as FoundKind, rest.join(':'))
      }}
    >
      <Combobox.DropdownTarget>
        <SearchFrame busy={active && hosts.isFetching ? <Loader size={12} /> : undefined}>
          <Combobox.EventsTarget>
            <input
              ref={input}
              className={classes.searchInput}
              value={text}
              placeholder={t('search.placeholder')}
              aria-label={t('search.placeholder')}
              onChange={e => {
                setText(e.currentTarget.value)
                combobox.openDropdown()
                combobox.selectFirstOption()
              }}
              onFocus={() => {
                setRange(resolved)
                setActive(true)
                combobox.openDropdown()
              }}
              onBlur={() => combobox.closeDropdown()}
              onKeyDown={e => {
                if (e.key === 'Escape') {
                  input.current?.blur()
                }
              }}
            />
          </Combobox.EventsTarget>
        </SearchFrame>
      </Combobox.DropdownTarget>
      <Combobox.Dropdown hidden={text.trim() === ''}>
        <Combobox.Options>
          <ScrollArea.Autosize mah={420} type="scroll">
            {KINDS.map(kind => {
              const list = found.filter(f => f.kind === kind)
              return list.length === 0 ? null : (
                <Combobox.Group key={kind} label={t(`search.${kind}`)}>
                  {list.map(f => (
                    <Combobox.Option key={f.name} value={`${f.kind}:${f.name}`} className="mono">
                      {f.name}
                    </Combobox.Option>
                  ))}
                </Combobox.Group>
              )
            })}
          </ScrollArea.Autosize>
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
