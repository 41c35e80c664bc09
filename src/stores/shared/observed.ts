/**
 * Expiry by observation: for a lease whose instants mean nothing to us. Whoever has seen the same record unchanged for
 * its whole ttl, by the own monotonic clock and counted from when the read returned, knows that its holder has not
 * renewed it. May assume that a mark differs after every renewal. It must never count time from before the look.
 */

import type { Clock } from '../../clock.ts'

interface Sighting {
  readonly mark: string
  readonly ttlMs: number
  readonly since: number
}

export class Observed {
  readonly #clock: Pick<Clock, 'mono'>
  readonly #seen = new Map<string, Sighting>()

  constructor(clock: Pick<Clock, 'mono'>) {
    this.#clock = clock
  }

  /** What is left of a record that a look has just shown, in milliseconds; 0 once it has stood still for its ttl. */
  see(election: string, mark: string, ttlMs: number): number {
    const last = this.#seen.get(election)
    const now = this.#clock.mono()
    const sighting = last?.mark === mark && last.ttlMs === ttlMs ? last : { mark, ttlMs, since: now }
    this.#seen.set(election, sighting)
    return Math.max(0, Math.ceil(ttlMs - (now - sighting.since)))
  }

  /** The election was seen in another state. */
  forget(election: string): void {
    this.#seen.delete(election)
  }
}
