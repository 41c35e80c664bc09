/**
 * A store object as a law uses it: every call is bounded, so that a store that hangs breaks the law instead of the test
 * run, and the commonest expectations have a word each.
 */

import { systemClock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import type { Author, Bid, Hold, Lease, LeaseStore, Memo } from '../../store.ts'
import { describeLease, expected, isFree, isOurs, LawBroken, TooSlow } from './law.ts'
import { sleep } from './sleep.ts'

/** How often a call is repeated that the store could not answer because of the crowd, or of its restart. */
const REPETITIONS = 200

export class Contender {
  readonly store: LeaseStore
  readonly #boundMs: number
  readonly #ttlMs: number

  /** `boundMs` is real time, also where the store's is not; so is `ttlMs`, beyond which an answer may come too late to count. */
  constructor(store: LeaseStore, boundMs: number, ttlMs: number) {
    this.store = store
    this.#boundMs = boundMs
    this.#ttlMs = ttlMs
  }

  acquire(bid: Bid): Promise<Lease | undefined> {
    return this.answered('acquire', (signal) => this.store.acquire(bid, signal))
  }

  renew(bid: Bid): Promise<number> {
    return this.answered('renew', (signal) => this.store.renew(bid, signal))
  }

  release({ election, holder }: Hold): Promise<void> {
    return this.answered('release', (signal) => this.store.release({ election, holder }, signal))
  }

  read(election: string): Promise<Lease | undefined> {
    return this.answered('read', (signal) => this.store.read(election, signal))
  }

  recall(election: string): Promise<string | undefined> {
    return this.answered('memo.read', (signal) => this.#memo.read(election, signal))
  }

  remember(author: Author, text: string): Promise<boolean> {
    return this.answered('memo.write', (signal) => this.#memo.write(author, text, signal))
  }

  get #memo(): Memo {
    if (this.store.memo) return this.store.memo
    throw new LawBroken('Expected every store object to have `memo`, got one without it')
  }

  /** Acquire what has to be free. */
  async wins(bid: Bid, when: string): Promise<Lease> {
    const since = systemClock.mono()
    const lease = await this.acquire(bid)
    // Won, and over before it was told.
    if (!isOurs(lease, bid.holder) && bid.ttlMs <= this.#ttlMs) this.#checkSpeed(since)
    expected(isOurs(lease, bid.holder), `a bid ${when} to win`, describeLease(lease))
    return lease
  }

  /** Acquire what has to be somebody else's. */
  async loses(bid: Bid, when: string): Promise<void> {
    const lease = await this.acquire(bid)
    expected(!isOurs(lease, bid.holder), `a bid ${when} to be refused`, 'the lease')
  }

  /** See a lease that is held, as a follower does; where expiry is observed, this is how observing begins. */
  async looks(bid: Bid): Promise<void> {
    await this.read(bid.election)
    const lease = await this.acquire(bid)
    if (isOurs(lease, bid.holder)) await this.release(bid)
  }

  async sees(election: string, holder: string, when: string): Promise<Lease> {
    const lease = await this.read(election)
    expected(isOurs(lease, holder), `${when} to leave the lease with its holder`, describeLease(lease))
    return lease
  }

  async seesFree(election: string, when: string): Promise<void> {
    const lease = await this.read(election)
    expected(isFree(lease), `read to find nobody ${when}`, describeLease(lease))
  }

  /** Call the store, and do not wait for ever. A store that is well answers. */
  async answered<T>(verb: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const since = systemClock.mono()
    try {
      return await this.bounded(verb, call)
    } catch (thrown) {
      if (thrown instanceof LawBroken) throw thrown
      // Stores give up what takes longer than its lease would last.
      if (thrown instanceof TenureError && thrown.code === 'store-unreachable') this.#checkSpeed(since)
      throw new LawBroken(`Expected ${verb} to be answered, got the error: ${messageOf(thrown)}`, { cause: thrown })
    }
  }

  #checkSpeed(since: number): void {
    if (systemClock.mono() - since >= this.#ttlMs) throw new TooSlow(this.#ttlMs)
  }

  /** Call the store until it answers: in a crowd, or after a restart, `store-unreachable` is no fault. */
  async persistent<T>(verb: string, call: (signal: AbortSignal) => Promise<T>, pauseMs: number): Promise<T> {
    for (let repetition = 0; ; repetition++) {
      try {
        return await this.bounded(verb, call)
      } catch (thrown) {
        if (thrown instanceof LawBroken) throw thrown
        const final = thrown instanceof TenureError && thrown.code !== 'store-unreachable'
        if (final || repetition >= REPETITIONS) {
          throw new LawBroken(`Expected ${verb} to be answered in the end, got the error: ${messageOf(thrown)}`, { cause: thrown })
        }
        await sleep(pauseMs)
      }
    }
  }

  async bounded<T>(verb: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    let cancel = () => {}
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => {
        reject(new LawBroken(`Expected ${verb} to settle, got nothing in ${this.#boundMs} ms`))
        controller.abort()
      }
      cancel = systemClock.timer(this.#boundMs, giveUp, true)
    })
    try {
      return await Promise.race([call(controller.signal), late])
    } finally {
      cancel()
    }
  }
}
