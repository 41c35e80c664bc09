/** Faults of time. */

import type { Bid } from '../../../src/store.ts'
import type { Fault } from './fault.ts'

export const expiry: readonly Fault[] = [
  {
    fault: 'shows an expired lease to those who did not know it',
    law: 'an expired lease is free to all',
    plant: (server, right) => {
      const known = new Set<string>()
      return {
        async acquire(bid, signal) {
          const row = server.rows.get(bid.election)
          const stranger = row && !row.released && !known.has(bid.election) && row.holder !== bid.holder
          known.add(bid.election)
          return stranger ? { ...server.lease(row), remainingMs: 1 } : right.acquire(bid, signal)
        },
      }
    },
  },
  {
    fault: 'renews an expired lease',
    law: 'an expired holder never comes back',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const row = server.rows.get(bid.election)
        return row?.holder === bid.holder && !row.released ? server.renew(row, bid.ttlMs) : right.renew(bid, signal)
      },
    }),
  },
  {
    fault: 'lets an expired holder come back',
    law: 'an expired holder never comes back',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.rows.get(bid.election)
        const back = row && !server.live(bid.election) && row.holder === bid.holder && !row.released
        return back ? server.lease(server.give(bid)) : right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'keeps all holds of a client alive with each renewal',
    law: 'a hold that is not renewed lapses although its neighbours are renewed',
    plant: (server, right) => {
      const holds: Bid[] = []
      return {
        async acquire(bid, signal) {
          holds.push(bid)
          return right.acquire(bid, signal)
        },
        async renew(bid, signal) {
          for (const hold of holds) {
            const row = server.live(hold.election)
            if (row?.holder === hold.holder) server.renew(row, hold.ttlMs)
          }
          return right.renew(bid, signal)
        },
      }
    },
  },
  {
    fault: 'keeps a bid that was overtaken by its release',
    law: 'a bid that lands after its own release holds for one ttl at most',
    plant: (server, right) => {
      const released = new Set<string>()
      return {
        async acquire(bid, signal) {
          const lease = await right.acquire(bid, signal)
          const row = server.live(bid.election)
          if (row?.holder === bid.holder && released.has(bid.holder)) row.expiresAt = Number.MAX_SAFE_INTEGER
          return lease
        },
        async release(hold, signal) {
          released.add(hold.holder)
          return right.release(hold, signal)
        },
      }
    },
  },
  {
    fault: 'says that more than the ttl is left',
    law: 'remainingMs is at most the ttl and shrinks',
    plant: (server, right) => ({
      async read(election, signal) {
        const lease = await right.read(election, signal)
        const row = server.live(election)
        return lease && row && { ...lease, remainingMs: row.ttlMs + 1 - (server.now - row.since) / 10 }
      },
    }),
  },
  {
    fault: 'tells others that the whole ttl is left',
    law: 'remainingMs is at most the ttl and shrinks',
    plant: (server, right) => ({
      async read(election, signal) {
        const lease = await right.read(election, signal)
        return lease && { ...lease, remainingMs: server.live(election)?.ttlMs ?? 0 }
      },
    }),
  },
  {
    fault: 'counts heldMs from the last renewal',
    law: 'heldMs counts from the start of a hold',
    plant: (server, right) => ({
      async read(election, signal) {
        const lease = await right.read(election, signal)
        const row = server.live(election)
        return lease && row && { ...lease, heldMs: server.now - row.renewedAt }
      },
    }),
  },
]
