// Formulas: a query may name others by their letter ("A / B * 100"); what is sent is PromQL with the
// letters replaced by the queries in brackets. Only whole names are replaced, never parts of strings or labels.
import { parser } from '@prometheus-io/lezer-promql'
import { letter, type MetricQuery } from '@/features/metrics/codec'

export type Expanded = { expr: string } | { problem: 'unknown' | 'circle' | 'self'; name: string }

/** Positions of single capital letters that stand where a metric name may stand. */
export function lettersIn(expr: string): { from: number; to: number; name: string }[] {
  const out: { from: number; to: number; name: string }[] = []
  parser.parse(expr).iterate({
    enter(node) {
      if (node.name === 'VectorSelector') {
        const text = expr.slice(node.from, node.to)
        if (/^[A-J]$/.test(text)) {
          out.push({ from: node.from, to: node.to, name: text })
        }
      }
    },
  })
  return out
}

function expandAt(queries: MetricQuery[], index: number, open: number[]): Expanded {
  const query = queries[index]
  if (query === undefined) {
    return { problem: 'unknown', name: letter(index) }
  }
  if (query.formula !== true) {
    return { expr: query.expr }
  }
  let expr = query.expr
  for (const ref of lettersIn(query.expr).reverse()) {
    const at = ref.name.charCodeAt(0) - 65
    if (at === index) {
      return { problem: 'self', name: ref.name }
    }
    if (open.includes(at)) {
      return { problem: 'circle', name: ref.name }
    }
    if ((queries[at]?.expr ?? '').trim() === '') {
      return { problem: 'unknown', name: ref.name }
    }
    const inner = expandAt(queries, at, [...open, index])
    if ('problem' in inner) {
      return inner
    }
    expr = `${expr.slice(0, ref.from)}(${inner.expr})${expr.slice(ref.to)}`
  }
  return { expr }
}

/** What is really asked for one query. */
export function expand(queries: MetricQuery[], index: number): Expanded {
  return expandAt(queries, index, [])
}

/** Letters are places: when a query moves or goes, formulas must keep meaning the same queries. */
export function renameLetters(queries: MetricQuery[], place: (old: number) => number | null): MetricQuery[] {
  return queries.map(q => {
    if (q.formula !== true) {
      return q
    }
    let expr = q.expr
    for (const ref of lettersIn(q.expr).reverse()) {
      const next = place(ref.name.charCodeAt(0) - 65)
      if (next !== null) {
        expr = expr.slice(0, ref.from) + letter(next) + expr.slice(ref.to)
      }
    }
    return { ...q, expr }
  })
}

export function removeQuery(queries: MetricQuery[], index: number): MetricQuery[] {
  const renamed = renameLetters(queries, old => (old === index ? null : old > index ? old - 1 : old))
  return renamed.filter((_, i) => i !== index)
}

export function moveQuery(queries: MetricQuery[], index: number, by: -1 | 1): MetricQuery[] {
  const to = index + by
  if (to < 0 || to >= queries.length) {
    return queries
  }
  const next = renameLetters(queries, old => (old === index ? to : old === to ? index : old))
  const [moved] = next.splice(index, 1)
  return moved === undefined ? queries : [...next.slice(0, to), moved, ...next.slice(to)]
}

export function duplicateQuery(queries: MetricQuery[], index: number): MetricQuery[] {
  const q = queries[index]
  if (q === undefined || queries.length >= 10) {
    return queries
  }
  const renamed = renameLetters(queries, old => (old > index ? old + 1 : old))
  return [...renamed.slice(0, index + 1), { ...q }, ...renamed.slice(index + 1)]
}
