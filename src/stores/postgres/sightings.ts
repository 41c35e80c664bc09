/**
 * Leases that end by observation. When the server's clock is stepped back, a lease that was written before lies in a
 * future that may be hours away. Whoever has seen that same lease unchanged for its whole ttl, by the own monotonic
 * clock and counted from when the answer came, knows that its holder has not renewed it: a renewal would have moved it.
 */

import type { Clock } from '../../clock.ts'
import type { Lease } from '../../store.ts'
import type { Ahead } from './rows.ts'

interface Sighting extends Ahead {
  readonly holder: string
  readonly fencingToken: number
  readonly since: number
}

export class Sightings {
  readonly #clock: Clock
  readonly #seen = new Map<string, Sighting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A lease was seen that lies too far ahead. Gives it with what is left of it by observation. */
  see(election: string, lease: Lease, ahead: Ahead): Lease {
    const { holder, fencingToken } = lease
    const last = this.#seen.get(election)
    const same = last?.holder === holder && last.fencingToken === fencingToken && last.expiry === ahead.expiry
    const sighting = same ? last : { ...ahead, holder, fencingToken, since: this.#clock.mono() }
    this.#seen.set(election, sighting)
    // It can be taken only by a bid that says what was seen: to everybody else it is not free.
    return { ...lease, remainingMs: Math.max(1, this.#leftMs(sighting)) }
  }

  /** The expiry of the lease that was watched for long enough, as the next bid has to name it. */
  over(election: string): string | null {
    const seen = this.#seen.get(election)
    return seen && this.#leftMs(seen) <= 0 ? seen.expiry : null
  }

  forget(election: string): void {
    this.#seen.delete(election)
  }

  #leftMs({ ttlMs, since }: Sighting): number {
    return Math.ceil(ttlMs - (this.#clock.mono() - since))
  }
}
