/** Faults of the fencing token. */

import type { Fault } from './fault.ts'

export const tokens: readonly Fault[] = [
  {
    fault: 'keeps the token for a candidate that comes back',
    law: 'every new holder gets a larger token',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const last = server.rows.get(bid.election)
        const lease = await right.acquire(bid, signal)
        const row = server.live(bid.election)
        if (lease?.holder !== bid.holder || !row || !last || last.candidate !== bid.candidate) return lease
        row.token = last.token
        return server.lease(row)
      },
    }),
  },
  {
    fault: 'counts tokens beyond what a number can hold exactly',
    law: 'every new holder gets a larger token',
    plant: (_, right) => ({
      async acquire(bid, signal) {
        const lease = await right.acquire(bid, signal)
        return lease && bid.candidate === 'candidate-2' ? { ...lease, fencingToken: lease.fencingToken * 1000 } : lease
      },
    }),
  },
  {
    fault: 'changes the token with a renewal',
    law: 'renewing never changes the token',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const grantedMs = await right.renew(bid, signal)
        const row = server.live(bid.election)
        if (row && grantedMs > 0) row.token += 1
        return grantedMs
      },
    }),
  },
  {
    fault: 'starts the token again after expiry',
    law: 'tokens grow across expiry',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const last = server.rows.get(bid.election)
        const lease = await right.acquire(bid, signal)
        const row = server.live(bid.election)
        if (lease?.holder !== bid.holder || !row || !last || last === row || last.released || !Number.isFinite(last.expiresAt)) return lease
        row.token = 1
        return server.lease(row)
      },
    }),
  },
  {
    fault: 'forgets the token when a client closes',
    law: 'tokens grow across new clients',
    plant: (server) => ({
      async close() {
        for (const row of server.rows.values()) row.token = -1e15
      },
      async acquire(bid, signal) {
        signal.throwIfAborted()
        const last = server.rows.get(bid.election)
        if (server.live(bid.election) || last?.holder === bid.holder) return last && server.live(bid.election) && server.lease(last)
        const row = server.give(bid)
        row.token = last ? last.token + 1 : server.clock.wall() * 1000
        return server.lease(row)
      },
    }),
  },
  {
    fault: 'starts the token again after a deletion',
    law: 'tokens grow across deletion of the record',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const wiped = server.wiped.has(bid.election)
        const lease = await right.acquire(bid, signal)
        const row = server.live(bid.election)
        if (lease?.holder !== bid.holder || !row || !wiped) return lease
        row.token = 1
        return server.lease(row)
      },
    }),
  },
  {
    fault: 'renews a lease whose record was deleted',
    law: 'a lease whose record was deleted is lost',
    plant: (server, right) => ({
      async renew(bid, signal) {
        if (!server.rows.has(bid.election)) server.give(bid)
        return right.renew(bid, signal)
      },
    }),
  },
  {
    fault: 'forgets the token with the server',
    law: 'tokens grow across a restart of the server',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const last = server.rows.get(bid.election)
        const restarted = last !== undefined && Number.isNaN(last.expiresAt)
        const lease = await right.acquire(bid, signal)
        const row = server.live(bid.election)
        if (lease?.holder !== bid.holder || !row || !restarted) return lease
        row.token = 1
        return server.lease(row)
      },
    }),
  },
]
