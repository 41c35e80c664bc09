/** Faults that two leaders come from. */

import { turn } from '../../../src/testing/laws/sleep.ts'
import type { Fault } from './fault.ts'

export const exclusive: readonly Fault[] = [
  {
    fault: 'gives a live lease to whoever bids for longer',
    law: 'a live lease is never given to another holder',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row && bid.ttlMs > row.ttlMs) return server.lease(server.give(bid))
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'gives a live lease to a candidate of the same name',
    law: 'a live lease is never given to another holder',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row && bid.candidate === row.candidate && bid.holder !== row.holder) return server.lease(server.give(bid))
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'gives a lease away in its last tenth',
    law: 'a live lease is never given to another holder',
    also: ['what a repeated bid is told is left, is left', 'a renewed lease lives for what was granted, and not for longer'],
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row && row.expiresAt - server.now < row.ttlMs / 10) return server.lease(server.give(bid))
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'extends the lease when its holder asks again',
    law: 'the same holder asking again gets the same lease, not a longer one',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row?.holder === bid.holder) server.renew(row, bid.ttlMs)
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'answers a repeated bid with a new token',
    law: 'the same holder asking again gets the same lease, not a longer one',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row?.holder === bid.holder && server.now > row.since) row.token += 1
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'answers a repeated bid with the whole ttl',
    law: 'what a repeated bid is told is left, is left',
    plant: (_, right) => ({
      async acquire(bid, signal) {
        const lease = await right.acquire(bid, signal)
        return lease?.holder === bid.holder ? { ...lease, remainingMs: bid.ttlMs } : lease
      },
    }),
  },
  {
    fault: 'renewing adds the ttl to what is left',
    law: 'a renewed lease lives for what was granted, and not for longer',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const row = server.live(bid.election)
        if (row?.holder !== bid.holder) return right.renew(bid, signal)
        signal.throwIfAborted()
        row.expiresAt += bid.ttlMs
        return bid.ttlMs
      },
    }),
  },
  {
    fault: 'grants a renewal without writing it down',
    law: 'a renewed lease lives for what was granted, and not for longer',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const row = server.live(bid.election)
        // The first one only, so that a hold with several is kept.
        if (row?.holder !== bid.holder || row.since !== row.renewedAt || row.since === server.now) return right.renew(bid, signal)
        row.renewedAt = server.now
        return bid.ttlMs
      },
    }),
  },
  {
    fault: 'answers a renewal from an earlier one',
    law: 'no answer is older than its question',
    plant: (server, right) => {
      const answers = new Map<string, { at: number; grantedMs: number }>()
      return {
        async renew(bid, signal) {
          const known = answers.get(bid.holder)
          if (known && server.now - known.at < 20) return known.grantedMs
          const grantedMs = await right.renew(bid, signal)
          answers.set(bid.holder, { at: server.now, grantedMs })
          return grantedMs
        },
        async release(hold, signal) {
          answers.delete(hold.holder)
          return right.release(hold, signal)
        },
      }
    },
  },
  {
    fault: 'lets a renewal join one that has left',
    law: 'no answer is older than its question',
    plant: (_, right) => {
      const flying = new Map<string, Promise<number>>()
      return {
        renew(bid, signal) {
          const answer = flying.get(bid.holder) ?? late(right.renew(bid, signal))
          flying.set(bid.holder, answer)
          return answer.finally(() => flying.delete(bid.holder))
        },
      }
      async function late(granted: Promise<number>) {
        const grantedMs = await granted
        await turn()
        return grantedMs
      }
    },
  },
  {
    fault: 'lets a refused bid with an advert prolong the lease',
    law: 'a refused bid changes nothing',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row && row.holder !== bid.holder && bid.advert !== undefined)
          row.expiresAt = Math.max(row.expiresAt, server.now + bid.ttlMs * 0.9)
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'lets a refused bid change the advert',
    law: 'a refused bid changes nothing',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        if (row && row.holder !== bid.holder && bid.advert !== undefined) row.advert = bid.advert
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'takes two copies of a bid for two bids',
    law: 'a doubled request is one request',
    plant: (server, right) => {
      const flying = new Set<string>()
      return {
        async acquire(bid, signal) {
          if (flying.has(bid.holder)) return server.lease(server.give(bid))
          flying.add(bid.holder)
          try {
            const lease = await right.acquire(bid, signal)
            await turn()
            return lease
          } finally {
            flying.delete(bid.holder)
          }
        },
      }
    },
  },
]
