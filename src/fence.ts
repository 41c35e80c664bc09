/**
 * The other half of a fencing token: the resource that refuses a smaller one than the largest it has seen. This one
 * keeps the largest in memory; where the resource outlives a process, keep it beside the data, in the same transaction.
 */

import { badOption, TenureError } from './errors.ts'

/** Refuses tokens smaller than the largest it has seen. In memory: for a resource that ends with its process. */
export class Fence {
  #largest: number

  /** Start from what is known already, e.g. what was kept beside the data. */
  constructor(largest = 0) {
    if (!Number.isSafeInteger(largest) || largest < 0) throw badOption('largest', 'a safe integer, at least 0', largest)
    this.#largest = largest
  }

  /** The largest token seen. */
  get largest(): number {
    return this.#largest
  }

  /** Whether a write with this token may pass; from then on a smaller one may not. */
  admits(fencingToken: number): boolean {
    if (!Number.isSafeInteger(fencingToken)) throw badOption('fencingToken', 'a safe integer', fencingToken)
    if (fencingToken < this.#largest) return false
    this.#largest = fencingToken
    return true
  }

  /** As `admits`, but throws a `TenureError` of code `stale-token`. */
  assertAdmits(fencingToken: number): void {
    if (this.admits(fencingToken)) return
    throw new TenureError('stale-token', `Fencing token ${fencingToken} is stale: ${this.#largest} has been seen`)
  }
}
