import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { login } from '@/api/mutations'
import { sessionQuery } from '@/api/queries'
import { AuthCard } from '@/features/auth/AuthCard'
import { errorText, Snippet } from '@/ui/States'

function useLoginError(error: Error | null): string | undefined {
  const { t } = useTranslation()
  if (error === null) {
    return undefined
  }
  if (error instanceof ApiError && error.status === 401) {
    return t('login.wrong')
  }
  if (error instanceof ApiError && error.status === 429) {
    return t('login.tooMany', { seconds: error.retryAfterS ?? 60 })
  }
  return errorText(error)
}

export function LoginPage({ setupRequired }: { setupRequired: boolean }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const enter = useMutation({
    mutationFn: () => login(user.trim(), password),
    onSuccess: session => client.setQueryData(sessionQuery.queryKey, session),
  })
  const error = useLoginError(enter.error)
  if (setupRequired) {
    return (
      <AuthCard title={t('login.firstTitle')} text={t('login.firstText')}>
        <Snippet code={`${window.location.origin}/setup?token=...`} />
      </AuthCard>
    )
  }
  return (
    <AuthCard title={t('login.title')} text={t('login.text')}>
      <form
        onSubmit={e => {
          e.preventDefault()
          enter.mutate()
        }}
      >
        <Stack gap={12}>
          {error !== undefined && (
            <Alert color="red" role="alert" p="xs">
              {error}
            </Alert>
          )}
          <TextInput
            size="sm"
            label={t('login.user')}
            autoComplete="username"
            data-autofocus
            required
            value={user}
            onChange={e => setUser(e.currentTarget.value)}
          />
          <PasswordInput
            label={t('login.password')}
            autoComplete="current-password"
            required
            value={password}
            onChange={e => setPassword(e.currentTarget.value)}
          />
          <Button
            type="submit"
            size="sm"
            mt={4}
            loading={enter.isPending}
            disabled={user.trim() === '' || password === ''}
          >
            {t('login.submit')}
          </Button>
        </Stack>
      </form>
    </AuthCard>
  )
}
