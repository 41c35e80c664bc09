/** A store whose every call can be held on the way there and on the way back, so that a test decides what happens when. */

import type { Bid, Hold, Lease, LeaseStore } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import type { ManualClock } from '../../src/testing/index.ts'

export type Verb = 'acquire' | 'renew' | 'release' | 'read'

/** One call under way. */
export interface Trip {
  readonly verb: Verb
  readonly signal: AbortSignal
  /** The store does what it was asked; the answer is not told yet. */
  land(): Promise<void>
  /** Lands if it has not, and the answer is told. */
  answer(): Promise<void>
  /** The caller learns only that something went wrong. */
  fail(error?: Error): void
}

export class Puppet implements LeaseStore {
  readonly name = 'puppet'
  readonly inner: LeaseStore
  /** Calls that are held, oldest first. */
  readonly trips: Trip[] = []
  /** How many calls of each verb there were. */
  readonly counts: Record<Verb, number> = { acquire: 0, renew: 0, release: 0, read: 0 }
  held: (verb: Verb) => boolean = () => false
  failing: ((verb: Verb) => Error | undefined) | undefined

  constructor(clock: ManualClock, inner: LeaseStore = memory({ clock })) {
    this.inner = inner
  }

  acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#travel('acquire', signal, () => this.inner.acquire(bid, new AbortController().signal))
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    return this.#travel('renew', signal, () => this.inner.renew(bid, new AbortController().signal))
  }

  release(hold: Hold, signal: AbortSignal): Promise<void> {
    return this.#travel('release', signal, () => this.inner.release(hold, new AbortController().signal))
  }

  read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#travel('read', signal, () => this.inner.read(election, new AbortController().signal))
  }

  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    return this.inner.watch?.(election, changed, signal) ?? Promise.resolve()
  }

  /** Hold calls of these verbs from now on; without verbs, none. */
  hold(...verbs: Verb[]): void {
    this.held = (verb) => verbs.includes(verb)
  }

  take(verb: Verb): Trip {
    const at = this.trips.findIndex((trip) => trip.verb === verb)
    const [trip] = at < 0 ? [] : this.trips.splice(at, 1)
    if (!trip) throw new Error(`no ${verb} is under way`)
    return trip
  }

  async #travel<T>(verb: Verb, signal: AbortSignal, go: () => Promise<T>): Promise<T> {
    this.counts[verb] += 1
    const failure = this.failing?.(verb)
    if (failure) throw failure
    if (!this.held(verb)) return go()
    let landed: Promise<T> | undefined
    const land = () => {
      landed ??= go()
      return landed
    }
    return new Promise<T>((resolve, reject) => {
      this.trips.push({
        verb,
        signal,
        land: async () => void (await land()),
        answer: async () => {
          await land().then(resolve, reject)
          await new Promise((done) => setImmediate(done))
        },
        fail: (error = new Error('connection reset')) => reject(error),
      })
    })
  }
}
