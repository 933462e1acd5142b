import { useTranslation } from 'react-i18next'
import type { Severity } from '@/api/queries'
import { severityColor } from '@/charts/palette'
import { useScheme } from '@/lib/scheme'
import classes from '@/ui/severity.module.css'

/** The word always, the colour beside it. */
export function SeverityTag({ severity }: { severity: Severity }) {
  const { t } = useTranslation()
  const color = severityColor(severity, useScheme())
  return (
    <span className={classes.tag} data-severity={severity}>
      <span className={classes.bar} style={{ background: color }} />
      {t(`severity.${severity}`)}
    </span>
  )
}
