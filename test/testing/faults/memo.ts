/** Faults of the memo. */

import type { Memo } from '../../../src/store.ts'
import { turn } from '../../../src/testing/laws/sleep.ts'
import type { Fault } from './fault.ts'

/** A fault in one of the two calls. */
const planted = (memo: Memo, fault: Partial<Memo>) => ({ memo: { ...memo, ...fault } })

export const memos: readonly Fault[] = [
  {
    fault: 'cuts a memo short',
    law: 'a memo is read as it was written',
    plant: (_, { memo }) => planted(memo, { read: async (election, signal) => (await memo.read(election, signal))?.slice(0, 4095) }),
  },
  {
    fault: 'takes an empty memo for none',
    law: 'a memo is read as it was written',
    plant: (_, { memo }) => planted(memo, { read: async (election, signal) => (await memo.read(election, signal)) || undefined }),
  },
  {
    fault: 'keeps one memo for all elections',
    law: 'a memo is read as it was written',
    plant: (server, { memo }) =>
      planted(memo, {
        read: async (election, signal) =>
          (await memo.read(election, signal)) ?? (server.rows.size > 1 ? [...server.memos.values()].at(-1) : undefined),
      }),
  },
  {
    fault: 'forgets the memo with the lease',
    law: 'a memo outlives the lease',
    also: ['a memo survives the server', 'only a live leader writes a memo', 'contenders that count in a memo lose no update'],
    plant: (server, { release }) => ({
      async release(hold, signal) {
        if (server.live(hold.election)?.holder === hold.holder) server.memos.delete(hold.election)
        return release(hold, signal)
      },
    }),
  },
  {
    fault: 'forgets the memo with the next leader',
    law: 'a memo outlives the lease',
    also: ['contenders that count in a memo lose no update'],
    plant: (server, { acquire }) => ({
      async acquire(bid, signal) {
        if (!server.live(bid.election)) server.memos.delete(bid.election)
        return acquire(bid, signal)
      },
    }),
  },
  {
    fault: 'forgets the memo with a renewal',
    law: 'a memo outlives the lease',
    plant: (server, { renew }) => ({
      async renew(bid, signal) {
        server.memos.delete(bid.election)
        return renew(bid, signal)
      },
    }),
  },
  {
    fault: 'writes for whoever knows the election while somebody leads',
    law: 'only a live leader writes a memo',
    also: ['a previous leader cannot write over the memo of its successor'],
    plant: (server, { memo }) =>
      planted(memo, {
        async write({ election }, text, signal) {
          signal.throwIfAborted()
          if (!server.live(election)) return false
          server.memos.set(election, text)
          return true
        },
      }),
  },
  {
    fault: 'writes for a holder that was released, as long as nobody follows',
    law: 'only a live leader writes a memo',
    plant: (server, { memo }) =>
      planted(memo, {
        async write(author, text, signal) {
          signal.throwIfAborted()
          const row = server.rows.get(author.election)
          if (!row?.released || row.token !== author.fencingToken) return memo.write(author, text, signal)
          server.memos.set(author.election, text)
          return true
        },
      }),
  },
  {
    fault: 'writes for a holder whose lease ran out, as long as nobody follows',
    law: 'an expired leader writes no memo',
    plant: (server, { memo }) =>
      planted(memo, {
        async write(author, text, signal) {
          signal.throwIfAborted()
          const row = server.rows.get(author.election)
          if (!row || row.released || row.token !== author.fencingToken) return memo.write(author, text, signal)
          server.memos.set(author.election, text)
          return true
        },
      }),
  },
  {
    fault: 'writes for whoever held the election once',
    law: 'a previous leader cannot write over the memo of its successor',
    plant: (server, { memo, acquire }) => {
      const tokens = new Map<number, string>()
      return {
        async acquire(bid, signal) {
          const lease = await acquire(bid, signal)
          if (lease?.holder === bid.holder) tokens.set(lease.fencingToken, bid.holder)
          return lease
        },
        ...planted(memo, {
          async write(author, text, signal) {
            const live = server.live(author.election)
            if (live?.previous === undefined || tokens.get(author.fencingToken) !== live.previous) return memo.write(author, text, signal)
            server.memos.set(author.election, text)
            return true
          },
        }),
      }
    },
  },
  {
    fault: 'renews with a memo',
    law: 'writing a memo changes nothing of the lease',
    plant: (server, { memo }) =>
      planted(memo, {
        async write(author, text, signal) {
          const done = await memo.write(author, text, signal)
          const row = server.live(author.election)
          if (done && row) server.renew(row, row.ttlMs)
          return done
        },
      }),
  },
  {
    fault: 'answers a read from before the lease',
    law: 'contenders that count in a memo lose no update',
    also: ['a memo is read as it was written'],
    plant: (_, { memo }) => {
      const known = new Map<string, string | undefined>()
      return planted(memo, {
        async read(election, signal) {
          const text = await memo.read(election, signal)
          const before = known.get(election)
          known.set(election, text)
          return before ?? text
        },
      })
    },
  },
  {
    fault: 'says that it is written, and writes later',
    law: 'contenders that count in a memo lose no update',
    also: [
      'a memo is read as it was written',
      'a memo outlives the lease',
      'a memo survives the server',
      'only a live leader writes a memo',
      'a previous leader cannot write over the memo of its successor',
    ],
    plant: (server, { memo }) =>
      planted(memo, {
        async write(author, text, signal) {
          signal.throwIfAborted()
          if (server.live(author.election)?.token !== author.fencingToken) return false
          void (async () => {
            for (let i = 0; i < 3; i++) await turn()
            server.memos.set(author.election, text)
          })()
          return true
        },
      }),
  },
  {
    fault: 'forgets its memos with the server',
    law: 'a memo survives the server',
    plant: (server, { memo }) =>
      planted(memo, {
        async read(election, signal) {
          const restarted = [...server.rows.values()].some(({ expiresAt }) => Number.isNaN(expiresAt))
          return restarted ? undefined : memo.read(election, signal)
        },
      }),
  },
  {
    fault: 'does not look at the signal of a memo',
    law: 'an aborted call of the memo rejects',
    plant: (_, { memo }) => planted(memo, { read: (election) => memo.read(election, new AbortController().signal) }),
  },
]
