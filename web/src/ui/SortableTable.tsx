// Small tables (hosts, services, users): sort by a click on the head, numbers to the right.
import { IconChevronDown, IconChevronUp } from '@tabler/icons-react'
import { type ReactNode, useMemo, useState } from 'react'
import classes from '@/ui/ui.module.css'

export interface Column<T> {
  key: string
  title: ReactNode
  right?: boolean
  width?: number | string
  sort?: (row: T) => number | string
  cell: (row: T) => ReactNode
}

interface SortableTableProps<T> {
  rows: T[]
  columns: Column<T>[]
  rowKey: (row: T) => string
  initialSort?: { key: string; down: boolean }
  label: string
}

function compare(a: number | string, b: number | string): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}

export function SortableTable<T>({ rows, columns, rowKey, initialSort, label }: SortableTableProps<T>) {
  const [order, setOrder] = useState(initialSort)
  const sorted = useMemo(() => {
    const by = columns.find(c => c.key === order?.key)?.sort
    if (by === undefined || order === undefined) {
      return rows
    }
    return [...rows].sort((a, b) => compare(by(a), by(b)) * (order.down ? -1 : 1))
  }, [rows, columns, order])
  return (
    <div className={classes.scroll}>
      <table className={classes.table} aria-label={label}>
        <thead>
          <tr>
            {columns.map(c => (
              <th
                key={c.key}
                className={c.right === true ? classes.right : undefined}
                style={{ width: c.width }}
                aria-sort={order?.key === c.key ? (order.down ? 'descending' : 'ascending') : undefined}
              >
                {c.sort === undefined ? (
                  c.title
                ) : (
                  <button
                    type="button"
                    className={classes.sort}
                    onClick={() =>
                      setOrder({ key: c.key, down: order?.key === c.key ? !order.down : c.right === true })
                    }
                  >
                    {c.title}
                    {order?.key === c.key &&
                      (order.down ? <IconChevronDown size={12} /> : <IconChevronUp size={12} />)}
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map(r => (
            <tr key={rowKey(r)}>
              {columns.map(c => (
                <td key={c.key} className={c.right === true ? classes.right : undefined}>
                  {c.cell(r)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
