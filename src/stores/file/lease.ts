/**
 * The lease of one election, as one store object handles it: looks at the chain, decides by what it has seen and felt,
 * and writes. Calls come one after the other. It must never answer "ours" for a version that was not checked after it
 * was written, nor let go of the sign of life of a holder that has not given its lease back.
 */

import type { Server } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import type { Author, Bid, Hold, Lease } from '../../store.ts'
import { Bell } from './bell.ts'
import { Bond } from './bond.ts'
import { Chain, type Draft, Landed, type Version, type Written } from './chain.ts'
import type { Disk } from './disk.ts'
import type { Lifeline, Lifelines } from './lifeline.ts'
import { Pulse } from './pulse.ts'
import { Queue } from './queue.ts'
import type { LeaseRecord } from './record.ts'
import { Sightings } from './sightings.ts'

export interface LeaseParts {
  readonly election: string
  readonly dir: string
  readonly disk: Disk
  readonly lifelines: Lifelines
  readonly clock: Clock
  /** Make sure that the root directory can keep a promise, and make it if `create` says so. */
  prepare(create: boolean): Promise<void>
  /** Sockets do not work here: the end of this process will be noticed by expiry only. */
  unfelt(why: string): void
}

/** What this store object holds for one holder. */
interface Held {
  readonly lifeline: Lifeline | undefined
  /** Just before the last write that counts left: the lease ends for its holder a ttl after this. */
  since: number
  ttlMs: number
  /** Refused once, refused for ever. */
  over: boolean
  /** The last write may be there, and was not checked. */
  unchecked: boolean
}

/** What a version says that the one before does not. */
type Change = Partial<Pick<Draft, 'advert' | 'ttlMs' | 'memo'>>

export class FileLease {
  readonly #parts: LeaseParts
  readonly #chain: Chain
  readonly #sightings: Sightings
  readonly #bond: Bond
  readonly #bell: Bell
  readonly #pulse: Pulse
  readonly #queue = new Queue()
  readonly #held = new Map<string, Held>()
  /** Holders whose bid has an unknown fate. */
  readonly #spent = new Set<string>()

  constructor(parts: LeaseParts) {
    const { dir, disk, clock, lifelines } = parts
    this.#parts = parts
    this.#chain = new Chain(parts)
    this.#sightings = new Sightings(clock)
    this.#bond = new Bond({ lifelines, folder: this.#folder, clock, lost: ({ name }) => this.#bell.ended(!this.#sightings.carries(name)) })
    this.#pulse = new Pulse({ disk, clock, dir, look: () => this.#follow() })
    this.#bell = new Bell({ disk, clock, dir, bond: this.#bond, pulse: this.#pulse, follow: () => this.#follow() })
  }

  acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#queue.run(signal, async () => {
      signal.throwIfAborted()
      await this.#parts.prepare(true)
      for (;;) {
        signal.throwIfAborted()
        const seen = await this.#look()
        const lease = await this.#standing(seen)
        if (lease && lease.holder !== bid.holder) return lease
        // This holder has been here before: it was released, or has expired, or its chain is gone. It never comes back.
        if (lease && seen?.record?.holder !== bid.holder) return undefined
        if (lease) return this.#own(lease)
        if (seen?.record?.holder === bid.holder || this.#spent.has(bid.holder)) return undefined
        const won = await this.#take(bid, seen, signal)
        if (won) return won
      }
    })
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    return this.#queue.run(signal, async () => {
      signal.throwIfAborted()
      const held = this.#held.get(bid.holder)
      if (held?.over || this.#spent.has(bid.holder)) return 0
      const { advert, ttlMs } = bid
      const since = await this.#revise(({ holder }) => holder === bid.holder, { advert, ttlMs }, signal)
      if (held) Object.assign(held, since === undefined ? { over: true } : { since, ttlMs })
      return since === undefined ? 0 : ttlMs
    })
  }

  /** For the holder with this token. It has no longer for it; others wait anew, as after any change. */
  remember({ fencingToken }: Author, memo: string, signal: AbortSignal): Promise<boolean> {
    return this.#queue.run(signal, async () => {
      signal.throwIfAborted()
      return (await this.#revise((record) => record.fencingToken === fencingToken, { memo }, signal)) !== undefined
    })
  }

  recall(signal: AbortSignal): Promise<string | undefined> {
    return this.#queue.run(signal, async () => {
      signal.throwIfAborted()
      await this.#parts.prepare(false)
      return (await this.#look())?.memo
    })
  }

  /** Carried out in any case: nobody who gives a lease back wants it any more, whether he waits for the answer or not. */
  release({ holder }: Hold, signal: AbortSignal): Promise<void> {
    return this.#queue.run(signal, () => this.#giveBack(holder))
  }

  read(signal: AbortSignal): Promise<Lease | undefined> {
    return this.#queue.run(signal, async () => {
      signal.throwIfAborted()
      await this.#parts.prepare(false)
      return this.#standing(await this.#look())
    })
  }

  watch(changed: () => void, signal: AbortSignal): Promise<void> {
    return this.#bell.listen(changed, signal)
  }

  /** The socket of the holder that came last. */
  server(): Server | undefined {
    const servers = [...this.#held.values()].map(({ lifeline }) => lifeline?.server)
    return servers.findLast((server) => server !== undefined)
  }

  /** Sockets of holders that have not given back their lease stay: their work may still run. */
  async close(): Promise<void> {
    this.#bell.close()
    await this.#queue.idle()
    await this.#chain.tidied()
  }

  get #folder(): string {
    return join(this.#parts.dir, 'live')
  }

  /** Take in who leads, if anybody, and connect to it. */
  async #follow(): Promise<void> {
    // Our own beat: what we wrote we have seen.
    if ([...this.#held.values()].some((held) => !held.over && this.#leftMs(held) > 0)) return
    return this.#queue.run(new AbortController().signal, async () => void (await this.#standing(await this.#look())))
  }

  async #look(): Promise<Version | undefined> {
    const seen = await this.#chain.look()
    this.#sightings.see(seen)
    return seen
  }

  /** The lease that is live, as far as anybody can tell. */
  async #standing(seen: Version | undefined): Promise<Lease | undefined> {
    const { record } = seen ?? {}
    const own = record && this.#held.get(record.holder)
    if (record?.socket && !own && this.#sightings.remainingMs() > 0 && (await this.#bond.isDead(record.socket))) this.#sightings.died()
    const remainingMs = this.#sightings.remainingMs()
    if (remainingMs > 0 && seen) return this.#leaseOf(record, seen.fencingToken, remainingMs)
    const ghost = this.#sightings.ghost()
    return ghost && this.#leaseOf(ghost.record, ghost.record.fencingToken, ghost.remainingMs)
  }

  #leaseOf(record: LeaseRecord | undefined, fencingToken: number, remainingMs: number): Lease {
    // What nobody can read still counts as held.
    if (!record) return { holder: '', candidate: 'unreadable', fencingToken, remainingMs }
    const heldMs = Math.max(0, this.#parts.clock.wall() - record.acquiredAt)
    return { holder: record.holder, candidate: record.candidate, fencingToken, remainingMs, heldMs, advert: record.advert }
  }

  /** The lease of a holder that asks again: what is left of it since it was last granted, and not a longer one. */
  #own(lease: Lease): Lease | undefined {
    const held = this.#held.get(lease.holder)
    if (this.#spent.has(lease.holder) || held?.over) return undefined
    const remainingMs = held ? Math.min(lease.remainingMs, this.#leftMs(held)) : lease.remainingMs
    return remainingMs > 0 ? { ...lease, remainingMs } : undefined
  }

  #leftMs(held: Held): number {
    return held.since + held.ttlMs - this.#parts.clock.mono()
  }

  /** Bid for a lease that is free. `undefined`: somebody was quicker, look again. */
  async #take(bid: Bid, seen: Version | undefined, signal: AbortSignal): Promise<Lease | undefined> {
    const { clock } = this.#parts
    if (!seen) await this.#chain.begin()
    const lifeline = await this.#openLifeline()
    const since = clock.mono()
    const fencingToken = Math.max(this.#sightings.fencingToken + 1, Math.floor(clock.wall() * 1000))
    const { holder, candidate, advert, ttlMs } = bid
    const draft: Draft = {
      holder,
      candidate,
      advert,
      fencingToken,
      acquiredAt: clock.wall(),
      ttlMs,
      socket: lifeline?.mark,
      memo: seen?.memo,
    }
    let won = false
    try {
      const written = await this.#chain.append(
        seen,
        draft,
        () => signal.throwIfAborted(),
        () => this.#bell.ring(),
      )
      if (written === 'void') this.#spent.add(holder)
      if (written === 'raced' || written === 'void') return undefined
      this.#sightings.see(written)
      if (signal.aborted) throw new Landed(signal.reason)
      this.#held.set(holder, { lifeline, since, ttlMs, over: false, unchecked: false })
      won = true
      return this.#leaseOf(written.record, fencingToken, ttlMs)
    } catch (thrown) {
      if (!(thrown instanceof Landed)) throw thrown
      // It is there, and nobody will be told: give it back. Where that fails too it lapses.
      this.#spent.add(holder)
      await this.#releaseVersion(holder).catch(() => {})
      throw thrown.cause
    } finally {
      if (!won) await lifeline?.close()
    }
  }

  async #openLifeline(): Promise<Lifeline | undefined> {
    const listening = await this.#parts.lifelines.listen(this.#folder)
    if (!('unfelt' in listening)) return listening
    this.#parts.unfelt(listening.unfelt)
    return undefined
  }

  /** Write the next version of a lease that lives, if it is the right one. When that began; `undefined`: it is over. */
  async #revise(isRight: (record: LeaseRecord) => boolean, change: Change, signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      signal.throwIfAborted()
      const seen = await this.#look()
      const { record } = seen ?? {}
      if (!seen || !record || !isRight(record) || this.#sightings.remainingMs() <= 0) return undefined
      const held = this.#held.get(record.holder)
      if (held?.over || this.#spent.has(record.holder)) return undefined
      const since = this.#parts.clock.mono()
      if (held && this.#leftMs(held) <= 0) return undefined
      if (held?.unchecked && !(await this.#chain.descends(seen))) return undefined
      const written = await this.#reviseVersion(seen, record, change, held, signal)
      if (written === 'raced') continue
      if (written === 'void') return undefined
      this.#sightings.see(written)
      if (held) held.unchecked = false
      return since
    }
  }

  async #reviseVersion(seen: Version, record: LeaseRecord, change: Change, held: Held | undefined, signal: AbortSignal): Promise<Written> {
    const { holder, candidate, advert, fencingToken, acquiredAt, ttlMs, socket, memo } = record
    const draft: Draft = { holder, candidate, advert, fencingToken, acquiredAt, ttlMs, socket, memo, ...change }
    try {
      return await this.#chain.append(
        seen,
        draft,
        () => signal.throwIfAborted(),
        () => this.#pulse.beat(),
      )
    } catch (thrown) {
      if (!(thrown instanceof Landed)) throw thrown
      if (held) held.unchecked = true
      throw thrown.cause
    }
  }

  /** The socket is closed last, and in any case: whoever calls this says that the work has ended. */
  async #giveBack(holder: string): Promise<void> {
    let given = false
    try {
      await this.#releaseVersion(holder)
      given = true
    } finally {
      const lifeline = this.#held.get(holder)?.lifeline
      this.#held.delete(holder)
      this.#spent.delete(holder)
      this.#sightings.exorcise(holder)
      // Where nothing could be written, on a full disk say, others still learn from the socket that nobody leads.
      await lifeline?.close(given ? undefined : 'keep name')
    }
  }

  async #releaseVersion(holder: string): Promise<void> {
    for (;;) {
      const seen = await this.#look()
      const { record } = seen ?? {}
      if (!seen || record?.holder !== holder || seen.ttlMs === 0) return
      const { candidate, fencingToken, acquiredAt, memo } = record
      const draft: Draft = { holder, candidate, fencingToken, acquiredAt, ttlMs: 0, memo }
      const written = await this.#chain.append(seen, draft, unconditionally, () => this.#bell.ring())
      if (written === 'raced') continue
      if (written !== 'void') this.#sightings.see(written)
      return
    }
  }
}

/** Written whatever happened meanwhile. */
const unconditionally = () => {}
