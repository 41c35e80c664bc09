/**
 * The verbs of the contract. Which session is asked depends on who asks: a holder stays with the session that knows it,
 * an election that was offered is taken where it was won, and everything else goes to the session that hears.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author, Bid, Hold, Lease } from '../../store.ts'
import { storeError } from '../postgres/failures.ts'
import { arrayOf, checkText } from '../postgres/rows.ts'
import type { Driver } from '../postgres/session.ts'
import { Watches } from '../postgres/watches.ts'
import { bounded } from '../shared/bounded.ts'
import { Coalescer } from '../shared/coalesce.ts'
import { checkMemo } from '../shared/memo.ts'
import { recallStatement } from '../shared/sql.ts'
import { foreignRow, standingOf } from './answers.ts'
import type { Outcome } from './bids.ts'
import { Crew } from './crew.ts'
import { listStatement, readStatement } from './statements.ts'
import { Ttls } from './ttls.ts'
import { Waiter } from './waiter.ts'
import { isRefusal } from './wire.ts'

export interface LocksParts {
  readonly store: string
  readonly clock: Clock
  readonly driver: Driver
  /** The one lock of this store, in decimal digits; otherwise each election has its own. */
  readonly raw: string | null
  /** Whether sessions wait at the server. */
  readonly blocks: boolean
}

/** Shares of the ttl: a follower's pause, and how long a candidate may take to bid for what it was offered. */
const RETRY_SHARE = 3
const OFFER_SHARE = 6
/** A lock that was just taken, and has no row yet, is looked at again: so often, after so many milliseconds. */
const LOOKS = 6
const LOOK_MS = 15

interface Answer {
  readonly lease: Lease | undefined
}

export class Locks {
  readonly #parts: LocksParts
  readonly #crew: Crew
  readonly #watches: Watches
  readonly #waiter: Waiter
  readonly #reading: Coalescer<{ readonly election: string }, Answer>
  readonly #ttls = new Ttls()
  /** Watches of each election. */
  readonly #watching = new Map<string, number>()
  #only: string | undefined

