/**
 * The verbs of the contract in transactions. Calls of one turn share one. Whatever says yes is decided under the write
 * lock, after a look at the row and at the clock; a refusal needs a look only, takes no lock and writes nothing. A bid is on
 * disk before it is answered. Renewals and releases are not waited for: what the power takes with it, it takes together
 * with everybody who could believe in it, and the next boot waits for a whole ttl.
 */

import type { Clock } from '../../clock.ts'
import type { Bid, Hold, Lease } from '../../store.ts'
import { type CoalesceParts, Coalescer, type Definite } from '../shared/coalesce.ts'
import { Observed } from '../shared/observed.ts'
import type { Connection, Limits } from './connection.ts'
import { isAboutData } from './failures.ts'
import { checkText, foreignRow, type LeaseRow, leaseRowOf, lookOneSql, lookSql, newsSql, releaseSql, renewSql, takeSql } from './rows.ts'

/** How long a call tries while the database is locked, as a part of the ttl: it says so before its caller gives up. */
const BUSY_SHARE = 8
/** Where no bid has told: the ttl that candidates have by default. */
const USUAL_TTL_MS = 15_000
/** The loop stands still for as long as a batch takes. */
const LARGEST_BATCH = 500

export interface LeasesParts {
  readonly connection: Connection
  readonly clock: Clock
  /** Monotonic time of the host, in milliseconds. */
  readonly host: () => number
  /** Resolves with the name of the host's clock once the file is known to be fit. */
  ready(limits: Limits): Promise<string>
  /** An election has changed hands, by us. */
  changed(): void
}

interface Answer {
  readonly lease: Lease | undefined
}

/** What a look at a row means for a bid: an answer, or something that only the write lock can tell. */
type Verdict = Answer | 'ask' | 'foreign'

/** Nothing had to be decided under the lock. */
const none: ReadonlyMap<string, Answer | 'foreign'> = new Map()

export class Leases {
  readonly #parts: LeasesParts
  readonly #observed: Observed
  readonly #acquiring: Coalescer<Bid, Answer>
  readonly #renewing: Coalescer<Bid, number>
  readonly #releasing: Coalescer<Hold, true>
  readonly #reading: Coalescer<{ readonly election: string }, Answer>
  /** Of the last bid: what a call without a ttl goes by. */
  #ttlMs = USUAL_TTL_MS

  constructor(parts: LeasesParts) {
    this.#parts = parts
    this.#observed = new Observed(parts.clock)
    this.#acquiring = this.#coalescer((bids, signal) => this.#acquire(bids, signal))
    this.#renewing = this.#coalescer((bids, signal) => this.#renew(bids, signal))
    this.#releasing = this.#coalescer((holds, signal) => this.#release(holds, signal))
    this.#reading = this.#coalescer((requests, signal) => this.#read(requests, signal))
  }

  async acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    checkText('the election', bid.election)
    checkText('the holder', bid.holder)
    checkText('the id of the candidate', bid.candidate)
    checkText('the advert', bid.advert)
    this.#ttlMs = bid.ttlMs
    return (await this.#acquiring.ask(bid, signal)).lease
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    this.#ttlMs = bid.ttlMs
    return this.#renewing.ask(bid, signal)
  }

  async release(hold: Hold, signal: AbortSignal): Promise<void> {
    await this.#releasing.ask(hold, signal)
  }

  async read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    checkText('the election', election)
    return (await this.#reading.ask({ election }, signal)).lease
  }

  async list(signal: AbortSignal): Promise<readonly string[]> {
    const { connection } = this.#parts
    const { limits } = await this.#begin('list', signal)
    return connection.read(limits, () =>
      connection.all('SELECT name AS a FROM main.tenure_lease ORDER BY name').map(([name]) => name ?? ''),
    )
  }

  /** What a call without a ttl is bounded by. */
  limits(verb: string, signal: AbortSignal, ttlMs = this.#ttlMs): Limits {
    return { verb, signal, busyMs: ttlMs / BUSY_SHARE }
  }

