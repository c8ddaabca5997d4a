// Lays out a table of plain text in the columns a terminal has, leaving out what matters least.
import { cut, width } from './format.js'

export interface Column<Row> {
  readonly title: string
  readonly align: 'left' | 'right'
  /** Columns with the highest number go first when there is no room; 0 stays. */
  readonly spare: number
  readonly text: (row: Row) => string
}

// Two spaces keep neighbouring numbers apart without lines.
const GAP = '  '

/** The table's lines, its header first, none wider than `columns`. */
export function tableLines<Row>(
  rows: readonly Row[],
  all: readonly Column<Row>[],
  columns: number,
): string[] {
  const shown = fitting(
    all.map((column) => layOut(column, rows)),
    columns,
  )
  const line = (at: number) =>
    cut(
      shown
        .map((column) => column.cells[at])
        .join(GAP)
        .trimEnd(),
      columns,
    )
  return Array.from({ length: rows.length + 1 }, (_, at) => line(at))
}

interface LaidOut {
  readonly spare: number
  readonly width: number
  readonly cells: readonly string[]
}

function layOut<Row>(column: Column<Row>, rows: readonly Row[]): LaidOut {
  const texts = [column.title, ...rows.map(column.text)]
  const widest = Math.max(...texts.map(width))
  const pad = (text: string) => ' '.repeat(widest - width(text))
  const cells = texts.map((text) => (column.align === 'left' ? text + pad(text) : pad(text) + text))
  return { spare: column.spare, width: widest, cells }
}

function fitting(all: readonly LaidOut[], columns: number): readonly LaidOut[] {
  const total = all.reduce((sum, column) => sum + column.width, 0) + GAP.length * (all.length - 1)
  const most = Math.max(...all.map((column) => column.spare))
  if (total <= columns || most === 0) return all
  const drop = all.findLastIndex((column) => column.spare === most)
  return fitting(all.toSpliced(drop, 1), columns)
}
