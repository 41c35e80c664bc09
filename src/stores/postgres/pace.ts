/**
 * How fast the server answers, so that silence can be told from slowness. Whoever cannot wait any longer gives up a session
 * that is silent, and with it the call of somebody who can: that must not happen again and again to calls that merely take
 * their time. So each answer is noted, and each silence that was cut short, and for a while twice as much is borne.
 */

import type { Clock } from '../../clock.ts'

/** So long counts what was noted: longer than most wait between two renewals. */
const MEMORY_MS = 60_000

export class Pace {
  readonly #clock: Clock
  #slowestMs = 0
  #notedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The longest silence that proves nothing, in milliseconds. */
  get bearableMs(): number {
    return this.#isOld() ? 0 : 2 * this.#slowestMs
  }

  /** So long it took, or would have taken at least. */
  note(ms: number): void {
    if (ms < this.#slowestMs && !this.#isOld()) return
    this.#slowestMs = ms
    this.#notedAt = this.#clock.mono()
  }

  #isOld(): boolean {
    return this.#clock.mono() - this.#notedAt > MEMORY_MS
  }
}
