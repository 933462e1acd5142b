import { Button, PasswordInput, Stack } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { updateUser } from '@/api/mutations'
import classes from '@/features/admin/admin.module.css'
import { useAction } from '@/features/admin/useAction'

export const MIN_PASSWORD = 8

export function AccountTab({ user }: { user: string }) {
  const { t } = useTranslation()
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [repeat, setRepeat] = useState('')
  const change = useAction({
    run: () => updateUser(user, { current_password: current, password: next }),
    done: t('settings.passwordChanged'),
    after: () => {
      setCurrent('')
      setNext('')
      setRepeat('')
    },
  })
  const ready = current !== '' && next.length >= MIN_PASSWORD && next === repeat
  return (
    <form
      className={classes.form}
      onSubmit={e => {
        e.preventDefault()
        change.mutate(undefined)
      }}
    >
      <Stack gap={12}>
        <div>
          <b>{user}</b>
          <div className={classes.help}>{t('settings.passwordText')}</div>
        </div>
        <PasswordInput
          label={t('settings.currentPassword')}
          autoComplete="current-password"
          value={current}
          onChange={e => setCurrent(e.currentTarget.value)}
        />
        <PasswordInput
          label={t('settings.newPassword')}
          description={t('setup.passwordRule', { count: MIN_PASSWORD })}
          autoComplete="new-password"
          value={next}
          error={
            next !== '' && next.length < MIN_PASSWORD ? t('setup.short', { count: MIN_PASSWORD }) : undefined
          }
          onChange={e => setNext(e.currentTarget.value)}
        />
        <PasswordInput
          label={t('setup.repeat')}
          autoComplete="new-password"
          value={repeat}
          error={repeat !== '' && repeat !== next ? t('setup.differs') : undefined}
          onChange={e => setRepeat(e.currentTarget.value)}
        />
        <Button type="submit" size="sm" disabled={!ready} loading={change.isPending}>
          {t('settings.changePassword')}
        </Button>
      </Stack>
    </form>
  )
}
