/**
 * The elections that one session holds, and whose each of its locks is: a lock belongs to a session, and which holder of
 * this process it stands for is known here alone, whatever a row says. It may assume that a win is told here before the
 * session is asked anything else. Must never let one holder free what another has.
 */

import type { Clock } from '../../clock.ts'
import type { Bid, Hold, Lease } from '../../store.ts'
import type { Ttls } from './ttls.ts'

/** One election that a session of this process holds. */
export class Held {
  readonly bid: Bid
  readonly fencingToken: number
  /** The monotonic instant at which it is over unless it is renewed: a ttl after the last statement that kept it left. */
  lapsesAt: number
  /** Its row is another's, or gone: never to be renewed again, and not freed before its work has ended. */
  refused = false
  /** Its candidate has asked to release it: nothing is left that its end could hurt. */
  leaving = false

  constructor(bid: Bid, fencingToken: number, lapsesAt: number) {
    this.bid = bid
    this.fencingToken = fencingToken
    this.lapsesAt = lapsesAt
  }

  /** What is left is known here, for the hold is ours. */
  lease(now: number): Lease {
    const { holder, candidate, advert } = this.bid
    return { holder, candidate, advert, fencingToken: this.fencingToken, remainingMs: Math.max(0, Math.floor(this.lapsesAt - now)) }
  }
}

export interface HoldsParts {
  readonly clock: Clock
  readonly ttls: Ttls
  /** These were not renewed for their ttl. */
  lapsed(holds: readonly Held[]): void
}

export class Holds {
  readonly #parts: HoldsParts
  readonly #byHolder = new Map<string, Held>()
  /** Who has the lock of each election. */
  readonly #owners = new Map<string, Held>()
  #cancelSweep: (() => void) | undefined
  #sweepsAt = Number.POSITIVE_INFINITY

  constructor(parts: HoldsParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#byHolder.size
  }

  all(): Iterable<Held> {
    return this.#byHolder.values()
  }

  get(holder: string): Held | undefined {
    return this.#byHolder.get(holder)
  }

  /** What this holder has and may keep. */
  living({ election, holder }: Hold): Held | undefined {
    const held = this.#byHolder.get(holder)
    if (!held || held.bid.election !== election || held.leaving || held.refused) return undefined
    return held.lapsesAt > this.#parts.clock.mono() ? held : undefined
  }

  /** Who has the lock of this election, alive or not. */
  owner(election: string): Held | undefined {
    return this.#owners.get(election)
  }

  /** Whether a lock of this session that may be this holder's is nobody else's. */
  frees({ election, holder }: Hold): boolean {
    const owner = this.#owners.get(election)
    return owner === undefined || owner.bid.holder === holder
  }

  add(held: Held): void {
    const { election, holder, ttlMs } = held.bid
    this.#byHolder.set(holder, held)
    this.#owners.set(election, held)
    this.#parts.ttls.enter(election, ttlMs)
    this.#sweepAt(held.lapsesAt)
  }

  delete(holder: string): void {
    const held = this.#byHolder.get(holder)
    if (!held) return
    const { election } = held.bid
    this.#byHolder.delete(holder)
    if (this.#owners.get(election) === held) this.#owners.delete(election)
    this.#parts.ttls.leave(election)
  }

  clear(): void {
    this.#cancelSweep?.()
    for (const holder of [...this.#byHolder.keys()]) this.delete(holder)
  }

  #sweepAt(at: number): void {
    if (at >= this.#sweepsAt) return
    this.#cancelSweep?.()
    this.#sweepsAt = at
    const delayMs = Math.max(0, Math.ceil(at - this.#parts.clock.mono()))
    this.#cancelSweep = this.#parts.clock.timer(delayMs, () => this.#sweep(), false)
  }

  #sweep(): void {
    this.#sweepsAt = Number.POSITIVE_INFINITY
    const now = this.#parts.clock.mono()
    let next = Number.POSITIVE_INFINITY
    const lapsed: Held[] = []
    for (const held of this.#byHolder.values()) {
      if (held.lapsesAt <= now) lapsed.push(held)
      else next = Math.min(next, held.lapsesAt)
    }
    this.#sweepAt(next)
    this.#parts.lapsed(lapsed)
  }
}
