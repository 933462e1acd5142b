// One line under a query: what it cost and what came back; all the server's figures behind a click.
import { Popover } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { PromAnswer } from '@/api/prom'
import classes from '@/features/metrics/metrics.module.css'
import { statsOf, tierOf } from '@/features/metrics/run'
import { formatBytes, formatDurationMs, formatInteger, formatShort, formatSpan } from '@/lib/format'
import { durationText } from '@/lib/time'
import { ToneMark } from '@/ui/Figures'

function figure(key: string, value: string, lang: string): string {
  const n = Number(value)
  return /Time$/.test(key)
    ? formatDurationMs(n * 1_000, lang)
    : /Ms$/.test(key)
      ? formatDurationMs(n, lang)
      : /bytes$/i.test(key)
        ? formatBytes(n, lang)
        : Number.isFinite(n)
          ? formatInteger(n, lang)
          : value
}

export function Statistics({ answer, stepS }: { answer: PromAnswer; stepS: number | undefined }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const s = statsOf(answer)
  const tier = tierOf(answer)
  const parts = [
    t('metrics.seriesCount', { count: s.series }),
    ...(s.samples === null ? [] : [t('metrics.samples', { samples: formatShort(s.samples, lang) })]),
    ...(s.evalMs === null ? [] : [t('metrics.evalTime', { time: formatDurationMs(s.evalMs, lang) })]),
    ...(s.memory === null ? [] : [t('metrics.memory', { bytes: formatBytes(s.memory, lang) })]),
    ...(stepS === undefined
      ? []
      : [t('metrics.step', { step: formatSpan(durationText(stepS * 1_000), lang) })]),
    // every sample is what one expects; only roll-ups are worth a word
    ...(tier === null || tier === 0
      ? []
      : [t('metrics.tier', { tier: formatSpan(durationText(tier), lang) })]),
  ]
  return (
    <div className={classes.under}>
      <Popover position="bottom-start" shadow="md" withinPortal>
        <Popover.Target>
          <button type="button" className={classes.statsButton} title={t('metrics.statsHint')}>
            {parts.join(' · ')}
          </button>
        </Popover.Target>
        <Popover.Dropdown p={10}>
          <table className={classes.statsTable}>
            <tbody>
              {s.peak !== null && (
                <tr>
                  <td>{t('metrics.peak')}</td>
                  <td>{formatShort(s.peak, lang)}</td>
                </tr>
              )}
              {s.all.map(([k, v]) => (
                <tr key={k}>
                  <td className="mono">{k}</td>
                  <td>{figure(k, v, lang)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Popover.Dropdown>
      </Popover>
      {answer.warnings.map(w => (
        <div key={w} className={classes.note}>
          <ToneMark tone="warn" /> {w}
        </div>
      ))}
      {answer.infos.map(w => (
        <div key={w} className={classes.note}>
          <ToneMark tone="info" /> {w}
        </div>
      ))}
    </div>
  )
}
