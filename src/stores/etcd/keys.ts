/**
 * What is said to etcd about keys. An election is free when its directory is empty; whoever then puts a key there has
 * it, and the oldest key has it for as long as it stands. Every write is one transaction.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Bid } from '../../store.ts'
import type { Coalescer } from '../shared/coalesce.ts'
import { type Ask, type Look, looksOf, type Write, writesOf } from './batches.ts'
import type { Gateway } from './gateway.ts'
import { Gathering } from './gather.ts'
import { type Names, type Told, toldBy } from './names.ts'
import {
  createdAt,
  decode,
  encode,
  type Header,
  type KeyValue,
  type LeaseAnswer,
  numberOf,
  oldestOf,
  type RangeAnswer,
  rangeOf,
  type TxnAnswer,
  untouched,
} from './wire.ts'

/** Somebody's key in the directory of an election. */
export interface Entry extends Told {
  readonly key: string
  readonly holder: string
  readonly revision: number
  readonly lease: string
}

export class Keys {
  readonly #gateway: Gateway
  readonly #names: Names
  readonly #clock: Clock
  readonly #looks = new Map<string, Gathering<Entry | undefined>>()
  readonly #batches: Coalescer<Look, RangeAnswer>
  readonly #writes: Coalescer<Write, TxnAnswer>
  /** The largest revision that an answer bore. */
  #newest = 0
  /** When the cluster was last found to have lost its memory. */
  #lostAt = Number.NEGATIVE_INFINITY

  constructor(gateway: Gateway, names: Names, clock: Clock) {
    this.#gateway = gateway
    this.#names = names
    this.#clock = clock
    this.#batches = looksOf((...request) => this.#ask(...request), clock)
    this.#writes = writesOf((...request) => this.#ask(...request), clock)
  }

  /**
   * A cluster that was wiped, or went back to a snapshot, knows nothing of those who lead. Where that is noticed, nobody
   * bids until their belief has ended. Throws a `TenureError` of code `store-unreachable`.
   */
  assertSettled(ttlMs: number): void {
    const leftMs = this.#lostAt + ttlMs - this.#clock.mono()
    if (leftMs <= 0) return
    const message = `etcd: the cluster has lost its memory (its revision went back); settling for another ${Math.ceil(leftMs)} ms`
    throw new TenureError('store-unreachable', message)
  }

  /** Who has the election. All who ask in the same turn are answered by one look. */
  oldest(election: string, signal: AbortSignal): Promise<Entry | undefined> {
    let look = this.#looks.get(election)
    if (!look) {
      const range = rangeOf(this.#names.directory(election))
      look = new Gathering(this.#clock, async (joint) => {
        this.#looks.delete(election)
        const { kvs } = await this.#batches.ask({ election, range: oldestOf(range) }, joint)
        return this.#entry(election, kvs?.[0])
      })
      this.#looks.set(election, look)
    }
    return look.join(signal)
  }

  /** The entry of one key, by a read of its own. */
  async at(election: string, key: string, signal: AbortSignal): Promise<Entry | undefined> {
    const { kvs } = await this.#ask<RangeAnswer>('/v3/kv/range', { key: encode(key) }, signal)
    return this.#entry(election, kvs?.[0])
  }

  /** Put our key into an empty directory, or learn whose is the oldest. A number: ours, created at this revision. */
  async put(bid: Bid, key: string, lease: string, signal: AbortSignal): Promise<number | Entry | undefined> {
    const range = rangeOf(this.#names.directory(bid.election))
    const write: Write = {
      election: bid.election,
      compare: [untouched(range)],
      success: { request_put: { key: encode(key), value: encode(this.#names.value(bid, this.#clock.wall())), lease } },
      otherwise: oldestOf(range),
      isRefusedBy: (found) => found !== undefined,
      patienceMs: bid.ttlMs / 12,
    }
    const answer = await this.#writes.ask(write, signal)
    this.assertSettled(bid.ttlMs)
    if (answer.succeeded) return numberOf(answer.header?.revision)
    return this.#entry(bid.election, answer.responses?.[0]?.response_range?.kvs?.[0])
  }

  /** The memo of an election. */
  async recall(election: string, signal: AbortSignal): Promise<string | undefined> {
    const { kvs } = await this.#ask<RangeAnswer>('/v3/kv/range', { key: encode(this.#names.memo(election)) }, signal)
    return kvs?.[0] && decode(kvs[0].value)
  }

  /** Write the memo of an election while this key stands, created at this revision. Whether it did. */
  async remember(election: string, key: string, revision: number, text: string, signal: AbortSignal): Promise<boolean> {
    const success = [{ request_put: { key: encode(this.#names.memo(election)), value: encode(text) } }]
    const answer = await this.#ask<TxnAnswer>('/v3/kv/txn', { compare: [createdAt({ key: encode(key) }, revision)], success }, signal)
    return answer.succeeded === true
  }

  /** Delete the key of a holder that is over; where its create revision is known, only the one that was created then. */
  async remove(election: string, key: string, revision: number, signal: AbortSignal): Promise<void> {
    const own = { key: encode(key) }
    const write: Write = {
      election,
      compare: revision > 0 ? [createdAt(own, revision)] : [],
      success: { request_delete_range: own },
      otherwise: own,
      isRefusedBy: (found) => revision > 0 && numberOf(found?.create_revision) !== revision,
    }
    await this.#writes.ask(write, signal)
  }

  /** Delete keys whose holders are over for ever. */
  async removeAll(keys: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(keys.map((key) => this.remove(this.#names.election(key) ?? key, key, 0, signal)))
  }

  /** What is left of somebody's lease, rounded up, and how long it lives at most; `undefined`: nothing. */
  async leftOf(lease: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#gateway.call<LeaseAnswer>('/v3/lease/timetolive', { ID: lease }, signal)
    const left = numberOf(answer.TTL)
    // The server rounds whole seconds down, and looks for expired leases twice a second.
    return left < 0 ? undefined : Math.min(left + 1, Math.max(1, numberOf(answer.grantedTTL))) * 1000
  }

  /** The elections that somebody holds. */
  async elections(signal: AbortSignal): Promise<string[]> {
    const question = { ...rangeOf(this.#names.root), keys_only: true }
    const { kvs = [] } = await this.#ask<RangeAnswer>('/v3/kv/range', question, signal)
    const all = kvs.map(({ key }) => this.#names.election(decode(key))).filter((name) => name !== undefined)
    return [...new Set(all)]
  }

  /** Ask what the whole cluster answers for: its revision never falls, or its memory is lost. */
  async #ask<T extends { readonly header?: Header }>(...request: Parameters<Ask>): Promise<T> {
    // Answers overtake each other: only those that came before this question left can be compared.
    const before = this.#newest
    const answer = await this.#gateway.call<T>(...request)
    const revision = numberOf(answer.header?.revision)
    if (revision < before) {
      this.#lostAt = this.#clock.mono()
      this.#newest = revision
    }
    this.#newest = Math.max(this.#newest, revision)
    return answer
  }

  #entry(election: string, kv: KeyValue | undefined): Entry | undefined {
    if (!kv) return undefined
    const key = decode(kv.key)
    const holder = this.#names.holder(election, key)
    if (kv.lease === undefined) {
      throw new TenureError(
        'store-unfit',
        `etcd: \`${key}\` is on no lease and would stand for ever: it is not ours, delete it or use another prefix`,
      )
    }
    return { key, holder, ...toldBy(decode(kv.value)), revision: numberOf(kv.create_revision), lease: kv.lease }
  }
}
