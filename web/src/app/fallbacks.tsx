import { Button } from '@mantine/core'
import { IconMapOff } from '@tabler/icons-react'
import { type ErrorComponentProps, Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Panel } from '@/ui/Page'
import { Empty, Failure, Loading } from '@/ui/States'

/** Error boundary of a page: the shell stays, the page can be tried again. */
export function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <Panel>
      <Failure error={error} onRetry={reset} />
    </Panel>
  )
}

export function PagePending() {
  return (
    <Panel>
      <Loading rows={10} />
    </Panel>
  )
}

export function NotFound() {
  const { t } = useTranslation()
  return (
    <Panel>
      <Empty title={t('error.notFound')} text={t('error.notFoundText')} icon={<IconMapOff size={20} />}>
        <Button component={Link} to="/" variant="default">
          {t('nav.overview')}
        </Button>
      </Empty>
    </Panel>
  )
}
