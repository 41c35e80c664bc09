/**
 * Leases in the memory of one process: for tests, for a laptop, and as the reference of the contract.
 *
 * Whose clock: the injected one, monotonic. What makes it atomic: each call runs in one turn of the loop. Where the
 * token comes from: the larger of the last one plus 1 and the wall clock in microseconds, so that it grows even across
 * processes. What is lost with its memory: the leases, together with everybody who could believe in them.
 * Level A within its one process; it means nothing to any other.
 */

import { type Clock, systemClock } from '../clock.ts'
import type { Bid, Lease, LeaseStore } from '../store.ts'
import { checkMemo } from './shared/memo.ts'

/** All are optional. */
export interface MemoryOptions {
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** A lease as it is kept. It expires, and is never deleted: it carries the token, and remembers the last holder. */
interface Row {
  readonly holder: string
  readonly candidate: string
  readonly advert: string | undefined
  readonly fencingToken: number
  readonly acquiredAt: number
  expiresAt: number
}

/** A store for candidates of this process. Everything in it ends with the process. */
export function memory(options: MemoryOptions = {}): LeaseStore {
  const clock = options.clock ?? systemClock
  const rows = new Map<string, Row>()
  const memos = new Map<string, string>()
  const watchers = new Map<string, Set<() => void>>()

  const leaseOf = (row: Row): Lease => ({
    holder: row.holder,
    candidate: row.candidate,
    fencingToken: row.fencingToken,
    remainingMs: Math.max(0, row.expiresAt - clock.mono()),
    heldMs: clock.mono() - row.acquiredAt,
    advert: row.advert,
  })
  const live = (election: string): Row | undefined => {
    const row = rows.get(election)
    return row && clock.mono() < row.expiresAt ? row : undefined
  }
  const tell = (election: string): void => {
    for (const changed of watchers.get(election) ?? []) queueMicrotask(changed)
  }

  return {
    name: 'memory',

    async acquire(bid: Bid, signal) {
      signal.throwIfAborted()
      const held = live(bid.election)
      if (held) return leaseOf(held)
      const last = rows.get(bid.election)
      // This holder has been here before: it was released, or has expired, and never comes back.
      if (last?.holder === bid.holder) return undefined
      const now = clock.mono()
      const fencingToken = Math.max((last?.fencingToken ?? 0) + 1, Math.floor(clock.wall() * 1000))
      const row: Row = {
        holder: bid.holder,
        candidate: bid.candidate,
        advert: bid.advert,
        fencingToken,
        acquiredAt: now,
        expiresAt: now + bid.ttlMs,
      }
      rows.set(bid.election, row)
      tell(bid.election)
      return leaseOf(row)
    },

    async renew(bid, signal) {
      signal.throwIfAborted()
      const row = live(bid.election)
      if (row?.holder !== bid.holder) return 0
      row.expiresAt = clock.mono() + bid.ttlMs
      return bid.ttlMs
    },

    async release(hold, signal) {
      signal.throwIfAborted()
      const row = live(hold.election)
      if (row?.holder !== hold.holder) return
      row.expiresAt = Number.NEGATIVE_INFINITY
      tell(hold.election)
    },

    async read(election, signal) {
      signal.throwIfAborted()
      const row = live(election)
      return row && leaseOf(row)
    },

    watch(election, changed, signal) {
      const set = watchers.get(election) ?? new Set()
      watchers.set(election, set)
      // A function of its own, so that the same callback can watch twice.
      const own = () => void (signal.aborted || changed())
      set.add(own)
      queueMicrotask(own)
      return new Promise((resolve) => {
        const end = () => {
          set.delete(own)
          if (set.size === 0 && watchers.get(election) === set) watchers.delete(election)
          resolve()
        }
        if (signal.aborted) end()
        else signal.addEventListener('abort', end, { once: true })
      })
    },

    async list(signal) {
      signal.throwIfAborted()
      return [...rows.keys()]
    },

    memo: {
      async read(election, signal) {
        signal.throwIfAborted()
        return memos.get(election)
      },

      async write({ election, fencingToken }, text, signal) {
        signal.throwIfAborted()
        checkMemo(text)
        if (live(election)?.fencingToken !== fencingToken) return false
        memos.set(election, text)
        return true
      },
    },
  }
}
