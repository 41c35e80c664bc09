/**
 * Bids whose fate nobody knows. A bid may still be under way when its release has been answered; then it would hold for
 * a whole ttl with nobody behind it. So the release of such a holder is repeated once, after the server has had the
 * time that a bid may wait there. A mere help: whatever it misses lapses by itself.
 */

import type { Clock } from '../../clock.ts'
import type { Bid, Hold } from '../../store.ts'

export class Doubts {
  readonly #clock: Clock
  readonly #again: (hold: Hold) => Promise<unknown>
  /** Holder, and when its bid can have no effect any more. */
  readonly #doubtful = new Map<string, number>()
  readonly #timers = new Set<() => void>()

  /** `again` releases once more. */
  constructor(clock: Clock, again: (hold: Hold) => Promise<unknown>) {
    this.#clock = clock
    this.#again = again
  }

  /** Nobody knows what became of this bid. */
  add({ holder, ttlMs }: Bid): void {
    const now = this.#clock.mono()
    // The oldest come first; a holder that nobody ever releases must not stay for ever.
    for (const [old, until] of this.#doubtful) {
      if (until > now) break
      this.#doubtful.delete(old)
    }
    this.#doubtful.delete(holder)
    this.#doubtful.set(holder, now + 10 * ttlMs)
  }

  /** The store has told what became of it. */
  settle(holder: string): void {
    this.#doubtful.delete(holder)
  }

  /** A hold was released: once more, after so long, if its bid was in doubt. */
  released(hold: Hold, afterMs: number): void {
    if (!this.#doubtful.delete(hold.holder)) return
    const cancel = this.#clock.timer(
      afterMs,
      () => {
        this.#timers.delete(cancel)
        // Failing changes nothing: the bid, if it has landed at all, lapses after its ttl.
        this.#again(hold).catch(() => {})
      },
      false,
    )
    this.#timers.add(cancel)
  }

  close(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#doubtful.clear()
  }
}
