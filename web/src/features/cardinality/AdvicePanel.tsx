import { Button } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Advice } from '@/features/cardinality/cardinality'
import classes from '@/features/cardinality/cardinality.module.css'
import { formatInteger, formatPercent } from '@/lib/format'
import { ToneMark } from '@/ui/Figures'
import { Panel } from '@/ui/Page'
import { Snippet } from '@/ui/States'

function useText(): (a: Advice) => string {
  const { t, i18n } = useTranslation()
  const lang = i18n.language
  return a => {
    switch (a.kind) {
      case 'label':
        return t(a.metric === undefined ? 'cardinality.ad_label' : 'cardinality.ad_labelOf', {
          label: a.label,
          metric: a.metric ?? '',
          values: formatInteger(a.values, lang),
          share: formatPercent(a.share, lang),
        })
      case 'metric':
        return t('cardinality.ad_metric', {
          metric: a.metric,
          series: formatInteger(a.series, lang),
          share: formatPercent(a.share, lang),
        })
      case 'buckets':
        return t('cardinality.ad_buckets', { metric: a.metric, series: formatInteger(a.series, lang) })
      case 'churn':
        return t('cardinality.ad_churn', { share: formatPercent(a.ratio, lang), label: a.label ?? '–' })
      case 'growth':
        return t('cardinality.ad_growth', {
          metric: a.name,
          ratio: formatPercent(a.ratio, lang),
          series: formatInteger(a.series, lang),
        })
    }
  }
}

/** What stands out, in words, each with what could be done about it. */
export function AdvicePanel({ advice, onFocus }: { advice: Advice[]; onFocus: (label: string) => void }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState<number | null>(null)
  const text = useText()
  if (advice.length === 0) {
    return null
  }
  return (
    <Panel title={t('cardinality.advice')} flush>
      <ul className={classes.advice}>
        {advice.map((a, i) => (
          <li key={`${a.kind}${i}`}>
            <div className={classes.adviceLine}>
              <ToneMark tone="warn" />
              <span className="grow">{text(a)}</span>
              {a.kind === 'label' && (
                <Button size="compact-xs" variant="subtle" onClick={() => onFocus(a.label)}>
                  {t('cardinality.showValues')}
                </Button>
              )}
              {'snippet' in a && (
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-expanded={open === i}
                  onClick={() => setOpen(open === i ? null : i)}
                >
                  {t('cardinality.whatToDo')}
                </Button>
              )}
            </div>
            {open === i && 'snippet' in a && (
              <div className={classes.adviceMore}>
                <p>{t(`cardinality.do_${a.kind}`)}</p>
                <Snippet code={a.snippet} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  )
}
