import { ActionIcon, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { copyText } from '@/lib/export'

export function CopyButton({ value, label, size = 'sm' }: { value: string; label?: string; size?: string }) {
  const { t } = useTranslation()
  const [done, setDone] = useState(false)
  const text = done ? t('common.copied') : (label ?? t('common.copy'))
  return (
    <Tooltip label={text} openDelay={300}>
      <ActionIcon
        size={size}
        variant="subtle"
        color={done ? 'green' : 'gray'}
        aria-label={text}
        onClick={async e => {
          e.stopPropagation()
          if (await copyText(value)) {
            setDone(true)
            window.setTimeout(() => setDone(false), 1_500)
          }
        }}
      >
        {done ? <IconCheck size={14} /> : <IconCopy size={14} />}
      </ActionIcon>
    </Tooltip>
  )
}
