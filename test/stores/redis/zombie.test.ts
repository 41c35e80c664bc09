/** Requests that stall on their way to the server, are given up, and land late. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redis } from '../../../src/stores/redis.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import type { Server } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { bidFor, drivers, electionName, faulty, landing, type Open, outcome, patient, storeAt, warm, wins } from './lab.ts'

const TTL = 1000

describe.skipIf(!findServer('redis'))('requests that land late', () => {
  let server: Server
  let proxy: TcpProxy
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    proxy = await startProxy(server.port)
  })
  afterAll(async () => {
    await proxy?.close()
    await server?.close()
  })

  describe.each(drivers)('%s', (_name, client) => {
    test.each(['acquire', 'renew', 'release'] as const)('a late %s of a previous holder leaves its successor alone', async (verb) => {
      const slow = redis(client(proxy.port))
      const other = redis(client(server.port))
      await warm(other)
      const election = electionName()
      const old = bidFor(election, { ttlMs: TTL })
      if (verb !== 'acquire') await slow.acquire(old, patient())
      const held = proxy.hold(old.holder)
      const abort = new AbortController()
      const call = outcome<unknown>(
        verb === 'acquire'
          ? slow.acquire(old, abort.signal)
          : verb === 'renew'
            ? slow.renew(old, abort.signal)
            : slow.release(old, abort.signal),
      )
      await held.caught
      abort.abort()
      expect(await call).toBeInstanceOf(Error)
      const now = await wins(other, election)
      const { landed } = await landing(server.port, old.holder)
      held.letGo()
      await landed
      const lease = await other.read(election, patient())
      expect(lease?.holder).toBe(now.holder)
      expect(await other.renew(now, patient())).toBe(now.ttlMs)
      // What it asked for is answered as to somebody who was there long ago.
      expect(await slow.renew(old, patient())).toBe(0)
      await Promise.all([slow.close?.(), other.close?.()])
    })

    test('a bid that lands after its own release locks nobody out', () => overtaken(redis, (port) => client(port)))

    test('an answer that is lost is found again by the same holder', async () => {
      const slow = redis(client(proxy.port))
      const bid = bidFor(electionName())
      const first = await slow.acquire(bid, patient())
      for (const verb of ['acquire', 'renew', 'release'] as const) {
        const fresh = verb === 'acquire' ? bidFor(electionName()) : bid
        proxy.dropAnswers()
        expect(await outcome<unknown>(slow[verb](fresh, AbortSignal.timeout(300)))).toBeInstanceOf(Error)
        proxy.resume()
        if (verb === 'acquire') {
          const lease = await slow.acquire(fresh, patient())
          expect(lease?.holder).toBe(fresh.holder)
          expect(lease?.remainingMs).toBeLessThan(fresh.ttlMs)
        }
        if (verb === 'renew') {
          expect(await slow.renew(bid, patient())).toBe(bid.ttlMs)
          expect((await slow.read(bid.election, patient()))?.fencingToken).toBe(first?.fencingToken)
        }
        if (verb === 'release') {
          await slow.release(bid, patient())
          expect(await slow.read(bid.election, patient())).toBeUndefined()
        }
      }
      await slow.close?.()
    })
  })

  /** A bid stalls, is given up and released; then it lands. */
  async function overtaken(open: Open, client: (port: number) => Parameters<Open>[0]): Promise<void> {
    const slow = open(client(proxy.port))
    const other = storeAt(server.port)
    await warm(other)
    const bid = bidFor(electionName())
    const held = proxy.hold(bid.holder)
    const abort = new AbortController()
    const call = outcome(slow.acquire(bid, abort.signal))
    await held.caught
    abort.abort()
    await call
    await slow.release(bid, patient())
    const { landed } = await landing(server.port, bid.holder)
    held.letGo()
    await landed
    const rival = bidFor(bid.election)
    const lease = await other.acquire(rival, patient())
    await Promise.all([slow.close?.(), other.close?.()])
    expect(lease?.holder).toBe(rival.holder)
  }

  test('planted: a release that leaves no word for its late bid', async () => {
    const open = await faulty({
      file: 'src/stores/redis/scripts.ts',
      find: "if k[1] ~= ARGV[1] then redis.call('HSET', KEYS[2], 'x', ARGV[1], 'f', '1') end",
      replace: '',
    })
    const [, client] = drivers[0] ?? []
    if (!client) throw new Error('no driver')
    await expect(overtaken(open, (port) => client(port))).rejects.toThrow()
  })
})
