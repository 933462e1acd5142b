// The slider of the replay: one frame at a time, the next ones fetched ahead.
import { ActionIcon, Tooltip } from '@mantine/core'
import { IconPlayerPauseFilled, IconPlayerPlayFilled } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import classes from '@/features/apm/topology/topology.module.css'
import { formatDateTime } from '@/lib/format'
import { durationText } from '@/lib/time'

interface ReplayProps {
  times: number[]
  stepMs: number
  at: number
  /** False while the frame that is asked for is not there yet: the film waits. */
  ready: boolean
  onAt: (at: number) => void
}

const FRAME_MS = 900

export function Replay({ times, stepMs, at, ready, onAt }: ReplayProps) {
  const { t, i18n } = useTranslation()
  const [playing, setPlaying] = useState(false)
  const index = Math.max(0, times.indexOf(at))
  const last = index >= times.length - 1
  useEffect(() => {
    if (!playing || !ready) {
      return
    }
    if (last) {
      setPlaying(false)
      return
    }
    const id = window.setTimeout(() => onAt(times[index + 1] ?? at), FRAME_MS)
    return () => window.clearTimeout(id)
  }, [playing, ready, last, index, times, at, onAt])
  const label = t(playing ? 'topology.pause' : 'topology.play')
  return (
    <div className={classes.replay}>
      <Tooltip label={label}>
        <ActionIcon
          variant="default"
          aria-label={label}
          onClick={() => {
            if (!playing && last) {
              onAt(times[0] ?? at)
            }
            setPlaying(!playing)
          }}
        >
          {playing ? <IconPlayerPauseFilled size={14} /> : <IconPlayerPlayFilled size={14} />}
        </ActionIcon>
      </Tooltip>
      <input
        type="range"
        min={0}
        max={times.length - 1}
        value={index}
        aria-label={t('topology.moment')}
        aria-valuetext={formatDateTime(at, i18n.language)}
        onChange={e => {
          setPlaying(false)
          onAt(times[Number(e.currentTarget.value)] ?? at)
        }}
      />
      <span className={classes.when}>
        {formatDateTime(at, i18n.language)} · {t('topology.step', { step: durationText(stepMs) })}
      </span>
    </div>
  )
}
