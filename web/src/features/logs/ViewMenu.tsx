// How the list looks: order, wrapping, times, density, colours, columns.
import { Button, Checkbox, Popover, SegmentedControl } from '@mantine/core'
import { IconAdjustmentsHorizontal } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { DEFAULT_COLUMNS, LEVEL_COLUMN, type LogsState, SERVICE_COLUMN } from '@/features/logs/codec'
import { toggleColumn } from '@/features/logs/columns'
import classes from '@/features/logs/logs.module.css'

export interface LocalLook {
  dense: boolean
  ansi: boolean
}

interface ViewMenuProps {
  state: LogsState
  look: LocalLook
  onChange: (patch: Partial<LogsState>) => void
  onLook: (look: LocalLook) => void
}

export function ViewMenu({ state, look, onChange, onLook }: ViewMenuProps) {
  const { t } = useTranslation()
  const choice = (label: string, value: string, data: [string, string][], set: (v: string) => void) => (
    <div>
      <div className={classes.optionLabel}>{label}</div>
      <SegmentedControl
        fullWidth
        aria-label={label}
        value={value}
        onChange={set}
        data={data.map(([v, l]) => ({ value: v, label: l }))}
      />
    </div>
  )
  return (
    <Popover position="bottom-end" shadow="md" width={290}>
      <Popover.Target>
        <Button variant="default" leftSection={<IconAdjustmentsHorizontal size={14} />}>
          {t('logs.view')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown className={classes.options}>
        {choice(
          t('logs.order'),
          state.oldestFirst ? 'asc' : 'desc',
          [
            ['desc', t('logs.newestFirst')],
            ['asc', t('logs.oldestFirst')],
          ],
          v => onChange({ oldestFirst: v === 'asc' }),
        )}
        {choice(
          t('logs.times'),
          state.times,
          [
            ['clock', t('logs.times_clock')],
            ['relative', t('logs.times_relative')],
          ],
          v => onChange({ times: v as LogsState['times'] }),
        )}
        {choice(
          t('logs.zone'),
          state.zone,
          [
            ['local', t('logs.zone_local')],
            ['utc', 'UTC'],
          ],
          v => onChange({ zone: v as LogsState['zone'] }),
        )}
        {choice(
          t('logs.density'),
          look.dense ? 'dense' : 'normal',
          [
            ['normal', t('logs.density_normal')],
            ['dense', t('logs.density_dense')],
          ],
          v => onLook({ ...look, dense: v === 'dense' }),
        )}
        <Checkbox
          size="xs"
          label={t('logs.wrap')}
          checked={state.wrap}
          onChange={e => onChange({ wrap: e.currentTarget.checked })}
        />
        <Checkbox
          size="xs"
          label={t('logs.ansi')}
          checked={look.ansi}
          onChange={e => onLook({ ...look, ansi: e.currentTarget.checked })}
        />
        <div className={classes.optionLabel}>{t('logs.columns')}</div>
        {[...new Set([...DEFAULT_COLUMNS.map(c => c.name), ...state.columns.map(c => c.name)])].map(name => (
          <Checkbox
            key={name}
            size="xs"
            label={
              name === LEVEL_COLUMN
                ? t('common.severity')
                : name === SERVICE_COLUMN
                  ? t('common.service')
                  : name
            }
            checked={state.columns.some(c => c.name === name)}
            onChange={() => onChange({ columns: toggleColumn(state.columns, name) })}
          />
        ))}
        <div className={classes.hint}>{t('logs.columnsHint')}</div>
      </Popover.Dropdown>
    </Popover>
  )
}
