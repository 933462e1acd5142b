// Short messages bottom right. The library is fetched with the first message, not with the page.

export type ToastTone = 'info' | 'good' | 'bad'

const COLOR: Record<ToastTone, string> = { info: 'blue', good: 'green', bad: 'red' }

export async function toast(message: string, tone: ToastTone = 'info'): Promise<void> {
  const { notifications } = await import('@mantine/notifications')
  notifications.show({ message, color: COLOR[tone], autoClose: tone === 'bad' ? 8_000 : 3_500 })
}
