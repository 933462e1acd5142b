import { ActionIcon, Tooltip } from '@mantine/core'
import { IconColumnInsertRight, IconMinus, IconPlus } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { FieldOrigin } from '@/features/logs/builder'

export interface FieldActions {
  filter: (name: string, value: string, negated: boolean, origin: FieldOrigin) => void
  pin: (name: string) => void
}

/** Only this value, without this value. */
export function PlusMinus({
  name,
  value,
  origin,
  onFilter,
}: {
  name: string
  value: string
  origin: FieldOrigin
  onFilter: FieldActions['filter']
}) {
  const { t } = useTranslation()
  return (
    <>
      <Tooltip label={t('logs.only')}>
        <ActionIcon
          size="xs"
          variant="subtle"
          color="gray"
          aria-label={t('logs.onlyOf', { key: name })}
          onClick={() => onFilter(name, value, false, origin)}
        >
          <IconPlus size={13} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t('logs.without')}>
        <ActionIcon
          size="xs"
          variant="subtle"
          color="gray"
          aria-label={t('logs.withoutOf', { key: name })}
          onClick={() => onFilter(name, value, true, origin)}
        >
          <IconMinus size={13} />
        </ActionIcon>
      </Tooltip>
    </>
  )
}

export function PinColumn({
  name,
  pinned,
  onPin,
}: {
  name: string
  pinned: boolean
  onPin: FieldActions['pin']
}) {
  const { t } = useTranslation()
  const label = pinned ? t('logs.unpin', { key: name }) : t('logs.pin', { key: name })
  return (
    <Tooltip label={label}>
      <ActionIcon
        size="xs"
        variant={pinned ? 'light' : 'subtle'}
        color={pinned ? 'blue' : 'gray'}
        aria-label={label}
        aria-pressed={pinned}
        onClick={() => onPin(name)}
      >
        <IconColumnInsertRight size={13} />
      </ActionIcon>
    </Tooltip>
  )
}
