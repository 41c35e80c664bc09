/**
 * How one session bids. Which bids leave is decided when their turn has come, and what they have won is held before
 * another statement leaves. Must never let a holder win that was released, or take a lock of this session from a holder.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Bid, Hold } from '../../store.ts'
import { columnsOf } from '../postgres/rows.ts'
import type { Row, Session } from '../postgres/session.ts'
import { Coalescer } from '../shared/coalesce.ts'
import { foreignRow, type Standing, standingOf } from './answers.ts'
import { type Ask, Bidding } from './bidding.ts'
import { Held, type Holds } from './holds.ts'
import { bidStatement } from './statements.ts'
import type { Ttls } from './ttls.ts'
import { isRefusal, type Wire } from './wire.ts'

export interface BidsParts {
  readonly store: string
  readonly clock: Clock
  readonly raw: string | null
  readonly wire: Wire
  /** The process id of the session at the server. */
  readonly pid: string
  readonly holds: Holds
  readonly ttls: Ttls
  /** Give back what these may have left behind; never rejects. */
  giveBack(holds: readonly Hold[]): Promise<void>
  changed(): void
}

/** What became of a bid. */
export type Outcome = { readonly won: Held } | { readonly refused: Standing }

/** How a bid is made. */
interface Manner {
  /** Whether it waits for a row that is locked, and judges by itself; if not, it may be told to ask alone. */
  readonly alone: boolean
  /** Whether a lock that the session has is nobody's: it was given to it while it waited. */
  readonly offered: boolean
}

const TOGETHER: Manner = { alone: false, offered: false }
const ALONE: Manner = { alone: true, offered: false }
const OFFERED: Manner = { alone: true, offered: true }

const NOBODY: Outcome = { refused: { pid: undefined, lease: undefined, unsettled: false } }

const passing = bidStatement('passes')
const waiting = bidStatement('waits')

export class Bids {
  readonly #parts: BidsParts
  readonly #bidding = new Bidding()
  /** How many batches may yet win. */
  #batches = 0
  readonly #together: Coalescer<Ask, Outcome>

