/**
 * How the demonstration looks: at a terminal three rows that live, with the story below them; elsewhere the story as
 * plain lines. It only draws; what it shows is handed to it.
 */

import { colorsFor, columnsFor, isTerminal } from '../output.ts'
import { cutEnd } from '../width.ts'
import type { Actor, Role } from './cast.ts'
import { ttlMs } from './words.ts'

const BAR = 20

export class View {
  readonly #live = isTerminal(process.stdout)
  readonly #colors = colorsFor(process.stdout)
  readonly #startedAt = performance.now()
  #drawn = false
  #timer: NodeJS.Timeout | undefined
  #frame: () => { actors: readonly Actor[]; writes: number; refused: number } = () => ({ actors: [], writes: 0, refused: 0 })

  /** Draw what this tells, again and again, until `close`. */
  open(frame: View['frame']): void {
    this.#frame = frame
    if (this.#live) this.#timer = setInterval(() => this.#draw(), 80)
  }

  get frame() {
    return this.#frame
  }

  /** A line of the story. */
  tell(line: string): void {
    const at = ((performance.now() - this.#startedAt) / 1000).toFixed(1).padStart(5)
    this.#erase()
    process.stdout.write(`${this.#colors.dim(`${at} s`)}  ${line}\n`)
    if (this.#timer) this.#draw()
  }

  /** A line outside the story. */
  print(line: string): void {
    this.#erase()
    process.stdout.write(`${line}\n`)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#erase()
  }

  get colors() {
    return this.#colors
  }

  #draw(): void {
    const { actors, writes, refused } = this.#frame()
    const rows = actors.map((actor) => `  ${this.#row(actor)}`)
    const ledger = `  ledger: ${writes} writes accepted, ${refused} refused by the fence`
    const columns = columnsFor(process.stdout)
    // On a screen that is too low the story goes first.
    const lines = ['', ...rows, this.#colors.dim(ledger)].slice(-Math.max(1, (process.stdout.rows || 24) - 1))
    const frame = lines.map((line) => `${cutEnd(line, columns)}\n`).join('')
    // The cursor goes back at once, while a line is a row: whoever changes the width of a window moves what stands in it.
    this.#erase()
    process.stdout.write(`${frame}\u001b[${lines.length}A`)
    this.#drawn = true
  }

  #erase(): void {
    if (this.#drawn) process.stdout.write('\r\u001b[J')
    this.#drawn = false
  }

  #row(actor: Actor): string {
    const { bold, dim, green, red, cyan } = this.#colors
    const paint: Record<Role, (text: string) => string> = {
      starting: dim,
      following: (text) => text,
      leading: (text) => bold(green(text)),
      frozen: cyan,
      killed: red,
      stopped: dim,
    }
    const sign = actor.role === 'leading' ? '●' : actor.role === 'killed' ? '✗' : '○'
    const name = `${sign} ${actor.id.padEnd(6)} ${dim(`pid ${String(actor.pid).padEnd(7)}`)} ${actor.role.padEnd(10)}`
    if (actor.role !== 'leading') return paint[actor.role](name)
    const full = Math.max(0, Math.min(BAR, Math.round((actor.remainingMs / ttlMs) * BAR)))
    const bar = '█'.repeat(full) + dim('░'.repeat(BAR - full))
    return `${paint.leading(name)} ${bar} ${dim(`token ${actor.fencingToken}`)}`
  }
}
