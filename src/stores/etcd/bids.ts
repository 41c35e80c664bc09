/**
 * The verbs of the store, in terms of keys and shared leases. A grant always counts from before a keepalive that was
 * sent within the very call; a renewal is believed only where the key was seen after it. It must never answer for a
 * holder that is over anything but no.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author, Bid, Hold, Lease } from '../../store.ts'
import type { FencedTenure } from './fenced.ts'
import { type Gateway, LeaseGone } from './gateway.ts'
import { Holds, type LivingHold } from './holds.ts'
import type { Entry, Keys } from './keys.ts'
import { type Beat, Leases, type SharedLease } from './lease.ts'
import type { Names } from './names.ts'
import { Rumours } from './rumours.ts'
import { type Compare, createdAt, decode, encode } from './wire.ts'

/** How often a bid looks for a lease that lives, when each one dies under it. */
const GOES = 3
/** How long a request that nobody waits for may take. */
const BACKGROUND_MS = 5000

interface Parts {
  readonly gateway: Gateway
  readonly names: Names
  readonly keys: Keys
  readonly clock: Clock
}

export class Bids {
  readonly #names: Names
  readonly #keys: Keys
  readonly #clock: Clock
  readonly #holds: Holds
  readonly #leases: Leases
  readonly #rumours = new Rumours()

