// A line for the eye: colours of terminals, marked words; opened also pretty JSON and folded stack traces.
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogRecord } from '@/api/queries'
import classes from '@/features/logs/logs.module.css'
import { lineOf } from '@/features/logs/record'
import {
  isStack,
  jsonObject,
  jsonParts,
  type Piece,
  parseAnsi,
  pieces,
  type StackBlock,
  stackBlocks,
} from '@/features/logs/text'

export function Pieces({ parts }: { parts: Piece[] }) {
  return parts.map((p, i) => {
    const style =
      p.style === null
        ? undefined
        : {
            color: p.style.color === '' ? undefined : `var(--ansi-${p.style.color})`,
            fontWeight: p.style.bold ? 700 : undefined,
            opacity: p.style.dim ? 0.7 : undefined,
          }
    return p.marked ? (
      <mark key={i} style={style}>
        {p.text}
      </mark>
    ) : (
      <span key={i} style={style}>
        {p.text}
      </span>
    )
  })
}

/** Text with marks, and colours when they are wanted. */
export function Marked({ text, marks, ansi = true }: { text: string; marks: RegExp[]; ansi?: boolean }) {
  const parts = useMemo(() => {
    const plain = parseAnsi(text)
    return pieces(plain.text, marks, ansi ? plain.spans : [])
  }, [text, marks, ansi])
  return <Pieces parts={parts} />
}

const FOLD_FROM = 3

function Block({ block, marks }: { block: StackBlock; marks: RegExp[] }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const fold = block.kind === 'library' && block.lines.length >= FOLD_FROM && !open
  if (fold) {
    return (
      <button type="button" className={classes.fold} onClick={() => setOpen(true)}>
        {t('logs.libraryFrames', { count: block.lines.length })}
      </button>
    )
  }
  return (
    <div data-frame={block.kind} className={classes.frames}>
      {block.lines.map((l, i) => (
        <div key={i}>
          <Marked text={l === '' ? ' ' : l} marks={marks} />
        </div>
      ))}
    </div>
  )
}

const SHOWN_MAX = 200_000

export function FullBody({
  log,
  marks,
  pretty,
  ansi,
}: {
  log: LogRecord
  marks: RegExp[]
  pretty: boolean
  ansi: boolean
}) {
  const { t } = useTranslation()
  const whole = lineOf(log)
  const text = whole.length > SHOWN_MAX ? whole.slice(0, SHOWN_MAX) : whole
  const json = useMemo(() => (pretty ? jsonObject(whole) : undefined), [pretty, whole])
  const stack = pretty && json === undefined && isStack(text)
  return (
    <div className={classes.full} data-testid="log-body">
      {json !== undefined ? (
        jsonParts(json).map((p, i) => (
          <span key={i} data-json={p.kind}>
            {p.kind === 'string' ? <Marked text={p.text} marks={marks} /> : p.text}
          </span>
        ))
      ) : stack ? (
        stackBlocks(parseAnsi(text).text).map((b, i) => <Block key={i} block={b} marks={marks} />)
      ) : (
        <Marked text={text} marks={marks} ansi={ansi} />
      )}
      {text.length < whole.length && (
        <div className={classes.cut}>{t('logs.bodyCut', { count: whole.length - text.length })}</div>
      )}
    </div>
  )
}
