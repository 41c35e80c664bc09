/** Redis in company: a primary with its replica under Sentinel, and a Cluster of masters. All on loopback. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, type Server, startServer, until } from './server.ts'
import { findServer, startRedis } from './servers.ts'

export interface Watched {
  readonly primary: Server
  readonly replica: Server
  readonly sentinel: Server
  /** From now on Sentinel fails over so long after it has lost the primary. */
  failOverAfter(ms: number): Promise<void>
  close(): Promise<void>
}

export interface WatchedOptions {
  /** For the primary's command line. */
  readonly primary?: readonly string[]
  /** For the replica's: one that keeps its files with an fsync each confirms only after it. */
  readonly replica?: readonly string[]
}

/**
 * One primary, one replica, and one Sentinel that promotes it when it is asked to, or a minute after it has lost the
 * primary: no stall of the machine is taken for the end of a server. Its name is `main`.
 */
export async function startWatched(options: WatchedOptions = {}): Promise<Watched> {
  const primary = await startRedis('--repl-diskless-sync-delay', '0', ...(options.primary ?? []))
  const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port), ...(options.replica ?? []))
  // Sentinel asks at its start, and then not for ten seconds: what it asks for has to be there.
  await until('the replica follows', () =>
    asked(replica.port, async (redis) => (await redis.info('replication')).includes('master_link_status:up')),
  )
  const sentinel = await startServer({
    name: 'sentinel',
    bin: findServer('redis') ?? 'redis-server',
    prepare: async (directory) => writeFileSync(join(directory, 'sentinel.conf'), sentinelConf(primary.port)),
    args: (directory, port) => [join(directory, 'sentinel.conf'), '--sentinel', '--port', String(port), '--bind', '127.0.0.1'],
    ready: (port) =>
      asked(port, async (redis) => {
        const known = String(await redis.call('SENTINEL', 'replicas', 'main'))
        return known.includes(`port,${replica.port},`) && known.includes('master-link-status,ok')
      }),
  })
  const close = async () => void (await Promise.all([sentinel, replica, primary].map((server) => server.close())))
  // A replica that has just followed still rewrites its files, and confirms nothing meanwhile.
  await until('the replica confirms', () =>
    asked(primary.port, async (redis) => {
      await redis.incr('confirmed')
      return (await redis.wait(1, 50)) === 1
    }),
  )
  await asked(primary.port, (redis) => redis.del('confirmed'))
  const failOverAfter = async (ms: number) =>
    void (await asked(sentinel.port, (redis) => redis.call('SENTINEL', 'SET', 'main', 'down-after-milliseconds', String(ms))))
  return { primary, replica, sentinel, failOverAfter, close }
}

function sentinelConf(primary: number): string {
  return [
    `sentinel monitor main 127.0.0.1 ${primary} 1`,
    'sentinel down-after-milliseconds main 60000',
    'sentinel failover-timeout main 2000',
    '',
  ].join('\n')
}

export interface Cluster {
  readonly nodes: readonly Server[]
  close(): Promise<void>
}

const SLOTS = 16384

/** Three masters that share the slots. `announce` gives each the port that it tells clients, e.g. that of a proxy. */
export async function startCluster(announce?: (port: number) => Promise<number>): Promise<Cluster> {
  const nodes: Server[] = []
  const close = async () => void (await Promise.all(nodes.map((node) => node.close())))
  try {
    for (let i = 0; i < 3; i++) nodes.push(await startNode())
    const [first] = nodes
    for (const [i, node] of nodes.entries()) {
      const [from, to] = [Math.ceil((i * SLOTS) / 3), Math.ceil(((i + 1) * SLOTS) / 3) - 1]
      await asked(node.port, async (redis) => {
        await redis.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
        if (announce) await redis.config('SET', 'cluster-announce-port', String(await announce(node.port)))
        if (first && node !== first) await redis.call('CLUSTER', 'MEET', '127.0.0.1', String(first.port), await busOf(first.port))
      })
    }
    for (const node of nodes) await until('the Cluster is whole', () => asked(node.port, isWhole))
    return { nodes, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The bus wants a port of its own; its usual one, 10,000 higher, may not exist. */
async function startNode(): Promise<Server> {
  const bus = await freePort()
  return startRedis('--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '5000')
}

async function busOf(port: number): Promise<string> {
  let bus = ''
  await asked(port, async (redis) => {
    const [, value] = (await redis.config('GET', 'cluster-port')) as string[]
    bus = value ?? ''
  })
  return bus
}

async function isWhole(redis: Redis): Promise<boolean> {
  const info = String(await redis.cluster('INFO'))
  return info.includes('cluster_state:ok') && info.includes('cluster_size:3') && info.includes('cluster_known_nodes:3')
}

/** Ask one server something, on a connection of its own. */
async function asked<T>(port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => null, lazyConnect: true })
  redis.on('error', () => {})
  try {
    await redis.connect()
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}
