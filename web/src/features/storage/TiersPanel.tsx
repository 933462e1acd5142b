import { useTranslation } from 'react-i18next'
import type { Storage } from '@/api/operations'
import { seriesColor } from '@/charts/palette'
import classes from '@/features/storage/storage.module.css'
import { formatBytes, formatNumber, formatShort, formatSpan } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { durationText } from '@/lib/time'
import { Dot } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import ui from '@/ui/ui.module.css'

/** Metrics by resolution: raw data grows old into coarser tiers; the bars show which time each one covers. */
export function TiersPanel({ storage }: { storage: Storage }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const scheme = useScheme()
  const oldest = Math.min(storage.now_ms, ...storage.tiers.flatMap(x => (x.oldest_ms ? [x.oldest_ms] : [])))
  const span = Math.max(1, storage.now_ms - oldest)
  const days = (n: number) =>
    n >= 1
      ? t('storage.days', { count: Math.floor(n) })
      : t('storage.hours', { count: Math.max(0, Math.floor(n * 24)) })
  const date = (ms: number) => new Intl.DateTimeFormat(lang, { month: 'short', day: 'numeric' }).format(ms)
  return (
    <Panel title={t('storage.tiers')} note={t('storage.tiersNote')} flush>
      <div className={ui.scroll}>
        <table className={ui.table} aria-label={t('storage.tiers')}>
          <thead>
            <tr>
              <th>{t('storage.resolution')}</th>
              <th>{t('storage.kept')}</th>
              <th className={ui.right}>{t('status.size')}</th>
              <th className={ui.right}>{t('storage.points')}</th>
              <th className={ui.right}>{t('storage.perPoint')}</th>
              <th className={ui.right}>{t('storage.parts')}</th>
              <th title={t('storage.oldestGoesHint')}>{t('storage.oldestGoes')}</th>
              <th className={ui.right} title={t('storage.reachHint')}>
                {t('storage.reach')}
              </th>
              <th className={classes.coverHead}>
                {t('storage.covers')}{' '}
                <span>{oldest < storage.now_ms && `${date(oldest)} – ${date(storage.now_ms)}`}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {storage.tiers.map((x, i) => (
              <tr key={x.tier}>
                <td className={classes.tier}>
                  <Dot color={seriesColor(i, scheme)} />{' '}
                  {x.resolution_ms === 0
                    ? t('storage.everySample')
                    : t('storage.each', { span: formatSpan(durationText(x.resolution_ms), lang) })}
                </td>
                <td>
                  {x.retention_ms === 0
                    ? t('storage.whileRoom')
                    : formatSpan(durationText(x.retention_ms), lang)}
                </td>
                <td className={ui.right}>{formatBytes(x.bytes, lang)}</td>
                <td className={ui.right}>{formatShort(x.points, lang)}</td>
                <td className={ui.right}>
                  {x.bytes_per_point === undefined
                    ? '–'
                    : t('storage.bytes', { n: formatNumber(x.bytes_per_point, lang) })}
                </td>
                <td className={ui.right}>{x.parts}</td>
                <td style={{ whiteSpace: 'nowrap' }}>
                  {x.days_left === undefined || x.goes_by === undefined
                    ? '–'
                    : t(`storage.goes_${x.goes_by}`, { span: days(x.days_left) })}
                </td>
                <td className={ui.right}>{x.reach_days === undefined ? '–' : days(x.reach_days)}</td>
                <td>
                  <div className={classes.cover}>
                    {x.oldest_ms !== undefined && x.newest_ms !== undefined && (
                      <span
                        title={`${date(x.oldest_ms)} – ${date(x.newest_ms)}`}
                        style={{
                          left: `${((x.oldest_ms - oldest) / span) * 100}%`,
                          width: `${Math.max(0.5, ((x.newest_ms - x.oldest_ms) / span) * 100)}%`,
                          background: seriesColor(i, scheme),
                        }}
                      />
                    )}
                  </div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
