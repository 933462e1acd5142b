// From a point of a chart to everything else at that moment: one click to logs, traces, the host.
import { Menu } from '@mantine/core'
import { IconBinaryTree2, IconChartLine, IconFileText, IconServer } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { ChartPoint } from '@/charts/options'
import { around, correlations, type Kind, type Target, windowSearch } from '@/lib/correlate'
import { formatDateTime } from '@/lib/format'

const ICONS: Record<Kind, typeof IconFileText> = {
  logs: IconFileText,
  traces: IconBinaryTree2,
  metrics: IconChartLine,
  host: IconServer,
}

export function PointMenu({ point, onClose }: { point: ChartPoint | null; onClose: () => void }) {
  const { t, i18n } = useTranslation()
  const w = point === null ? null : around(point.time * 1_000)
  const known = point === null ? [] : correlations(point.series.labels ?? {}, w, 'metrics')
  // of a series that tells nothing there is still its time
  const other: { kind: Kind; target: Target }[] = (['logs', 'traces'] as const)
    .filter(kind => !known.some(k => k.kind === kind))
    .map(kind => ({ kind, target: { to: `/${kind}`, search: windowSearch(w) } }))
  const item = ({ kind, target }: { kind: Kind; target: Target }, all: boolean) => {
    const Icon = ICONS[kind]
    return (
      <Menu.Item
        key={kind}
        component={Link}
        to={target.to}
        {...(target.params === undefined ? {} : { params: target.params as never })}
        search={target.search as never}
        leftSection={<Icon size={14} />}
      >
        {all ? t(`point.all_${kind as 'logs' | 'traces'}`) : t(`point.${kind}`)}
      </Menu.Item>
    )
  }
  return (
    <Menu
      opened={point !== null}
      onChange={o => !o && onClose()}
      position="bottom-start"
      withinPortal
      offset={2}
    >
      <Menu.Target>
        <span
          style={{ position: 'fixed', left: point?.x ?? 0, top: point?.y ?? 0, width: 1, height: 1 }}
          aria-hidden="true"
        />
      </Menu.Target>
      <Menu.Dropdown aria-label={t('point.title')} maw={420}>
        {point !== null && (
          <Menu.Label style={{ overflowWrap: 'anywhere' }}>
            {formatDateTime(point.time * 1_000, i18n.language)} · {point.series.label}
          </Menu.Label>
        )}
        {known.map(k => item(k, false))}
        {other.map(k => item(k, true))}
      </Menu.Dropdown>
    </Menu>
  )
}
