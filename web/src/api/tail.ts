// Live tail over Server-Sent Events. EventSource reconnects by itself; the caller closes it.
import { serverUrl } from '@/api/client'
import type { LogFilter, LogRecord } from '@/api/queries'

export interface TailHandlers {
  onLogs: (logs: LogRecord[]) => void
  onDropped: (count: number) => void
  onState: (state: 'open' | 'lost') => void
}

export function tailUrl(filter: LogFilter): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(filter)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== '') {
        params.append(key, v)
      }
    }
  }
  return serverUrl(`/api/v1/logs/tail?${params}`)
}

export function tailLogs(filter: LogFilter, handlers: TailHandlers): () => void {
  const source = new EventSource(tailUrl(filter))
  source.onopen = () => handlers.onState('open')
  source.onerror = () => handlers.onState('lost')
  source.addEventListener('logs', e => {
    handlers.onLogs((JSON.parse((e as MessageEvent<string>).data) as { logs: LogRecord[] }).logs)
  })
  source.addEventListener('dropped', e => {
    handlers.onDropped((JSON.parse((e as MessageEvent<string>).data) as { count: number }).count)
  })
  return () => source.close()
}