  constructor(parts: BidsParts) {
    this.#parts = parts
    this.#together = new Coalescer<Ask, Outcome>({
      nameOf: ({ bid }) => bid.election,
      turn: (leave) => parts.clock.afterPending(leave),
      // What comes meanwhile gathers for the next.
      atOnce: 1,
      splits: isRefusal,
      many: (asks) => this.#ask(asks, TOGETHER),
      alone: (ask) => this.#alone(ask, ALONE),
    })
  }

  /** Whether a bid of this holder is under way. */
  has(holder: string): boolean {
    return this.#bidding.has(holder)
  }

  /** From now on this holder wins nothing: a bid that has not left never does. */
  release(holder: string): void {
    this.#bidding.release(holder)
  }

  forget(): void {
    this.#bidding.clear()
  }

  /** Together with others. */
  bid(bid: Bid, signal: AbortSignal): Promise<Outcome> {
    const ask = { bid, signal }
    return this.#bidding.during([ask], () => this.#together.ask(ask, signal))
  }

  /** For a lock that this session was given, and that no holder has. */
  claim(bid: Bid): Promise<Outcome> {
    return this.#alone({ bid }, OFFERED)
  }

  /** Let the server plan what will be asked when it has to be quick. */
  async warm(): Promise<void> {
    // Arrays of nothing: the statement does nothing.
    await this.#parts.wire.ask(waiting, [...Array.from({ length: 5 }, () => '{}'), this.#parts.raw, this.#parts.pid, 'false'])
  }

  /**
   * The server is patient for the longest ttl of all that stands here, of all these, and of all that is held on the
   * session; and never made less so while anything is held on it.
   */
  fit(asks: readonly Ask[] = []): Promise<void> {
    const { holds, ttls, wire } = this.#parts
    const all = [...asks, ...holds.all()].map(({ bid }) => bid.ttlMs)
    const wantedMs = all.reduce((most, ttlMs) => Math.max(most, ttlMs), ttls.most)
    return wire.settle(wantedMs, holds.size === 0 && this.#batches === 0)
  }

  async #alone(ask: Ask, manner: Manner): Promise<Outcome> {
    const [outcome] = await this.#ask([ask], manner)
    return outcome ?? NOBODY
  }

  async #ask(asks: readonly Ask[], manner: Manner): Promise<readonly (Outcome | undefined)[]> {
    const { holds, wire, giveBack } = this.#parts
    const fit = this.fit(asks)
    this.#batches += 1
    try {
      return await this.#bidding.during(asks, async () => {
        await fit
        const answers = await wire.run((session) => this.#send(session, asks, manner))
        return asks.map(({ bid }) => this.#judge(bid, answers.get(bid.election), manner))
      })
    } catch (thrown) {
      // A lock outlives the statement that failed after it was taken.
      if (isRefusal(thrown)) await giveBack(asks.map(({ bid }) => bid).filter(({ holder }) => !holds.get(holder)))
      throw thrown
    } finally {
      this.#batches -= 1
    }
  }

  /** Their turn has come: what was given up or released meanwhile does not leave. */
  async #send(session: Session, asks: readonly Ask[], manner: Manner): Promise<ReadonlyMap<string, Row>> {
    const { clock, raw, pid } = this.#parts
    const bids = asks.filter((ask) => this.#bidding.isWanted(ask)).map(({ bid }) => bid)
    if (bids.length === 0) return new Map()
    const sentAt = clock.mono()
    const rows = bids.map((bid) => [bid.election, bid.holder, bid.candidate, bid.advert ?? null, String(bid.ttlMs)])
    const values = [...columnsOf(rows), raw, pid, String(manner.offered)]
    const told = await session.query(manner.alone ? waiting : passing, values)
    const answers = new Map(told.map(([name, ...answer]) => [name ?? '', answer]))
    for (const bid of bids) {
      const [verdict, token] = answers.get(bid.election) ?? []
      if (verdict === 'won') this.#hold(bid, Number(token), sentAt)
    }
    return answers
  }

  #hold(bid: Bid, fencingToken: number, sentAt: number): void {
    const { wire, holds, changed } = this.#parts
    if (wire.ended) return
    const held = new Held(bid, fencingToken, sentAt + Math.min(bid.ttlMs, wire.patienceMs))
    held.leaving = this.#bidding.isReleased(bid.holder)
    holds.add(held)
    changed()
  }

  #judge(bid: Bid, row: Row | undefined, { alone }: Manner): Outcome | undefined {
    const { store, clock, pid, holds } = this.#parts
    if (!row) return NOBODY
    const [verdict, , ...told] = row
    if (verdict === 'won') return this.#own(bid)
    if (verdict === 'elsewhere') throw this.#elsewhere()
    if (verdict === 'foreign' && alone) throw foreignRow(store, bid.election)
    if (verdict === 'again' || verdict === 'foreign') return undefined
    const standing = standingOf(store, bid.election, told, bid.ttlMs)
    // Somebody took it in the middle of the statement.
    if (verdict === 'held' && standing.pid === undefined) return { refused: { ...standing, unsettled: true } }
    // Its row may be gone, or say something else: whose a lock of this session is, is known here.
    const owner = standing.pid === pid ? holds.owner(bid.election) : undefined
    if (owner && owner.bid.holder === bid.holder) return this.#own(bid)
    // One that has been here never comes back, whatever its row still says.
    if (standing.lease?.holder === bid.holder) return NOBODY
    if (!owner || owner.bid.holder === standing.lease?.holder) return { refused: standing }
    return { refused: { pid, lease: owner.lease(clock.mono()), unsettled: false } }
  }

  /** What this very holder has won. */
  #own(bid: Bid): Outcome {
    const won = this.#parts.wire.over ? undefined : this.#parts.holds.living(bid)
    return won ? { won } : NOBODY
  }

  #elsewhere(): TenureError {
    const error = pooled(this.#parts.store, 'a statement went to another session than the one before it')
    this.#parts.wire.doom(error)
    return error
  }
}

/** A lock belongs to a session, and through a pooler nobody knows which one that is. */
export function pooled(store: string, why: string): TenureError {
  return new TenureError('store-unfit', `${store}: ${why}, so that a pooler stands before the server. Connect past it, or use lease rows`)
}
