/**
 * Servers that lose what they knew. What holds at every level: tokens grow. What holds at level A, and as far as a
 * restart is concerned also below it: nobody is given a lease that somebody may still believe in. What does not hold at
 * level B: that; it is shown here, so that nobody takes it for a promise.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { redis } from '../../../src/stores/redis.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, drivers, electionName, faulty, type Open, operating, outcome, patient, settled, storeAt, wins } from './lab.ts'

const [, client] = drivers[0] ?? []
if (!client) throw new Error('no driver')

describe.skipIf(!findServer('redis'))('a server', () => {
  let server: Server
  let believers: Believers
  afterEach(async () => {
    await believers?.stop()
    await server?.close()
  })

  describe('that keeps nothing', () => {
    let proxy: TcpProxy
    beforeEach(async () => {
      server = await startRedis()
      proxy = await startProxy(server.port)
      believers = new Believers()
    })
    afterEach(() => proxy.close())

    /** The leader hears nothing of a restart for most of its ttl; somebody else asks the restarted server for the lease. */
    async function restartBehindItsBack(open: Open, ttlMs: number): Promise<number> {
      const a = believers.add(open(client?.(proxy.port) ?? fail()), { ttlMs, marginMs: 0 })
      await a.start()
      await believers.leader()
      proxy.stall()
      await server.restart('SIGKILL')
      const b = believers.add(open(client?.(server.port) ?? fail()), { ttlMs, marginMs: 0, retryMs: 100 })
      await b.start()
      await believers.leader(a)
      expect(believers.grows).toBe(true)
      return believers.overlaps
    }

    test('gives nobody a lease after a restart that may still be believed in', async () => {
      await settled(server.port, 3000)
      expect(await restartBehindItsBack(redis, 3000)).toBe(0)
    })

    test('planted: without settling two believe after a restart', async () => {
      const hasty = await faulty({
        file: 'src/stores/redis/scripts.ts',
        find: "if ARGV[4] == '1' then\n",
        replace: "if ARGV[4] == 'never' then\n",
      })
      expect(await restartBehindItsBack(hasty, 15_000)).toBeGreaterThan(0)
    })

    test('says why nobody leads, and for how long', async () => {
      const store = storeAt(server.port)
      const refused = await outcome(store.acquire(bidFor(electionName(), { ttlMs: 3_600_000 }), patient()))
      expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('settling after a restart') })
      await store.close?.()
    })

    test('gives at once what it has seen end since it was started', async () => {
      const ttlMs = 2000
      const store = storeAt(server.port)
      const election = electionName()
      await settled(server.port, ttlMs)
      // A longer ttl than the server is old: what was released before its eyes is free all the same.
      await store.release(await wins(store, election, { ttlMs }), patient())
      await until('the release is old enough for whole seconds', async () => {
        const lease = await outcome(store.acquire(bidFor(election, { ttlMs: 60_000 }), patient()))
        return lease !== undefined && !(lease instanceof Error)
      })
      await store.close?.()
    })

    test('tokens grow over restarts', async () => {
      const store = storeAt(server.port)
      const election = electionName()
      let last = 0
      for (let round = 0; round < 3; round++) {
        await server.restart(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
        const { token } = await winsInTheEnd(election)
        expect(token).toBeGreaterThan(last)
        last = token
      }
      await store.close?.()
    })

    /** A ttl of a tenth of a second is over before a second of uptime is. */
    async function winsInTheEnd(election: string) {
      const store = storeAt(server.port)
      let token = 0
      await until('it is won', async () => {
        const bid = bidFor(election, { ttlMs: 100 })
        const lease = await outcome(store.acquire(bid, patient()))
        if (lease instanceof Error || lease?.holder !== bid.holder) return false
        token = lease.fencingToken
        return true
      })
      await store.close?.()
      return { token }
    }
  })

  describe('that went back to a snapshot', () => {
    beforeEach(async () => {
      server = await startRedis()
    })

    /** The record that came back tells of a tenure before the last. Resolves with what a bid is answered then. */
    async function backInTime(open: Open) {
      const ttlMs = 4000
      await settled(server.port, ttlMs)
      const store = open(client?.(server.port) ?? fail())
      const election = electionName()
      await store.release(await wins(store, election, { ttlMs }), patient())
      await operating(server.port, (operator) => operator.save())
      const held = await wins(store, election, { ttlMs })
      await server.restart('SIGKILL')
      const answer = await outcome(store.acquire(bidFor(election, { ttlMs }), patient()))
      await store.close?.()
      return { answer, held }
    }

    test('gives nobody a lease that it has forgotten', async () => {
      const { answer, held } = await backInTime(redis)
      expect(answer).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('settling') })
      await settled(server.port, held.ttlMs)
      const store = storeAt(server.port)
      const next = await wins(store, held.election, { ttlMs: held.ttlMs })
      expect(next.token).toBeGreaterThan(held.token)
      await store.close?.()
    })

    test('planted: an old record is taken for the whole truth', async () => {
      const trusting = await faulty({
        file: 'src/stores/redis/scripts.ts',
        find: 'not (k[2] and tonumber(k[2]) > now - sure * 1000)',
        replace: 'not k[2]',
      })
      const { answer } = await backInTime(trusting)
      expect(answer).not.toBeInstanceOf(Error)
    })
  })

  describe('that keeps everything', () => {
    beforeEach(async () => {
      server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    })

    test('keeps leases over a crash, and elects at once when it is new', async () => {
      const store = storeAt(server.port)
      const election = electionName()
      const bid = bidFor(election, { ttlMs: 600_000 })
      const lease = await store.acquire(bid, patient())
      expect(lease?.holder).toBe(bid.holder)
      await server.restart('SIGKILL')
      const rival = bidFor(election)
      await until('it answers', async () => {
        const seen = await outcome(store.acquire(rival, patient()))
        return !(seen instanceof Error) && seen?.holder === bid.holder && seen.fencingToken === lease?.fencingToken
      })
      expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
      await store.close?.()
    })

    test('is emptied by FLUSHALL: tokens grow, but two believe until the next renewal', async () => {
      const proxy = await startProxy(server.port)
      believers = new Believers()
      const a = believers.add(redis(client?.(proxy.port) ?? fail()))
      await a.start()
      await believers.leader()
      proxy.stall()
      await operating(server.port, (operator) => operator.flushall())
      const b = believers.add(redis(client?.(server.port) ?? fail()))
      await b.start()
      expect(await believers.leader(a)).toBe(b)
      expect(believers.overlaps).toBeGreaterThan(0)
      expect(believers.grows).toBe(true)
      proxy.resume()
      await until('the first has been told', () => !a.isLeader)
      await believers.stop()
      await proxy.close()
    })
  })
})

function fail(): never {
  throw new Error('no driver')
}
