/**
 * The verbs of the contract in statements. Calls of one turn share one; whatever such a batch does not tell about is
 * asked alone, on a line of its own where a statement may wait for a locked row without holding up the others.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author, Bid, Hold, Lease } from '../../store.ts'
import { type CoalesceParts, Coalescer, type Definite } from '../shared/coalesce.ts'
import { checkMemo } from '../shared/memo.ts'
import {
  type LeaseStatements,
  leaseStatements,
  listStatement,
  readStatement,
  recallStatement,
  rememberStatement,
  type Statement,
} from '../shared/sql.ts'
import { isAboutData, isLostRace, mayBeNotice } from './failures.ts'
import type { Line } from './line.ts'
import { LOCK_SHARE, limit, RENEWAL_LOCK_SHARE, share, silence, USUAL_TTL_MS } from './patience.ts'
import { arrayOf, checkText, columnsOf, foreignRow, leaseOf, valuesOf } from './rows.ts'
import type { Row, Value } from './session.ts'
import { Sightings } from './sightings.ts'

const one = leaseStatements('one', 'passes')
const many = leaseStatements('many', 'passes')
const waiting = leaseStatements('one', 'waits')

export interface LeasesParts {
  readonly store: string
  readonly clock: Clock
  /** For statements that wait for nobody. */
  readonly swift: Line
  /** For statements that may wait for a row. */
  readonly patient: Line
}

/** A bid, and the expiry that its bidder has watched for long enough. */
interface Claim extends Bid {
  readonly stale: string | null
}

interface Answer {
  readonly lease: Lease | undefined
}

/** How calls of one verb become parameters, and rows answers. */
interface Kind<Request, A> {
  values(request: Request): readonly Value[]
  /** `undefined` where a batch cannot tell; `alone` throws then. */
  answer(row: Row, request: Request): A | undefined
  /** No row, although it was waited for: what that means. */
  readonly none: A
  ttlMs(request: Request): number
  readonly lockShare: number
  /** The same without telling others: where the server refuses to tell, the deed itself must not fail. */
  readonly quietly?: keyof LeaseStatements
}

export class Leases {
  readonly #parts: LeasesParts
  readonly #acquiring: Coalescer<Claim, Answer>
  readonly #renewing: Coalescer<Bid, number>
  readonly #releasing: Coalescer<Hold, true>
  readonly #reading: Coalescer<{ readonly election: string }, Answer>
  readonly #sightings: Sightings
  /** Of the last bid: what a call without a ttl goes by. */
  #ttlMs = USUAL_TTL_MS

