// Attribute filters as removable chips and one box that takes the syntax of the API.
import { ActionIcon, TextInput, Tooltip } from '@mantine/core'
import { IconFilterPlus, IconX } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { attrFilterText, parseAttrFilter } from '@/lib/attributes'
import classes from '@/ui/filters.module.css'

interface AttrFiltersProps {
  attrs: string[]
  onChange: (attrs: string[]) => void
  placeholder: string
}

export function AttrInput({ attrs, onChange, placeholder }: AttrFiltersProps) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const parsed = parseAttrFilter(text)
  const add = () => {
    if (parsed !== null) {
      const next = attrFilterText(parsed)
      onChange(attrs.includes(next) ? attrs : [...attrs, next])
      setText('')
    }
  }
  return (
    <TextInput
      className={classes.attrInput}
      value={text}
      placeholder={placeholder}
      aria-label={t('filters.attribute')}
      error={text.trim() !== '' && parsed === null}
      onChange={e => setText(e.currentTarget.value)}
      onKeyDown={e => {
        if (e.key === 'Enter') {
          e.preventDefault()
          add()
        }
      }}
      onBlur={add}
      rightSection={
        <Tooltip label={t('filters.syntax')} multiline w={300}>
          <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t('filters.add')} onClick={add}>
            <IconFilterPlus size={14} />
          </ActionIcon>
        </Tooltip>
      }
    />
  )
}

export function FilterChips({ chips }: { chips: { key: string; text: string; onRemove: () => void }[] }) {
  const { t } = useTranslation()
  return chips.length === 0 ? null : (
    <div className={classes.chips}>
      {chips.map(c => (
        <span key={c.key} className={classes.chip}>
          <span className={classes.chipText}>{c.text}</span>
          <button type="button" aria-label={t('filters.remove', { filter: c.text })} onClick={c.onRemove}>
            <IconX size={12} />
          </button>
        </span>
      ))}
    </div>
  )
}
