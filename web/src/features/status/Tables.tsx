import { useTranslation } from 'react-i18next'
import type { ServerStatus } from '@/api/queries'
import classes from '@/features/status/status.module.css'
import { formatBytes, formatDurationMs, formatInteger, formatPercent } from '@/lib/format'
import { Meter, Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import ui from '@/ui/ui.module.css'

export function MemoryPanel({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel flush title={t('status.memoryBy')} note={formatBytes(status.memory.rss_bytes, lang)}>
      <table className={ui.table} aria-label={t('status.memoryBy')}>
        <thead>
          <tr>
            <th>{t('status.what')}</th>
            <th className={ui.right}>{t('status.used')}</th>
            <th className={ui.right}>{t('status.max')}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {status.memory.subsystems.map(s => (
            <tr key={s.name}>
              <td>{s.name}</td>
              <td className={ui.right}>{formatBytes(s.used_bytes, lang)}</td>
              <td className={ui.right}>{s.max_bytes ? formatBytes(s.max_bytes, lang) : '–'}</td>
              <td style={{ width: 220 }}>
                {s.max_bytes ? <Meter ratio={s.used_bytes / s.max_bytes} label={s.name} lang={lang} /> : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

export function DoorsPanel({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel flush title={t('status.doors')}>
      <table className={ui.table} aria-label={t('status.doors')}>
        <thead>
          <tr>
            <th>{t('status.door')}</th>
            <th>{t('status.address')}</th>
            <th className={ui.right}>{t('status.requests')}</th>
            <th className={ui.right}>{t('status.refused')}</th>
            <th className={ui.right}>{t('status.queue')}</th>
          </tr>
        </thead>
        <tbody>
          {status.doors.map(d => (
            <tr key={d.name}>
              <td>
                <Toned tone={d.on ? 'good' : 'none'}>
                  {t(`door.${d.name}`)}
                  {!d.on && ` (${t('status.off')})`}
                </Toned>
              </td>
              <td className={classes.mono}>{d.address}</td>
              <td className={ui.right}>{formatInteger(d.requests, lang)}</td>
              <td className={ui.right}>{formatInteger(d.errors, lang)}</td>
              <td className={ui.right}>{formatInteger(d.queue, lang)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

export function JobsPanel({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return (
    <Panel flush title={t('status.jobs')}>
      <table className={ui.table} aria-label={t('status.jobs')}>
        <thead>
          <tr>
            <th>{t('status.job')}</th>
            <th>{t('status.state')}</th>
            <th className={ui.right}>{t('status.lastRun')}</th>
            <th className={ui.right}>{t('status.runs')}</th>
          </tr>
        </thead>
        <tbody>
          {status.jobs.map(j => (
            <tr key={j.name}>
              <td>{j.name}</td>
              <td>
                <Toned tone={j.state === 'running' ? 'info' : 'none'}>
                  {t(`job.${j.state}`)}
                  {j.state === 'running' &&
                    j.progress_ratio !== undefined &&
                    ` ${formatPercent(j.progress_ratio, lang)}`}
                </Toned>
              </td>
              <td className={ui.right}>{formatDurationMs(j.last_ms, lang)}</td>
              <td className={ui.right}>{formatInteger(j.runs, lang)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