  constructor(parts: LeasesParts) {
    this.#parts = parts
    this.#sightings = new Sightings(parts.clock)
    this.#acquiring = this.#verb('acquire', {
      values: (claim: Claim) => valuesOf(claim, claim.stale),
      answer: (row, claim) => this.#judge(row, claim),
      // It was there when a batch looked, and is not now: nobody holds it.
      none: { lease: undefined },
      ttlMs: ({ ttlMs }) => ttlMs,
      lockShare: LOCK_SHARE,
    })
    this.#renewing = this.#verb('renew', {
      values: ({ election, holder, ttlMs }: Bid) => [election, holder, String(ttlMs)],
      answer: ([, grantedMs]) => Number(grantedMs),
      none: 0,
      ttlMs: ({ ttlMs }) => ttlMs,
      lockShare: RENEWAL_LOCK_SHARE,
    })
    this.#releasing = this.#verb('release', {
      values: ({ election, holder }: Hold) => [election, holder],
      answer: () => true,
      none: true,
      ttlMs: () => this.#ttlMs,
      lockShare: LOCK_SHARE,
      quietly: 'releaseQuietly',
    })
    this.#reading = this.#coalescer({
      many: (requests, signal) => this.#read(requests, signal),
      alone: async (request, signal) => {
        const [answer = { lease: undefined }] = await this.#read([request], signal)
        return answer
      },
    })
  }

  /** How long a bid may wait for a lock at the server, in milliseconds. */
  get lockMs(): number {
    return share(this.#ttlMs, LOCK_SHARE)
  }

  /** How long the server may take for a statement without a ttl, in milliseconds. */
  get limitMs(): number {
    return limit(this.#ttlMs)
  }

  async acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    const { store } = this.#parts
    checkText(store, 'the election', bid.election)
    checkText(store, 'the id of the candidate', bid.candidate)
    checkText(store, 'the advert', bid.advert)
    this.#ttlMs = bid.ttlMs
    try {
      const { lease } = await this.#gather(this.#acquiring, { ...bid, stale: null }, signal)
      const stale = this.#sightings.over(bid.election)
      if (stale === null) return lease
      return (await this.#gather(this.#acquiring, { ...bid, stale }, signal)).lease
    } catch (thrown) {
      // Taken back by the server: definitely not acquired.
      if (isLostRace(thrown)) return undefined
      throw thrown
    }
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    this.#ttlMs = bid.ttlMs
    return this.#gather(this.#renewing, bid, signal)
  }

  async release(hold: Hold, signal: AbortSignal): Promise<void> {
    await this.#gather(this.#releasing, hold, signal)
  }

  async read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    checkText(this.#parts.store, 'the election', election)
    return (await this.#gather(this.#reading, { election }, signal)).lease
  }

  async list(signal: AbortSignal): Promise<readonly string[]> {
    const rows = await this.#ask(this.#parts.swift, 'list', listStatement, [], this.#ttlMs, signal)
    return rows.map(([name]) => name ?? '')
  }

  async recall(election: string, signal: AbortSignal): Promise<string | undefined> {
    const { store, swift } = this.#parts
    checkText(store, 'the election', election)
    const [row] = await this.#ask(swift, 'memo.read', recallStatement, [election], this.#ttlMs, signal)
    if (row?.[0] === '') return row[1] ?? undefined
    throw onStandby(store, 'memo.read')
  }

  async remember({ election, fencingToken }: Author, text: string, signal: AbortSignal): Promise<boolean> {
    const { store, patient } = this.#parts
    checkMemo(text)
    checkText(store, 'the election', election)
    const values = [election, String(fencingToken), text, String(this.lockMs)]
    return (await this.#ask(patient, 'memo.write', rememberStatement, values, this.#ttlMs, signal)).length > 0
  }

  #verb<Request extends { readonly election: string }, A extends Definite>(
    verb: keyof LeaseStatements,
    kind: Kind<Request, A>,
  ): Coalescer<Request, A> {
    const { store, swift, patient } = this.#parts
    const lockMs = (ttlMs: number) => String(share(ttlMs, kind.lockShare))
    const ask = (line: Line, statements: LeaseStatements, values: readonly Value[], ttlMs: number, signal: AbortSignal) =>
      this.#ask(line, verb, statements[verb], values, ttlMs, signal).catch((thrown: unknown) => {
        if (!kind.quietly || !mayBeNotice(thrown)) throw thrown
        return this.#ask(line, verb, statements[kind.quietly], values, ttlMs, signal)
      })
    return this.#coalescer<Request, A>({
      many: async (requests, signal) => {
        const rows = requests.map((request) => kind.values(request))
        const [only] = rows.length === 1 ? rows : []
        const ttlMs = requests.reduce((least, request) => Math.min(least, kind.ttlMs(request)), Number.POSITIVE_INFINITY)
        const values = [...(only ?? columnsOf(rows)), lockMs(ttlMs)]
        const answers = await ask(swift, only ? one : many, values, ttlMs, signal)
        const byName = new Map(answers.map((row) => [row[0], row]))
        return requests.map((request) => {
          const row = byName.get(request.election)
          return row && kind.answer(row, request)
        })
      },
      alone: async (request, signal) => {
        const ttlMs = kind.ttlMs(request)
        const values = [...kind.values(request), lockMs(ttlMs)]
        const [row] = await ask(patient, waiting, values, ttlMs, signal)
        if (!row) return kind.none
        const answer = kind.answer(row, request)
        if (answer === undefined) throw foreignRow(store, request.election, row)
        return answer
      },
    })
  }

  #coalescer<Request extends { readonly election: string }, A extends Definite>(
    parts: Pick<CoalesceParts<Request, A>, 'many' | 'alone'>,
  ): Coalescer<Request, A> {
    return new Coalescer<Request, A>({
      ...parts,
      nameOf: ({ election }) => election,
      turn: (leave) => this.#parts.clock.afterPending(leave),
      // What comes meanwhile gathers for the next.
      atOnce: 1,
      splits: isAboutData,
    })
  }

  /** Ask together with others. Whoever gives up may have waited behind somebody who can wait for much longer. */
  async #gather<Request extends { readonly election: string; readonly ttlMs?: number }, A extends Definite>(
    coalescer: Coalescer<Request, A>,
    request: Request,
    signal: AbortSignal,
  ): Promise<A> {
    try {
      return await coalescer.ask(request, signal)
    } catch (thrown) {
      if (signal.aborted) this.#parts.swift.doubt(silence(request.ttlMs ?? this.#ttlMs))
      throw thrown
    }
  }

  #judge(row: Row, claim: Claim): Answer | undefined {
    const known = leaseOf(row)
    if (!known) return undefined
    const { lease, ahead } = known
    if (ahead && lease.holder !== claim.holder) return { lease: this.#sightings.see(claim.election, lease, ahead) }
    this.#sightings.forget(claim.election)
    return { lease }
  }

  async #read(requests: readonly { readonly election: string }[], signal: AbortSignal): Promise<readonly (Answer | undefined)[]> {
    const { store, swift } = this.#parts
    const names = arrayOf(requests.map(({ election }) => election))
    const rows = await this.#ask(swift, 'read', readStatement, [names], this.#ttlMs, signal)
    const byName = new Map(rows.map(([name, recovering, ...row]) => [name, { recovering, row }]))
    return requests.map(({ election }) => {
      const answer = byName.get(election)
      if (answer?.recovering) throw onStandby(store, 'read')
      if (!answer || answer.row[0] === null) return { lease: undefined }
      const known = leaseOf(answer.row)
      if (known) return { lease: known.lease }
      // One row that is not ours holds up nobody but itself.
      if (requests.length > 1) return undefined
      throw foreignRow(store, election, answer.row)
    })
  }

  #ask(
    line: Line,
    verb: string,
    statement: Statement,
    values: readonly Value[],
    ttlMs: number,
    signal: AbortSignal,
  ): Promise<readonly Row[]> {
    return line.use({ verb, signal, limitMs: limit(ttlMs) }, (session) => session.query(statement, values))
  }
}

function onStandby(store: string, verb: string): TenureError {
  return new TenureError('store-unfit', `${store}: ${verb} was answered by a standby. Connect to the primary`)
}
