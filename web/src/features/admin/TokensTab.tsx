// API tokens. The secret is shown once, right after a token is made; it cannot be read again.
import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Checkbox,
  Group,
  Modal,
  Select,
  Stack,
  Text,
  TextInput,
} from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { createToken, deleteToken } from '@/api/mutations'
import { type Scope, tokensQuery } from '@/api/queries'
import classes from '@/features/admin/admin.module.css'
import { useAction } from '@/features/admin/useAction'
import { formatDateTime } from '@/lib/format'
import { Empty, Failure, Loading, Snippet } from '@/ui/States'
import ui from '@/ui/ui.module.css'

const SCOPES: Scope[] = ['ingest', 'read', 'admin']
const EXPIRY_DAYS = ['0', '30', '90', '365'] as const

function NewToken({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<Scope[]>(['ingest'])
  const [days, setDays] = useState<(typeof EXPIRY_DAYS)[number]>('0')
  const [secret, setSecret] = useState<string | null>(null)
  const make = useAction({
    run: () =>
      createToken(name.trim(), scopes, days === '0' ? undefined : Date.now() + Number(days) * 86_400_000),
    done: t('settings.tokenMade'),
    refresh: tokensQuery.queryKey,
    after: token => setSecret(token.secret),
  })
  if (secret !== null) {
    return (
      <Stack gap={12}>
        <Alert color="orange" p="xs">
          {t('settings.secretOnce')}
        </Alert>
        <Snippet code={secret} />
        <Text size="xs" c="dimmed">
          {t('settings.secretUse')}
        </Text>
        <Snippet code={`Authorization: Bearer ${secret}`} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{t('settings.secretKept')}</Button>
        </Group>
      </Stack>
    )
  }
  return (
    <form
      onSubmit={e => {
        e.preventDefault()
        make.mutate(undefined)
      }}
    >
      <Stack gap={12}>
        <TextInput
          label={t('settings.tokenName')}
          placeholder={t('settings.tokenNameHint')}
          data-autofocus
          maxLength={64}
          value={name}
          onChange={e => setName(e.currentTarget.value)}
        />
        <Checkbox.Group label={t('settings.scopes')} value={scopes} onChange={v => setScopes(v as Scope[])}>
          <Stack gap={6} mt={4}>
            {SCOPES.map(s => (
              <Checkbox key={s} size="xs" value={s} label={t(`scope.${s}`)} />
            ))}
          </Stack>
        </Checkbox.Group>
        <Select
          label={t('settings.expires')}
          data={EXPIRY_DAYS.map(d => ({
            value: d,
            label: d === '0' ? t('settings.never') : t('settings.days', { count: Number(d) }),
          }))}
          value={days}
          allowDeselect={false}
          onChange={v => setDays((v ?? '0') as (typeof EXPIRY_DAYS)[number])}
        />
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" loading={make.isPending} disabled={name.trim() === '' || scopes.length === 0}>
            {t('settings.addToken')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Revoke({ id, name, onClose }: { id: string; name: string; onClose: () => void }) {
  const { t } = useTranslation()
  const revoke = useAction({
    run: () => deleteToken(id),
    done: t('settings.tokenRevoked'),
    refresh: tokensQuery.queryKey,
    after: onClose,
  })
  return (
    <Stack gap={12}>
      <Text size="sm">{t('settings.revokeText', { name })}</Text>
      <Group justify="flex-end" gap={8}>
        <Button variant="default" data-autofocus onClick={onClose}>
          {t('common.cancel')}
        </Button>
        <Button color="red" loading={revoke.isPending} onClick={() => revoke.mutate(undefined)}>
          {t('settings.revoke')}
        </Button>
      </Group>
    </Stack>
  )
}

export function TokensTab() {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  const tokens = useQuery(tokensQuery)
  const [making, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<{ id: string; name: string } | null>(null)
  if (tokens.isPending) {
    return <Loading />
  }
  if (tokens.isError) {
    return <Failure error={tokens.error} onRetry={() => void tokens.refetch()} />
  }
  return (
    <>
      <div className={classes.bar}>
        <span className={classes.text}>{t('settings.tokensText')}</span>
        <Button leftSection={<IconPlus size={14} />} onClick={() => setMaking(true)}>
          {t('settings.addToken')}
        </Button>
      </div>
      {tokens.data.length === 0 ? (
        <Empty title={t('settings.noTokens')} text={t('settings.noTokensText')} />
      ) : (
        <table className={ui.table} aria-label={t('settings.tab_tokens')}>
          <thead>
            <tr>
              <th>{t('settings.tokenName')}</th>
              <th>{t('settings.scopes')}</th>
              <th>{t('settings.made')}</th>
              <th>{t('settings.expires')}</th>
              <th>{t('settings.lastUsed')}</th>
              <th style={{ width: 60 }} />
            </tr>
          </thead>
          <tbody>
            {tokens.data.map(x => (
              <tr key={x.id}>
                <td>
                  <b>{x.name}</b>
                </td>
                <td>
                  <Group gap={4}>
                    {x.scopes.map(s => (
                      <Badge key={s} size="sm" variant="default" tt="none" fw={500}>
                        {s}
                      </Badge>
                    ))}
                  </Group>
                </td>
                <td className="num">{formatDateTime(x.created_ms, lang)}</td>
                <td className="num">
                  {x.expires_ms ? formatDateTime(x.expires_ms, lang) : t('settings.never')}
                </td>
                <td className="num">
                  {x.last_used_ms ? formatDateTime(x.last_used_ms, lang) : t('settings.never')}
                </td>
                <td>
                  <div className={classes.actions}>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={t('settings.removeOf', { name: x.name })}
                      onClick={() => setRevoking({ id: x.id, name: x.name })}
                    >
                      <IconTrash size={15} />
                    </ActionIcon>
                  </div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Modal
        opened={making}
        onClose={() => setMaking(false)}
        title={t('settings.addToken')}
        closeOnClickOutside={false}
      >
        {making && <NewToken onClose={() => setMaking(false)} />}
      </Modal>
      <Modal opened={revoking !== null} onClose={() => setRevoking(null)} title={t('settings.revoke')}>
        {revoking !== null && <Revoke {...revoking} onClose={() => setRevoking(null)} />}
      </Modal>
    </>
  )
}
