import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'
import classes from '@/ui/ui.module.css'

interface PageProps {
  title: string
  sub?: ReactNode
  lead?: ReactNode
  actions?: ReactNode
  children: ReactNode
}

export function Page({ title, sub, lead, actions, children }: PageProps) {
  useDocumentTitle(`${title} · Bongsu`)
  return (
    <div className={classes.page}>
      <div className={classes.pageHead}>
        {lead}
        <h1 className={classes.pageTitle}>{title}</h1>
        {sub !== undefined && <span className={classes.pageSub}>{sub}</span>}
        {actions !== undefined && <div className={classes.panelActions}>{actions}</div>}
      </div>
      {children}
    </div>
  )
}

interface PanelProps {
  title?: ReactNode
  note?: ReactNode
  actions?: ReactNode
  flush?: boolean
  children: ReactNode
  label?: string
}

export function Panel({ title, note, actions, flush = false, children, label }: PanelProps) {
  return (
    <section className={classes.panel} aria-label={label ?? (typeof title === 'string' ? title : undefined)}>
      {(title !== undefined || actions !== undefined) && (
        <div className={classes.panelHead}>
          {title !== undefined && <h2 className={classes.panelTitle}>{title}</h2>}
          {note !== undefined && <span className={classes.panelNote}>{note}</span>}
          {actions !== undefined && <div className={classes.panelActions}>{actions}</div>}
        </div>
      )}
      <div className={flush ? classes.flush : classes.panelBody}>{children}</div>
    </section>
  )
}
