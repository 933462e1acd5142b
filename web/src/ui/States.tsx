// What a panel shows when it has nothing to show: why, and what to do next.
import { Button, Skeleton, Stack } from '@mantine/core'
import { IconAlertTriangle, IconInbox, IconPlugConnectedX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, NetworkError } from '@/api/client'
import { CopyButton } from '@/ui/CopyButton'
import classes from '@/ui/ui.module.css'

interface EmptyProps {
  title: string
  text?: ReactNode
  snippet?: string
  icon?: ReactNode
  compact?: boolean
  children?: ReactNode
}

export function Empty({ title, text, snippet, icon, compact = false, children }: EmptyProps) {
  return (
    <div className={`${classes.empty} ${compact ? classes.emptyCompact : ''}`}>
      {!compact && <div className={classes.emptyIcon}>{icon ?? <IconInbox size={20} />}</div>}
      <div className={classes.emptyTitle}>{title}</div>
      {text !== undefined && <div className={classes.emptyText}>{text}</div>}
      {snippet !== undefined && <Snippet code={snippet} />}
      {children}
    </div>
  )
}

export function Snippet({ code }: { code: string }) {
  return (
    <div className={classes.snippet}>
      <pre>{code}</pre>
      <CopyButton value={code} />
    </div>
  )
}

/** The server's own words; a rejected request cannot be helped by a retry, a lost one can. */
export function Failure({
  error,
  onRetry,
  compact = false,
}: {
  error: unknown
  onRetry?: () => void
  compact?: boolean
}) {
  const { t } = useTranslation()
  const network = error instanceof NetworkError
  const title = network
    ? t('error.unreachable')
    : error instanceof ApiError && error.status === 403
      ? t('error.forbidden')
      : t('error.request')
  return (
    <div className={`${classes.empty} ${compact ? classes.emptyCompact : ''}`} role="alert">
      {!compact && (
        <div className={classes.emptyIcon}>
          {network ? <IconPlugConnectedX size={20} /> : <IconAlertTriangle size={20} />}
        </div>
      )}
      <div className={classes.emptyTitle}>{title}</div>
      <div className={classes.emptyText}>{errorText(error)}</div>
      {onRetry !== undefined && (
        <Button size="xs" variant="default" onClick={onRetry}>
          {t('common.retry')}
        </Button>
      )}
    </div>
  )
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function Loading({ rows = 6, height = 22 }: { rows?: number; height?: number }) {
  const { t } = useTranslation()
  return (
    <Stack gap={8} p={12} role="status" aria-busy="true" aria-label={t('common.loading')}>
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={height} radius="sm" width={`${100 - ((i * 7) % 23)}%`} />
      ))}
    </Stack>
  )
}
