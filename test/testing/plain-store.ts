/**
 * A right store over rows that a test can reach, to plant faults in. It remembers who was there before, more than a
 * store needs to, so that a fault can be as narrow as the law that has to catch it.
 */

import type { Bid, Hold, Lease, LeaseStore, Memo } from '../../src/store.ts'
import type { ManualClock } from '../../src/testing/index.ts'

export interface Row {
  holder: string
  candidate: string
  advert: string | undefined
  token: number
  ttlMs: number
  since: number
  renewedAt: number
  expiresAt: number
  released: boolean
  previous: string | undefined
}

/** What all clients of one server share. */
export class Server {
  readonly rows = new Map<string, Row>()
  readonly wiped = new Set<string>()
  readonly memos = new Map<string, string>()
  readonly watchers = new Set<() => void>()
  readonly clock: ManualClock

  constructor(clock: ManualClock) {
    this.clock = clock
  }

  get now(): number {
    return this.clock.mono()
  }

  live(election: string): Row | undefined {
    const row = this.rows.get(election)
    return row && this.now < row.expiresAt ? row : undefined
  }

  lease(row: Row): Lease {
    return {
      holder: row.holder,
      candidate: row.candidate,
      advert: row.advert,
      fencingToken: row.token,
      remainingMs: Math.max(0, row.expiresAt - this.now),
      heldMs: this.now - row.since,
    }
  }

  /** Write a new holder, whoever had it before. */
  give(bid: Bid): Row {
    const last = this.rows.get(bid.election)
    const row: Row = {
      holder: bid.holder,
      candidate: bid.candidate,
      advert: bid.advert,
      token: Math.max((last?.token ?? 0) + 1, this.clock.wall() * 1000),
      ttlMs: bid.ttlMs,
      since: this.now,
      renewedAt: this.now,
      expiresAt: this.now + bid.ttlMs,
      released: false,
      previous: last?.holder,
    }
    this.rows.set(bid.election, row)
    this.tell()
    return row
  }

  renew(row: Row, ttlMs: number): number {
    row.renewedAt = this.now
    row.expiresAt = this.now + ttlMs
    return ttlMs
  }

  free(row: Row): void {
    row.expiresAt = 0
    row.released = true
    this.tell()
  }

  tell(): void {
    for (const changed of [...this.watchers]) changed()
  }
}

export type Client = Required<Omit<LeaseStore, 'minTtlMs' | 'timing' | 'expiry' | 'memo'>> & { readonly memo: Memo }

export function plainStore(server: Server): Client {
  return {
    name: 'plain',
    async acquire(bid: Bid, signal: AbortSignal) {
      signal.throwIfAborted()
      const live = server.live(bid.election)
      if (live) return server.lease(live)
      if (server.rows.get(bid.election)?.holder === bid.holder) return undefined
      return server.lease(server.give(bid))
    },
    async renew(bid: Bid, signal: AbortSignal) {
      signal.throwIfAborted()
      const row = server.live(bid.election)
      return row?.holder === bid.holder ? server.renew(row, bid.ttlMs) : 0
    },
    async release(hold: Hold, signal: AbortSignal) {
      signal.throwIfAborted()
      const row = server.live(hold.election)
      if (row?.holder === hold.holder) server.free(row)
    },
    async read(election: string, signal: AbortSignal) {
      signal.throwIfAborted()
      const row = server.live(election)
      return row && server.lease(row)
    },
    watch(_election: string, changed: () => void, signal: AbortSignal) {
      if (signal.aborted) return Promise.resolve()
      const own = () => changed()
      server.watchers.add(own)
      queueMicrotask(own)
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          server.watchers.delete(own)
          resolve()
        })
      })
    },
    async list(signal: AbortSignal) {
      signal.throwIfAborted()
      return [...server.rows.keys()]
    },
    memo: {
      async read(election, signal) {
        signal.throwIfAborted()
        return server.memos.get(election)
      },
      async write({ election, fencingToken }, text, signal) {
        signal.throwIfAborted()
        if (server.live(election)?.token !== fencingToken) return false
        server.memos.set(election, text)
        return true
      },
    },
    async close() {},
  }
}
