import { useTranslation } from 'react-i18next'
import type { StoreJob } from '@/api/operations'
import classes from '@/features/storage/storage.module.css'
import { formatAgo, formatDurationMs, formatInteger } from '@/lib/format'
import { Meter, Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import ui from '@/ui/ui.module.css'

/** Running ones first, with how far they are. */
export function JobsPanel({ jobs, nowMs }: { jobs: StoreJob[]; nowMs: number }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const sorted = [...jobs].sort((a, b) => Number(b.state === 'running') - Number(a.state === 'running'))
  return (
    <Panel title={t('status.jobs')} flush>
      <div className={ui.scroll}>
        <table className={ui.table} aria-label={t('status.jobs')}>
          <thead>
            <tr>
              <th>{t('status.job')}</th>
              <th>{t('status.state')}</th>
              <th className={ui.right}>{t('storage.ended')}</th>
              <th className={ui.right}>{t('status.lastRun')}</th>
              <th className={ui.right}>{t('status.runs')}</th>
              <th className={ui.right}>{t('storage.failures')}</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map(j => (
              <tr key={j.name}>
                <td>{j.name}</td>
                <td className={classes.job}>
                  {j.state === 'running' && j.progress_ratio !== undefined ? (
                    <Meter ratio={j.progress_ratio} label={j.name} lang={lang} warn={2} bad={2} />
                  ) : (
                    <Toned tone={j.state === 'running' ? 'info' : 'none'}>
                      {t(`storage.job_${j.state}`)}
                    </Toned>
                  )}
                </td>
                <td className={ui.right}>
                  {j.last_end_ms === undefined || j.last_end_ms === 0
                    ? '–'
                    : formatAgo(j.last_end_ms, nowMs, lang)}
                </td>
                <td className={ui.right}>
                  {j.last_ms === undefined || !j.runs ? '–' : formatDurationMs(j.last_ms, lang)}
                </td>
                <td className={ui.right}>{formatInteger(j.runs ?? 0, lang)}</td>
                <td className={ui.right}>
                  {j.failures === undefined ? (
                    '–'
                  ) : j.failures > 0 ? (
                    <Toned tone="bad">{formatInteger(j.failures, lang)}</Toned>
                  ) : (
                    '0'
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
