/** Writes that are guarded by the token: a stale one writes nothing. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { Redis, Cluster as RedisCluster } from 'ioredis'
import { createClient, createCluster, createSentinel } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fenced } from '../../../src/stores/redis.ts'
import { type Cluster, startCluster, startWatched, type Watched } from '../../harness/redis.ts'
import { currentRun } from '../../harness/run.ts'
import type { Server } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { outcome } from './lab.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe.skipIf(!findServer('redis'))('fenced writes', () => {
  let server: Server
  let watched: Watched
  let cluster: Cluster
  let operator: Redis
  beforeAll(async () => {
    ;[server, watched, cluster] = await Promise.all([startRedis(), startWatched(), startCluster()])
    operator = new Redis(server.port)
  })
  afterAll(async () => {
    operator?.disconnect()
    await Promise.all([server?.close(), watched?.close(), cluster?.close()])
  })

  const nodes = () => cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const sentinels = () => [{ host: '127.0.0.1', port: watched.sentinel.port }]
  const clients = [
    ['ioredis', async () => ending(new Redis(server.port), (client) => client.disconnect())],
    ['ioredis, Sentinel', async () => ending(new Redis({ sentinels: sentinels(), name: 'main' }), (client) => client.disconnect())],
    ['ioredis, Cluster', async () => ending(new RedisCluster(nodes()), (client) => client.disconnect())],
    ['node-redis', async () => ending(await createClient({ socket: { port: server.port } }).connect(), (client) => client.destroy())],
    [
      'node-redis, Sentinel',
      async () => ending(await createSentinel({ sentinelRootNodes: sentinels(), name: 'main' }).connect(), (client) => client.destroy()),
    ],
    [
      'node-redis, Cluster',
      async () => ending(await createCluster({ rootNodes: nodes().map((socket) => ({ socket })) }).connect(), (client) => client.destroy()),
    ],
  ] as const

  test.each(clients)('%s: a stale token writes nothing', async (name, open) => {
    const { client, end } = await open()
    const election = `job {1} of ${name}`
    // What the hash tag of the fence is, so that a Cluster keeps both on one node.
    const tag = `{job %7B1%7D of ${name}}`
    const [old, now] = [1_700_000_000_000_001, 1_700_000_000_000_002].map((fencingToken) => ({ election, fencingToken }))
    if (!old || !now) throw new Error('no tenures')
    expect(
      await fenced(client, old, [
        ['SET', `${tag}:a`, 'old'],
        ['INCRBY', `${tag}:n`, 2],
        ['GET', `${tag}:none`],
      ]),
    ).toEqual(['OK', 2, null])
    expect(await fenced(client, now, [])).toEqual([])
    const refused = await outcome(fenced(client, old, [['SET', `${tag}:a`, 'late']]))
    expect(refused).toMatchObject({ code: 'stale-token', message: expect.stringContaining('1700000000000002') })
    expect(await fenced(client, now, [['GET', `${tag}:a`]])).toEqual(['old'])
    await end()
  })

  test('resources have fences of their own', async () => {
    const tenure = (fencingToken: number) => ({ election: 'one', fencingToken })
    await fenced(operator, tenure(7), [], { resource: 'a' })
    expect(await fenced(operator, tenure(6), [], { resource: 'b' })).toEqual([])
    expect(await outcome(fenced(operator, tenure(6), [], { resource: 'a' }))).toMatchObject({ code: 'stale-token' })
  })

  test('a command that fails is told, and the fence stays', async () => {
    const tenure = { election: 'failing', fencingToken: 9 }
    await operator.set('a-string', 'x')
    expect(await outcome(fenced(operator, tenure, [['HSET', 'a-string', 'a', 'b']]))).toBeInstanceOf(Error)
    expect(await outcome(fenced(operator, { ...tenure, fencingToken: 8 }, []))).toMatchObject({ code: 'stale-token' })
  })

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53])('a token of %s is refused', async (fencingToken) => {
    expect(await outcome(fenced(operator, { election: 'e', fencingToken }, []))).toMatchObject({ code: 'bad-option' })
  })

  test('planted: a fence that is not raised', async () => {
    const { fenced: open } = (await faultyModule()) as { fenced: typeof fenced }
    const tenure = (fencingToken: number) => ({ election: 'planted', fencingToken })
    await open(operator, tenure(5), [])
    expect(await outcome(open(operator, tenure(4), []))).not.toBeInstanceOf(Error)
  })

  test('the example refuses a stale writer', async () => {
    const folder = mkdtempSync(join(currentRun().project, 'example-'))
    try {
      const outfile = join(folder, 'example.mjs')
      const entry = join(root, 'examples', 'fencing-redis.ts')
      await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external', outfile })
      // It leads by itself only on a server that keeps all, or has run for a ttl.
      const durable = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
      const { stdout } = await promisify(execFile)(process.execPath, [outfile, `redis://127.0.0.1:${durable.port}`])
      await durable.close()
      expect(stdout).toMatch(
        /first leads, writes: OK\nfirst writes late: Fencing token \d+ is stale.*\nsecond leads, writes: OK\nreport: by second\n/,
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** A client, and how to be rid of it. */
function ending<C>(client: C, end: (client: C) => unknown) {
  return { client, end: () => end(client) }
}

async function faultyModule(): Promise<unknown> {
  const { plant } = await import('../../harness/plant.ts')
  return plant('src/stores/redis.ts', [
    {
      file: 'src/stores/redis/fenced.ts',
      find: "if seen < token then redis.call('SET', KEYS[1], ARGV[1]) end",
      replace: '',
    },
  ])
}
