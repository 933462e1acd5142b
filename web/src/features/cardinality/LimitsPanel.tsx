import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type CardinalityLimit, cardinalityLimitsQuery } from '@/api/operations'
import { sortLimits, whoText } from '@/features/cardinality/cardinality'
import classes from '@/features/cardinality/cardinality.module.css'
import { formatAgo, formatInteger, formatPercent } from '@/lib/format'
import { useTimeRange } from '@/lib/timeRange'
import { Meter, Toned } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import { Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

function Offenders({ limits, nowMs }: { limits: CardinalityLimit[]; nowMs: number }) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const rows = limits.flatMap(l => l.offenders.map(o => ({ limit: l, o })))
  if (rows.length === 0) {
    return null
  }
  return (
    <>
      <h3 className={classes.subhead}>{t('cardinality.offenders')}</h3>
      <table className={ui.table} aria-label={t('cardinality.offenders')}>
        <thead>
          <tr>
            <th>{t('cardinality.offender')}</th>
            <th>{t('cardinality.limit')}</th>
            <th className={ui.right}>{t('cardinality.refused')}</th>
            <th className={ui.right}>{t('cardinality.since')}</th>
            <th className={ui.right}>{t('cardinality.lastRefused')}</th>
            <th>{t('cardinality.example')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ limit, o }) => (
            <tr key={`${limit.name}${whoText(o.who)}`}>
              <td className="mono">{whoText(o.who)}</td>
              <td>{t(`cardinality.limit_${limit.name}`)}</td>
              <td className={ui.right}>{formatInteger(o.refused, lang)}</td>
              <td className={ui.right}>{formatAgo(o.since_ms, nowMs, lang)}</td>
              <td className={ui.right}>{formatAgo(o.last_ms, nowMs, lang)}</td>
              <td className="mono" style={{ overflowWrap: 'anywhere' }}>
                {o.example}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

/** How far each limit is used, and who was refused. Only the series of the offender are; others go on. */
export function LimitsPanel() {
  const { t, i18n } = useTranslation()
  const { live, resolved } = useTimeRange()
  const lang = i18n.language
  const query = useQuery({ ...cardinalityLimitsQuery, refetchInterval: live ? 10_000 : false })
  const limits = sortLimits(query.data ?? [])
  return (
    <Panel title={t('cardinality.limits')} note={t('cardinality.limitsNote')} flush>
      {query.isPending ? (
        <Loading rows={3} />
      ) : query.isError && query.data === undefined ? (
        <Failure compact error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <>
          <table className={ui.table} aria-label={t('cardinality.limits')}>
            <thead>
              <tr>
                <th>{t('cardinality.limit')}</th>
                <th>{t('cardinality.used')}</th>
                <th className={ui.right}>{t('cardinality.max')}</th>
                <th>{t('cardinality.usedBy')}</th>
                <th className={ui.right}>{t('cardinality.refused')}</th>
                <th>{t('cardinality.setting')}</th>
              </tr>
            </thead>
            <tbody>
              {limits.map(l => (
                <tr key={l.name}>
                  <td>{t(`cardinality.limit_${l.name}`)}</td>
                  <td className={classes.use}>
                    {l.max > 0 ? (
                      <Meter
                        ratio={l.used / l.max}
                        label={t(`cardinality.limit_${l.name}`)}
                        lang={lang}
                        text={`${formatInteger(l.used, lang)} · ${formatPercent(l.used / l.max, lang)}`}
                      />
                    ) : (
                      <span className={classes.muted}>{t('cardinality.off')}</span>
                    )}
                  </td>
                  <td className={ui.right}>{l.max > 0 ? formatInteger(l.max, lang) : '–'}</td>
                  <td className="mono">{whoText(l.used_by) || '–'}</td>
                  <td className={ui.right}>
                    {l.refused > 0 ? <Toned tone="bad">{formatInteger(l.refused, lang)}</Toned> : '0'}
                  </td>
                  <td className="mono">{l.key}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Offenders limits={limits} nowMs={resolved.endMs} />
        </>
      )}
    </Panel>
  )
}
