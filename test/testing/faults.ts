/**
 * One planted fault each, with the law that has to catch it. A fault overrides a few calls of a right client, and is as
 * narrow as it can be: it should break the law that names it and no other.
 */

import { systemClock } from '../../src/clock.ts'
import { TenureError } from '../../src/errors.ts'
import type { Bid } from '../../src/store.ts'
import type { Client, Server } from './plain-store.ts'

export interface Fault {
  readonly fault: string
  readonly law: string
  /** Laws that cannot be kept either, because they rest on the one that names the fault. */
  readonly also?: readonly string[]
  readonly plant: (server: Server, right: Client) => Partial<Client>
}

const turn = () => new Promise<void>((resolve) => systemClock.afterPending(resolve))

export const faults: readonly Fault[] = [
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
    fault: 'takes the token from the wall clock in nanoseconds',
    law: 'every new holder gets a larger token',
    plant: (server, right) => ({
      async acquire(bid, signal) {
        const lease = await right.acquire(bid, signal)
        // From the third tenure on, so that this fault is caught by more than one bid.
        const row = server.rows.get(bid.election)
        if (lease && row && bid.candidate === 'candidate-2') return { ...lease, fencingToken: lease.fencingToken * 1000 }
        return lease
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
        if (lease?.holder !== bid.holder || !row || !last || last.released || !Number.isFinite(last.expiresAt)) return lease
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
  {
    fault: 'releases all that a client holds',
    law: 'elections do not touch each other',
    plant: (_, right) => {
      const holds: Bid[] = []
      return {
        async acquire(bid, signal) {
          holds.push(bid)
          return right.acquire(bid, signal)
        },
        async release(hold, signal) {
          if (holds.some(({ holder }) => holder === hold.holder)) for (const own of holds) await right.release(own, signal)
          return right.release(hold, signal)
        },
      }
    },
  },
  {
    fault: 'renews whatever the name',
    law: 'elections do not touch each other',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const other = [...server.rows.values()].some((row) => row.holder === bid.holder && server.now < row.expiresAt)
        return other ? Math.max(await right.renew(bid, signal), 1) : right.renew(bid, signal)
      },
    }),
  },
  {
    fault: 'fails on slashes, and does not say why',
    law: 'awkward names work, or are refused clearly',
    also: ['names that look alike are different elections', 'list names the elections that are held'],
    plant: (_, right) => ({
      async acquire(bid, signal) {
        if (bid.election.includes('/')) throw new Error('no such directory')
        return right.acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'cuts names for reading at 190 characters',
    law: 'awkward names work, or are refused clearly',
    plant: (_, right) => ({ read: (election, signal) => right.read(election.slice(0, 190), signal) }),
  },
  ...(
    [
      ['folds case', (name: string) => name.toLowerCase()],
      ['cuts names at 180 characters', (name: string) => name.slice(0, 180)],
      ['trims names', (name: string) => name.trimEnd()],
      ['normalises letters', (name: string) => name.normalize('NFC')],
      ['takes a slash for a colon', (name: string) => name.replaceAll('/', ':')],
      ['decodes names', (name: string) => name.replaceAll('%2F', '/')],
    ] as const
  ).map(
    ([fault, fold]): Fault => ({
      fault,
      law: 'names that look alike are different elections',
      plant: (_, right) => ({
        acquire: (bid, signal) => right.acquire({ ...bid, election: fold(bid.election) }, signal),
        renew: (bid, signal) => right.renew({ ...bid, election: fold(bid.election) }, signal),
        release: (hold, signal) => right.release({ ...hold, election: fold(hold.election) }, signal),
        read: (election, signal) => right.read(fold(election), signal),
        // Its list is right all the same: this fault is about who meets whom.
        list: async () => everything,
      }),
    }),
  ),
  {
    fault: 'loses the advert in a renewal',
    law: 'candidate and advert survive the round trip',
    plant: (server, right) => ({
      async renew(bid, signal) {
        const row = server.live(bid.election)
        if (row?.holder === bid.holder) row.advert = undefined
        return right.renew(bid, signal)
      },
    }),
  },
  {
    fault: 'cuts the candidate at 8 characters',
    law: 'candidate and advert survive the round trip',
    also: ['a refused bid changes nothing'],
    plant: (_, right) => ({ acquire: (bid, signal) => right.acquire({ ...bid, candidate: bid.candidate.slice(0, 8) }, signal) }),
  },
  {
    fault: 'lists an election twice',
    law: 'list names the elections that are held',
    plant: (_, right) => ({ list: async (signal) => [...(await right.list(signal)), ...(await right.list(signal))] }),
  },
  {
    fault: 'lists nothing',
    law: 'list names the elections that are held',
    plant: (_, right) => ({ list: async (signal) => (await right.list(signal)).slice(0, 0) }),
  },
  {
    fault: 'does not look at its signal',
    law: 'an aborted call rejects',
    plant: (_, right) => ({ read: (election) => right.read(election, new AbortController().signal) }),
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
  {
    fault: 'refuses a name of two lines in a way that looks like an outage',
    law: 'awkward names work, or are refused clearly',
    plant: (_, right) => ({
      async acquire(bid, signal) {
        if (bid.election.includes('\n')) throw new TenureError('store-unreachable', 'try again')
        return right.acquire(bid, signal)
      },
    }),
  },
]

/** A list that names everything. */
const everything: readonly string[] = Object.assign([], { includes: () => true, indexOf: () => 0, lastIndexOf: () => 0 })
