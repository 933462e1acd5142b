// The APDEX of a group: a gauge with its grade in words, the three zones as numbers, and T, which who may changes here.
import { Button, NumberInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { apmSettingsQuery, setApdexT } from '@/api/apm'
import { sessionQuery } from '@/api/queries'
import { type Tone, toneColor } from '@/charts/palette'
import classes from '@/features/apm/live/live.module.css'
import type { ApmGroup } from '@/features/apm/live/stream'
import { formatDurationMs, formatInteger, numberFormat } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { toast } from '@/lib/toast'
import { Toned } from '@/ui/Figures'
import { errorText } from '@/ui/States'

export const GRADE_TONE: Record<ApmGroup['grade'], Tone> = {
  excellent: 'good',
  good: 'good',
  fair: 'warn',
  poor: 'warn',
  unacceptable: 'bad',
  none: 'none',
}

const R = 62
const LENGTH = Math.PI * R

function Gauge({ group }: { group: ApmGroup }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const score = group.apdex
  const color = toneColor(GRADE_TONE[group.grade], scheme)
  const text = score === null ? '–' : numberFormat(i18n.language, { maximumFractionDigits: 1 }).format(score)
  const arc = `M ${80 - R} 76 A ${R} ${R} 0 0 1 ${80 + R} 76`
  return (
    <svg
      viewBox="0 0 160 96"
      width="176"
      role="img"
      aria-label={`APDEX ${text}, ${t(`apmLive.grade.${group.grade}`)}`}
    >
      <path d={arc} fill="none" stroke="var(--surface-3)" strokeWidth="12" strokeLinecap="round" />
      {score !== null && (
        <path
          d={arc}
          fill="none"
          stroke={color}
          strokeWidth="12"
          strokeLinecap="round"
          strokeDasharray={`${(score / 100) * LENGTH} ${LENGTH}`}
        />
      )}
      <text x="80" y="70" textAnchor="middle" fontSize="30" fontWeight="650" fill="var(--ink-1)">
        {text}
      </text>
      <text x="80" y="90" textAnchor="middle" fontSize="13" fill="var(--ink-2)">
        {t(`apmLive.grade.${group.grade}`)}
      </text>
    </svg>
  )
}

function Threshold({ group }: { group: ApmGroup }) {
  const { t } = useTranslation()
  const { data: settings } = useQuery(apmSettingsQuery)
  const [value, setValue] = useState<number | string>(group.t_ms)
  const number = typeof value === 'number' ? value : Number(value)
  const client = useQueryClient()
  const save = useMutation({
    mutationFn: async (ms: number) => {
      if (settings !== undefined) {
        await setApdexT(settings, group.name, ms)
      }
    },
    onSuccess: async () => {
      void toast(t('apmLive.thresholdSaved'), 'good')
      await client.invalidateQueries({ queryKey: apmSettingsQuery.queryKey })
    },
    onError: e => void toast(errorText(e), 'bad'),
  })
  const valid = Number.isInteger(number) && number >= 1 && number <= 3_600_000
  return (
    <form
      className={classes.threshold}
      onSubmit={e => {
        e.preventDefault()
        if (valid) {
          save.mutate(number)
        }
      }}
    >
      <NumberInput
        size="xs"
        label={t('apmLive.threshold')}
        description={t('apmLive.thresholdHint')}
        value={value}
        onChange={setValue}
        min={1}
        max={3_600_000}
        step={100}
        suffix=" ms"
      />
      <Button
        size="xs"
        type="submit"
        variant="default"
        disabled={!valid || settings === undefined || number === group.t_ms}
        loading={save.isPending}
      >
        {t('apmLive.apply')}
      </Button>
    </form>
  )
}

export function Apdex({ group }: { group: ApmGroup }) {
  const { t, i18n } = useTranslation()
  const { data: session } = useQuery(sessionQuery)
  const may = session?.auth_enabled === false || session?.role === 'admin'
  const lang = i18n.language
  const bound = formatDurationMs(group.t_ms, lang)
  const far = formatDurationMs(4 * group.t_ms, lang)
  return (
    <div className={classes.gauge}>
      <Gauge group={group} />
      <div className={classes.zones}>
        <Toned tone="good">{t('apmLive.satisfied', { t: bound })}</Toned>
        <span className="num">{formatInteger(group.satisfied, lang)}</span>
        <Toned tone="warn">{t('apmLive.tolerating', { t: far })}</Toned>
        <span className="num">{formatInteger(group.tolerating, lang)}</span>
        <Toned tone="bad">{t('apmLive.frustrated', { t: far })}</Toned>
        <span className="num">{formatInteger(group.frustrated, lang)}</span>
      </div>
      <span className={classes.small}>{t('apmLive.last10s')}</span>
      {may && <Threshold key={`${group.name} ${group.t_ms}`} group={group} />}
    </div>
  )
}