  async #acquire(bids: readonly Bid[], signal: AbortSignal): Promise<(Answer | undefined)[]> {
    const { connection, changed } = this.#parts
    const { limits, clock } = await this.#begin('acquire', signal, bids)
    let seen: ReadonlyMap<string, Verdict> = new Map()
    const decided = await connection.ask(
      limits,
      () => {
        seen = this.#judge(bids, clock)
        return [...seen.values()].includes('ask') ? undefined : none
      },
      () =>
        this.#decide(
          bids.filter(({ election }) => seen.get(election) === 'ask'),
          clock,
        ),
    )
    if (decided !== none) changed()
    return bids.map(({ election }) => answerOf(decided.get(election) ?? seen.get(election)))
  }

  /** Under the write lock: look again, and take what is free. */
  #decide(bids: readonly Bid[], clock: string): ReadonlyMap<string, Answer | 'foreign'> {
    const rows = this.#look(bids)
    const answers = new Map<string, Answer | 'foreign'>()
    let news: number | undefined
    for (const bid of bids) {
      const row = rows.get(bid.election)
      const verdict = this.#verdictOf(bid, row, clock)
      if (verdict !== 'ask') answers.set(bid.election, verdict)
      else if (row && row !== 'foreign' && row.holder === bid.holder) answers.set(bid.election, this.#own(row))
      else {
        news = (news ?? this.#news()) + 1
        answers.set(bid.election, this.#take(bid, row === 'foreign' ? undefined : row, clock, news))
      }
    }
    return answers
  }

  #take({ election, holder, candidate, advert, ttlMs }: Bid, last: LeaseRow | undefined, clock: string, news: number): Answer {
    const { connection } = this.#parts
    const now = Math.ceil(this.#hostUs())
    const fencingToken = Math.max((last?.fencingToken ?? 0) + 1, Math.floor(this.#parts.clock.wall() * 1000))
    connection.run(takeSql, election, holder, candidate, advert ?? null, fencingToken, ttlMs, now, now + ttlMs * 1000, clock, news)
    return { lease: { holder, candidate, advert, fencingToken, remainingMs: ttlMs, heldMs: 0 } }
  }

  /** Ours already, as a look has just shown: the same lease, not a longer one. */
  #own(row: LeaseRow): Answer {
    const leftMs = Math.floor((row.expiresAt - this.#hostUs()) / 1000)
    return { lease: leaseOf(row, Math.max(0, Math.min(leftMs, row.ttlMs)), this.#hostUs()) }
  }

  async #renew(bids: readonly Bid[], signal: AbortSignal): Promise<number[]> {
    const { connection } = this.#parts
    const { limits, clock } = await this.#begin('renew', signal, bids)
    const wanted = JSON.stringify(bids.map(({ election, holder, ttlMs }) => [election, holder, ttlMs]))
    try {
      const renewed = await connection.write(limits, 'ordered', () => {
        const now = this.#hostUs()
        return new Set(connection.all(renewSql, Math.ceil(now), wanted, Math.floor(now), clock).map(([name]) => name))
      })
      return bids.map(({ election, ttlMs }) => (renewed.has(election) ? ttlMs : 0))
    } catch (thrown) {
      // In a file that nobody finds any more nothing is held.
      if (connection.moved) return bids.map(() => 0)
      throw thrown
    }
  }

  async #release(holds: readonly Hold[], signal: AbortSignal): Promise<true[]> {
    const { connection } = this.#parts
    const { limits } = await this.#begin('release', signal)
    const wanted = JSON.stringify(holds.map(({ election, holder }) => [election, holder]))
    const released = await connection.write(limits, 'ordered', () => connection.all(releaseSql, this.#news(), wanted).length)
    if (released > 0) this.#parts.changed()
    return holds.map(() => true)
  }

  async #read(requests: readonly { readonly election: string }[], signal: AbortSignal): Promise<(Answer | undefined)[]> {
    const { connection } = this.#parts
    const { limits, clock } = await this.#begin('read', signal)
    return connection.read(limits, () => {
      const rows = this.#look(requests)
      return requests.map(({ election }) => {
        const row = rows.get(election)
        if (row === 'foreign') return undefined
        const leftMs = row ? this.#leftMs(election, row, clock) : 0
        return { lease: row && leftMs > 0 ? leaseOf(row, Math.ceil(leftMs), this.#heldSince(row, clock)) : undefined }
      })
    })
  }

  #judge(bids: readonly Bid[], clock: string): ReadonlyMap<string, Verdict> {
    const rows = this.#look(bids)
    return new Map(bids.map((bid) => [bid.election, this.#verdictOf(bid, rows.get(bid.election), clock)]))
  }

  #verdictOf(bid: Bid, row: LeaseRow | 'foreign' | undefined, clock: string): Verdict {
    if (row === 'foreign') return row
    if (!row) return 'ask'
    const leftMs = this.#leftMs(bid.election, row, clock)
    if (row.holder !== bid.holder) return leftMs > 0 ? { lease: leaseOf(row, Math.ceil(leftMs), this.#heldSince(row, clock)) } : 'ask'
    // This holder has been here before: it was released, or has expired, and never comes back.
    return leftMs > 0 && row.clock === clock ? 'ask' : { lease: undefined }
  }

  /** What is left of a lease: by the host's clock where it is of that clock, else by observation. */
  #leftMs(election: string, row: LeaseRow, clock: string): number {
    const leftUs = row.expiresAt - this.#hostUs()
    const comparable = row.clock === clock && leftUs <= row.ttlMs * 1000 + 1000
    if (!comparable && row.expiresAt > 0) {
      const { holder, fencingToken, expiresAt } = row
      return this.#observed.see(election, JSON.stringify([holder, fencingToken, expiresAt, row.clock]), row.ttlMs)
    }
    this.#observed.forget(election)
    return row.expiresAt > 0 ? Math.max(0, Math.min(row.ttlMs, leftUs / 1000)) : 0
  }

  /** Now, where the acquisition can be compared with it. */
  #heldSince(row: LeaseRow, clock: string): number | undefined {
    return row.clock === clock ? this.#hostUs() : undefined
  }

  #look(requests: readonly { readonly election: string }[]): ReadonlyMap<string, LeaseRow | 'foreign'> {
    const { connection } = this.#parts
    const [only] = requests.length === 1 ? requests : []
    // One name needs no array: that is half the price.
    const rows = only
      ? connection.all(lookOneSql, only.election)
      : connection.all(lookSql, JSON.stringify(requests.map(({ election }) => election)))
    return new Map(rows.map((row) => [row[0] ?? '', leaseRowOf(row)]))
  }

  #news(): number {
    return Number(this.#parts.connection.all(newsSql)[0]?.[0] ?? 0)
  }

  #hostUs(): number {
    return this.#parts.host() * 1000
  }

  async #begin(verb: string, signal: AbortSignal, bids?: readonly Bid[]): Promise<{ readonly limits: Limits; readonly clock: string }> {
    const ttlMs = bids?.reduce((least, bid) => Math.min(least, bid.ttlMs), Number.POSITIVE_INFINITY)
    const limits = this.limits(verb, signal, ttlMs)
    return { limits, clock: await this.#parts.ready(limits) }
  }

  #coalescer<Request extends { readonly election: string }, A extends Definite>(
    many: CoalesceParts<Request, A>['many'],
  ): Coalescer<Request, A> {
    return new Coalescer<Request, A>({
      many,
      alone: async (request, signal) => {
        const [answer] = await many([request], signal, () => true)
        if (answer === undefined) throw foreignRow(request.election)
        return answer
      },
      nameOf: ({ election }) => election,
      turn: (leave) => this.#parts.clock.afterPending(leave),
      most: LARGEST_BATCH,
      // What comes meanwhile gathers for the next.
      atOnce: 1,
      splits: isAboutData,
    })
  }
}

function answerOf(verdict: Verdict | undefined): Answer | undefined {
  return typeof verdict === 'object' ? verdict : undefined
}

function leaseOf({ holder, candidate, advert, fencingToken, acquiredAt }: LeaseRow, remainingMs: number, nowUs: number | undefined): Lease {
  const heldMs = nowUs === undefined ? undefined : Math.max(0, Math.floor((nowUs - acquiredAt) / 1000))
  return { holder, candidate, advert, fencingToken, remainingMs, heldMs }
}
