// How the result is drawn: style, unit, step, comparison, gaps, scale, threshold. Everything goes to the link.
import { Checkbox, Popover, SegmentedControl, Select, TextInput } from '@mantine/core'
import { IconAdjustmentsHorizontal } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  COMPARE,
  type MetricsState,
  type MetricsStyle,
  NULLS,
  STEPS,
  STYLES,
  UNITS,
  type UnitChoice,
} from '@/features/metrics/codec'
import classes from '@/features/metrics/metrics.module.css'
import { formatSpan, type Unit } from '@/lib/format'
import { durationText, parseDuration } from '@/lib/time'

interface ToolbarProps {
  state: MetricsState
  /** What "auto" means now. */
  autoUnit: Unit
  autoStepS: number
  change: (patch: Partial<MetricsState>) => void
}

function Step({ state, autoStepS, change }: Omit<ToolbarProps, 'autoUnit'>) {
  const { t, i18n } = useTranslation()
  const own = state.step !== '' && !(STEPS as readonly string[]).includes(state.step)
  return (
    <Select
      w={128}
      value={state.step}
      aria-label={t('metrics.resolution')}
      withCheckIcon={false}
      data={[...STEPS, ...(own ? [state.step] : [])].map(s => ({
        value: s,
        label:
          s === ''
            ? t('metrics.autoStep', { step: formatSpan(durationText(autoStepS * 1_000), i18n.language) })
            : formatSpan(s, i18n.language),
      }))}
      onChange={v => change({ step: v ?? '' })}
    />
  )
}

function Threshold({ state, change }: Pick<ToolbarProps, 'state' | 'change'>) {
  const { t } = useTranslation()
  const [text, setText] = useState(state.threshold === null ? '' : String(state.threshold))
  useEffect(() => setText(state.threshold === null ? '' : String(state.threshold)), [state.threshold])
  const value = text.trim() === '' ? null : Number(text)
  const good = value === null || Number.isFinite(value)
  const commit = () => good && value !== state.threshold && change({ threshold: value })
  return (
    <TextInput
      label={t('metrics.thresholdAt')}
      value={text}
      error={!good}
      onChange={e => setText(e.currentTarget.value)}
      onBlur={commit}
      onKeyDown={e => e.key === 'Enter' && commit()}
    />
  )
}

function OwnStep({ state, change }: Pick<ToolbarProps, 'state' | 'change'>) {
  const { t } = useTranslation()
  const [text, setText] = useState(state.step)
  useEffect(() => setText(state.step), [state.step])
  const good = text === '' || (parseDuration(text) ?? 0) >= 1_000
  const commit = () => good && text !== state.step && change({ step: text })
  return (
    <TextInput
      label={t('metrics.ownStep')}
      placeholder="90s"
      value={text}
      error={!good}
      onChange={e => setText(e.currentTarget.value.trim())}
      onBlur={commit}
      onKeyDown={e => e.key === 'Enter' && commit()}
    />
  )
}

export function Toolbar({ state, autoUnit, autoStepS, change }: ToolbarProps) {
  const { t, i18n } = useTranslation()
  const chart = state.view === 'chart'
  const ranged = chart || state.view === 'stat' || state.view === 'heatmap'
  return (
    <div className={classes.toolbar}>
      {chart && (
        <SegmentedControl
          value={state.style}
          aria-label={t('metrics.styleLabel')}
          onChange={v => change({ style: v as MetricsStyle })}
          data={STYLES.map(s => ({ value: s, label: t(`metrics.style_${s}`) }))}
        />
      )}
      {state.view !== 'json' && (
        <Select
          w={136}
          value={state.unit}
          aria-label={t('metrics.unit')}
          withCheckIcon={false}
          data={UNITS.map(u => ({
            value: u,
            label:
              u === 'auto'
                ? t('metrics.autoUnit', { unit: t(`unit.${autoUnit === 'ns' ? 'number' : autoUnit}`) })
                : t(`unit.${u}`),
          }))}
          onChange={v => change({ unit: (v ?? 'auto') as UnitChoice })}
        />
      )}
      {ranged && <Step state={state} autoStepS={autoStepS} change={change} />}
      {chart && (
        <Select
          w={140}
          value={state.compare}
          aria-label={t('metrics.compare')}
          withCheckIcon={false}
          data={COMPARE.map(c => ({
            value: c,
            label:
              c === ''
                ? t('metrics.compareNone')
                : t('metrics.compareWith', { span: formatSpan(c, i18n.language) }),
          }))}
          onChange={v => change({ compare: v ?? '' })}
        />
      )}
      {chart && (
        <Popover position="bottom-end" shadow="md" width={230}>
          <Popover.Target>
            <button type="button" className={classes.iconButton} aria-label={t('metrics.chartOptions')}>
              <IconAdjustmentsHorizontal size={16} />
            </button>
          </Popover.Target>
          <Popover.Dropdown className={classes.options}>
            <Checkbox
              size="xs"
              label={t('metrics.exemplars')}
              checked={state.exemplars}
              onChange={e => change({ exemplars: e.currentTarget.checked })}
            />
            <Checkbox
              size="xs"
              label={t('metrics.logScale')}
              checked={state.log}
              disabled={state.style === 'stacked'}
              onChange={e => change({ log: e.currentTarget.checked })}
            />
            <div>
              <div className={classes.optionLabel}>{t('metrics.nulls')}</div>
              <SegmentedControl
                fullWidth
                value={state.nulls}
                aria-label={t('metrics.nulls')}
                onChange={v => change({ nulls: v as MetricsState['nulls'] })}
                data={NULLS.map(n => ({ value: n, label: t(`metrics.nulls_${n}`) }))}
              />
            </div>
            <Threshold state={state} change={change} />
            <OwnStep state={state} change={change} />
          </Popover.Dropdown>
        </Popover>
      )}
    </div>
  )
}
