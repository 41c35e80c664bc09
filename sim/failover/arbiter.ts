/** The arbiter: a lease store whose every call happens at one instant of its own clock, and the ways there and back. */

import type { Bid, Hold, Lease, LeaseStore } from '../../src/store.ts'
import { Chance } from '../chance.ts'
import type { World } from '../world.ts'
import type { Node } from './node.ts'
import type { Plan } from './plan.ts'

interface Row {
  readonly bid: Bid
  readonly fencingToken: number
  expiresAt: number
}

export class Arbiter {
  readonly #world: World
  readonly #plan: Plan
  readonly #rate: number
  readonly #ways: Chance
  readonly #watchers = new Set<() => void>()
  #row: Row | undefined

  constructor(world: World, plan: Plan) {
    this.#world = world
    this.#plan = plan
    this.#rate = 1 + new Chance(world.seed, 'rate:arbiter').pick([-plan.drift, 0, plan.drift])
    this.#ways = new Chance(world.seed, 'ways:arbiter')
  }

  /** The token of the lease that is held at this instant. */
  get held(): number | undefined {
    return this.#live()?.fencingToken
  }

  storeOf(node: Node): LeaseStore {
    const store: LeaseStore = {
      name: 'arbiter',
      minTtlMs: 1,
      acquire: (bid, signal) => this.#call(node, signal, () => this.#acquire(bid)),
      renew: (bid, signal) => this.#call(node, signal, () => this.#renew(bid)),
      release: (hold, signal) => {
        node.releases(hold.holder)
        return this.#call(node, signal, () => this.#release(hold)).finally(() => node.released(hold.holder))
      },
      read: (_election, signal) => this.#call(node, signal, () => this.#leaseOf(this.#live())),
      watch: (_election, changed, signal) => this.#watch(node, changed, signal),
    }
    if (!this.#plan.watched) delete store.watch
    return store
  }

  #call<T>(node: Node, signal: AbortSignal, happen: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (node.isCutOff) return
      this.#world.in(this.#wayMs(), () => {
        if (node.isCutOff) return
        const answer = happen()
        this.#world.in(this.#wayMs(), () => {
          if (!node.isCutOff && !node.losesAnswers) node.host.enter(() => resolve(answer))
        })
      })
    })
  }

  #wayMs(): number {
    return this.#ways.between(0.05, this.#plan.wayMs)
  }

  get #now(): number {
    return this.#world.now * this.#rate
  }

  #live(): Row | undefined {
    return this.#row && this.#now < this.#row.expiresAt ? this.#row : undefined
  }

  #leaseOf(row: Row | undefined): Lease | undefined {
    if (!row) return undefined
    const { bid, fencingToken, expiresAt } = row
    return { holder: bid.holder, candidate: bid.candidate, advert: bid.advert, fencingToken, remainingMs: expiresAt - this.#now }
  }

  #acquire(bid: Bid): Lease | undefined {
    const live = this.#live()
    if (live) return this.#leaseOf(live)
    if (this.#row?.bid.holder === bid.holder) return undefined
    this.#row = { bid, fencingToken: (this.#row?.fencingToken ?? 0) + 1, expiresAt: this.#now + bid.ttlMs }
    this.#world.note('arbiter', `granted to ${bid.candidate}`, this.#row.fencingToken)
    return this.#leaseOf(this.#row)
  }

  #renew(bid: Bid): number {
    const live = this.#live()
    if (live?.bid.holder !== bid.holder) return 0
    live.expiresAt = this.#now + bid.ttlMs
    return bid.ttlMs
  }

  #release(hold: Hold): void {
    const live = this.#live()
    if (live?.bid.holder !== hold.holder) return
    live.expiresAt = Number.NEGATIVE_INFINITY
    this.#world.note('arbiter', 'released', live.fencingToken)
    for (const tell of this.#watchers) tell()
  }

  #watch(node: Node, changed: () => void, signal: AbortSignal): Promise<void> {
    const tell = () => {
      if (!node.isCutOff) this.#world.in(this.#wayMs(), () => node.host.enter(() => void (signal.aborted || changed())))
    }
    this.#watchers.add(tell)
    tell()
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        this.#watchers.delete(tell)
        resolve()
      })
    })
  }
}
