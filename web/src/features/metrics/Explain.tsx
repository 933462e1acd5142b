// The query as a tree, outermost first, with the text of each part and what it does in words.
import { ActionIcon } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { parsedQuery } from '@/api/queries'
import { explainParsed, explainTree } from '@/features/metrics/explainTree'
import { functionDoc } from '@/features/metrics/functions'
import classes from '@/features/metrics/metrics.module.css'

export function ExplainTree({ expr, onClose }: { expr: string; onClose: () => void }) {
  const { t, i18n } = useTranslation()
  const parsed = useQuery(parsedQuery(expr))
  // until the server has answered, or when it cannot read the text: the editor's own grammar
  const rows = useMemo(
    () => (parsed.data === undefined ? explainTree(expr) : explainParsed(parsed.data, expr)),
    [expr, parsed.data],
  )
  return (
    <div className={classes.explain}>
      <ActionIcon
        size="sm"
        variant="subtle"
        color="gray"
        className={classes.explainClose}
        aria-label={t('metrics.closeExplain')}
        onClick={onClose}
      >
        <IconX size={13} />
      </ActionIcon>
      <ol aria-label={t('metrics.explain')}>
        {rows.map((r, i) => {
          const fn =
            r.kind === 'function' || r.kind === 'aggregate' ? functionDoc(r.name, i18n.language) : undefined
          return (
            <li key={i} style={{ paddingLeft: r.depth * 18 }}>
              <span className={classes.explainHead}>{r.name}</span>
              <span className={classes.explainText}>
                {fn?.text ?? t(`metrics.ex_${r.kind}`, { detail: r.detail })}
              </span>
              <code>{r.text}</code>
            </li>
          )
        })}
      </ol>
    </div>
  )
}
