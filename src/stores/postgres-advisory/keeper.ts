/**
 * The elections that one session holds. It may assume that the server takes the statements of a session in order. What a
 * statement says is decided when it leaves, and what it has done is noted before the next one does: so it is always known
 * here whose each lock of the session is. Must never grant more than the patience of the server, never free a lock on
 * which a tenure may stand, and gives back by itself what was not renewed for its ttl, however alive its neighbours keep
 * the session.
 */

import type { Clock } from '../../clock.ts'
import type { Author, Bid, Hold } from '../../store.ts'
import { columnsOf } from '../postgres/rows.ts'
import type { Session } from '../postgres/session.ts'
import { Coalescer } from '../shared/coalesce.ts'
import type { Statement } from '../shared/sql.ts'
import { Bids, type Outcome } from './bids.ts'
import { type Held, Holds } from './holds.ts'
import { beatStatement, dropStatement, freeStatement, rememberStatement, unlockStatement } from './statements.ts'
import type { Ttls } from './ttls.ts'
import { isRefusal, type Wire } from './wire.ts'

export interface KeeperParts {
  readonly store: string
  readonly clock: Clock
  /** The lock of a store that has one of its own, in decimal digits. */
  readonly raw: string | null
  /** Of all that stands in this process. */
  readonly ttls: Ttls
  /** Something is different about what this keeper holds. */
  changed(): void
}

/** An array of nothing: the statement does nothing. */
const NONE = '{}'

/** The row may be out of reach, and nobody may be told: the lock is what counts. Each is tried where the one before was refused. */
const FREEING = [freeStatement, unlockStatement, dropStatement]

export class Keeper {
  readonly wire: Wire
  /** The process id of the session at the server. */
  readonly pid: string
  readonly #parts: KeeperParts
  readonly #holds: Holds
  readonly #bids: Bids
  readonly #beats: Coalescer<Bid, number>
  readonly #releases: Coalescer<Hold, true>

  constructor(wire: Wire, pid: string, parts: KeeperParts) {
    this.wire = wire
    this.pid = pid
    this.#parts = parts
    this.#holds = new Holds({
      ...parts,
      lapsed: (lapsed) => {
        void this.#giveBack(lapsed.map(({ bid }) => bid))
        parts.changed()
      },
    })
    this.#bids = new Bids({
      ...parts,
      wire,
      pid,
      holds: this.#holds,
      giveBack: (holds) => this.#giveBack(holds),
    })
    const common = {
      nameOf: ({ election }: Hold) => election,
      turn: (leave: () => void) => parts.clock.afterPending(leave),
      // What comes meanwhile gathers for the next.
      atOnce: 1,
      splits: isRefusal,
    }
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
    for (const held of this.#holds.all()) if (!held.leaving && held.lapsesAt > now) return true
    return false
  }

  /** The elections it holds. */
  get elections(): readonly string[] {
    return [...this.#holds.all()].map(({ bid }) => bid.election)
  }

  /** Whether a release of this holder has to come here. */
  knows(holder: string): boolean {
    return this.#holds.get(holder) !== undefined || this.#bids.has(holder)
  }

  /** Bid, together with others. What has left and is won is held, also when nobody waits for the answer any more. */
  bid(bid: Bid, signal: AbortSignal): Promise<Outcome> {
    return this.#bids.bid(bid, signal)
  }

  /** Bid for a lock that this session was given, and that no holder has: alone, whoever waits for the answer. */
  claim(bid: Bid): Promise<Outcome> {
    return this.#bids.claim(bid)
  }

  /** Let the server be as patient as what stands now needs. Not less patient while anything is held here. */
  fit(): Promise<void> {
    return this.#bids.fit()
  }

  /** Let the server plan what will be asked when it has to be quick. */
  async warm(): Promise<void> {
    await this.#bids.warm()
    await this.wire.ask(freeStatement, [NONE, NONE, NONE, this.#parts.raw])
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
    const { fencingToken } = held
    const { election, holder } = held.bid
    const values = [election, holder, String(fencingToken), text, this.#parts.raw, this.pid]
    return (await this.wire.ask(rememberStatement, values)).length > 0
  }

  #authored({ election, fencingToken }: Author): Held | undefined {
    const held = this.#holds.owner(election)
    return held?.fencingToken === fencingToken ? this.#living(held.bid) : undefined
  }

  /** Give back, together with others. From now on nothing of this holder would be hurt, and it wins nothing any more. */
  release(hold: Hold, signal: AbortSignal): Promise<true> {
    this.#bids.release(hold.holder)
    const held = this.#holds.get(hold.holder)
    if (held) held.leaving = true
    this.#parts.changed()
    return this.#releases.ask(hold, signal)
  }

  /** Give back these, and locks that bids of theirs may have left behind. */
  async free(holds: readonly Hold[]): Promise<void> {
    let refusal: unknown
    for (const statement of FREEING) {
      try {
        await this.wire.run((session) => this.#free(session, statement, holds))
        this.#parts.changed()
        return
      } catch (thrown) {
        if (!isRefusal(thrown)) throw thrown
        refusal = thrown
      }
    }
    // Then the end of the session has to free it.
    this.wire.doom(refusal)
    throw refusal
  }

  async #free(session: Session, statement: Statement, holds: readonly Hold[]): Promise<void> {
    const rows = holds.map((hold) => [hold.election, hold.holder, String(this.#holds.frees(hold))])
    await session.query(statement, [...columnsOf(rows), this.#parts.raw])
    for (const { holder } of holds) this.#holds.delete(holder)
  }

  /** Where nothing can be given back any more: its candidate does not miss it. */
  drop({ holder }: Hold): void {
    this.#bids.release(holder)
    this.#holds.delete(holder)
    this.#parts.changed()
  }

  /** The session has ended: nothing of it is held any more. */
  forget(): void {
    this.#holds.clear()
    this.#bids.forget()
  }

  #living(hold: Hold): Held | undefined {
    return this.wire.over ? undefined : this.#holds.living(hold)
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

  /** Where that fails, nobody knows what the session holds. */
  async #giveBack(holds: readonly Hold[]): Promise<void> {
    try {
      if (holds.length > 0) await this.free(holds)
    } catch (thrown) {
      this.wire.doom(thrown)
    }
  }
}
