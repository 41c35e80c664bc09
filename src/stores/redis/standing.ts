/**
 * What stands: calls in the air, watches, and leases that were won and not given back. While nothing stands, the store
 * keeps no connection, so that a program ends by itself.
 */

import type { Clock } from '../../clock.ts'

export class Standing {
  readonly #clock: Clock
  readonly #idle: () => void
  /** Holder, and until when at the latest its lease lives without another renewal. */
  readonly #holds = new Map<string, number>()
  #busy = 0
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock, idle: () => void) {
    this.#clock = clock
    this.#idle = idle
  }

  /** Something stands until it has settled. */
  async during<T>(task: Promise<T>): Promise<T> {
    this.#busy += 1
    try {
      return await task
    } finally {
      this.#busy -= 1
      this.#look()
    }
  }

  /** A lease of this store lives for so long. */
  held(holder: string, ms: number): void {
    this.#holds.set(holder, this.#clock.mono() + ms)
  }

  over(holder: string): void {
    this.#holds.delete(holder)
  }

  /** Nothing stands any more, whatever was held. */
  end(): void {
    this.#holds.clear()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #look(): void {
    if (this.#busy > 0) return
    // Whoever has just been answered gets its turn first: mostly it goes on.
    this.#clock.afterPending(() => this.#sweep())
  }

  #sweep(): void {
    if (this.#busy > 0) return
    const now = this.#clock.mono()
    let latest = 0
    for (const [holder, until] of this.#holds) {
      if (until <= now) this.#holds.delete(holder)
      else latest = Math.max(latest, until)
    }
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#holds.size === 0) this.#idle()
    else this.#cancelTimer = this.#clock.timer(Math.ceil(latest - now), () => this.#sweep(), false)
  }
}
