import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from '@mantine/core'
import { IconLanguage, IconLogout, IconMoon, IconSettings, IconSun, IconUser } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { logout } from '@/api/mutations'
import { type Session, sessionQuery } from '@/api/queries'
import classes from '@/app/Shell.module.css'
import { setLanguage } from '@/i18n'
import { useScheme } from '@/lib/scheme'
import { toast } from '@/lib/toast'
import { errorText } from '@/ui/States'

/** Language and theme: kept in this browser, not on the server. */
function Preferences() {
  const { t, i18n } = useTranslation()
  const scheme = useScheme()
  const { setColorScheme } = useMantineColorScheme()
  const theme = t(scheme === 'dark' ? 'prefs.light' : 'prefs.dark')
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size={30} aria-label={t('prefs.language')}>
            <IconLanguage size={17} stroke={1.6} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            fw={i18n.language === 'ko' ? 700 : undefined}
            onClick={() => void setLanguage('ko')}
            lang="ko"
          >
            한국어
          </Menu.Item>
          <Menu.Item
            fw={i18n.language === 'en' ? 700 : undefined}
            onClick={() => void setLanguage('en')}
            lang="en"
          >
            English
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={theme}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={30}
          aria-label={theme}
          onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}
        >
          {scheme === 'dark' ? <IconSun size={17} stroke={1.6} /> : <IconMoon size={17} stroke={1.6} />}
        </ActionIcon>
      </Tooltip>
    </>
  )
}

function UserMenu({ session }: { session: Session }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const leave = useMutation({
    mutationFn: logout,
    onSuccess: async () => {
      client.removeQueries({ predicate: q => q.queryKey[0] !== 'session' })
      await client.invalidateQueries({ queryKey: sessionQuery.queryKey })
    },
    onError: e => void toast(errorText(e), 'bad'),
  })
  return (
    <Menu position="bottom-end" width={200}>
      <Menu.Target>
        <ActionIcon variant="light" color="gray" size={30} radius="xl" aria-label={t('user.menu')}>
          <IconUser size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.auth_enabled
            ? `${session.user ?? ''} · ${t(`role.${session.role ?? 'viewer'}`)}`
            : t('user.noAuth')}
        </Menu.Label>
        <Menu.Item component={Link} to="/settings" leftSection={<IconSettings size={14} />}>
          {t('nav.settings')}
        </Menu.Item>
        {session.auth_enabled && (
          <Menu.Item leftSection={<IconLogout size={14} />} onClick={() => leave.mutate()}>
            {t('user.logout')}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

export default function Menus({ session }: { session: Session }) {
  return (
    <div className={classes.menus}>
      <Preferences />
      <UserMenu session={session} />
    </div>
  )
}
