/** What a person sees: a terminal that wraps and scrolls, as far as our own programs make use of one. */

import { widthOf } from '../../src/cli/width.ts'

const ESCAPE = String.fromCharCode(27)
const BEGUN = new RegExp(`${ESCAPE}(\\[[?0-9;]*)?$`)
const PARTS = new RegExp(`${ESCAPE}\\[[?0-9;]*[A-Za-z]|\\P{Mn}\\p{Mn}*`, 'gsu')
const ORDER = new RegExp(`^${ESCAPE}\\[\\??([0-9;]*)([A-Za-z])$`)

/** One for each column; the second of a wide character is empty. */
type Row = string[]

export class Emulator {
  #columns: number
  #rows: number
  readonly #scrolled: Row[] = []
  #screen: Row[] = [[]]
  #row = 0
  #column = 0
  #rest = ''
  readonly #widths = new Map<string, number>()

  constructor(columns: number, rows: number) {
    this.#columns = columns
    this.#rows = rows
  }

  /** The rows of the screen. */
  get screen(): readonly string[] {
    return this.#screen.map(textOf)
  }

  /** What has left the screen at its top. */
  get scrolled(): readonly string[] {
    return this.#scrolled.map(textOf)
  }

  /** Rows that have no place any more go below the cursor; where that has none either, at the top. */
  resize(columns: number, rows: number): void {
    this.#columns = columns
    this.#rows = rows
    for (; this.#row >= rows; this.#row--) this.#scrolled.push(this.#screen.shift() ?? [])
    this.#screen.length = Math.min(this.#screen.length, rows)
  }

  write(data: string): void {
    const text = this.#rest + data
    const whole = text.replace(BEGUN, '')
    this.#rest = text.slice(whole.length)
    for (const [part] of whole.matchAll(PARTS)) this.#take(part)
  }

  #take(part: string): void {
    if (part.startsWith(ESCAPE)) this.#obey(part)
    else if (part === '\r') this.#column = 0
    else if (part === '\n') this.#down()
    else this.#put(part)
  }

  #obey(order: string): void {
    const [, count, verb = ''] = ORDER.exec(order) ?? []
    if (verb === 'A') this.#row = Math.max(0, this.#row - Number(count || 1))
    else if (verb === 'H') [this.#row, this.#column] = [0, 0]
    else if (verb === 'J') {
      this.#screen.length = this.#row + 1
      this.#screen[this.#row]?.splice(this.#column)
    } else if (!'mhl'.includes(verb) || verb === '') throw new Error(`an order that is not known here: ${JSON.stringify(order)}`)
  }

  #put(part: string): void {
    const width = this.#widths.get(part) ?? widthOf(part)
    this.#widths.set(part, width)
    if (this.#column + width > this.#columns) {
      this.#column = 0
      this.#down()
    }
    const row = this.#screen[this.#row] ?? []
    while (row.length < this.#column) row.push(' ')
    row.splice(this.#column, width, part, ...Array<string>(Math.max(0, width - 1)).fill(''))
    this.#column += width
  }

  #down(): void {
    this.#row += 1
    if (this.#row >= this.#rows) {
      this.#scrolled.push(this.#screen.shift() ?? [])
      this.#row -= 1
    }
    while (this.#screen.length <= this.#row) this.#screen.push([])
  }
}

function textOf(row: Row): string {
  return row.join('').trimEnd()
}
