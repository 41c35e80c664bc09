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
  /** What was left of the lease when it was asked for. */
  readonly remainingMs: number
}

/** What the store said of its leader, and when it was asked. */
export interface Word {
  readonly fencingToken: number
  /** Monotonic. */
  readonly askedAt: number
}

/** How the change came about that made somebody leader. */
export interface Vacancy {
  readonly vacantMs: number
  readonly lapsed: boolean
}

/** What an answer of the store says about somebody else; a lease with nothing left is nobody's. */
export function seenOf(lease: Lease | undefined): Seen | undefined {
  if (!lease || lease.remainingMs <= 0) return undefined
  const { candidate, fencingToken, advert, heldMs, remainingMs } = lease
  return { candidate, fencingToken, advert, heldMs, remainingMs, isMe: false }
}

export class Knowledge {
  readonly #clock: Clock
  #seen: Seen | undefined
  #since = Number.NEGATIVE_INFINITY
  /** Monotonic instant of the request that told the present state. */
  #askedAt = Number.NEGATIVE_INFINITY
  /** The lease of somebody else that was seen last: when, until when it could stand, and since when it may be over. */
  #rival: { readonly seenAt: number; readonly lapsesAt: number; overAt: number | undefined } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Take in what a request sent at `askedAt` told. Returns whether somebody else leads now than was known. */
  learn(seen: Seen | undefined, askedAt: number): boolean {
    // An answer that was overtaken is older than what is known; and where two questions were under way at once, so is
    // the one with the smaller token.
    if (askedAt < this.#askedAt || (askedAt < this.#since && this.#isOlder(seen))) return false
    const changed = seen?.fencingToken !== this.#seen?.fencingToken || seen?.candidate !== this.#seen?.candidate
    this.#seen = seen
    this.#askedAt = askedAt
    this.#since = this.#clock.mono()
    if (!seen) this.mayBeOver()
    else this.#rival = seen.isMe ? undefined : { seenAt: this.#since, lapsesAt: askedAt + seen.remainingMs, overAt: undefined }
    return changed
  }

  #isOlder(seen: Seen | undefined): boolean {
    return seen !== undefined && this.#seen !== undefined && seen.fencingToken < this.#seen.fencingToken
  }

  /** News that the lease of somebody else may be over. */
  mayBeOver(): void {
    if (this.#rival) this.#rival.overAt ??= this.#clock.mono()
  }

  /** A new stand: what was seen before it says nothing about what comes. */
  forget(): void {
    this.#rival = undefined
  }

  /** For who is elected now: what became of the leader before, where there was another one. Assumes one ttl for all. */
  vacancy(ttlMs: number): Vacancy | undefined {
    if (!this.#rival) return undefined
    const { seenAt, lapsesAt, overAt } = this.#rival
    const now = this.#clock.mono()
    const lapsed = now >= lapsesAt
    return { lapsed, vacantMs: now - (lapsed ? Math.min(seenAt, lapsesAt - ttlMs) : (overAt ?? seenAt)) }
  }

  /** The store has confirmed the present leader, by a request sent at `askedAt`. */
  confirm(askedAt: number): void {
    const heldMs = this.leader()?.heldMs
    if (this.#seen) this.learn({ ...this.#seen, heldMs }, askedAt)
  }

  /** Who is known to lead, and the monotonic instant of the request that told it last. */
  word(): Word | undefined {
    return this.#seen && { fencingToken: this.#seen.fencingToken, askedAt: this.#askedAt }
  }

  leader(): Leader | undefined {
    if (!this.#seen) return undefined
    const { candidate, fencingToken, advert, heldMs, isMe } = this.#seen
    const ageMs = this.#clock.mono() - this.#since
    return { candidate, fencingToken, advert, heldMs: heldMs === undefined ? undefined : heldMs + ageMs, ageMs, isMe }
  }
}
