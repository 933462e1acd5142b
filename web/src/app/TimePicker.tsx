import { ActionIcon, Button, Divider, Group, Popover, Stack, Tooltip } from '@mantine/core'
import {
  IconChevronDown,
  IconChevronLeft,
  IconChevronRight,
  IconClock,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconZoomOut,
} from '@tabler/icons-react'
import { useIsFetching } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { later } from '@/app/later'
import classes from '@/app/Shell.module.css'
import { formatDateTime, formatSpan } from '@/lib/format'
import { isRelative, moveRange, PRESETS, type TimeRange } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'

const AbsoluteForm = lazy(later([], () => import('@/app/AbsoluteForm')))

function useRangeLabel(range: TimeRange, startMs: number, endMs: number): string {
  const { t, i18n } = useTranslation()
  if (isRelative(range)) {
    return t('time.last', { span: formatSpan(range.from.slice(4), i18n.language) })
  }
  return `${formatDateTime(startMs, i18n.language)} – ${formatDateTime(endMs, i18n.language)}`
}

export function TimePicker() {
  const { t, i18n } = useTranslation()
  const { range, resolved, live, intervalMs, setRange, refresh } = useTimeRange()
  const [open, setOpen] = useState(false)
  const fetching = useIsFetching({ predicate: q => q.queryKey[0] !== 'status' }) > 0
  const label = useRangeLabel(range, resolved.startMs, resolved.endMs)
  const relative = isRelative(range)
  return (
    <Group gap={4} wrap="nowrap">
      {!relative && (
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t('time.back')}
          onClick={() => setRange(moveRange(resolved, 1, -0.5))}
        >
          <IconChevronLeft size={16} />
        </ActionIcon>
      )}
      <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" trapFocus>
        <Popover.Target>
          <Button
            variant="default"
            className={classes.rangeButton}
            leftSection={<IconClock size={14} />}
            rightSection={<IconChevronDown size={14} />}
            onClick={() => setOpen(!open)}
            aria-label={t('time.label', { range: label })}
          >
            {label}
          </Button>
        </Popover.Target>
        <Popover.Dropdown w={280}>
          {open && (
            <Stack gap={10}>
              <div className={classes.presets}>
                {PRESETS.map(p => (
                  <Button
                    key={p}
                    size="compact-sm"
                    variant={range.from === `now-${p}` ? 'filled' : 'default'}
                    onClick={() => {
                      setRange({ from: `now-${p}`, to: 'now', live: range.live || !relative })
                      setOpen(false)
                    }}
                  >
                    {formatSpan(p, i18n.language)}
                  </Button>
                ))}
              </div>
              <Divider />
              <Suspense fallback={<div style={{ height: 170 }} />}>
                <AbsoluteForm onDone={() => setOpen(false)} />
              </Suspense>
            </Stack>
          )}
        </Popover.Dropdown>
      </Popover>
      {!relative && (
        <>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t('time.forward')}
            onClick={() => setRange(moveRange(resolved, 1, 0.5))}
          >
            <IconChevronRight size={16} />
          </ActionIcon>
          <Tooltip label={t('time.zoomOut')}>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={t('time.zoomOut')}
              onClick={() => setRange(moveRange(resolved, 2, 0))}
            >
              <IconZoomOut size={16} />
            </ActionIcon>
          </Tooltip>
        </>
      )}
      <Tooltip label={live ? t('time.pause', { seconds: intervalMs / 1_000 }) : t('time.live')}>
        <Button
          variant={live ? 'light' : 'default'}
          px={8}
          aria-pressed={live}
          aria-label={live ? t('time.pause', { seconds: intervalMs / 1_000 }) : t('time.live')}
          leftSection={live ? <IconPlayerPause size={14} /> : <IconPlayerPlay size={14} />}
          onClick={() =>
            setRange(relative ? { ...range, live: !live } : { from: 'now-1h', to: 'now', live: true })
          }
        >
          {t('time.liveShort')}
        </Button>
      </Tooltip>
      <Tooltip label={t('time.refresh')}>
        <ActionIcon
          variant="default"
          size={30}
          aria-label={t('time.refresh')}
          loading={fetching && !live}
          onClick={refresh}
        >
          <IconRefresh size={15} />
        </ActionIcon>
      </Tooltip>
    </Group>
  )
}
