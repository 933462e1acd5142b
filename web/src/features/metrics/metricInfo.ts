// What is known of a metric by its name: type, unit, help, how it is best read, and its place in the tree.
export type Metadata = Record<string, { type: string; help: string; unit: string }[]>
export interface MetricInfo {
  type: string
  help: string
  unit: string
}

/** Histograms and summaries carry metadata under the name without its suffix. */
export function metadataOf(name: string, all: Metadata | undefined): MetricInfo | undefined {
  return (all?.[name] ?? all?.[name.replace(/_(bucket|count|sum|total)$/, '')])?.[0]
}

export function matchMetrics(names: string[], text: string, all?: Metadata): string[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) {
    return names
  }
  return names.filter(n => {
    const low = n.toLowerCase()
    if (words.every(w => low.includes(w))) {
      return true
    }
    const help = metadataOf(n, all)?.help.toLowerCase()
    return help !== undefined && words.every(w => low.includes(w) || help.includes(w))
  })
}

/** A counter is read as a rate, a classic histogram as a quantile. */
export function suggestQuery(name: string, type: string | undefined): string {
  if (name.endsWith('_bucket')) {
    return `histogram_quantile(0.95, sum by (le) (rate(${name}[5m])))`
  }
  // the count and the sum of a histogram or summary are counters of their own
  const counted = (type === 'histogram' || type === 'summary') && /_(count|sum)$/.test(name)
  if (type === 'histogram' && !counted) {
    return `histogram_quantile(0.95, sum(rate(${name}[5m])))`
  }
  return counted || type === 'counter' || name.endsWith('_total') ? `rate(${name}[5m])` : name
}

export type TreeRow =
  | { kind: 'group'; key: string; name: string; count: number; depth: number; open: boolean }
  | { kind: 'metric'; key: string; name: string; short: string; depth: number }

interface Node {
  /** Prefix with its trailing separator. */
  prefix: string
  names: string[]
}

const SMALL = 4

function split(names: string[], prefix: string): Node[] {
  const groups = new Map<string, string[]>()
  for (const n of names) {
    const rest = n.slice(prefix.length)
    const cut = rest.search(/[_:.]/)
    const key = cut < 0 ? n : prefix + rest.slice(0, cut + 1)
    const list = groups.get(key)
    if (list === undefined) {
      groups.set(key, [n])
    } else {
      list.push(n)
    }
  }
  return [...groups].map(([p, list]) => ({ prefix: p, names: list }))
}

/** The longest prefix, at a separator, that all names share. */
function shared(names: string[]): string {
  let p = names[0] ?? ''
  for (const n of names) {
    while (!n.startsWith(p)) {
      p = p.slice(0, -1)
    }
  }
  const cut = Math.max(p.lastIndexOf('_'), p.lastIndexOf(':'), p.lastIndexOf('.'))
  return p.slice(0, cut + 1)
}

function walk(
  names: string[],
  prefix: string,
  depth: number,
  open: ReadonlySet<string>,
  all: boolean,
  out: TreeRow[],
) {
  for (const node of split(names, prefix)) {
    const first = node.names[0] ?? ''
    if (node.names.length < SMALL || depth >= 3) {
      for (const n of node.names) {
        out.push({ kind: 'metric', key: n, name: n, short: n.slice(prefix.length) || n, depth })
      }
      continue
    }
    const p = shared(node.names) || first
    const isOpen = all || open.has(p)
    out.push({
      kind: 'group',
      key: p,
      name: p.slice(prefix.length),
      count: node.names.length,
      depth,
      open: isOpen,
    })
    if (isOpen) {
      walk(node.names, p, depth + 1, open, all, out)
    }
  }
}

/** Metric names as the rows of a tree grouped by their prefixes; `all` opens everything (while searching). */
export function metricTree(names: string[], open: ReadonlySet<string>, all = false): TreeRow[] {
  const out: TreeRow[] = []
  walk(names, '', 0, open, all, out)
  return out
}
