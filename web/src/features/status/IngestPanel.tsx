import { useTranslation } from 'react-i18next'
import type { ServerStatus } from '@/api/queries'
import classes from '@/features/status/status.module.css'
import { formatAgo, formatDurationMs, formatInteger, formatShort } from '@/lib/format'
import { Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import ui from '@/ui/ui.module.css'

const LATE_MS = 60_000

export function IngestPanel({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel flush title={t('status.ingest')}>
      <table className={ui.table} aria-label={t('status.ingest')}>
        <thead>
          <tr>
            <th>{t('status.signal')}</th>
            <th className={ui.right}>{t('status.perSecond')}</th>
            <th className={ui.right}>{t('status.total')}</th>
            <th className={ui.right}>{t('status.lag')}</th>
            <th className={ui.right}>{t('status.newest')}</th>
            <th>{t('status.dropped')}</th>
          </tr>
        </thead>
        <tbody>
          {status.ingest.map(s => {
            const lost = s.dropped.filter(d => d.total > 0)
            return (
              <tr key={s.signal}>
                <td>
                  <b>{t(`signal.${s.signal}`)}</b>
                </td>
                <td className={ui.right}>{formatShort(s.per_s, lang)}</td>
                <td className={ui.right}>{formatInteger(s.total, lang)}</td>
                <td className={ui.right}>
                  {s.lag_ms === undefined ? (
                    '–'
                  ) : (
                    <Toned tone={s.lag_ms > LATE_MS ? 'warn' : 'good'}>
                      {formatDurationMs(s.lag_ms, lang)}
                    </Toned>
                  )}
                </td>
                <td className={ui.right}>
                  {s.newest_ms === undefined || s.newest_ms === 0
                    ? '–'
                    : formatAgo(s.newest_ms, status.now_ms, lang)}
                </td>
                <td>
                  {lost.length === 0 ? (
                    <Toned tone="good">{t('status.nothingDropped')}</Toned>
                  ) : (
                    <div className={classes.reasons}>
                      {lost.map(d => (
                        <Toned key={d.reason} tone="warn">
                          <span className={classes.mono}>{d.reason}</span> {formatInteger(d.total, lang)}
                        </Toned>
                      ))}
                    </div>
                  )}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Panel>
  )
}