  constructor({ gateway, names, keys, clock }: Parts) {
    this.#names = names
    this.#keys = keys
    this.#clock = clock
    this.#holds = new Holds(clock, (hold) => this.#clear(hold))
    this.#leases = new Leases({
      gateway,
      clock,
      listed: (lease, listed) => this.#sweep(lease, listed),
      ended: (hold) => this.#holds.end(hold),
    })
  }

  async acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    signal.throwIfAborted()
    const key = this.#names.key(bid)
    if (this.#holds.isOver(key)) return this.#tell(await this.#keys.oldest(bid.election, signal), bid.ttlMs)
    const seconds = Math.ceil(bid.ttlMs / 1000)
    const hold = this.#holds.open(bid, key)
    hold.bids += 1
    this.#leases.begin(seconds)
    try {
      return hold.held ? await this.#confirm(hold, bid, signal) : await this.#bid(hold, bid, seconds, signal)
    } finally {
      hold.bids -= 1
      this.#holds.settle(hold)
      this.#leases.end(seconds)
      this.#tidy(this.#leases.usable(seconds))
    }
  }

  async renew(bid: Bid, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const hold = this.#holds.get(this.#names.key(bid))
    if (!hold?.lease) return 0
    const { lease } = hold
    const round = await lease.round(signal)
    if (!round) this.#leases.bury(lease)
    if (!round || hold.over) return 0
    if (!round.keys.has(hold.code) && !(await this.#stands(hold, signal))) return 0
    const grantedMs = Math.min(bid.ttlMs, round.ttlMs)
    if (hold.over) return 0
    this.#holds.keep(hold, Math.max(hold.until, round.sentAt + grantedMs))
    return grantedMs
  }

  async release(given: Hold, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const key = this.#names.key(given)
    const hold = this.#holds.get(key)
    // Over before anything leaves: a bid or a renewal that is answered later finds it so.
    if (hold) this.#holds.end(hold)
    else this.#holds.bury(key)
    // Whoever sat alone on its lease takes it along; that also ends what an unanswered bid may have left behind.
    if (hold?.lease && this.#leases.isIdle(hold.lease)) return this.#leases.revoke(hold.lease, signal)
    await this.#keys.remove(given.election, key, hold?.revision ?? 0, signal)
    this.#tidy(hold?.lease)
  }

  async read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    signal.throwIfAborted()
    const entry = await this.#keys.oldest(election, signal)
    if (!entry) return undefined
    const hold = this.#holds.get(entry.key)
    if (hold?.held) return this.#own(hold, entry)
    if (this.#holds.isOver(entry.key)) return undefined
    const leftMs = await this.#keys.leftOf(entry.lease, signal)
    return leftMs === undefined ? undefined : this.#leaseOf(entry, leftMs)
  }

  recall(election: string, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted()
    return this.#keys.recall(election, signal)
  }

  async remember({ election, fencingToken }: Author, text: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    const hold = this.#holds.find(election, fencingToken)
    return hold !== undefined && (await this.#keys.remember(election, hold.key, hold.revision, text, signal))
  }

  /** The watch saw somebody come. */
  taken(election: string): void {
    this.#rumours.taken(election)
  }

  /** The watch saw a key deleted. If it was ours, it is over at once. */
  deleted(election: string, key: string, revision: number): void {
    this.#rumours.vacant(election)
    const hold = this.#holds.get(key)
    if (!hold?.held || revision <= hold.revision) return
    this.#holds.end(hold)
    this.#tidy(hold.lease)
  }

  /** The comparison for a tenure of this very store object, whose exact key is known. */
  fenced({ election, fencingToken }: FencedTenure): readonly Compare[] {
    const hold = this.#holds.find(election, fencingToken)
    if (hold) return [createdAt({ key: encode(hold.key) }, fencingToken)]
    throw new TenureError('stale-token', `etcd: this store does not hold ${JSON.stringify(election)} with token ${fencingToken}`)
  }

  close(): void {
    this.#holds.close()
  }

  async #bid(hold: LivingHold, bid: Bid, seconds: number, signal: AbortSignal): Promise<Lease | undefined> {
    const rumour = this.#rumours.about(bid.election)
    // Free only once: whoever bids next may be behind somebody.
    if (rumour === 'vacant') this.#rumours.forget(bid.election)
    else if (rumour === 'taken' || !this.#leases.usable(seconds)) {
      const entry = await this.#keys.oldest(bid.election, signal)
      if (entry && entry.key !== hold.key) return this.#lost(entry, bid)
    }
    this.#keys.assertSettled(bid.ttlMs)
    for (let go = 0; go < GOES; go++) {
      const { lease, beat } = await this.#leases.secure(seconds, signal)
      if (hold.over) return undefined
      if (lease.gone) continue
      const outcome = await this.#put(hold, bid, lease, beat, signal)
      if (outcome === 'lease gone') this.#leases.bury(lease)
      else return outcome
    }
    throw new TenureError('store-unreachable', `etcd: ${GOES} leases died under one bid`)
  }

  async #put(hold: LivingHold, bid: Bid, lease: SharedLease, beat: Beat, signal: AbortSignal): Promise<Lease | undefined | 'lease gone'> {
    this.#holds.sit(hold, lease)
    const until = beat.sentAt + Math.min(bid.ttlMs, beat.ttlMs)
    hold.earliest = Math.min(hold.earliest, until)
    let answer: number | Entry | undefined
    try {
      answer = await this.#keys.put(bid, hold.key, lease.id, signal)
    } catch (thrown) {
      if (thrown instanceof LeaseGone) return 'lease gone'
      hold.doubtful = true
      throw thrown
    }
    if (typeof answer === 'number') return this.#won(hold, bid, answer, until)
    if (answer?.key !== hold.key) return this.#lost(answer, bid)
    // Ours from an earlier go: it has what was left then. On another lease than this it is about to go.
    if (answer.lease === lease.id) return this.#won(hold, bid, answer.revision, hold.held ? hold.until : hold.earliest)
    if (!hold.over) this.#holds.end(hold)
    this.#clear(hold)
    return undefined
  }

  #won(hold: LivingHold, bid: Bid, revision: number, until: number): Lease | undefined {
    hold.revision = revision
    if (!hold.over && this.#clock.mono() >= until) this.#holds.end(hold)
    if (hold.over) {
      // Released, or lapsed, while its bid was under way.
      this.#clear(hold)
      return undefined
    }
    if (!hold.held) hold.since = this.#clock.mono()
    hold.held = true
    hold.doubtful = false
    this.#holds.keep(hold, until)
    this.#rumours.forget(bid.election)
    return this.#own(hold, { holder: hold.holder, candidate: bid.candidate, advert: bid.advert, since: undefined, revision })
  }

  #lost(entry: Entry | undefined, bid: Bid): Lease | undefined {
    if (entry) this.#rumours.taken(bid.election)
    return this.#tell(entry, bid.ttlMs)
  }

  /** Asked again by a holder that has it: the same lease, and no more than is left of it. */
  async #confirm(hold: LivingHold, bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    const entry = await this.#keys.oldest(bid.election, signal)
    if (entry?.key === hold.key) return hold.over ? undefined : this.#own(hold, entry)
    if (!hold.over) this.#holds.end(hold)
    return this.#lost(entry, bid)
  }

  /** Not listed on its lease: the list is that of the leading member and may be behind. Its key alone decides. */
  async #stands(hold: LivingHold, signal: AbortSignal): Promise<boolean> {
    const entry = await this.#keys.at(hold.election, hold.key, signal)
    if (hold.over) return false
    if (entry && hold.held && entry.revision === hold.revision && entry.lease === hold.lease?.id) return true
    this.#holds.end(hold)
    return false
  }

  /** Somebody's lease, as far as the key tells: what remains is a guess, for waiting. */
  #tell(entry: Entry | undefined, ttlMs: number): Lease | undefined {
    return entry && !this.#holds.isOver(entry.key) ? this.#leaseOf(entry, ttlMs) : undefined
  }

  #own(hold: LivingHold, entry: Omit<Entry, 'key' | 'lease'>): Lease | undefined {
    const now = this.#clock.mono()
    return now < hold.until ? { ...this.#leaseOf(entry, hold.until - now), heldMs: now - hold.since } : undefined
  }

  /** Since when somebody else leads is told by that host's clock, and read by ours: for people. */
  #leaseOf({ holder, candidate, advert, since, revision }: Omit<Entry, 'key' | 'lease'>, remainingMs: number): Lease {
    const heldMs = since === undefined ? undefined : Math.max(0, this.#clock.wall() - since)
    return { holder, candidate, advert, fencingToken: revision, remainingMs, heldMs }
  }

  /** Delete what the lease carries for holders that are over, or that nobody knows: a bid that landed late. */
  #sweep(lease: SharedLease, listed: readonly string[]): void {
    const orphans = listed.filter((code) => !lease.holds.has(code)).map(decode)
    if (orphans.length === 0) return
    // Over for ever before the request leaves: should one of them bid again, its key is not deleted under it.
    for (const key of orphans) this.#holds.bury(key)
    this.#background((signal) => this.#keys.removeAll(orphans, signal))
  }

  /** A hold is over and its key may be there. */
  #clear(hold: LivingHold): void {
    if (hold.lease && this.#leases.isIdle(hold.lease)) this.#tidy(hold.lease)
    else this.#background((signal) => this.#keys.remove(hold.election, hold.key, hold.revision, signal))
  }

  /** A lease that carries nothing is given back, and with it whatever may still land on it. */
  #tidy(lease: SharedLease | undefined): void {
    if (lease && this.#leases.isIdle(lease)) this.#background((signal) => this.#leases.revoke(lease, signal))
  }

  /** Nobody waits for this, and nobody needs it: what is not removed is found by the next round, or lapses. */
  #background(run: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController()
    const cancel = this.#clock.timer(BACKGROUND_MS, () => controller.abort(), false)
    run(controller.signal).then(cancel, cancel)
  }
}