  constructor(parts: LocksParts) {
    this.#parts = parts
    const { clock, store } = parts
    this.#crew = new Crew({
      ...parts,
      ttls: this.#ttls,
      needed: () => this.#watching.size > 0,
      deaf: (error) => this.#watches.lost(error),
      lost: (elections) => {
        for (const election of elections) this.#watches.tell(election)
      },
      makeRoom: () => this.#waiter.drop(),
    })
    this.#watches = new Watches({
      line: this.#line(),
      limitMs: () => this.#crew.lateMs,
      silent: () => {},
      heard: (election) => this.#waiter.released(election),
    })
    this.#waiter = new Waiter({
      ...parts,
      crew: this.#crew,
      watched: () => this.#watching,
      retryMs: () => share(this.#ttls.least, RETRY_SHARE),
      offerMs: () => share(this.#ttls.least, OFFER_SHARE),
      tell: (election) => this.#watches.tell(election),
    })
    this.#reading = new Coalescer<{ readonly election: string }, Answer>({
      nameOf: ({ election }) => election,
      turn: (leave) => clock.afterPending(leave),
      atOnce: 1,
      splits: isRefusal,
      many: (requests, signal) => this.#read(requests, signal),
      alone: async (request, signal) => {
        const [answer] = await this.#read([request], signal)
        if (!answer) throw foreignRow(store, request.election)
        return answer
      },
    })
  }

  acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#during('acquire', async () => {
      checkText(this.#parts.store, 'the election', bid.election)
      this.#serve(bid.election)
      checkText(this.#parts.store, 'the id of the candidate', bid.candidate)
      checkText(this.#parts.store, 'the advert', bid.advert)
      this.#ttls.enter(bid.election)
      try {
        if (this.#ttls.set(bid.election, bid.ttlMs)) this.#waiter.heed()
        return await this.#acquire(bid, signal)
      } finally {
        this.#ttls.leave(bid.election)
      }
    })
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    return this.#during('renew', async () => {
      signal.throwIfAborted()
      return (await this.#crew.of(bid.holder)?.renew(bid, signal)) ?? 0
    })
  }

  release(hold: Hold, signal: AbortSignal): Promise<void> {
    return this.#during('release', async () => {
      signal.throwIfAborted()
      const keeper = this.#crew.of(hold.holder)
      const gone = keeper?.wire.over
      await (keeper && !gone ? keeper : await this.#crew.main(signal)).release(hold, signal)
      if (gone) keeper?.drop(hold)
    })
  }

  read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#during('read', async () => {
      checkText(this.#parts.store, 'the election', election)
      return (await this.#reading.ask({ election }, signal)).lease
    })
  }

  list(signal: AbortSignal): Promise<readonly string[]> {
    return this.#during('list', async () => {
      const { wire } = await this.#crew.main(signal)
      const rows = await bounded(signal, wire.ask(listStatement, []))
      return rows.map(([name]) => name ?? '')
    })
  }

  recall(election: string, signal: AbortSignal): Promise<string | undefined> {
    const { store } = this.#parts
    return this.#during('memo.read', async () => {
      checkText(store, 'the election', election)
      const { wire } = await this.#crew.main(signal)
      const [row] = await bounded(signal, wire.ask(recallStatement, [election]))
      if (row?.[0] !== '') throw new TenureError('store-unfit', `${store}: memo.read was answered by a standby. Connect to the primary`)
      return row[1] ?? undefined
    })
  }

  /** On the very session that has the lock: another could not know that it still has it. */
  remember(author: Author, text: string, signal: AbortSignal): Promise<boolean> {
    return this.#during('memo.write', async () => {
      signal.throwIfAborted()
      checkMemo(text)
      const keeper = this.#crew.withToken(author)
      return keeper !== undefined && (await bounded(signal, keeper.remember(author, text)))
    })
  }

  async watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    checkText(this.#parts.store, 'the election', election)
    this.#serve(election)
    this.#ttls.enter(election)
    this.#watching.set(election, (this.#watching.get(election) ?? 0) + 1)
    this.#waiter.heed()
    try {
      await this.#watches.watch(election, changed, signal)
    } finally {
      const left = (this.#watching.get(election) ?? 1) - 1
      if (left > 0) this.#watching.set(election, left)
      else {
        this.#watching.delete(election)
        this.#waiter.unwatched(election)
      }
      this.#ttls.leave(election)
      this.#crew.relax()
    }
  }

  close(): void {
    this.#watches.close()
    this.#waiter.close()
    this.#crew.close()
  }

  async #acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    for (let look = 1; ; look++) {
      const outcome = await this.#bid(bid, signal)
      if ('won' in outcome) {
        this.#waiter.settled(bid.election)
        return outcome.won.lease(this.#parts.clock.mono())
      }
      if (!outcome.refused.unsettled || look >= LOOKS) {
        this.#waiter.wants(bid.election)
        return outcome.refused.lease
      }
      await this.#pause(signal)
    }
  }

  async #bid(bid: Bid, signal: AbortSignal): Promise<Outcome> {
    signal.throwIfAborted()
    const known = this.#crew.of(bid.holder)
    if (known && !known.wire.over) return known.bid(bid, signal)
    const offered = this.#waiter.take(bid.election)
    if (!offered) return (await this.#crew.main(signal)).bid(bid, signal)
    // Whatever becomes of the caller, the lock is held, or given back.
    const claimed = offered.claim(bid).finally(() => this.#crew.letGo(offered))
    return bounded(signal, claimed)
  }

  async #read(requests: readonly { readonly election: string }[], signal: AbortSignal): Promise<readonly (Answer | undefined)[]> {
    const { store, raw } = this.#parts
    const { wire } = await this.#crew.main(signal)
    const rows = await bounded(signal, wire.ask(readStatement, [arrayOf(requests.map(({ election }) => election)), raw]))
    const byName = new Map(rows.map(([name, ...told]) => [name, told]))
    return requests.map(({ election }) => {
      try {
        return { lease: standingOf(store, election, byName.get(election) ?? [], this.#ttls.get(election)).lease }
      } catch (thrown) {
        // One row that is not ours holds up nobody but itself.
        if (thrown instanceof TenureError && requests.length > 1) return undefined
        throw thrown
      }
    })
  }

  /** One lock is one election. To read is nothing that could go wrong. */
  #serve(election: string): void {
    const { store, raw } = this.#parts
    if (raw === null) return
    this.#only ??= election
    if (this.#only === election) return
    throw new TenureError(
      'store-unfit',
      `${store}: a store with a \`key\` serves one election, here \`${this.#only}\`, and was asked for \`${election}\`. Make a store for each`,
    )
  }

  /** What the watches need of a line. */
  #line() {
    const crew = this.#crew
    return {
      get session() {
        return crew.session
      },
      use: <T>({ signal }: { readonly signal: AbortSignal }, job: (session: NonNullable<typeof crew.session>) => Promise<T>) =>
        this.#during('watch', async () => bounded(signal, (await crew.main(signal)).wire.run(job))),
      relax: () => crew.relax(),
    }
  }

  async #during<T>(verb: string, task: () => Promise<T>): Promise<T> {
    try {
      return await this.#crew.during(task)
    } catch (thrown) {
      throw storeError(this.#parts.store, verb, thrown)
    }
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    return bounded(signal, new Promise((resolve) => void clock.timer(LOOK_MS * (0.5 + clock.random()), resolve, false)))
  }
}

function share(ttlMs: number, parts: number): number {
  return Math.max(1, Math.floor(ttlMs / parts))
}
