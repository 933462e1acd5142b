// How each kind of sender is set up for this very server, and whether its data has begun to arrive.
import { Alert } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { serverUrl } from '@/api/client'
import { type ServerStatus, serverStatusQuery } from '@/api/queries'
import { addDataCodec } from '@/features/onboarding/codec'
import classes from '@/features/onboarding/onboarding.module.css'
import {
  GROUPS,
  type Guide,
  guideOf,
  NAMES,
  onlyLocal,
  placeOf,
  received,
  type Signal,
  type SourceId,
} from '@/features/onboarding/sources'
import { formatInteger } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import { Toned } from '@/ui/Figures'
import { TokenNote } from '@/ui/Onboarding'
import { Page, Panel } from '@/ui/Page'
import { Snippet } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const PAGE_OF = { metrics: '/explore', traces: '/traces', logs: '/logs' } as const

/** Counts from the moment it is mounted: give it the source as its key. */
function Arrival({ guide, status }: { guide: Guide; status: ServerStatus }) {
  const { t, i18n } = useTranslation()
  const now = received(guide, status)
  const [then, setThen] = useState(now)
  // a server that was started anew counts from zero
  if (guide.signals.some(s => now[s] < then[s])) {
    setThen({ metrics: 0, traces: 0, logs: 0 })
  }
  const came = guide.signals.filter(s => now[s] > then[s])
  return (
    <div className={classes.arrival} role="status" data-arrived={came.length > 0}>
      {came.length === 0 ? (
        <>
          <span className={classes.pulse} aria-hidden="true" />
          <span>{t(guide.doors.length > 0 ? 'onboarding.waitingDoor' : 'onboarding.waiting')}</span>
        </>
      ) : (
        <>
          <Toned tone="good">
            <b>{t('onboarding.arrived')}</b>
          </Toned>
          {came.map((s: Signal) => (
            <Link key={s} to={PAGE_OF[s]} className={ui.link}>
              {t(`signal.${s}`)} +{formatInteger(now[s] - then[s], i18n.language)}
            </Link>
          ))}
          {guide.doors.length === 0 && <span className={ui.panelNote}>{t('onboarding.allSenders')}</span>}
        </>
      )}
    </div>
  )
}

function Steps({ id, guide, status }: { id: SourceId; guide: Guide; status: ServerStatus | undefined }) {
  const { t } = useTranslation()
  const local = onlyLocal(status, guide.door, placeOf(serverUrl()))
  const closed = status === undefined ? undefined : guide.closed
  return (
    <div className={classes.guide}>
      <p className={classes.text}>{t(`onboarding.about_${id}`)}</p>
      {status !== undefined && <Arrival key={id} guide={guide} status={status} />}
      {closed !== undefined && (
        <Alert color="orange" p="sm" title={t(`onboarding.closed_${closed.door}`)}>
          <div className={classes.closed}>
            <span>{t(`onboarding.open_${closed.door}`)}</span>
            <Snippet code={closed.code} />
          </div>
        </Alert>
      )}
      {local && (
        <Alert color="orange" p="sm">
          {t('onboarding.onlyLocal')}
        </Alert>
      )}
      <ol className={classes.steps}>
        {guide.blocks.map(b => (
          <li key={`${b.step}${b.code}`}>
            <div className={classes.step}>
              <b>{t(`onboarding.step_${b.step}`)}</b>
              {b.path !== undefined && <span className="mono">{b.path}</span>}
            </div>
            <Snippet code={b.code} />
          </li>
        ))}
      </ol>
      {guide.door === 'fluent' ? (
        <div className={ui.emptyText}>{t('onboarding.sharedKey')}</div>
      ) : guide.door === 'syslog_tcp' ? null : (
        <TokenNote />
      )}
    </div>
  )
}

export function AddDataPage() {
  const { t } = useTranslation()
  const status = useQuery(serverStatusQuery).data
  const [{ via }, change] = usePageState(addDataCodec)
  const guide = guideOf(via, status, placeOf(serverUrl()))
  return (
    <Page title={t('nav.addData')}>
      <div className={classes.columns}>
        <nav className={classes.list} aria-label={t('onboarding.senders')}>
          {GROUPS.map(g => (
            <div key={g.key}>
              <div className={classes.group}>{t(`onboarding.group_${g.key}`)}</div>
              {g.ids.map(id => (
                <button
                  key={id}
                  type="button"
                  className={classes.item}
                  aria-current={id === via ? 'true' : undefined}
                  onClick={() => change({ via: id }, { push: true })}
                >
                  {NAMES[id]}
                </button>
              ))}
            </div>
          ))}
        </nav>
        <Panel title={NAMES[via]}>
          <Steps id={via} guide={guide} status={status} />
        </Panel>
      </div>
    </Page>
  )
}
