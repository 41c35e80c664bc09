/**
 * A failover under Sentinel, which is level B: what the replica had not been told is lost. Tokens grow all the same, and
 * `replicas: 1` narrows what can be lost. Shown here, so that nobody takes more for a promise.
 */

import { Redis } from 'ioredis'
import { createSentinel } from 'redis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { wiresOf } from '../../../src/stores/redis/wire.ts'
import { type RedisClient, redis } from '../../../src/stores/redis.ts'
import { startWatched, type Watched } from '../../harness/redis.ts'
import { until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, connectionsAt, electionName, operating, outcome, patient, settled, wins } from './lab.ts'

const drivers: readonly (readonly [string, (port: number) => RedisClient])[] = [
  ['ioredis', (port) => new Redis({ sentinels: [{ host: '127.0.0.1', port }], name: 'main', lazyConnect: true })],
  ['node-redis', (port) => createSentinel({ sentinelRootNodes: [{ host: '127.0.0.1', port }], name: 'main' })],
]

describe.skipIf(!findServer('redis')).each(drivers)('%s under Sentinel', (_name, client) => {
  let watched: Watched
  const open = () => redis(client(watched.sentinel.port))
  beforeEach(async () => {
    watched = await startWatched()
    await settled(watched.primary.port, 2000)
    await settled(watched.replica.port, 2000)
  })
  afterEach(() => watched.close())

  test('the primary is killed: one leads again, and its token is larger', async () => {
    const believers = new Believers()
    for (let i = 0; i < 2; i++) await believers.add(open(), { ttlMs: 2000 }).start()
    const first = await believers.leader()
    const token = first.tenure?.fencingToken ?? 0
    await operating(watched.primary.port, (operator) => operator.wait(1, 5000))
    await watched.failOverAfter(500)
    await watched.primary.kill()
    await until('the replica is asked', async () => (await roleOf(watched.replica.port)) === 'master', TILT_MS)
    await believers.leader()
    await until('somebody leads by the new primary', () =>
      operating(watched.replica.port, async (operator) => (await operator.exists(`tenure:{${believers.election}}:lease`)) === 1),
    )
    expect(believers.grows).toBe(true)
    expect(Math.max(...believers.tokens)).toBeGreaterThanOrEqual(token)
    await believers.stop()
  }, 90_000)

  test('the primary is made a replica, and Sentinel still names it: tried again, and nobody is told that it is unfit', async () => {
    const elsewhere = await startRedis()
    const known = open()
    try {
      const bid = bidFor(electionName(), { ttlMs: 2000 })
      expect((await known.acquire(bid, patient()))?.holder).toBe(bid.holder)
      await operating(watched.primary.port, (operator) => operator.replicaof('127.0.0.1', elsewhere.port))
      const fresh = open()
      for (const store of [known, fresh, known]) {
        const refused = await outcome(store.acquire(bidFor(electionName(), { ttlMs: 2000 }), AbortSignal.timeout(5000)))
        expect(refused).toMatchObject({ code: 'store-unreachable' })
      }
      await operating(watched.primary.port, (operator) => operator.replicaof('NO', 'ONE'))
      await wins(fresh, electionName(), { ttlMs: 2000 })
      await fresh.close?.()
    } finally {
      await known.close?.()
      await elsewhere.close()
    }
  })

  test('a failover that an operator asks for: nobody is told that the store is unfit, and one leads by the new primary', async () => {
    const believers = new Believers()
    const codes = new Set<string>()
    for (let i = 0; i < 2; i++) {
      const candidate = believers.add(open(), { ttlMs: 2000 })
      candidate.on('trouble', ({ code }) => codes.add(code))
      await candidate.start()
    }
    await believers.leader()
    await operating(watched.sentinel.port, (operator) => operator.call('SENTINEL', 'FAILOVER', 'main'))
    await until('the other is the primary', async () => (await roleOf(watched.replica.port)) === 'master', TILT_MS)
    await until('the old one is a replica', async () => (await roleOf(watched.primary.port)) === 'slave', TILT_MS)
    await until('somebody leads by the new primary', () =>
      operating(watched.replica.port, async (operator) => (await operator.pttl(`tenure:{${believers.election}}:lease`)) > 0),
    )
    await believers.leader()
    expect(codes).not.toContain('store-unfit')
    expect(believers.grows).toBe(true)
    await believers.stop()
  }, 90_000)

  test('a lease that the replica was not told of is lost: two may believe, and the second has the larger token', async () => {
    const a = open()
    const b = open()
    const bid = bidFor(electionName(), { ttlMs: 2000 })
    watched.replica.freeze()
    const lease = await a.acquire(bid, patient())
    expect(lease?.holder).toBe(bid.holder)
    await failOver()
    let rival = bidFor(bid.election, { ttlMs: 2000 })
    let given = 0
    await until('it is given away', async () => {
      rival = bidFor(bid.election, { ttlMs: 2000 })
      const answer = await outcome(b.acquire(rival, AbortSignal.timeout(5000)))
      if (answer instanceof Error || answer?.holder !== rival.holder) return false
      given = answer.fencingToken
      return true
    })
    expect(given).toBeGreaterThan(lease?.fencingToken ?? 0)
    // The first learns of it with its next renewal.
    expect(await a.renew(bid, patient())).toBe(0)
    await Promise.all([a.close?.(), b.close?.()])
  }, 90_000)

  test('cut while it is made, no connection is left', async () => {
    for (let round = 0; round < 5; round++) {
      const wire = wiresOf(client(watched.sentinel.port)).make(() => {})
      const opening = outcome(wire.open())
      if (round > 0) await new Promise((resolve) => setTimeout(resolve, 5 * (round - 1)))
      wire.cut()
      await opening
    }
    const candidate = new Believers()
    await candidate.add(open(), { ttlMs: 2000 }).start()
    await candidate.leader()
    await candidate.stop()
    for (const { port } of [watched.primary, watched.sentinel])
      await until('nobody is left', async () => (await clientsAt(port)) === 0, 60_000)
    expect(await connectionsAt(watched.primary.port)).toBe(0)
  }, 150_000)

  async function failOver(): Promise<void> {
    await watched.failOverAfter(500)
    await watched.primary.kill()
    watched.replica.thaw()
    await until('the replica is promoted', async () => (await roleOf(watched.replica.port)) === 'master', TILT_MS)
  }
})

