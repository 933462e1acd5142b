// The keys of the Logs page, and the sheet that lists them.
import { Kbd, Modal } from '@mantine/core'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import classes from '@/features/logs/logs.module.css'

export const KEYS = ['j', 'k', 'Enter', 'c', 'y', '/', 'e', 'w', 't', 'p', 'Escape', '?'] as const
export type LogKey = (typeof KEYS)[number]

const SAME: Record<string, LogKey> = { ArrowDown: 'j', ArrowUp: 'k', n: 'j' }

/** Is somebody writing? Then letters are letters. */
function writing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  )
}

export function useLogKeys(handle: (key: LogKey) => boolean): void {
  const latest = useRef(handle)
  latest.current = handle
  useEffect(() => {
    const down = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || writing(e.target)) {
        return
      }
      // what has the focus knows its own keys; a dialog keeps all of them
      if (
        e.target instanceof HTMLElement &&
        e.target.closest('[role="dialog"], [role="menu"], [role="listbox"]') !== null
      ) {
        return
      }
      const button = e.target instanceof HTMLElement && e.target.closest('button, a') !== null
      const key = SAME[e.key] ?? ((KEYS as readonly string[]).includes(e.key) ? (e.key as LogKey) : null)
      if (key === null || (button && key === 'Enter')) {
        return
      }
      if (latest.current(key)) {
        e.preventDefault()
        e.stopPropagation()
      }
    }
    // before the page's own keys: on this page "/" goes to the query
    window.addEventListener('keydown', down, true)
    return () => window.removeEventListener('keydown', down, true)
  }, [])
}

export function KeySheet({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('logs.keys')}
      closeButtonProps={{ 'aria-label': t('logs.close') }}
    >
      <dl className={classes.keys}>
        {KEYS.map(k => (
          <div key={k}>
            <dt>
              <Kbd>{k === 'Escape' ? 'Esc' : k}</Kbd>
              {k === 'j' && <Kbd>↓</Kbd>}
              {k === 'k' && <Kbd>↑</Kbd>}
            </dt>
            <dd>{t(`logs.key_${k === '/' ? 'search' : k === '?' ? 'help' : k}`)}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}
