// Who a request is counted as: the rule of one group at a time, and which user agents are programs.
import {
  Button,
  Checkbox,
  Drawer,
  Group,
  NumberInput,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  IDENTITIES,
  type Identity,
  liveQuery,
  type Rule,
  replaceSettings,
  ruleOf,
  type Settings,
  settingsQuery,
  withRule,
} from '@/features/apm/users/users'
import { toast } from '@/lib/toast'
import { errorText } from '@/ui/States'

interface EditorProps {
  settings: Settings
  groups: string[]
  group: string
  onClose: () => void
}

function RuleFields({ rule, onChange }: { rule: Rule; onChange: (patch: Partial<Rule>) => void }) {
  const { t } = useTranslation()
  const identity = rule.identity ?? 'ip'
  return (
    <>
      <Select
        label={t('activeUsers.identity')}
        description={t(`activeUsers.about_${identity}`)}
        data={IDENTITIES.map(i => ({ value: i, label: t(`activeUsers.by_${i}`) }))}
        value={identity}
        allowDeselect={false}
        onChange={v => onChange({ identity: (v ?? 'ip') as Identity })}
      />
      {identity === 'session' && (
        <TextInput
          label={t('activeUsers.sessionCookies')}
          description={t('activeUsers.sessionCookiesHint')}
          value={(rule.session_cookies ?? []).join(', ')}
          onChange={e => onChange({ session_cookies: e.currentTarget.value.split(',').map(s => s.trim()) })}
        />
      )}
      {identity === 'user' && (
        <>
          <TextInput
            label={t('activeUsers.userAttribute')}
            description={t('activeUsers.userAttributeHint')}
            value={rule.user_attribute ?? ''}
            onChange={e => onChange({ user_attribute: e.currentTarget.value })}
          />
          <TextInput
            label={t('activeUsers.userCookie')}
            value={rule.user_cookie ?? ''}
            onChange={e => onChange({ user_cookie: e.currentTarget.value })}
          />
        </>
      )}
      {identity !== 'ip' && (
        <Checkbox
          label={t('activeUsers.missingByIp')}
          checked={rule.missing === 'ip'}
          onChange={e => onChange({ missing: e.currentTarget.checked ? 'ip' : 'skip' })}
        />
      )}
      {(identity === 'ip' || rule.missing === 'ip') && (
        <NumberInput
          label={t('activeUsers.hops')}
          description={t('activeUsers.hopsHint')}
          min={0}
          max={16}
          allowDecimal={false}
          value={rule.trusted_hops ?? 0}
          onChange={v => onChange({ trusted_hops: Number(v) || 0 })}
        />
      )}
    </>
  )
}

export function IdentityEditor({ settings, groups, group, onClose }: EditorProps) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const [draft, setDraft] = useState(settings)
  const [of, setOf] = useState(group)
  const [bots, setBots] = useState((settings.bots ?? []).join('\n'))
  const own = of === '' || draft.groups?.[of] !== undefined
  const save = useMutation({
    mutationFn: () =>
      replaceSettings({
        ...draft,
        bots: bots
          .split('\n')
          .map(s => s.trim())
          .filter(s => s !== ''),
      }),
    onSuccess: async saved => {
      client.setQueryData(settingsQuery.queryKey, saved)
      await client.invalidateQueries({ queryKey: liveQuery.queryKey })
      void toast(t('activeUsers.saved'), 'good')
      onClose()
    },
  })
  const names = [...new Set([...groups, ...Object.keys(draft.groups ?? {})])].sort()
  return (
    <Drawer opened onClose={onClose} position="right" title={t('activeUsers.rules')} size="md">
      <Stack gap="sm">
        <Select
          label={t('activeUsers.ruleOf')}
          data={[
            { value: '', label: t('activeUsers.ruleUsual') },
            ...names.map(n => ({ value: n, label: n })),
          ]}
          value={of}
          allowDeselect={false}
          searchable
          onChange={v => setOf(v ?? '')}
        />
        {own ? (
          <RuleFields
            rule={ruleOf(draft, of)}
            onChange={patch => setDraft(withRule(draft, of, { ...ruleOf(draft, of), ...patch }))}
          />
        ) : (
          <Text size="sm" c="dimmed">
            {t('activeUsers.asUsual', { identity: t(`activeUsers.by_${draft.default?.identity ?? 'ip'}`) })}
          </Text>
        )}
        {of !== '' && (
          <Button
            variant="default"
            size="xs"
            onClick={() => setDraft(withRule(draft, of, own ? null : ruleOf(draft, '')))}
          >
            {t(own ? 'activeUsers.ruleDrop' : 'activeUsers.ruleOwn')}
          </Button>
        )}
        <Textarea
          label={t('activeUsers.bots')}
          description={t('activeUsers.botsHint')}
          autosize
          minRows={4}
          maxRows={10}
          value={bots}
          onChange={e => setBots(e.currentTarget.value)}
        />
        <Text size="xs" c="dimmed">
          {t('activeUsers.changeNote')}
        </Text>
        {save.isError && (
          <Text size="sm" c="red" role="alert">
            {errorText(save.error)}
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button loading={save.isPending} onClick={() => save.mutate()}>
            {t('activeUsers.save')}
          </Button>
        </Group>
      </Stack>
    </Drawer>
  )
}
