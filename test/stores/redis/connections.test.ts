/** Connections: the store's own, few, replaced when they are not answered, and none while nothing stands. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { wiresOf } from '../../../src/stores/redis/wire.ts'
import { redis } from '../../../src/stores/redis.ts'
import { startProxy } from '../../harness/proxy.ts'
import { currentRun } from '../../harness/run.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, connectionsAt, drivers, electionName, operating, outcome, patient, storeAt, wins } from './lab.ts'

describe.skipIf(!findServer('redis'))('connections', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())

  const none = () => until('no connection is left', async () => (await connectionsAt(server.port)) === 0)

  describe.each(drivers)('%s', (_name, client) => {
    test('two for fifty candidates, and none after the last has stopped', async () => {
      const store = redis(client(server.port))
      const candidates = Array.from({ length: 50 }, () => new Candidate({ election: electionName(), store }))
      await Promise.all(candidates.map((candidate) => candidate.start()))
      await until('all lead', () => candidates.every((candidate) => candidate.isLeader))
      await until('all listen on one', async () => (await connectionsAt(server.port)) === 2)
      await Promise.all(candidates.map((candidate) => candidate.stop()))
      await none()
      // And again, as if it were the first time.
      const again = new Candidate({ election: electionName(), store })
      await again.start()
      await again.stop()
      await none()
    })

    test('kept for a lease that is held without a watch, and no longer than it lives', async () => {
      const store = redis(client(server.port))
      const bid = await wins(store, electionName(), { ttlMs: 5000 })
      await store.read(bid.election, patient())
      const [held] = await operating(server.port, (operator) => idsOf(operator))
      await store.renew(bid, patient())
      expect(await operating(server.port, (operator) => idsOf(operator))).toEqual([held])
      await none()
    })

    test('one to a server that has become a replica is left before the lease is lost', async () => {
      const primary = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
      const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port))
      let target = primary.port
      // A name, or an address, that moves to the new primary. What is connected stays.
      const moving = createServer((inner) => {
        const outer = connect(target, '127.0.0.1')
        inner.pipe(outer).pipe(inner)
        for (const [socket, other] of [
          [inner, outer],
          [outer, inner],
        ] as const)
          socket.on('error', () => {}).on('close', () => other.destroy())
      })
      await new Promise<void>((resolve) => moving.listen(0, '127.0.0.1', resolve))
      const { port } = moving.address() as AddressInfo
      const store = redis(client(port))
      const bid = await wins(store, electionName())
      await until('the lease is replicated', () =>
        operating(replica.port, async (operator) => (await operator.keys(`*${bid.election}*`)).length >= 2),
      )
      await operating(replica.port, (operator) => operator.replicaof('NO', 'ONE'))
      await operating(primary.port, (operator) => operator.replicaof('127.0.0.1', replica.port))
      target = replica.port
      await until('it is renewed at the new primary', async () => (await outcome(store.renew(bid, patient()))) === bid.ttlMs)
      await store.close?.()
      moving.close()
      await Promise.all([primary.close(), replica.close()])
    })

    test('one that was not answered in time is replaced, however often', async () => {
      const proxy = await startProxy(server.port)
      const store = redis(client(proxy.port))
      const bid = await wins(store, electionName())
      for (let round = 0; round < 5; round++) {
        proxy.halfOpen()
        const asked = outcome(store.renew(bid, AbortSignal.timeout(200)))
        expect(await asked).toBeInstanceOf(Error)
        expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
      }
      await store.close?.()
      await proxy.close()
      await none()
    })

    test('cut while they are made, they are not made', async () => {
      for (let round = 0; round < 5; round++) {
        const wire = wiresOf(client(server.port)).make(() => {})
        const opening = outcome(wire.open())
        if (round > 0) await new Promise((resolve) => setTimeout(resolve, round - 1))
        wire.cut()
        await opening
      }
      await none()
    })

    test('a user of the store ends when nothing stands any more', async () => {
      expect(await ends(server.port, client === drivers[0]?.[1] ? 'ioredis' : 'redis')).toBe(0)
    })

    test('news that was lost is heard again', async () => {
      const believers = new Believers()
      const options = { ttlMs: 120_000, retryMs: 300, renewMs: 1000, callMs: 1000 }
      const a = believers.add(redis(client(server.port)), options)
      const b = believers.add(redis(client(server.port)), options)
      await a.start()
      await b.start()
      await listening(2)
      await operating(server.port, (operator) => operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
      await listening(2)
      // The lease would last for two minutes, and who listens does not poll.
      await a.stop()
      expect(await believers.leader(a)).toBe(b)
      await believers.stop()
      await none()
    })

    test('what happens while nothing is heard is seen by the next poll', async () => {
      const believers = new Believers()
      const proxy = await startProxy(server.port)
      const options = { ttlMs: 120_000, retryMs: 300, renewMs: 1000, callMs: 1000 }
      const a = believers.add(redis(client(server.port)), options)
      const b = believers.add(redis(client(proxy.port)), options)
      await a.start()
      await b.start()
      await listening(2)
      proxy.cut()
      proxy.refuse()
      await a.stop()
      proxy.resume()
      expect(await believers.leader(a)).toBe(b)
      await believers.stop()
      await proxy.close()
    })

    function listening(count: number): Promise<void> {
      return until(`${count} listen`, () =>
        operating(server.port, async (operator) => {
          const [, subscribers] = (await operator.pubsub('NUMSUB', 'tenure:release')) as unknown[]
          return Number(subscribers) === count
        }),
      )
    }
  })

  test('the client itself is neither connected nor closed', async () => {
    const client = new Redis(server.port, { lazyConnect: true })
    const store = redis(client)
    await store.release(await wins(store, electionName()), patient())
    await store.close?.()
    expect(client.status).toBe('wait')
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  test('a closed store answers nothing any more', async () => {
    const store = storeAt(server.port)
    await wins(store, electionName())
    const watching = outcome(store.watch?.('e', () => {}, new AbortController().signal) ?? Promise.resolve())
    await store.close?.()
    expect(await watching).toBeInstanceOf(Error)
    expect(await outcome(store.acquire(bidFor('e'), patient()))).toMatchObject({ message: expect.stringContaining('closed') })
    expect(await outcome(store.watch?.('e', () => {}, patient()) ?? Promise.resolve())).toBeInstanceOf(Error)
    await none()
  })
})

async function idsOf(operator: Redis): Promise<string[]> {
  const lines = String(await operator.client('LIST')).split('\n')
  return lines.flatMap((line) => (line.includes(' name=tenure ') ? [/^id=(\d+)/.exec(line)?.[1] ?? ''] : []))
}

/** A program that leads once and stops, and does not say that it wants to end. Resolves with its exit code. */
async function ends(port: number, driver: 'ioredis' | 'redis'): Promise<number | null> {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  // Below the root, so that the packages are found.
  const folder = mkdtempSync(join(currentRun().project, 'program-'))
  try {
    const entry = join(folder, 'program.ts')
    const client = driver === 'ioredis' ? `new Redis(${port}, { lazyConnect: true })` : `createClient({ url: 'redis://127.0.0.1:${port}' })`
    writeFileSync(
      entry,
      `import { ${driver === 'ioredis' ? 'Redis' : 'createClient'} } from '${driver}'
       import { Candidate } from '${join(root, 'src/index.ts')}'
       import { redis } from '${join(root, 'src/stores/redis.ts')}'
       const candidate = new Candidate({ election: 'program', store: redis(${client}) })
       await candidate.start()
       await candidate.stop()
       console.log('stopped')`,
    )
    const outfile = join(folder, 'program.mjs')
    await build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['ioredis', 'redis'],
      outfile,
    })
    const program = spawn(process.execPath, [outfile], { stdio: 'inherit' })
    const ended = new Promise<number | null>((resolve) => program.once('exit', resolve))
    const tooLong = setTimeout(() => program.kill('SIGKILL'), 20_000)
    const code = await ended
    clearTimeout(tooLong)
    return code
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
