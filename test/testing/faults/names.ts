/** Faults of names and of what people read. */

import { TenureError } from '../../../src/errors.ts'
import type { Bid } from '../../../src/store.ts'
import type { Fault } from './fault.ts'

export const names: readonly Fault[] = [
  {
    fault: 'releases all that a client holds',
    law: 'elections do not touch each other',
    also: ['a store is usable after aborted calls'],
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
        async list(signal) {
          signal.throwIfAborted()
          return everything
        },
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
