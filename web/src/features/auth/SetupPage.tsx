// First start: the link printed by the server carries a one-time secret; here the first admin is made.
import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { setup } from '@/api/mutations'
import { sessionQuery } from '@/api/queries'
import { AuthCard } from '@/features/auth/AuthCard'
import { one } from '@/lib/search'
import { errorText } from '@/ui/States'

const MIN_PASSWORD = 8

export function SetupPage() {
  const { t } = useTranslation()
  const client = useQueryClient()
  const navigate = useNavigate()
  const link = one(useSearch({ strict: false }) as Record<string, unknown>, 'token')
  const [token, setToken] = useState(link)
  const [user, setUser] = useState('admin')
  const [password, setPassword] = useState('')
  const [repeat, setRepeat] = useState('')
  const make = useMutation({
    mutationFn: () => setup(token.trim(), user.trim(), password),
    onSuccess: async session => {
      await navigate({ to: '/', search: {} })
      client.setQueryData(sessionQuery.queryKey, session)
    },
  })
  const short = password !== '' && password.length < MIN_PASSWORD
  const differs = repeat !== '' && repeat !== password
  const ready =
    token.trim() !== '' && user.trim() !== '' && password.length >= MIN_PASSWORD && repeat === password
  return (
    <AuthCard title={t('setup.title')} text={t('setup.text')}>
      <form
        onSubmit={e => {
          e.preventDefault()
          make.mutate()
        }}
      >
        <Stack gap={12}>
          {make.error !== null && (
            <Alert color="red" role="alert" p="xs">
              {errorText(make.error)}
            </Alert>
          )}
          {link === '' && (
            <TextInput
              size="sm"
              label={t('setup.token')}
              required
              value={token}
              onChange={e => setToken(e.currentTarget.value)}
            />
          )}
          <TextInput
            size="sm"
            label={t('login.user')}
            autoComplete="username"
            required
            maxLength={64}
            value={user}
            onChange={e => setUser(e.currentTarget.value)}
          />
          <PasswordInput
            label={t('login.password')}
            description={t('setup.passwordRule', { count: MIN_PASSWORD })}
            autoComplete="new-password"
            required
            value={password}
            error={short ? t('setup.short', { count: MIN_PASSWORD }) : undefined}
            onChange={e => setPassword(e.currentTarget.value)}
          />
          <PasswordInput
            label={t('setup.repeat')}
            autoComplete="new-password"
            required
            value={repeat}
            error={differs ? t('setup.differs') : undefined}
            onChange={e => setRepeat(e.currentTarget.value)}
          />
          <Button type="submit" size="sm" mt={4} loading={make.isPending} disabled={!ready}>
            {t('setup.submit')}
          </Button>
        </Stack>
      </form>
    </AuthCard>
  )
}
