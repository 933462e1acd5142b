// Short messages bottom right. The library is fetched with the first message, not with the page.

export type ToastTone = 'info' | 'good' | 'bad'

const COLOR: Record<ToastTone, string> = { info: 'blue', good: 'green', bad: 'red' }

let used = false
const listeners = new Set<() => void>()

/** Whether there was a message: the frame shows the place for them from then on. */
export const toasted = () => used

export function onFirstToast(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export async function toast(message: string, tone: ToastTone = 'info'): Promise<void> {
  if (!used) {
    used = true
    for (const listener of listeners) {
      listener()
    }
  }
  const { notifications } = await import('@mantine/notifications')
  notifications.show({ message, color: COLOR[tone], autoClose: tone === 'bad' ? 8_000 : 3_500 })
}
