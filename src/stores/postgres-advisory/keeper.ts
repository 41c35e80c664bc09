/**
 * The elections that one session holds. It may assume that the server takes the statements of a session in order. Must
 * never grant more than the patience of the server, never free a lock on which a tenure may stand, and gives back by
 * itself what was not renewed for its ttl, however alive its neighbours keep the session.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author, Bid, Hold } from '../../store.ts'
import { columnsOf } from '../postgres/rows.ts'
import type { Row } from '../postgres/session.ts'
import { Coalescer } from '../shared/coalesce.ts'
import type { Statement } from '../shared/sql.ts'
import { foreignRow, type Standing, standingOf } from './answers.ts'
import { Held } from './held.ts'
import { beatStatement, bidStatement, freeStatement, rememberStatement, unlockStatement } from './statements.ts'
import { isRefusal, type Wire } from './wire.ts'

export interface KeeperParts {
  readonly store: string
  readonly clock: Clock
  /** The lock of a store that has one of its own, in decimal digits. */
  readonly raw: string | null
  /** The longest ttl of all that stands in this process, in milliseconds. */
  wantedMs(): number
  /** Something is different about what this keeper holds. */
  changed(): void
}

/** What became of a bid. */
export type Outcome = { readonly won: Held } | { readonly refused: Standing }

const NOBODY: Outcome = { refused: { pid: undefined, lease: undefined, unsettled: false } }

/** An array of nothing: the statement does nothing. */
const NONE = '{}'

const passing = bidStatement('passes')
const waiting = bidStatement('waits')

export class Keeper {
  readonly wire: Wire
  /** The process id of the session at the server. */
  readonly pid: string
  readonly #parts: KeeperParts
  /** By holder. */
  readonly #holds = new Map<string, Held>()
  /** Holders of bids whose answer has not come. */
  readonly #bidding = new Set<string>()
  readonly #bids: Coalescer<Bid, Outcome>
  readonly #beats: Coalescer<Bid, number>
  readonly #releases: Coalescer<Hold, true>
  #cancelSweep: (() => void) | undefined
  #sweepsAt = Number.POSITIVE_INFINITY

