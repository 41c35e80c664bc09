/**
 * What this store object holds, or bids for: the memory that a shared lease of etcd does not have. A hold lives from
 * before its first bid leaves until it is released, lapses, or is found gone; then it is over, for ever. It must never
 * let a hold live on because its neighbours are renewed.
 */

import { type Clock, MAX_TIMER_MS } from '../../clock.ts'
import type { Hold } from '../../store.ts'
import type { SharedLease } from './lease.ts'
import { encode } from './wire.ts'

/** A holder is forgotten so long after its end: longer than any request can be under way. */
const MEMORY_MS = 600_000

/** One holder, while it lives. */
export interface LivingHold extends Hold {
  readonly key: string
  /** The key as etcd's answers spell it. */
  readonly code: string
  /** How many of its bids are under way. */
  bids: number
  /** Its bid was won. Otherwise it is bid for, or its fate is open. */
  held: boolean
  over: boolean
  lease: SharedLease | undefined
  /** The create revision of its key: the fencing token. 0 while unknown. */
  revision: number
  since: number
  /** When it lapses, by the monotonic clock. */
  until: number
  /** When it lapses if it turns out that its first bid was the one that landed. */
  earliest: number
  /** A bid left and was not answered: the key may be there, or may yet come. */
  doubtful: boolean
}

export class Holds {
  readonly #clock: Clock
  readonly #lapsed: (hold: LivingHold) => void
  readonly #living = new Map<string, LivingHold>()
  /** Keys of holders that are over, in the order of their ends. */
  readonly #over = new Map<string, number>()
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY

  /** `lapsed` is told of each hold that nobody renewed, once it is over. */
  constructor(clock: Clock, lapsed: (hold: LivingHold) => void) {
    this.#clock = clock
    this.#lapsed = lapsed
  }

  /** The living hold of this key. One that should have lapsed, but for a late timer, lapses now. */
  get(key: string): LivingHold | undefined {
    const hold = this.#living.get(key)
    if (!hold || this.#clock.mono() < hold.until) return hold
    this.#lapse(hold)
    return undefined
  }

  /** Find a hold, or begin one. */
  open({ election, holder }: Hold, key: string): LivingHold {
    const known = this.get(key)
    if (known) return known
    const never = Number.POSITIVE_INFINITY
    const fate = { bids: 0, held: false, over: false, doubtful: false, lease: undefined, revision: 0 }
    const hold: LivingHold = { election, holder, key, code: encode(key), ...fate, since: this.#clock.mono(), until: never, earliest: never }
    this.#living.set(key, hold)
    return hold
  }

  /** The hold that bears this token. */
  find(election: string, fencingToken: number): LivingHold | undefined {
    for (const hold of this.#living.values()) {
      if (hold.held && hold.election === election && hold.revision === fencingToken) return this.get(hold.key)
    }
    return undefined
  }

  /** A hold sits on a lease from before its bid leaves, so that no sweep takes its key for an orphan. */
  sit(hold: LivingHold, lease: SharedLease): void {
    if (hold.lease !== lease) hold.lease?.holds.delete(hold.code)
    hold.lease = lease
    if (!hold.over) lease.holds.set(hold.code, hold)
  }

  keep(hold: LivingHold, until: number): void {
    hold.until = until
    this.#arm(until)
  }

  /** A bid has been answered, or given up. What nobody bids for and nothing is left in doubt of is forgotten. */
  settle(hold: LivingHold): void {
    if (hold.held || hold.over || hold.bids > 0) return
    if (hold.doubtful) this.keep(hold, hold.earliest)
    else this.#remove(hold)
  }

  /** Over, and never again. */
  end(hold: LivingHold): void {
    this.#remove(hold)
    hold.over = true
    this.bury(hold.key)
  }

  /** The holder of this key is over, whoever it was. */
  bury(key: string): void {
    const now = this.#clock.mono()
    for (const [old, at] of this.#over) {
      if (now - at < MEMORY_MS) break
      this.#over.delete(old)
    }
    this.#over.delete(key)
    this.#over.set(key, now)
  }

  isOver(key: string): boolean {
    return this.get(key) === undefined && this.#over.has(key)
  }

  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#living.clear()
  }

  #remove(hold: LivingHold): void {
    hold.lease?.holds.delete(hold.code)
    if (this.#living.get(hold.key) === hold) this.#living.delete(hold.key)
    if (this.#living.size === 0) this.close()
  }

  #lapse(hold: LivingHold): void {
    this.end(hold)
    this.#lapsed(hold)
  }

  /** One timer for all. It may come too early for those that were renewed meanwhile; then it is set again. */
  #arm(at: number): void {
    if (at >= this.#timerAt) return
    this.#cancelTimer?.()
    this.#timerAt = at
    const delayMs = Math.min(Math.max(0, Math.ceil(at - this.#clock.mono())), MAX_TIMER_MS)
    this.#cancelTimer = this.#clock.timer(delayMs, () => this.#sweep(), false)
  }

  #sweep(): void {
    this.#cancelTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.mono()
    let next = Number.POSITIVE_INFINITY
    for (const hold of [...this.#living.values()]) {
      if (now >= hold.until) this.#lapse(hold)
      else next = Math.min(next, hold.until)
    }
    if (Number.isFinite(next)) this.#arm(next)
  }
}
