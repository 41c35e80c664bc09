/** Faults that a previous holder comes through. */

import { turn } from '../../../src/testing/laws/sleep.ts'
import type { Fault } from './fault.ts'

export const zombie: readonly Fault[] = [
  {
    fault: 'renews for the previous holder',
    law: 'a previous holder cannot renew the lease of its successor',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const row = server.live(bid.election)
        return row?.previous === bid.holder ? server.renew(row, bid.ttlMs) : right.renew(bid, signal)
      },
    }),
  },
  {
    fault: 'releases for the previous holder',
    law: 'a previous holder cannot release the lease of its successor',
    plant: (server, right) => ({
      async release(hold, signal) {
        const row = server.live(hold.election)
        if (row?.previous === hold.holder) return server.free(row)
        return right.release(hold, signal)
      },
    }),
  },
  {
    fault: 'gives the lease back to the previous holder',
    law: 'a previous holder cannot have the lease of its successor',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.live(bid.election)
        return row?.previous === bid.holder ? server.lease(server.give(bid)) : right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'renews a released holder',
    law: 'a released holder can neither renew nor come back',
    plant: (server, right) => {
      const released = new Set<string>()
      return {
        async renew(bid, signal) {
          const row = server.rows.get(bid.election)
          const back = row?.holder === bid.holder && row.released && released.has(bid.holder)
          return back ? server.renew(row, bid.ttlMs) : right.renew(bid, signal)
        },
        async release(hold, signal) {
          released.add(hold.holder)
          return right.release(hold, signal)
        },
      }
    },
  },
  {
    fault: 'lets a released holder come back',
    law: 'a released holder can neither renew nor come back',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const row = server.rows.get(bid.election)
        if (row?.holder === bid.holder && row.released) return server.lease(server.give(bid))
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'rejects a second release',
    law: 'releasing twice is quiet',
    plant: (_, right) => {
      const released = new Set<string>()
      return {
        async release(hold, signal) {
          if (released.has(hold.holder)) throw new Error('no such lease')
          await right.release(hold, signal)
          // Two at once are not what this fault is about.
          await turn()
          released.add(hold.holder)
        },
      }
    },
  },
]
