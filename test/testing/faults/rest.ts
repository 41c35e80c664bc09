/** Faults of the abort signal, of the watch, and of crowds. */

import { turn } from '../../../src/testing/laws/sleep.ts'
import type { Fault } from './fault.ts'

export const rest: readonly Fault[] = [
  {
    fault: 'does not look at its signal',
    law: 'an aborted call rejects',
    plant: (_, right) => ({ read: (election) => right.read(election, new AbortController().signal) }),
  },
  {
    fault: 'hangs when a call is aborted on its way',
    law: 'a call that is aborted on its way settles',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const grantedMs = await right.renew(bid, signal)
        await turn()
        if (signal.aborted && server.live(bid.election)?.holder === bid.holder) await new Promise(() => {})
        return grantedMs
      },
    }),
  },
  {
    fault: 'is broken by a call that is aborted on its way',
    law: 'a store is usable after aborted calls',
    plant: (_, right) => {
      let broken = false
      return {
        async read(election, signal) {
          const lease = await right.read(election, signal)
          await turn()
          broken ||= signal.aborted
          return lease
        },
        renew: async (bid, signal) => (broken ? 0 : right.renew(bid, signal)),
      }
    },
  },
  {
    fault: 'keeps a bid that was aborted for ever',
    law: 'an aborted bid holds for one ttl at most',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const lease = await right.acquire(bid, signal)
        await turn()
        const row = server.live(bid.election)
        if (signal.aborted && row?.holder === bid.holder) row.expiresAt = Number.MAX_SAFE_INTEGER
        return lease
      },
    }),
  },
  {
    fault: 'does not say that a watch is in place',
    law: 'a watch says once that it is in place',
    plant: (server, right) => ({
      watch: (election, changed, signal) =>
        right.watch(
          election,
          () => {
            if (server.rows.has(election)) changed()
          },
          signal,
        ),
    }),
  },
  {
    fault: 'lets a watch outlive its signal',
    law: 'a watch resolves when its signal is aborted, and is silent afterwards',
    plant: (_, right) => ({
      async watch(election, changed, signal) {
        await right.watch(election, changed, signal)
        await new Promise(() => {})
      },
    }),
  },
  {
    fault: 'tells of changes after its watch has ended',
    law: 'a watch resolves when its signal is aborted, and is silent afterwards',
    plant: (server, right) => ({
      async watch(election, changed, signal) {
        await right.watch(election, changed, signal)
        server.watchers.add(changed)
      },
    }),
  },
  {
    fault: 'rejects an aborted watch',
    law: 'a watch resolves when its signal is aborted, and is silent afterwards',
    plant: (_, right) => ({
      async watch(election, changed, signal) {
        await right.watch(election, changed, signal)
        throw new Error('aborted')
      },
    }),
  },
  {
    fault: 'refuses renewals while somebody watches',
    law: 'a watch changes nothing',
    plant: (server, right) => ({ renew: async (bid, signal) => (server.watchers.size > 0 ? 0 : right.renew(bid, signal)) }),
  },
  {
    fault: 'looks at a new election, and writes later',
    law: 'a hundred bids on a new election elect one',
    also: ['eight contenders on one counter lose no update'],
    plant: (server, right) => ({
      async acquire(bid, signal) {
        if (server.rows.has(bid.election)) return right.acquire(bid, signal)
        signal.throwIfAborted()
        await turn()
        return server.rows.get(bid.election)?.holder === bid.holder ? right.acquire(bid, signal) : server.lease(server.give(bid))
      },
    }),
  },
  {
    fault: 'looks at a free election, and writes later',
    law: 'eight contenders on one counter lose no update',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.rows.get(bid.election)
        if (!row || server.live(bid.election) || row.holder === bid.holder) return right.acquire(bid, signal)
        await turn()
        signal.throwIfAborted()
        return server.lease(server.give(bid))
      },
    }),
  },
]
