/**
 * The leases of etcd that this store object keeps: one for each distinct ttl, however many elections sit on it. It must
 * never use a lease again for which a revoke was ever sent, or revoke one that carries anything.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { type Gateway, LeaseGone } from './gateway.ts'
import { Gathering } from './gather.ts'
import type { LivingHold } from './holds.ts'
import { type LeaseAnswer, numberOf } from './wire.ts'

/** A grant: so much, counted from the instant before the request left. */
export interface Beat {
  readonly sentAt: number
  readonly ttlMs: number
}

/** A grant, and the keys that the lease still carried after it. */
export interface Round extends Beat {
  readonly keys: ReadonlySet<string>
}

export interface LeaseParts {
  readonly gateway: Gateway
  readonly clock: Clock
  /** These keys, as etcd spells them, are on the lease. */
  listed(lease: SharedLease, keys: readonly string[]): void
  /** This hold went down with its lease. */
  ended(hold: LivingHold): void
}

export class SharedLease {
  readonly id: string
  readonly seconds: number
  /** What sits on it, held, bid for or in doubt, by its key as etcd spells it. */
  readonly holds = new Map<string, LivingHold>()
  /** Found dead, or a revoke was sent: never used again. */
  gone = false
  readonly #gateway: Gateway
  readonly #clock: Clock
  readonly #listed: LeaseParts['listed']
  readonly #rounds: Gathering<Round | undefined>

  constructor(granted: { readonly id: string; readonly seconds: number }, parts: LeaseParts) {
    this.id = granted.id
    this.seconds = granted.seconds
    const { gateway, clock, listed } = parts
    this.#gateway = gateway
    this.#clock = clock
    this.#listed = listed
    this.#rounds = new Gathering(clock, (signal) => this.#look(signal))
  }

  /** Prolong it. `undefined`: it is dead. */
  async keepAlive(signal: AbortSignal): Promise<Beat | undefined> {
    const sentAt = this.#clock.mono()
    const answer = await this.#gateway.call<LeaseAnswer>('/v3/lease/keepalive', { ID: this.id }, signal, this.#patienceMs)
    // A dead lease is answered like a living one, but for its ttl.
    const ttlMs = numberOf(answer.TTL) * 1000
    return ttlMs > 0 ? { sentAt, ttlMs } : undefined
  }

  /**
   * Prolong it, then see what it carries: a key that was deleted under a living lease shows in no other way. One round
   * serves all who ask in the same turn. `undefined`: it is dead.
   */
  round(signal: AbortSignal): Promise<Round | undefined> {
    return this.#rounds.join(signal)
  }

  get #patienceMs(): number {
    return (this.seconds * 1000) / 12
  }

  async #look(signal: AbortSignal): Promise<Round | undefined> {
    const beat = await this.keepAlive(signal)
    if (!beat) return undefined
    const question = { ID: this.id, keys: true }
    const answer = await this.#gateway.call<LeaseAnswer>('/v3/lease/timetolive', question, signal, this.#patienceMs)
    if (numberOf(answer.TTL) < 0) return undefined
    const keys = answer.keys ?? []
    this.#listed(this, keys)
    return { ...beat, keys: new Set(keys) }
  }
}

export class Leases {
  readonly #parts: LeaseParts
  readonly #bySeconds = new Map<number, SharedLease>()
  readonly #securing = new Map<number, Gathering<{ lease: SharedLease; beat: Beat }>>()
  readonly #granting = new Map<number, Promise<unknown>>()
  readonly #bids = new Map<number, number>()

  constructor(parts: LeaseParts) {
    this.#parts = parts
  }

  usable(seconds: number): SharedLease | undefined {
    return this.#bySeconds.get(seconds)
  }

  /** A bid begins; until it ends no lease of its ttl is revoked. */
  begin(seconds: number): void {
    this.#bids.set(seconds, (this.#bids.get(seconds) ?? 0) + 1)
  }

  end(seconds: number): void {
    const left = (this.#bids.get(seconds) ?? 1) - 1
    if (left > 0) this.#bids.set(seconds, left)
    else this.#bids.delete(seconds)
  }

  /** A lease for a bid, with a grant that did not begin before the call. */
  secure(seconds: number, signal: AbortSignal): Promise<{ lease: SharedLease; beat: Beat }> {
    let securing = this.#securing.get(seconds)
    if (!securing) {
      securing = new Gathering(this.#parts.clock, (joint) => this.#secure(seconds, joint))
      this.#securing.set(seconds, securing)
    }
    return securing.join(signal)
  }

  /** The lease is dead: all that it carried is over, and what is bid for has to find another. */
  bury(lease: SharedLease): void {
    this.#forget(lease)
    for (const [code, hold] of [...lease.holds]) {
      lease.holds.delete(code)
      hold.lease = undefined
      if (hold.held || hold.bids === 0) this.#parts.ended(hold)
      // Its bid has not landed, and cannot any more: whatever it does next, it does on another lease.
      else Object.assign(hold, { doubtful: false, until: Number.POSITIVE_INFINITY, earliest: Number.POSITIVE_INFINITY })
    }
  }

  /** Whether nothing is held on the lease, bid for or in the air. */
  isIdle(lease: SharedLease): boolean {
    return !lease.gone && lease.holds.size === 0 && !this.#bids.has(lease.seconds)
  }

  async revoke(lease: SharedLease, signal: AbortSignal): Promise<void> {
    this.#forget(lease)
    try {
      await this.#parts.gateway.call('/v3/lease/revoke', { ID: lease.id }, signal)
    } catch (thrown) {
      if (!(thrown instanceof LeaseGone)) throw thrown
    }
  }

  async #secure(seconds: number, signal: AbortSignal): Promise<{ lease: SharedLease; beat: Beat }> {
    // Whoever comes while a lease is being granted shares it, and asks for a grant of its own.
    await this.#granting.get(seconds)
    const lease = this.usable(seconds)
    const beat = lease && (await lease.keepAlive(signal))
    if (lease && beat) return { lease, beat }
    if (lease) {
      this.bury(lease)
      return this.#secure(seconds, signal)
    }
    const granting = this.#grant(seconds, signal)
    const settled = granting.then(
      () => this.#granting.delete(seconds),
      () => this.#granting.delete(seconds),
    )
    this.#granting.set(seconds, settled)
    return granting
  }

  async #grant(seconds: number, signal: AbortSignal): Promise<{ lease: SharedLease; beat: Beat }> {
    const sentAt = this.#parts.clock.mono()
    const answer = await this.#parts.gateway.call<LeaseAnswer>('/v3/lease/grant', { TTL: String(seconds) }, signal)
    const ttlMs = numberOf(answer.TTL) * 1000
    if (answer.ID === undefined || ttlMs <= 0) throw new TenureError('store-unfit', 'etcd: granted a lease without id or ttl')
    const lease = new SharedLease({ id: answer.ID, seconds }, this.#parts)
    this.#bySeconds.set(seconds, lease)
    return { lease, beat: { sentAt, ttlMs } }
  }

  #forget(lease: SharedLease): void {
    lease.gone = true
    if (this.#bySeconds.get(lease.seconds) === lease) this.#bySeconds.delete(lease.seconds)
  }
}
