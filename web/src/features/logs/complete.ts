// Completion of LogQL: words of the language, labels and values of the streams, fields of the newest lines.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import type { QueryClient } from '@tanstack/react-query'
import { detectedFieldsQuery, fieldValuesQuery, lokiLabelsQuery, lokiLabelValuesQuery } from '@/api/logs'
import { parseSimple } from '@/features/logs/builder'
import { COMPARISONS, wantedAt } from '@/features/logs/language'
import {
  AGGREGATIONS,
  EVERYTHING,
  MATCH_OPERATORS,
  quote,
  RANGE_FUNCTIONS,
  STAGES,
  selectorSpan,
} from '@/features/logs/logql'
import type { ResolvedRange } from '@/lib/time'

const LINE_HELP = [
  ['|=', 'line_has'],
  ['!=', 'line_has_not'],
  ['|~', 'line_matches'],
  ['!~', 'line_matches_not'],
] as const

export interface CompletionSource {
  client: QueryClient
  range: () => ResolvedRange
  /** A word of help for a name of the language. */
  help: (name: string) => string
}

/** Ten seconds on a grid: what was asked a moment ago is not asked again. */
function settled(range: ResolvedRange): ResolvedRange {
  const grid = 60_000
  return { startMs: Math.floor(range.startMs / grid) * grid, endMs: Math.ceil(range.endMs / grid) * grid }
}

async function quietly<T>(call: Promise<T[]>): Promise<T[]> {
  try {
    return await call
  } catch {
    return [] // completion is a help, never an obstacle
  }
}

function selectorOf(text: string): string {
  const span = selectorSpan(text)
  const selector = span === null ? EVERYTHING : text.slice(span.from, span.to)
  return parseSimple(selector) === null ? EVERYTHING : selector
}

export function logqlCompletion(source: CompletionSource) {
  const { client, help } = source
  const words = (list: readonly string[], type: string, after: string): Completion[] =>
    list.map(label => ({
      label,
      type,
      ...(type === 'operator' ? {} : { detail: help(label) }),
      apply: `${label}${after}`,
    }))

  async function fields(text: string): Promise<Completion[]> {
    const range = settled(source.range())
    const [labels, found] = await Promise.all([
      quietly(client.fetchQuery(lokiLabelsQuery(range))),
      quietly(client.fetchQuery({ ...detectedFieldsQuery(selectorOf(text), range), staleTime: 60_000 })),
    ])
    const seen = new Set(labels)
    return [
      ...found
        .filter(f => !seen.has(f.label))
        .map(f => ({ label: f.label, type: 'property', detail: f.type })),
      ...labels.map(label => ({ label, type: 'variable', detail: 'stream' })),
    ]
  }

  async function values(name: string, inSelector: boolean, text: string): Promise<string[]> {
    const range = settled(source.range())
    if (inSelector) {
      return quietly(client.fetchQuery(lokiLabelValuesQuery(name, '', range)))
    }
    const top = await quietly(
      client.fetchQuery({ ...fieldValuesQuery(selectorOf(text), name, range, 50), staleTime: 60_000 }),
    )
    return top.map(v => v.value).filter(v => v !== '')
  }

  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const text = context.state.doc.toString()
    const wanted = wantedAt(text, context.pos)
    if (wanted === null || (!context.explicit && context.pos === 0)) {
      return null
    }
    const { from } = wanted
    switch (wanted.kind) {
      case 'label': {
        const labels = await quietly(client.fetchQuery(lokiLabelsQuery(settled(source.range()))))
        return {
          from,
          options: labels.map(label => ({ label, type: 'variable', apply: `${label}=` })),
          validFor: /^\w*$/,
        }
      }
      case 'value': {
        const list = await values(wanted.name, wanted.inSelector, text)
        const closed = text.slice(context.pos).startsWith('"')
        return {
          from,
          options: list.slice(0, 500).map(v => ({
            label: v,
            type: 'text',
            apply: wanted.quoted ? v.replace(/["\\]/g, '\\$&') + (closed ? '' : '"') : quote(v),
          })),
          validFor: /^[^"`]*$/,
        }
      }
      case 'matcher':
        return { from, options: words(MATCH_OPERATORS, 'operator', '') }
      case 'compare':
        return { from, options: words(COMPARISONS, 'operator', ' ') }
      case 'field':
        return { from, options: await fields(text), validFor: /^\w*$/ }
      case 'stage': {
        const pipe = wanted.spaced ? '' : '| '
        const stages = STAGES.map(s => ({
          label: `${pipe}${s}`,
          type: 'keyword',
          detail: help(s),
          apply: `${pipe}${s} `,
        }))
        return wanted.spaced
          ? {
              from,
              options: [...stages, ...(await fields(text)).map(o => ({ ...o, boost: -1 }))],
              validFor: /^\w*$/,
            }
          : {
              from,
              options: [
                ...LINE_HELP.map(([o, what]) => ({
                  label: o,
                  type: 'operator',
                  detail: help(what),
                  apply: `${o} "`,
                })),
                ...stages,
              ],
            }
      }
      case 'start':
        return {
          from,
          options: [
            { label: '{', type: 'keyword', detail: help('selector') },
            ...words(RANGE_FUNCTIONS, 'function', '('),
            ...words(AGGREGATIONS, 'function', ' '),
          ],
          validFor: /^\w*$/,
        }
    }
  }
}
