// What the server really runs with: every key, its value, where it came from, what it would be by default.
import { Switch, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { configQuery } from '@/api/queries'
import classes from '@/features/admin/admin.module.css'
import { CopyButton } from '@/ui/CopyButton'
import { Empty, Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

export function ConfigTab() {
  const { t } = useTranslation()
  const config = useQuery(configQuery)
  const [text, setText] = useState('')
  const [changed, setChanged] = useState(false)
  const rows = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean)
    return (config.data?.keys ?? []).filter(
      k =>
        (!changed || k.origin !== 'default') &&
        words.every(w => `${k.key} ${k.help}`.toLowerCase().includes(w)),
    )
  }, [config.data, text, changed])
  if (config.isPending) {
    return <Loading rows={10} />
  }
  if (config.isError) {
    return <Failure error={config.error} onRetry={() => void config.refetch()} />
  }
  return (
    <>
      <div className={classes.bar}>
        <TextInput
          w={260}
          value={text}
          placeholder={t('settings.findKey')}
          aria-label={t('settings.findKey')}
          leftSection={<IconSearch size={14} />}
          onChange={e => setText(e.currentTarget.value)}
        />
        <Switch
          label={t('settings.onlyChanged')}
          checked={changed}
          onChange={e => setChanged(e.currentTarget.checked)}
        />
        <span className="grow" />
        <span className={classes.help}>{t('settings.copyYaml')}</span>
        <CopyButton value={config.data.yaml} label={t('settings.copyYaml')} />
      </div>
      {rows.length === 0 ? (
        <Empty compact title={t('settings.noKey')} />
      ) : (
        <div className={ui.scroll}>
          <table className={ui.table} aria-label={t('settings.tab_config')}>
            <thead>
              <tr>
                <th>{t('settings.key')}</th>
                <th>{t('settings.value')}</th>
                <th>{t('settings.origin')}</th>
                <th>{t('settings.default')}</th>
                <th>{t('settings.meaning')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(k => (
                <tr key={k.key}>
                  <td className="mono" title={[k.flag, k.env].filter(Boolean).join('\n')}>
                    {k.key}
                  </td>
                  <td
                    className={`mono ${k.origin === 'default' ? '' : classes.changed}`}
                    style={{ overflowWrap: 'anywhere' }}
                  >
                    {k.value === '' ? '""' : k.value}
                  </td>
                  <td>{t(`origin.${k.origin}`)}</td>
                  <td className="mono" style={{ color: 'var(--ink-3)' }}>
                    {k.default === '' ? '""' : k.default}
                  </td>
                  <td className={classes.help}>
                    {k.help}
                    {k.reloadable === true && ` ${t('settings.reloadable')}`}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}
