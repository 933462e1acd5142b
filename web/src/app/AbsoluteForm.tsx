import { Button, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { localText, pointOf } from '@/app/timePoints'
import { resolvePoint } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'

export default function AbsoluteForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation()
  const { resolved, setRange } = useTimeRange()
  const [from, setFrom] = useState(() => localText(resolved.startMs))
  const [to, setTo] = useState(() => localText(resolved.endMs))
  const start = pointOf(from)
  const end = pointOf(to)
  const now = Date.now()
  const ordered =
    start !== null && end !== null && (resolvePoint(start, now) ?? 0) < (resolvePoint(end, now) ?? 0)
  return (
    <form
      onSubmit={e => {
        e.preventDefault()
        if (ordered && start !== null && end !== null) {
          setRange({ from: start, to: end, live: end === 'now' })
          onDone()
        }
      }}
    >
      <Stack gap={8}>
        <TextInput
          label={t('time.from')}
          value={from}
          onChange={e => setFrom(e.currentTarget.value)}
          error={start === null ? t('time.unreadable') : undefined}
        />
        <TextInput
          label={t('time.to')}
          value={to}
          onChange={e => setTo(e.currentTarget.value)}
          error={
            end === null ? t('time.unreadable') : ordered || start === null ? undefined : t('time.order')
          }
        />
        <Text size="xs" c="dimmed">
          {t('time.help')}
        </Text>
        <Button type="submit" disabled={!ordered}>
          {t('common.apply')}
        </Button>
      </Stack>
    </form>
  )
}
