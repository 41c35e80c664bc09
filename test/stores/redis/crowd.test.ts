/** Many elections in one process, many candidates of one election, and requests that come twice. */

import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Fence } from '../../../src/fence.ts'
import { Candidate } from '../../../src/index.ts'
import type { IoredisClient } from '../../../src/stores/redis/client.ts'
import { keysOf } from '../../../src/stores/redis/keys.ts'
import { redis } from '../../../src/stores/redis.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, electionName, faulty, type Open, operating, outcome, patient, settled, storeAt, wins } from './lab.ts'

describe.skipIf(!findServer('redis'))('a crowd', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())
  beforeEach(() => operating(server.port, (operator) => operator.flushall()))

  test('ten thousand leases are renewed by twenty-five scripts at most', async () => {
    const store = storeAt(server.port)
    const bids = Array.from({ length: 10_000 }, () => bidFor(electionName(), { ttlMs: 600_000 }))
    await Promise.all(bids.map((bid) => store.acquire(bid, AbortSignal.timeout(120_000))))
    await store.renew(bids[0] ?? bidFor(''), patient())
    await operating(server.port, (operator) => operator.config('RESETSTAT'))
    const grants = await Promise.all(bids.map((bid) => store.renew(bid, AbortSignal.timeout(120_000))))
    expect(grants.every((grant) => grant === 600_000)).toBe(true)
    const stats = await operating(server.port, (operator) => operator.info('commandstats'))
    expect(Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])).toBeLessThanOrEqual(25)
    await store.close?.()
  }, 180_000)

  test('a hundred candidates hear of one release: one leads, after a few calls each', async () => {
    const stores = Array.from({ length: 5 }, () => storeAt(server.port))
    const election = electionName()
    const all = Array.from({ length: 100 }, (_, i) => new Candidate({ election, store: stores[i % 5] ?? storeAt(server.port) }))
    const elected = all.map((candidate) => new Promise<void>((resolve) => candidate.on('elected', () => resolve())))
    await Promise.all(all.map((candidate) => candidate.start()))
    await until('one leads', () => all.filter((candidate) => candidate.isLeader).length === 1)
    const first = all.findIndex((candidate) => candidate.isLeader)
    await operating(server.port, (operator) => operator.config('RESETSTAT'))
    await all[first]?.stop()
    await Promise.race(elected.filter((_, i) => i !== first))
    await until('the rest has looked', () => all.every((candidate, i) => i === first || candidate.leader !== undefined))
    expect(all.filter((candidate) => candidate.isLeader)).toHaveLength(1)
    const stats = await operating(server.port, (operator) => operator.info('commandstats'))
    expect(Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]) / 99).toBeLessThanOrEqual(3)
    await Promise.all(all.map((candidate) => candidate.stop()))
    await Promise.all(stores.map((store) => store.close?.()))
  })

  test('a fifth of all requests comes twice, and nothing comes of it', async () => {
    const believers = new Believers()
    const fence = new Fence()
    for (let i = 0; i < 3; i++) {
      const store = redis(doubling(new Redis(server.port, { lazyConnect: true })))
      const candidate = believers.add(store, {
        ttlMs: 5000,
        retryMs: 100,
        work: (tenure) => fence.assertAdmits(tenure.fencingToken),
      })
      await candidate.start()
    }
    let last: Candidate | undefined
    for (let round = 0; round < 30; round++) {
      last = await believers.leader()
      await last.stepDown({ cooldownMs: 20 })
    }
    await believers.leader()
    expect(believers.overlaps).toBe(0)
    expect(believers.grows).toBe(true)
    expect(believers.tokens.length).toBeGreaterThan(30)
    await believers.stop()
  })

  describe('an operator', () => {
    test('who takes the expiry from a lease, or prolongs it, gives nobody more than a ttl', () => meddled(redis))

    test('planted: a lease that is left as it is found', async () => {
      const gullible = await faulty({ file: 'src/stores/redis/scripts.ts', find: 'if odd then', replace: 'if false then' })
      await expect(meddled(gullible)).rejects.toThrow()
    })

    async function meddled(open: Open): Promise<void> {
      const store = open(new Redis(server.port, { lazyConnect: true }))
      try {
        for (const meddle of ['PERSIST', 'PEXPIRE'] as const) {
          const bid = await wins(store, electionName(), { ttlMs: 2000 })
          const { lease } = keysOf('', bid.election)
          await operating(server.port, (operator) => (meddle === 'PERSIST' ? operator.persist(lease) : operator.pexpire(lease, 3_600_000)))
          const rival = bidFor(bid.election)
          const seen = await store.acquire(rival, patient())
          expect(seen?.holder).toBe(bid.holder)
          expect(seen?.remainingMs).toBeLessThanOrEqual(2000)
          await until('it is free', async () => (await store.acquire(rival, patient()))?.holder === rival.holder, 15_000)
        }
      } finally {
        await store.close?.()
      }
    }

    test('who deletes the lease ends the tenure, and the token still grows', async () => {
      const believers = new Believers()
      const a = believers.add(storeAt(server.port), { ttlMs: 30_000, renewMs: 1000 })
      await a.start()
      await believers.leader()
      const ended = new Promise<string>((resolve) => a.on('deposed', (_tenure, why) => resolve(why)))
      const { lease, token } = keysOf('', believers.election)
      await operating(server.port, (operator) => operator.del(lease, token))
      expect(await ended).toBe('superseded')
      await believers.leader()
      expect(believers.grows).toBe(true)
      await believers.stop()
    })
  })

  test('ten thousand tenures, whatever ended them, and every token larger than the last', async () => {
    // Without an fsync for each of them.
    const quick = await startRedis()
    const ttlMs = 1000
    await settled(quick.port, ttlMs)
    const store = storeAt(quick.port)
    const election = electionName()
    const { lease, token } = keysOf('', election)
    const operator = new Redis(quick.port)
    const keep = outcome(store.watch?.('kept', () => {}, patient()) ?? Promise.resolve())
    let last = 0
    for (let round = 0; round < 10_000; round++) {
      const bid = bidFor(election, { ttlMs })
      const won = await store.acquire(bid, patient())
      if (won?.holder !== bid.holder || won.fencingToken <= last) throw new Error(`round ${round}: ${JSON.stringify(won)} after ${last}`)
      last = won.fencingToken
      if (round % 3 === 0) await store.release(bid, patient())
      else if (round % 3 === 1) await operator.del(lease)
      else await operator.del(lease, token)
    }
    operator.disconnect()
    await store.close?.()
    await keep
    await quick.close()
  }, 180_000)
})

/** A client whose connections send every fifth command twice. */
function doubling(client: IoredisClient): IoredisClient {
  let seed = 1
  const twice = () => {
    seed = (seed * 48271) % 2147483647
    return seed % 5 === 0
  }
  const wrapped = (own: IoredisClient): IoredisClient => ({
    options: own.options,
    duplicate: (overrides) => wrapped(own.duplicate(overrides)),
    connect: () => own.connect(),
    disconnect: () => own.disconnect(),
    async call(command, args) {
      if (!twice()) return own.call(command, args)
      const [first] = await Promise.all([own.call(command, args), own.call(command, args)])
      return first
    },
    subscribe: (channel) => own.subscribe(channel),
    on: (event, listener) => own.on(event, listener),
  })
  return wrapped(client)
}
