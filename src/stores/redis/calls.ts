/** The verbs of the contract, each one script on the store's connection. */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author, Bid, Hold, Lease } from '../../store.ts'
import { checkMemo } from '../shared/memo.ts'
import { grantsOf, leaseOf, memoOf, releasedOf, writtenOf } from './answers.ts'
import { failureOf, isStale } from './failures.ts'
import { channelOf, keysOf } from './keys.ts'
import { Link } from './link.ts'
import { namesIn } from './list.ts'
import { News } from './news.ts'
import { type Grant, renewalsOf } from './renewals.ts'
import { acquireScript, readScript, recallScript, releaseScript, rememberScript, renewScript } from './scripts.ts'
import { Standing } from './standing.ts'
import { type Terms, termsOf } from './terms.ts'
import type { Wire, Wires } from './wire.ts'

export interface Settings {
  readonly clock: Clock
  readonly keyPrefix: string
  readonly replicas: number
  readonly force: boolean
}

const forever = new AbortController().signal

/** A memo is waited for by nobody's lease: its replicas have so long. */
const MEMO_REPLICATION_MS = 2500

export class Calls {
  readonly #settings: Settings
  readonly #link: Link<Terms>
  readonly #news: News
  readonly #standing: Standing
  readonly #renewal: (bid: Bid, signal: AbortSignal) => Promise<number>
  #closed = false

  constructor(wires: Wires, settings: Settings) {
    const { clock, keyPrefix } = settings
    this.#settings = settings
    this.#link = new Link<Terms>(
      wires,
      clock,
      (wire) => termsOf(wires, wire),
      (reason) => this.#news.lost(failureOf('watch', reason)),
    )
    this.#news = new News({
      clock,
      channel: channelOf(keyPrefix),
      open: (gone) => this.#link.ask('', forever, (wire) => wire.ear((reason) => gone(failureOf('watch', reason)))),
    })
    this.#standing = new Standing(clock, () => this.#link.cut())
    this.#renewal = renewalsOf(wires, clock, (bids, signal) => this.#renewMany(bids, signal))
  }

  async acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    const { election, holder, candidate, ttlMs, advert } = bid
    const { keyPrefix, force } = this.#settings
    const { lease, token } = keysOf(keyPrefix, election)
    const answer = await this.#ask('acquire', election, signal, async (wire, { durable }) => {
      const args = [holder, Math.floor(ttlMs), candidate, durable ? 0 : 1, force ? 1 : 0, ...(advert === undefined ? [] : [advert])]
      const found = leaseOf('acquire', await acquireScript.run(wire, [lease, token], args, signal))
      if (found?.holder === holder) await this.#replicated(wire, election, ttlMs / 6)
      return found
    })
    if (answer?.holder === holder) this.#standing.held(holder, answer.remainingMs)
    return answer
  }

  async renew(bid: Bid, signal: AbortSignal): Promise<number> {
    const grantedMs = await this.#standing.during(this.#renewal(bid, signal))
    if (grantedMs > 0) this.#standing.held(bid.holder, grantedMs)
    else this.#standing.over(bid.holder)
    return grantedMs
  }

  async release({ election, holder }: Hold, signal: AbortSignal): Promise<void> {
    const { keyPrefix } = this.#settings
    const { lease, token } = keysOf(keyPrefix, election)
    this.#standing.over(holder)
    await this.#ask('release', election, signal, async (wire) =>
      releasedOf(await releaseScript.run(wire, [lease, token], [holder, channelOf(keyPrefix), election], signal)),
    )
  }

  read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    const { lease } = keysOf(this.#settings.keyPrefix, election)
    return this.#ask('read', election, signal, async (wire) => leaseOf('read', await readScript.run(wire, [lease], [], signal)))
  }

  recall(election: string, signal: AbortSignal): Promise<string | undefined> {
    const { memo } = keysOf(this.#settings.keyPrefix, election)
    return this.#ask('memo.read', election, signal, async (wire) => memoOf(await recallScript.run(wire, [memo], [], signal)))
  }

  async remember({ election, fencingToken }: Author, text: string, signal: AbortSignal): Promise<boolean> {
    checkMemo(text)
    const { keyPrefix } = this.#settings
    const { lease, memo } = keysOf(keyPrefix, election)
    return this.#ask('memo.write', election, signal, async (wire) => {
      const written = writtenOf(await rememberScript.run(wire, [lease, memo], [fencingToken, text], signal))
      if (written) await this.#replicated(wire, election, MEMO_REPLICATION_MS)
      return written
    })
  }

  async watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw closedError()
    return this.#standing.during(this.#news.watch(election, changed, signal))
  }

  list(signal: AbortSignal): Promise<readonly string[]> {
    return this.#ask('list', '', signal, (wire) => namesIn(wire, this.#settings.keyPrefix, signal))
  }

  close(): void {
    this.#closed = true
    this.#news.lost(closedError())
    this.#standing.end()
    this.#link.cut()
  }

  #renewMany(bids: readonly Bid[], signal: AbortSignal): Promise<readonly Grant[]> {
    const keys = bids.map(({ election }) => keysOf(this.#settings.keyPrefix, election).lease)
    const args = bids.flatMap(({ holder, ttlMs }) => [holder, Math.floor(ttlMs)])
    const [first] = bids
    return this.#ask('renew', first?.election ?? '', signal, async (wire) => {
      const grants = grantsOf(await renewScript.run(wire, keys, args, signal), bids.length)
      // Of this connection, not of one key: a server that became a replica answers each so, and the next try dials anew.
      for (const grant of grants) if (grant instanceof TenureError && isStale(grant.cause)) throw grant.cause
      if (first && grants.some((grant) => typeof grant === 'number' && grant > 0))
        await this.#replicated(wire, first.election, first.ttlMs / 6)
      return grants
    })
  }

  async #ask<T>(verb: string, election: string, signal: AbortSignal, question: (wire: Wire, terms: Terms) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError()
    try {
      return await this.#standing.during(this.#link.ask(election, signal, question))
    } catch (thrown) {
      throw failureOf(verb, thrown)
    }
  }

  /** Only what so many replicas have as well counts: otherwise nobody knows. */
  async #replicated(wire: Wire, election: string, limitMs: number): Promise<void> {
    const { replicas, keyPrefix } = this.#settings
    if (replicas === 0) return
    const { lease } = keysOf(keyPrefix, election)
    const count = Number(await wire.send(lease, ['WAIT', String(replicas), String(Math.ceil(limitMs))]))
    if (count >= replicas) return
    throw new TenureError('store-unreachable', `redis: ${count} of the ${replicas} replicas asked for have confirmed`)
  }
}

function closedError(): TenureError {
  return new TenureError('store-unreachable', 'redis: the store was closed')
}
