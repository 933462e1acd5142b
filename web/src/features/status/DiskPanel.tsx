import { useTranslation } from 'react-i18next'
import type { ServerStatus } from '@/api/queries'
import { seriesColor } from '@/charts/palette'
import classes from '@/features/status/status.module.css'
import { formatBytes, formatDateTime, formatPercent, formatShort, formatUptime } from '@/lib/format'
import { useScheme } from '@/lib/scheme'
import { Dot, shareTone, Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import ui from '@/ui/ui.module.css'

export function DiskPanel({ status }: { status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const lang = i18n.language
  const { disk } = status
  const budget = disk.budget_bytes ?? disk.used_bytes + disk.free_bytes
  const share = budget > 0 ? disk.used_bytes / budget : 0
  return (
    <Panel title={t('status.disk')} note={<span className={classes.mono}>{disk.path}</span>}>
      <div className={classes.facts}>
        <Toned tone={shareTone(share, 0.9, 0.98)}>
          {t(disk.budget_bytes === undefined ? 'status.diskUsedFree' : 'status.diskUsedBudget', {
            used: formatBytes(disk.used_bytes, lang),
            budget: formatBytes(budget, lang),
            share: formatPercent(share, lang),
          })}
        </Toned>
        <span>{t('status.diskFree', { free: formatBytes(disk.free_bytes, lang) })}</span>
        {disk.retention_ms !== undefined && disk.retention_ms > 0 && (
          <span>{t('status.retention', { time: formatUptime(disk.retention_ms / 1_000, lang) })}</span>
        )}
      </div>
      <div
        className={classes.stack}
        role="img"
        aria-label={t('status.diskBar', { share: formatPercent(share, lang) })}
      >
        {disk.signals.map((s, i) =>
          s.bytes / budget < 0.001 ? null : (
            <div
              key={s.signal}
              title={`${s.signal}: ${formatBytes(s.bytes, lang)}`}
              style={{
                width: `${budget > 0 ? (s.bytes / budget) * 100 : 0}%`,
                background: seriesColor(i, scheme),
              }}
            />
          ),
        )}
      </div>
      <table
        className={ui.table}
        style={{ margin: '0 -12px', width: 'calc(100% + 24px)' }}
        aria-label={t('status.disk')}
      >
        <thead>
          <tr>
            <th>{t('status.what')}</th>
            <th className={ui.right}>{t('status.size')}</th>
            <th className={ui.right}>{t('status.rows')}</th>
            <th className={ui.right}>{t('status.perRow')}</th>
            <th className={ui.right}>{t('status.oldest')}</th>
          </tr>
        </thead>
        <tbody>
          {disk.signals.map((s, i) => (
            <tr key={s.signal}>
              <td>
                <span className={classes.swatch}>
                  <Dot color={seriesColor(i, scheme)} /> {t(`store.${s.signal}`)}
                </span>
              </td>
              <td className={ui.right}>{formatBytes(s.bytes, lang)}</td>
              <td className={ui.right}>{s.rows === undefined ? '–' : formatShort(s.rows, lang)}</td>
              <td className={ui.right}>{s.rows ? `${formatShort(s.bytes / s.rows, lang)} B` : '–'}</td>
              <td className={ui.right}>{s.oldest_ms ? formatDateTime(s.oldest_ms, lang) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