  constructor(wire: Wire, pid: string, parts: KeeperParts) {
    this.wire = wire
    this.pid = pid
    this.#parts = parts
    const common = {
      nameOf: ({ election }: Hold) => election,
      turn: (leave: () => void) => parts.clock.afterPending(leave),
      // What comes meanwhile gathers for the next.
      atOnce: 1,
      splits: isRefusal,
    }
    this.#bids = new Coalescer<Bid, Outcome>({
      ...common,
      many: (bids) => this.#bid(bids, passing),
      alone: (bid) => this.claim(bid),
    })
    this.#beats = new Coalescer<Bid, number>({
      ...common,
      many: (bids) => this.#beat(bids),
      alone: async (bid) => (await this.#beat([bid]))[0] ?? 0,
    })
    this.#releases = new Coalescer<Hold, true>({
      ...common,
      many: (holds) => this.free(holds).then(() => holds.map(() => true)),
      alone: (hold) => this.free([hold]).then(() => true),
    })
  }

  get holding(): boolean {
    return this.#holds.size > 0
  }

  /** Something stands on the session that its end would hurt. */
  get living(): boolean {
    const now = this.#parts.clock.mono()
    for (const held of this.#holds.values()) if (!held.leaving && held.lapsesAt > now) return true
    return false
  }

  /** The elections it holds. */
  get elections(): readonly string[] {
    return [...this.#holds.values()].map(({ election }) => election)
  }

  /** Whether a release of this holder has to come here. */
  knows(holder: string): boolean {
    return this.#holds.has(holder) || this.#bidding.has(holder)
  }

  /** Bid, together with others. What is won is held, also when nobody waits for the answer any more. */
  bid(bid: Bid, signal: AbortSignal): Promise<Outcome> {
    return this.#bids.ask(bid, signal)
  }

  /** Bid alone, and wait for a row that is locked; also for a lock that this session was given already. */
  async claim(bid: Bid): Promise<Outcome> {
    const [outcome] = await this.#bid([bid], waiting)
    return outcome ?? NOBODY
  }

  /** Let the server plan what will be asked when it has to be quick. */
  async warm(): Promise<void> {
    await this.wire.ask(waiting, [...Array.from({ length: 5 }, () => NONE), this.#parts.raw, this.pid])
    await this.wire.ask(freeStatement, [NONE, NONE, this.#parts.raw])
  }

  /** Resolves with the milliseconds granted; 0 for what is not held, or not any more. */
  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    return this.#living(bid) ? this.#beats.ask(bid, signal) : Promise.resolve(0)
  }

  /** Whether it holds what bears this token. */
  has(author: Author): boolean {
    return this.#authored(author) !== undefined
  }

  /** Write a memo for what bears this token. False: it is over. */
  async remember(author: Author, text: string): Promise<boolean> {
    const held = this.#authored(author)
    if (!held) return false
    const { election, holder, fencingToken } = held
    const values = [election, holder, String(fencingToken), text, this.#parts.raw, this.pid]
    return (await this.wire.ask(rememberStatement, values)).length > 0
  }

  #authored({ election, fencingToken }: Author): Held | undefined {
    for (const held of this.#holds.values()) {
      if (held.election === election && held.fencingToken === fencingToken) return this.#living(held)
    }
    return undefined
  }

  /** Give back, together with others. From now on nothing of this holder would be hurt. */
  release(hold: Hold, signal: AbortSignal): Promise<true> {
    const held = this.#holds.get(hold.holder)
    if (held) held.leaving = true
    this.#parts.changed()
    return this.#releases.ask(hold, signal)
  }

  /** Give back these, and locks that bids of theirs may have left behind. */
  async free(holds: readonly Hold[]): Promise<void> {
    const values = [...columnsOf(holds.map(({ election, holder }) => [election, holder])), this.#parts.raw]
    try {
      await this.wire.ask(freeStatement, values)
    } catch (thrown) {
      // The row is out of reach; the lock is what counts.
      if (!isRefusal(thrown)) throw thrown
      await this.wire.ask(unlockStatement, values).catch((again: unknown) => {
        // Then the end of the session has to free it.
        this.wire.doom(again)
        throw again
      })
    }
    for (const { holder } of holds) this.#holds.delete(holder)
    this.#parts.changed()
  }

  /** Where nothing can be given back any more: its candidate does not miss it. */
  drop({ holder }: Hold): void {
    this.#holds.delete(holder)
    this.#parts.changed()
  }

  /** The session has ended: nothing of it is held any more. */
  forget(): void {
    this.#cancelSweep?.()
    this.#holds.clear()
    this.#bidding.clear()
  }

  #living({ election, holder }: Hold): Held | undefined {
    const held = this.#holds.get(holder)
    if (!held || this.wire.over || held.election !== election || held.leaving || held.refused) return undefined
    return held.lapsesAt > this.#parts.clock.mono() ? held : undefined
  }

  async #bid(bids: readonly Bid[], statement: Statement): Promise<readonly (Outcome | undefined)[]> {
    await this.#settle(bids)
    const sentAt = this.#parts.clock.mono()
    for (const { holder } of bids) this.#bidding.add(holder)
    try {
      const rows = bids.map((bid) => [bid.election, bid.holder, bid.candidate, bid.advert ?? null, String(bid.ttlMs)])
      const answers = await this.wire.ask(statement, [...columnsOf(rows), this.#parts.raw, this.pid])
      const byName = new Map(answers.map((row) => [row[0], row]))
      return bids.map((bid) => this.#judge(bid, byName.get(bid.election) ?? [], sentAt, statement === waiting))
    } catch (thrown) {
      // A lock outlives the statement that failed after it was taken.
      if (isRefusal(thrown)) await this.#giveBack(bids.filter(({ holder }) => !this.#holds.has(holder)))
      throw thrown
    } finally {
      for (const { holder } of bids) this.#bidding.delete(holder)
    }
  }

  #judge(bid: Bid, [, verdict, token, ...told]: Row, sentAt: number, alone: boolean): Outcome | undefined {
    const { store } = this.#parts
    if (verdict === 'won') return { won: this.#hold(bid, Number(token), sentAt) }
    if (verdict === 'ours') {
      const held = this.#living(bid)
      return held ? { won: held } : NOBODY
    }
    if (verdict === 'elsewhere') throw this.#elsewhere()
    if (verdict === 'foreign' && alone) throw foreignRow(store, bid.election)
    if (verdict === 'again' || verdict === 'foreign') return undefined
    const standing = standingOf(store, bid.election, told, bid.ttlMs)
    // Somebody took it in the middle of the statement.
    if (verdict === 'held' && standing.pid === undefined) return { refused: { ...standing, unsettled: true } }
    // One that has been here never comes back, whatever its row still says.
    return standing.lease?.holder === bid.holder ? NOBODY : { refused: standing }
  }

  #hold(bid: Bid, fencingToken: number, sentAt: number): Held {
    const held = new Held(bid, fencingToken, sentAt + Math.min(bid.ttlMs, this.wire.patienceMs))
    this.#holds.set(bid.holder, held)
    this.#sweepAt(held.lapsesAt)
    this.#parts.changed()
    return held
  }

  async #beat(bids: readonly Bid[]): Promise<readonly number[]> {
    const sentAt = this.#parts.clock.mono()
    const names = columnsOf(bids.map(({ election, holder }) => [election, holder]))
    const rows = await this.wire.ask(beatStatement, [...names, this.#parts.raw, this.pid])
    const verdicts = new Map(rows.map(([name, verdict]) => [name, verdict]))
    return bids.map((bid) => {
      const held = this.#living(bid)
      if (!held) return 0
      const verdict = verdicts.get(bid.election)
      if (verdict === 'kept') {
        const grantedMs = Math.min(bid.ttlMs, this.wire.patienceMs)
        held.lapsesAt = Math.max(held.lapsesAt, sentAt + grantedMs)
        return grantedMs
      }
      // Refused, but not free: its work has not ended yet. Only its own release has freed it.
      if (verdict === 'released') this.#holds.delete(bid.holder)
      else held.refused = true
      return 0
    })
  }

  /** The server is patient for the longest ttl of all that stands on the session, and never made less so while it does. */
  #settle(bids: readonly Bid[]): Promise<void> {
    const ttls = [...bids, ...this.#holds.values()].map(({ ttlMs }) => ttlMs)
    const wantedMs = ttls.reduce((most, ttlMs) => Math.max(most, ttlMs), this.#parts.wantedMs())
    return this.wire.settle(wantedMs, this.#holds.size === 0 && this.#bidding.size === 0)
  }

  /** Where that fails, nobody knows what the session holds. */
  async #giveBack(holds: readonly Hold[]): Promise<void> {
    try {
      if (holds.length > 0) await this.free(holds)
    } catch (thrown) {
      this.wire.doom(thrown)
    }
  }

  #elsewhere(): TenureError {
    const error = pooled(this.#parts.store, 'a statement went to another session than the one before it')
    this.wire.doom(error)
    return error
  }

  #sweepAt(at: number): void {
    if (at >= this.#sweepsAt) return
    this.#cancelSweep?.()
    this.#sweepsAt = at
    const delayMs = Math.max(0, Math.ceil(at - this.#parts.clock.mono()))
    this.#cancelSweep = this.#parts.clock.timer(delayMs, () => this.#sweep(), false)
  }

  /** Gives back what is over. */
  #sweep(): void {
    this.#sweepsAt = Number.POSITIVE_INFINITY
    const now = this.#parts.clock.mono()
    let next = Number.POSITIVE_INFINITY
    const lapsed: Held[] = []
    for (const held of this.#holds.values()) {
      if (held.lapsesAt <= now) lapsed.push(held)
      else next = Math.min(next, held.lapsesAt)
    }
    this.#sweepAt(next)
    void this.#giveBack(lapsed)
    this.#parts.changed()
  }
}

/** A lock belongs to a session, and through a pooler nobody knows which one that is. */
export function pooled(store: string, why: string): TenureError {
  return new TenureError('store-unfit', `${store}: ${why}, so that a pooler stands before the server. Connect past it, or use lease rows`)
}
