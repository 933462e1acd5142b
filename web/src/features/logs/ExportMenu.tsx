// The whole result as a file, not only what is on screen.
import { Button, Popover, Progress, SegmentedControl } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { EXPORT_LIMITS, type ExportFormat, exportLogs, FORMATS } from '@/features/logs/exportLogs'
import classes from '@/features/logs/logs.module.css'
import { downloadBlob } from '@/lib/export'
import { formatInteger } from '@/lib/format'
import type { ResolvedRange } from '@/lib/time'
import { toast } from '@/lib/toast'
import { errorText } from '@/ui/States'

interface ExportMenuProps {
  query: string
  range: ResolvedRange
  oldestFirst: boolean
  columns: string[]
  disabled: boolean
}

export function ExportMenu({ query, range, oldestFirst, columns, disabled }: ExportMenuProps) {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const [open, setOpen] = useState(false)
  const [format, setFormat] = useState<ExportFormat>('jsonl')
  const [limit, setLimit] = useState<number>(EXPORT_LIMITS[1])
  const [rows, setRows] = useState<number | null>(null)
  const running = useRef<AbortController | null>(null)
  const start = async () => {
    const stop = new AbortController()
    running.current = stop
    setRows(0)
    try {
      const ask = { query, range, oldestFirst, columns, format, limit }
      const done = await exportLogs(ask, stop.signal, setRows)
      downloadBlob(
        `logs-${new Date(range.endMs).toISOString().slice(0, 19).replaceAll(':', '')}.${format}`,
        done.blob,
      )
      void toast(
        t(done.cut ? 'logs.exportedCut' : 'logs.exported', { count: done.rows }),
        done.cut ? 'info' : 'good',
      )
      setOpen(false)
    } catch (e) {
      if (!stop.signal.aborted) {
        void toast(errorText(e), 'bad')
      }
    } finally {
      running.current = null
      setRows(null)
    }
  }
  return (
    <Popover
      opened={open}
      onChange={o => rows === null && setOpen(o)}
      position="bottom-end"
      shadow="md"
      width={300}
    >
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconDownload size={14} />}
          disabled={disabled}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {t('common.export')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown className={classes.export}>
        <SegmentedControl
          fullWidth
          aria-label={t('logs.format')}
          value={format}
          disabled={rows !== null}
          onChange={v => setFormat(v as ExportFormat)}
          data={FORMATS.map(f => ({ value: f, label: t(`logs.format_${f}`) }))}
        />
        <SegmentedControl
          fullWidth
          aria-label={t('logs.exportLimit')}
          value={String(limit)}
          disabled={rows !== null}
          onChange={v => setLimit(Number(v))}
          data={EXPORT_LIMITS.map(n => ({
            value: String(n),
            label: t('logs.atMost', { rows: formatInteger(n, lang) }),
          }))}
        />
        {rows === null ? (
          <Button fullWidth onClick={() => void start()}>
            {t('logs.download')}
          </Button>
        ) : (
          <>
            <Progress
              value={(rows / limit) * 100}
              animated
              aria-label={t('logs.exporting', { count: rows })}
            />
            <div className={classes.exportFoot} role="status">
              {t('logs.exporting', { count: rows })}
              <Button size="compact-xs" variant="default" onClick={() => running.current?.abort()}>
                {t('common.cancel')}
              </Button>
            </div>
          </>
        )}
      </Popover.Dropdown>
    </Popover>
  )
}
