// The result as a file, page by page from the server up to a limit, with progress and a way out.
import { searchLogs } from '@/api/logs'
import { csvLines, jsonLines, textLines } from '@/features/logs/record'
import type { ResolvedRange } from '@/lib/time'

export const FORMATS = ['jsonl', 'csv', 'txt'] as const
export type ExportFormat = (typeof FORMATS)[number]
export const EXPORT_LIMITS = [1_000, 10_000, 100_000] as const

const TYPES: Record<ExportFormat, string> = {
  jsonl: 'application/x-ndjson',
  csv: 'text/csv;charset=utf-8',
  txt: 'text/plain;charset=utf-8',
}

export interface ExportAsk {
  query: string
  range: ResolvedRange
  oldestFirst: boolean
  columns: string[]
  format: ExportFormat
  limit: number
}

export interface Exported {
  blob: Blob
  rows: number
  /** There was more than the limit. */
  cut: boolean
}

const PAGE = 5_000

export async function exportLogs(
  ask: ExportAsk,
  signal: AbortSignal,
  onProgress: (rows: number) => void,
): Promise<Exported> {
  const parts: string[] = []
  let rows = 0
  let cursor: string | undefined
  do {
    const { query, range, oldestFirst } = ask
    const limit = Math.min(PAGE, ask.limit - rows)
    const page = await searchLogs({ query, range, oldestFirst, limit, cursor }, signal)
    parts.push(
      ask.format === 'jsonl'
        ? jsonLines(page.logs)
        : ask.format === 'csv'
          ? csvLines(page.logs, ask.columns, rows === 0)
          : textLines(page.logs),
    )
    rows += page.logs.length
    cursor = page.next_cursor
    onProgress(rows)
  } while (cursor !== undefined && rows < ask.limit)
  return { blob: new Blob(parts, { type: TYPES[ask.format] }), rows, cut: cursor !== undefined }
}
