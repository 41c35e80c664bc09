/**
 * A whole screen that is drawn again and again, as wide and as high as the terminal is at that moment. What does not fit is
 * cut: a line that wrapped, or a screen that scrolled, would be drawn anew below itself.
 */

import { columnsFor } from './output.ts'
import { cutEnd } from './width.ts'

export class Screen {
  readonly #stream = process.stdout
  #lines: (columns: number) => readonly string[] = () => []

  constructor() {
    this.#stream.on('resize', () => this.#draw())
  }

  /** Draw these from now on; asked again when the terminal changes its size. */
  show(lines: (columns: number) => readonly string[]): void {
    this.#lines = lines
    this.#draw()
  }

  #draw(): void {
    const columns = columnsFor(this.#stream)
    const lines = this.#lines(columns)
    // The last row is where the cursor waits.
    const room = Math.max(1, (this.#stream.rows || 24) - 1)
    const over = lines.length - room
    const fitting = over > 0 ? [...lines.slice(0, room - 1), `… and ${over + 1} more`] : lines
    // From the upper left corner, and whatever stood below goes.
    this.#stream.write(`\u001b[H\u001b[J${fitting.map((line) => `${cutEnd(line, columns)}\n`).join('')}`)
  }
}
