import {
  ActionIcon,
  Button,
  Group,
  Modal,
  PasswordInput,
  Select,
  Stack,
  Text,
  TextInput,
} from '@mantine/core'
import { IconKey, IconTrash, IconUserPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { createUser, deleteUser, updateUser } from '@/api/mutations'
import { type Role, usersQuery } from '@/api/queries'
import { MIN_PASSWORD } from '@/features/admin/AccountTab'
import classes from '@/features/admin/admin.module.css'
import { useAction } from '@/features/admin/useAction'
import { formatDateTime } from '@/lib/format'
import { Failure, Loading } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const ROLES: Role[] = ['viewer', 'operator', 'admin']

function useRoleData() {
  const { t } = useTranslation()
  return ROLES.map(r => ({ value: r, label: t(`role.${r}`) }))
}

function NewUser({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const roles = useRoleData()
  const make = useAction({
    run: () => createUser(user.trim(), password, role),
    done: t('settings.userMade'),
    refresh: usersQuery.queryKey,
    after: onClose,
  })
  return (
    <form
      onSubmit={e => {
        e.preventDefault()
        make.mutate(undefined)
      }}
    >
      <Stack gap={12}>
        <TextInput
          label={t('login.user')}
          data-autofocus
          maxLength={64}
          value={user}
          onChange={e => setUser(e.currentTarget.value)}
        />
        <PasswordInput
          label={t('login.password')}
          description={t('setup.passwordRule', { count: MIN_PASSWORD })}
          autoComplete="new-password"
          value={password}
          onChange={e => setPassword(e.currentTarget.value)}
        />
        <Select
          label={t('settings.role')}
          data={roles}
          value={role}
          allowDeselect={false}
          onChange={v => setRole((v ?? 'viewer') as Role)}
        />
        <Text size="xs" c="dimmed">
          {t(`settings.roleText_${role}`)}
        </Text>
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button
            type="submit"
            loading={make.isPending}
            disabled={user.trim() === '' || password.length < MIN_PASSWORD}
          >
            {t('settings.addUser')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function NewPassword({ user, onClose }: { user: string; onClose: () => void }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const change = useAction({
    run: () => updateUser(user, { password }),
    done: t('settings.passwordChanged'),
    after: onClose,
  })
  return (
    <form
      onSubmit={e => {
        e.preventDefault()
        change.mutate(undefined)
      }}
    >
      <Stack gap={12}>
        <PasswordInput
          label={t('settings.newPassword')}
          description={t('setup.passwordRule', { count: MIN_PASSWORD })}
          autoComplete="new-password"
          data-autofocus
          value={password}
          onChange={e => setPassword(e.currentTarget.value)}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" loading={change.isPending} disabled={password.length < MIN_PASSWORD}>
            {t('settings.changePassword')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Removal({ user, onClose }: { user: string; onClose: () => void }) {
  const { t } = useTranslation()
  const remove = useAction({
    run: () => deleteUser(user),
    done: t('settings.userRemoved'),
    refresh: usersQuery.queryKey,
    after: onClose,
  })
  return (
    <Stack gap={12}>
      <Text size="sm">{t('settings.removeUserText', { user })}</Text>
      <Group justify="flex-end" gap={8}>
        <Button variant="default" data-autofocus onClick={onClose}>
          {t('common.cancel')}
        </Button>
        <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
          {t('settings.remove')}
        </Button>
      </Group>
    </Stack>
  )
}

type Dialog = { kind: 'new' } | { kind: 'password' | 'remove'; user: string } | null

export function UsersTab({ me }: { me: string | undefined }) {
  const { t, i18n } = useTranslation()
  const users = useQuery(usersQuery)
  const [dialog, setDialog] = useState<Dialog>(null)
  const roles = useRoleData()
  const setRole = useAction({
    run: (x: { user: string; role: Role }) => updateUser(x.user, { role: x.role }),
    done: t('settings.roleChanged'),
    refresh: usersQuery.queryKey,
  })
  const close = () => setDialog(null)
  if (users.isPending) {
    return <Loading />
  }
  if (users.isError) {
    return <Failure error={users.error} onRetry={() => void users.refetch()} />
  }
  return (
    <>
      <div className={classes.bar}>
        <span className={classes.text}>{t('settings.usersText')}</span>
        <Button leftSection={<IconUserPlus size={14} />} onClick={() => setDialog({ kind: 'new' })}>
          {t('settings.addUser')}
        </Button>
      </div>
      <table className={ui.table} aria-label={t('settings.tab_users')}>
        <thead>
          <tr>
            <th>{t('login.user')}</th>
            <th style={{ width: 170 }}>{t('settings.role')}</th>
            <th>{t('settings.made')}</th>
            <th>{t('settings.lastLogin')}</th>
            <th style={{ width: 90 }} />
          </tr>
        </thead>
        <tbody>
          {users.data.map(u => (
            <tr key={u.user}>
              <td>
                <b>{u.user}</b> {u.user === me && <span className={ui.panelNote}>({t('settings.you')})</span>}
              </td>
              <td>
                <Select
                  aria-label={t('settings.roleOf', { user: u.user })}
                  data={roles}
                  value={u.role}
                  allowDeselect={false}
                  disabled={u.user === me}
                  onChange={v =>
                    v !== null && v !== u.role && setRole.mutate({ user: u.user, role: v as Role })
                  }
                />
              </td>
              <td className="num">{formatDateTime(u.created_ms, i18n.language)}</td>
              <td className="num">
                {u.last_login_ms ? formatDateTime(u.last_login_ms, i18n.language) : t('settings.never')}
              </td>
              <td>
                <div className={classes.actions}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t('settings.passwordOf', { user: u.user })}
                    onClick={() => setDialog({ kind: 'password', user: u.user })}
                  >
                    <IconKey size={15} />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t('settings.removeOf', { name: u.user })}
                    disabled={u.user === me}
                    onClick={() => setDialog({ kind: 'remove', user: u.user })}
                  >
                    <IconTrash size={15} />
                  </ActionIcon>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Modal
        opened={dialog !== null}
        onClose={close}
        title={dialog === null ? '' : t(`settings.dialog_${dialog.kind}`)}
      >
        {dialog?.kind === 'new' && <NewUser onClose={close} />}
        {dialog?.kind === 'password' && <NewPassword user={dialog.user} onClose={close} />}
        {dialog?.kind === 'remove' && <Removal user={dialog.user} onClose={close} />}
      </Modal>
    </>
  )
}
