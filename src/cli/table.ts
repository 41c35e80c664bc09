/** Tables for people: aligned by what is seen of a text, and no wider than the terminal. */

import { printable } from './output.ts'
import { cutEnd, cutMiddle, padded, widthOf } from './width.ts'

interface Table {
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** So many columns at the left hold names, which are cut first where the table is too wide. */
  readonly names: number
  readonly bold: (text: string) => string
  readonly columns: number
}

/** A name that is cut to less tells nobody anything. */
const LEAST_NAME = 8

/** Lines: rows under their heads, in columns as wide as their widest cell, as far as there is room. */
export function table({ heads, rows, names, bold, columns }: Table): readonly string[] {
  const clean = rows.map((row) => row.map(printable))
  const widths = heads.map((head, column) => Math.max(...[head, ...clean.map((row) => row[column] ?? '')].map(widthOf)))
  for (let over = widths.reduce((sum, width) => sum + width + 2, -2) - columns; over > 0; over--) {
    const widest = Math.max(...widths.slice(0, names))
    if (widest <= LEAST_NAME) break
    widths[widths.indexOf(widest)] = widest - 1
  }
  const line = (cells: readonly string[]) => {
    const cut = cells.map((cell, column) => padded(cutMiddle(cell, widths[column] ?? 0), widths[column] ?? 0))
    return cutEnd(cut.join('  ').trimEnd(), columns)
  }
  return [bold(line(heads)), ...clean.map(line)]
}
