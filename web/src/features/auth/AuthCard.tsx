import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import classes from '@/features/auth/auth.module.css'
import { setLanguage } from '@/i18n'
import { Logo } from '@/ui/Logo'

/** The frame of pages before the login: brand, title, form, and the other language. */
export function AuthCard({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
  const { i18n } = useTranslation()
  const other = i18n.language === 'ko' ? 'en' : 'ko'
  return (
    <main className={classes.wrap}>
      <div>
        <div className={classes.card}>
          <div className={classes.brand}>
            <Logo size={30} />
            Bongsu
          </div>
          <h1 className={classes.title}>{title}</h1>
          <p className={classes.text}>{text}</p>
          {children}
        </div>
        <div className={classes.foot}>
          <Button variant="subtle" color="gray" lang={other} onClick={() => void setLanguage(other)}>
            {other === 'ko' ? '한국어' : 'English'}
          </Button>
        </div>
      </div>
    </main>
  )
}
