/** One election that a session of this process holds. */

import type { Bid } from '../../store.ts'

export class Held {
  readonly election: string
  readonly holder: string
  readonly ttlMs: number
  readonly fencingToken: number
  /** The monotonic instant at which it is over unless it is renewed: a ttl after the last statement that kept it left. */
  lapsesAt: number
  /** Its row is another's, or gone: never to be renewed again, and not freed before its work has ended. */
  refused = false
  /** Its candidate has asked to release it: nothing is left that its end could hurt. */
  leaving = false

  constructor({ election, holder, ttlMs }: Bid, fencingToken: number, lapsesAt: number) {
    this.election = election
    this.holder = holder
    this.ttlMs = ttlMs
    this.fencingToken = fencingToken
    this.lapsesAt = lapsesAt
  }
}
