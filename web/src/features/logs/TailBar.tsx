// What the live tail does: state, rate, what waits, what was lost, how much is kept.
import { Button, Select } from '@mantine/core'
import { IconArrowUp, IconEraser, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import classes from '@/features/logs/logs.module.css'
import { TAIL_LIMITS, type TailAction, type TailState, tailRate } from '@/features/logs/tail'
import { formatInteger, formatShort } from '@/lib/format'
import { Toned } from '@/ui/Figures'

export function TailBar({
  tail,
  act,
  onTop,
}: {
  tail: TailState
  act: (action: TailAction) => void
  onTop: () => void
}) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rate = tailRate(tail)
  return (
    <div className={classes.foot} role="status">
      <Toned tone={tail.lost ? 'bad' : tail.paused ? 'warn' : 'good'}>
        {tail.lost
          ? t('logs.tailLost')
          : tail.paused
            ? t('logs.tailPaused', { count: tail.waiting.length })
            : t('logs.tailOn')}
      </Toned>
      <Button
        size="compact-xs"
        variant="default"
        leftSection={tail.paused ? <IconPlayerPlay size={13} /> : <IconPlayerPause size={13} />}
        onClick={() => act({ type: tail.paused ? 'resume' : 'pause' })}
      >
        {tail.paused ? t('logs.resume') : t('logs.pause')}
      </Button>
      <span>{t('logs.tailRate', { rate: formatShort(rate, lang) })}</span>
      <span>{t('logs.shown', { count: tail.logs.length })}</span>
      {tail.held && !tail.paused && tail.waiting.length > 0 && (
        <Button size="compact-xs" variant="light" leftSection={<IconArrowUp size={13} />} onClick={onTop}>
          {t('logs.tailNew', { count: tail.waiting.length })}
        </Button>
      )}
      {tail.dropped > 0 && <Toned tone="warn">{t('logs.tailDropped', { count: tail.dropped })}</Toned>}
      {tail.evicted > 0 && <span>{t('logs.tailEvicted', { count: tail.evicted })}</span>}
      <span className={classes.spacer} />
      <Button
        size="compact-xs"
        variant="subtle"
        color="gray"
        leftSection={<IconEraser size={13} />}
        onClick={() => act({ type: 'clear' })}
      >
        {t('logs.tailClear')}
      </Button>
      <Select
        w={150}
        size="xs"
        aria-label={t('logs.tailLimit')}
        value={String(tail.limit)}
        withCheckIcon={false}
        data={TAIL_LIMITS.map(n => ({
          value: String(n),
          label: t('logs.tailKeep', { rows: formatInteger(n, lang) }),
        }))}
        onChange={v => act({ type: 'limit', limit: Number(v ?? 2_000) })}
      />
    </div>
  )
}
