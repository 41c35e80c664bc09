/** Lets through so many in a stretch of time: whoever talks a lot on a bus must not make everybody ask the arbiter as often. */

import type { Clock } from '../clock.ts'

const MOST = 10

export class Ration {
  readonly #clock: Pick<Clock, 'mono'>
  readonly #withinMs: number
  #begunAt = Number.NEGATIVE_INFINITY
  #spent = 0

  constructor(clock: Pick<Clock, 'mono'>, withinMs: number) {
    this.#clock = clock
    this.#withinMs = withinMs
  }

  /** Whether one more may be done now; what is refused is not made up for later. */
  take(): boolean {
    const now = this.#clock.mono()
    if (now - this.#begunAt >= this.#withinMs) {
      this.#begunAt = now
      this.#spent = 0
    }
    this.#spent += 1
    return this.#spent <= MOST
  }
}
