/**
 * How long a run waits to be elected. A verdict falls only while nobody has won here; it tells a store that could not be
 * reached apart from an election that somebody else leads.
 */

import type { Candidate } from '../index.ts'
import { after } from './after.ts'

export type Verdict = 'not-elected' | 'unreachable'

export class Wait {
  readonly #candidate: Candidate
  readonly #isTry: boolean
  readonly #offs: (() => void)[] = []
  /** When the store last failed. */
  #failedAt = Number.NEGATIVE_INFINITY
  #resolve: (verdict: Verdict) => void = () => {}
  /** Stays open for ever when somebody was elected here first. */
  readonly verdict = new Promise<Verdict>((resolve) => {
    this.#resolve = resolve
  })

  /** To be made before the candidate starts. 0 is one attempt. */
  constructor(candidate: Candidate, waitMs: number) {
    this.#candidate = candidate
    this.#isTry = waitMs === 0
    const failed = () => {
      this.#failedAt = performance.now()
    }
    this.#offs.push(candidate.on('trouble', failed))
    this.#offs.push(candidate.on('elected', () => this.end()))
    if (!this.#isTry) this.#offs.push(after(waitMs, () => this.#decide()))
  }

  /** The first attempt is over, whatever came of it. */
  attempted(longestMs: number): void {
    if (!this.#isTry || this.#candidate.isLeader) return
    if (this.#failedAt > 0) return this.#decide()
    // Free, and yet not won: somebody else is bidding too. Who leads will be known in a moment, and it may be us.
    this.#offs.push(this.#candidate.on('leader', (leader) => void (leader && !leader.isMe && this.#decide())))
    this.#offs.push(this.#candidate.on('trouble', () => this.#decide()))
    this.#offs.push(after(longestMs, () => this.#decide()))
  }

  /** Nobody waits any more. */
  end(): void {
    for (const off of this.#offs.splice(0)) off()
  }

  #decide(): void {
    this.end()
    const knownSince = performance.now() - (this.#candidate.leader?.ageMs ?? Number.POSITIVE_INFINITY)
    this.#resolve(this.#failedAt > knownSince ? 'unreachable' : 'not-elected')
  }
}
