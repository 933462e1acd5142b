// The search box of the frame. Until somebody uses it it is a plain input: lists, matching and what they need are
// fetched when it gets the focus, and what was typed meanwhile goes along.
import { useHotkeys } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { lazy, type ReactNode, type Ref, Suspense, startTransition, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { later } from '@/app/later'
import classes from '@/app/Shell.module.css'

const GlobalSearch = lazy(later([], () => import('@/app/GlobalSearch')))

/** The look of the box, the same before and after. */
export function SearchFrame({
  ref,
  busy,
  children,
}: {
  ref?: Ref<HTMLDivElement>
  busy?: ReactNode
  children: ReactNode
}) {
  return (
    <div ref={ref} className={classes.searchBox}>
      <IconSearch size={14} className={classes.searchIcon} />
      {children}
      {busy ?? (
        <span className={classes.searchHint} aria-hidden="true">
          /
        </span>
      )}
    </div>
  )
}

export function SearchBox() {
  const { t } = useTranslation()
  const [wanted, setWanted] = useState(false)
  const [text, setText] = useState('')
  const input = useRef<HTMLInputElement>(null)
  useHotkeys([['/', () => input.current?.focus()]])
  const plain = (
    <SearchFrame>
      <input
        ref={input}
        className={classes.searchInput}
        value={text}
        placeholder={t('search.placeholder')}
        aria-label={t('search.placeholder')}
        onChange={e => setText(e.currentTarget.value)}
        // a transition: this input stays, with the cursor in it, until the other is there
        onFocus={() => startTransition(() => setWanted(true))}
      />
    </SearchFrame>
  )
  return <Suspense fallback={plain}>{wanted ? <GlobalSearch typed={text} /> : plain}</Suspense>
}
