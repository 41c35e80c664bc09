/**
 * The heartbeats of a primary: one at once, then one in every `heartbeatMs`, for as long as its tenure is held. It asks
 * the tenure before each, so that a process that was frozen does not begin by saying that it lives.
 */

import type { Clock } from '../clock.ts'
import type { Tenure } from '../tenure.ts'

export interface PulseParts {
  readonly clock: Clock
  readonly heartbeatMs: number
  /** Say that this tenure goes on. */
  beat(fencingToken: number): Promise<void>
}

export class Pulse {
  readonly #parts: PulseParts
  #tenure: Tenure | undefined
  #cancel: (() => void) | undefined
  #isBeating = false

  constructor(parts: PulseParts) {
    this.#parts = parts
  }

  begin(tenure: Tenure): void {
    this.#tenure = tenure
    this.beat()
  }

  end(): void {
    this.#tenure = undefined
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Now, and in every `heartbeatMs` from now. */
  beat(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const tenure = this.#tenure
    if (!tenure?.held) return
    const { clock, heartbeatMs, beat } = this.#parts
    this.#cancel = clock.timer(heartbeatMs, () => this.beat(), false)
    // One that has not left yet says the same.
    if (this.#isBeating) return
    this.#isBeating = true
    void beat(tenure.fencingToken).finally(() => {
      this.#isBeating = false
    })
  }
}