describe.skipIf(!findServer('redis')).each(drivers)('%s under Sentinel, and a primary that forgets nothing', (_name, client) => {
  test('a win that has to be on a replica does not count before it is', async () => {
    // Gives away at once what it has not seen end. A sixth of the ttl is what the replica may take to confirm.
    const watched = await startWatched({ primary: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    const ttlMs = 12_000
    const a = redis(client(watched.sentinel.port), { replicas: 1 })
    try {
      const bid = bidFor(electionName(), { ttlMs })
      expect((await a.acquire(bid, patient()))?.holder).toBe(bid.holder)
      expect(await a.renew(bid, patient())).toBe(ttlMs)
      watched.replica.freeze()
      const other = bidFor(electionName(), { ttlMs })
      for (const call of [() => a.acquire(other, patient()), () => a.renew(bid, patient())]) {
        expect(await outcome<unknown>(call())).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('replicas') })
      }
      watched.replica.thaw()
    } finally {
      await a.close?.()
      await watched.close()
    }
  })
})

/** A Sentinel that stood still itself for two seconds trusts nothing for thirty. */
const TILT_MS = 60_000

function roleOf(port: number): Promise<string | undefined> {
  return operating(port, async (operator) => /role:(\w+)/.exec(await operator.info('replication'))?.[1])
}

/** Connections of clients, other than Sentinel, replicas and the one that asks. */
function clientsAt(port: number): Promise<number> {
  return operating(port, async (operator) => {
    const lines = String(await operator.client('LIST'))
      .trim()
      .split('\n')
    return lines.filter((line) => !/ name=sentinel|flags=S|cmd=client|cmd=replconf|cmd=psync/.test(line)).length
  })
}
