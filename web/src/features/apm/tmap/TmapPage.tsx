// T-Map: every request as a cell or point, live, of a day or of a range; boxes lead to requests and to what differs.
import {
  Button,
  CloseButton,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Tabs,
  TextInput,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import {
  cellsQuery,
  groupsQuery,
  instancesQuery,
  LIVE_MS,
  pointsQuery,
  useLive,
} from '@/features/apm/tmap/api'
import { BoxPanel, boxTitle } from '@/features/apm/tmap/BoxPanel'
import { type Box, CLASSES, type Class, cellsOf, encodeBox } from '@/features/apm/tmap/cells'
import { BOXES_MAX, MODES, type Mode, tmapCodec, VIEWS } from '@/features/apm/tmap/codec'
import { type Dot, MapCanvas } from '@/features/apm/tmap/MapCanvas'
import classes from '@/features/apm/tmap/tmap.module.css'
import { formatInteger } from '@/lib/format'
import { usePageState } from '@/lib/pageState'
import type { ResolvedRange } from '@/lib/time'
import { useTimeRange } from '@/lib/timeRange'
import { Page, Panel } from '@/ui/Page'
import { Empty, Failure } from '@/ui/States'

const DAY_MS = 86_400_000

function dayOf(day: string): ResolvedRange {
  const at = day === '' ? new Date() : new Date(`${day}T00:00:00`)
  const startMs = new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()
  return { startMs, endMs: startMs + DAY_MS }
}

export function TmapPage() {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [state, change] = usePageState(tmapCodec)
  const { resolved } = useTimeRange()
  const { groups, mode, view, scale, maxMs, instance, status } = state
  const cellsLive = mode === 'live' && view === 'heat' && instance === ''
  const live = useLive(groups, cellsLive)
  const range = useMemo<ResolvedRange>(
    () =>
      mode === 'day'
        ? dayOf(state.day)
        : mode === 'live'
          ? { startMs: Math.floor((live.nowMs - LIVE_MS) / 2_000) * 2_000, endMs: live.nowMs }
          : resolved,
    [mode, state.day, live.nowMs, resolved],
  )
  const filter = useMemo(() => ({ groups, instance, status }), [groups, instance, status])
  const cells = useQuery({
    ...cellsQuery(filter, range, scale, 300, maxMs),
    enabled: view === 'heat' && !cellsLive,
  })
  const points = useQuery({ ...pointsQuery(filter, range), enabled: view === 'dots' })
  const known = useQuery(groupsQuery)
  const instances = useQuery(instancesQuery(groups, range))
  const shown = useMemo(
    () =>
      cellsLive ? [...live.columns.values()].flat() : cells.data === undefined ? [] : cellsOf(cells.data),
    [cellsLive, live.columns, cells.data],
  )
  const dots = useMemo<Dot[] | null>(() => {
    if (view === 'heat') {
      return null
    }
    const p = points.data
    const out: Dot[] = []
    for (let i = 0; p !== undefined && i + 2 < p.points.length; i += 3) {
      out.push({
        startMs: p.start_ms + (p.points[i] ?? 0),
        tookMs: (p.points[i + 1] ?? 0) / 1_000,
        bad: p.points[i + 2] !== 0,
      })
    }
    return out
  }, [view, points.data])
  const axis = useMemo(() => ({ scale, maxMs }), [scale, maxMs])
  const addBox = (box: Box) => {
    const boxes = [...state.boxes, box].slice(-BOXES_MAX)
    change({ boxes, open: boxes.length - 1 }, { push: true })
  }
  const dropBox = (at: number) =>
    change({ boxes: state.boxes.filter((_, i) => i !== at), open: Math.max(0, state.open - 1) })
  const open = state.boxes[state.open]
  const error = view === 'heat' ? (cellsLive ? null : cells.error) : points.error
  return (
    <Page title={t('tmap.title')} sub={t('tmap.sub')}>
      <div className={classes.bar}>
        <MultiSelect
          size="xs"
          searchable
          clearable
          aria-label={t('tmap.groups')}
          placeholder={groups.length === 0 ? t('tmap.allGroups') : ''}
          data={[...new Set([...(known.data?.groups.map(g => g.name) ?? []), ...groups])].filter(
            g => g !== '',
          )}
          value={groups}
          onChange={v => change({ groups: v, instance: '' })}
          className={classes.groups}
        />
        <SegmentedControl
          size="xs"
          value={mode}
          onChange={v => change({ mode: v as Mode })}
          data={MODES.map(m => ({ value: m, label: t(`tmap.mode_${m}`) }))}
        />
        {mode === 'day' && (
          <TextInput
            size="xs"
            type="date"
            aria-label={t('tmap.mode_day')}
            value={state.day}
            onChange={e => change({ day: e.currentTarget.value })}
          />
        )}
        <SegmentedControl
          size="xs"
          value={view}
          onChange={v => change({ view: v as (typeof VIEWS)[number] })}
          data={VIEWS.map(v => ({ value: v, label: t(`tmap.view_${v}`) }))}
        />
        <SegmentedControl
          size="xs"
          value={scale}
          onChange={v => change({ scale: v as 'log' | 'linear' })}
          data={(['log', 'linear'] as const).map(v => ({ value: v, label: t(`tmap.scale_${v}`) }))}
        />
        <NumberInput
          size="xs"
          aria-label={t('tmap.max')}
          title={t('tmap.max')}
          suffix=" ms"
          min={10}
          max={3_600_000}
          value={maxMs}
          onBlur={e => {
            const v = Number(e.currentTarget.value.replace(/[^\d.]/g, ''))
            change({ maxMs: v >= 10 ? Math.min(v, 3_600_000) : 60_000 })
          }}
          className={classes.max}
        />
        <MultiSelect
          size="xs"
          clearable
          aria-label={t('tmap.status')}
          placeholder={status.length === 0 ? t('tmap.anyStatus') : ''}
          data={CLASSES.map(c => ({ value: c, label: t(`tmap.class_${c}`) }))}
          value={status}
          onChange={v => change({ status: v as Class[] })}
          className={classes.status}
        />
        <Select
          size="xs"
          searchable
          clearable
          aria-label={t('tmap.instance')}
          placeholder={t('tmap.anyInstance')}
          data={[...new Set([...(instances.data?.instances.map(x => x.name) ?? []), instance])].filter(
            x => x !== '',
          )}
          value={instance === '' ? null : instance}
          onChange={v => change({ instance: v ?? '' })}
        />
      </div>
      <Panel
        title={t('tmap.map')}
        note={
          view === 'dots' && points.data !== undefined && points.data.every > 1
            ? t('tmap.thinned', { every: points.data.every, n: formatInteger(points.data.matched, lang) })
            : t('tmap.hint')
        }
      >
        {error !== null && <Failure compact error={error} onRetry={() => void cells.refetch()} />}
        {cellsLive && live.failed && <p className={classes.note}>{t('tmap.reconnecting')}</p>}
        {known.data?.groups.length === 0 ? (
          <Empty title={t('tmap.none')} text={t('tmap.noneText')} />
        ) : (
          <MapCanvas
            cells={shown}
            stepMs={cellsLive ? 2_000 : (cells.data?.step_ms ?? 2_000)}
            dots={dots}
            axis={axis}
            range={range}
            status={status}
            boxes={state.boxes}
            onBox={addBox}
          />
        )}
        <div className={classes.legend} aria-hidden="true">
          <span className={classes.few} /> {t('tmap.few')} <span className={classes.many} /> {t('tmap.many')}{' '}
          <span className={classes.failed} /> {t('tmap.failed')}
        </div>
      </Panel>
      {open === undefined ? (
        <Panel>
          <Empty compact title={t('tmap.draw')} text={t('tmap.drawText')} />
        </Panel>
      ) : (
        <>
          <Tabs value={String(state.open)} onChange={v => change({ open: Number(v) })}>
            <Tabs.List>
              {state.boxes.map((b, i) => (
                <Tabs.Tab
                  key={encodeBox(b)}
                  value={String(i)}
                  rightSection={
                    <CloseButton
                      component="span"
                      size="xs"
                      aria-label={t('tmap.close')}
                      onClick={e => {
                        e.stopPropagation()
                        dropBox(i)
                      }}
                    />
                  }
                >
                  {boxTitle(b, lang)}
                </Tabs.Tab>
              ))}
            </Tabs.List>
          </Tabs>
          <BoxPanel filter={filter} box={open} around={range} />
          <div>
            <Button size="compact-sm" variant="subtle" onClick={() => change({ boxes: [], open: 0 })}>
              {t('tmap.closeAll')}
            </Button>
          </div>
        </>
      )}
    </Page>
  )
}
