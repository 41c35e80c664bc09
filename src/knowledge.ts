/**
 * What a candidate or an observer knows of who leads. For people and for finding the leader, never for decisions: it is
 * as old as it says.
 */

import type { Clock } from './clock.ts'
import type { Leader } from './events.ts'
import type { Lease } from './store.ts'

export interface Seen {
  readonly candidate: string
  readonly fencingToken: number
  readonly advert: string | undefined
  readonly heldMs: number | undefined
  readonly isMe: boolean
}

/** What an answer of the store says about somebody else; a lease with nothing left is nobody's. */
export function seenOf(lease: Lease | undefined): Seen | undefined {
  if (!lease || lease.remainingMs <= 0) return undefined
  const { candidate, fencingToken, advert, heldMs } = lease
  return { candidate, fencingToken, advert, heldMs, isMe: false }
}

export class Knowledge {
  readonly #clock: Clock
  #seen: Seen | undefined
  #since = Number.NEGATIVE_INFINITY
  /** Monotonic instant of the request that told the present state. */
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Take in what a request sent at `askedAt` told. Returns whether somebody else leads now than was known. */
  learn(seen: Seen | undefined, askedAt: number): boolean {
    // An answer that was overtaken is older than what is known.
    if (askedAt < this.#askedAt) return false
    const changed = seen?.fencingToken !== this.#seen?.fencingToken || seen?.candidate !== this.#seen?.candidate
    this.#seen = seen
    this.#askedAt = askedAt
    this.#since = this.#clock.mono()
    return changed
  }

  /** The store has confirmed the present leader, by a request sent at `askedAt`. */
  confirm(askedAt: number): void {
    const heldMs = this.leader()?.heldMs
    if (this.#seen) this.learn({ ...this.#seen, heldMs }, askedAt)
  }

  leader(): Leader | undefined {
    if (!this.#seen) return undefined
    const { candidate, fencingToken, advert, heldMs, isMe } = this.#seen
    const ageMs = this.#clock.mono() - this.#since
    return { candidate, fencingToken, advert, heldMs: heldMs === undefined ? undefined : heldMs + ageMs, ageMs, isMe }
  }
}
