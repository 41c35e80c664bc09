/** A Cluster of three masters: elections on all of them, and one node that is silent, dead or cut off. */

import { type Redis, Cluster as RedisCluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Candidate, type LeaseStore } from '../../../src/index.ts'
import { keysOf } from '../../../src/stores/redis/keys.ts'
import { wiresOf } from '../../../src/stores/redis/wire.ts'
import { type RedisClient, redis } from '../../../src/stores/redis.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { type Cluster, startCluster } from '../../harness/redis.ts'
import { freePort, type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, electionName, operating, outcome, patient, settled } from './lab.ts'

const TTL = 1500

const drivers: readonly (readonly [string, (ports: readonly number[]) => RedisClient])[] = [
  [
    'ioredis',
    (ports) =>
      new RedisCluster(
        ports.map((port) => ({ host: '127.0.0.1', port })),
        { lazyConnect: true },
      ),
  ],
  ['node-redis', (ports) => createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) })],
]

describe.skipIf(!findServer('redis'))('a Cluster', () => {
  let cluster: Cluster
  const proxies: TcpProxy[] = []
  beforeAll(async () => {
    cluster = await startCluster(async (port) => {
      const proxy = await startProxy(port)
      proxies.push(proxy)
      return proxy.port
    })
    for (const { port } of cluster.nodes) await settled(port, TTL)
  })
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await cluster?.close()
  })

  const ports = () => proxies.map(({ port }) => port)
  const none = async () => {
    for (const { port } of cluster.nodes) await until('no connection is left', async () => (await clientsAt(port)) === 0)
  }

  describe.each(drivers)('%s', (_name, client) => {
    test('elections are led on every node, and renewed', async () => {
      const store = redis(client(ports()))
      const candidates = Array.from({ length: 30 }, () => new Candidate({ election: electionName(), store, ttlMs: TTL }))
      const nodes = new Set(await Promise.all(candidates.map(({ election }) => nodeOf(cluster, election))))
      expect(nodes.size).toBe(3)
      await Promise.all(candidates.map((candidate) => candidate.start()))
      await until('all lead', () => candidates.every((candidate) => candidate.isLeader))
      await Promise.all(candidates.map((candidate) => new Promise<void>((resolve) => candidate.on('renewed', () => resolve()))))
      await Promise.all(candidates.map((candidate) => candidate.stop()))
      await none()
    })

    test('a release is heard although it was told by another node', async () => {
      const store = redis(client(ports()))
      const other = redis(client(ports()))
      for (const node of cluster.nodes) {
        const bid = await leaseAt(store, node)
        let told = 0
        const abort = new AbortController()
        const watching = other.watch?.(bid.election, () => void told++, abort.signal)
        await until('it listens', () => told === 1)
        await store.release(bid, patient())
        await until('it hears', () => told === 2)
        abort.abort()
        await watching
      }
      await Promise.all([store.close?.(), other.close?.()])
      await none()
    })

    test('a frozen node does not stop the others', async () => {
      const store = redis(client(ports()))
      const [frozen, ...well] = await Promise.all(cluster.nodes.map((node) => leaseAt(store, node)))
      if (!frozen) throw new Error('no nodes')
      cluster.nodes[0]?.freeze()
      try {
        const stuck = outcome(store.renew(frozen, AbortSignal.timeout(300)))
        for (const bid of well) expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
        expect(await stuck).toBeInstanceOf(Error)
        for (const bid of well) expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
      } finally {
        cluster.nodes[0]?.thaw()
      }
      await until('it is renewed again', async () => {
        const grant = await outcome(store.renew(frozen, AbortSignal.timeout(2000)))
        return grant === frozen.ttlMs
      })
      await store.close?.()
      await none()
    })

    test('a half-open link to one node is replaced although the others answer', async () => {
      const store = redis(client(ports()))
      const [silent, ...well] = await Promise.all(cluster.nodes.map((node) => leaseAt(store, node)))
      if (!silent) throw new Error('no nodes')
      proxies[0]?.halfOpen()
      await until('it is renewed again', async () => {
        const grants = await Promise.all([silent, ...well].map((bid) => outcome(store.renew(bid, AbortSignal.timeout(500)))))
        for (const grant of grants.slice(1)) expect(grant === 60_000 || grant instanceof Error).toBe(true)
        return grants[0] === 60_000
      })
      await store.close?.()
      // The server has not heard of the end of what was half open.
      proxies[0]?.cut()
      await none()
    })

    test('cut while it is made, no connection is left', async () => {
      for (let round = 0; round < 5; round++) {
        const wire = wiresOf(client(ports())).make(() => {})
        const opening = outcome(wire.open())
        if (round > 0) await new Promise((resolve) => setTimeout(resolve, 5 * (round - 1)))
        wire.cut()
        await opening
      }
      await none()
    })

    test('lists the elections of all nodes', async () => {
      const store = redis(client(ports()))
      const bids = await Promise.all(cluster.nodes.map((node) => leaseAt(store, node)))
      const listed = await store.list?.(patient())
      expect(listed).toEqual(expect.arrayContaining(bids.map(({ election }) => election)))
      await store.close?.()
    })

    test('cannot say how many replicas have a win', () => {
      expect(() => redis(client(ports()), { replicas: 1 })).toThrow(expect.objectContaining({ code: 'bad-option' }))
    })
  })

  /** A long lease on one node. The election looks as if it had been held before, so that a young server gives it away. */
  async function leaseAt(store: LeaseStore, node: Server) {
    const election = await electionAt(cluster, node)
    await operating(node.port, (operator) => operator.hset(keysOf('', election).token, { t: String(Date.now() * 1000), h: 'x', f: '1' }))
    const bid = bidFor(election)
    const lease = await store.acquire(bid, patient())
    expect(lease?.holder).toBe(bid.holder)
    return bid
  }
})

describe.skipIf(!findServer('redis'))('the keys of an election', () => {
  test('share a slot, also those with braces, and lie where their name says', async () => {
    const cluster = await startCluster()
    try {
      await operating(cluster.nodes[0]?.port ?? 0, async (operator) => {
        for (const name of ['a', 'a{b}c', '{}', '{', '}', 'a}b{c', '%7B', '{a}{b}', 'ü 世界', 'a:b/c']) {
          const { lease, token } = keysOf('app:', name)
          const slot = await operator.cluster('KEYSLOT', lease)
          expect(await operator.cluster('KEYSLOT', token)).toBe(slot)
          expect(await operator.cluster('KEYSLOT', lease.slice(lease.indexOf('{') + 1, lease.indexOf('}')))).toBe(slot)
        }
      })
    } finally {
      await cluster.close()
    }
  })
})

/** Which node keeps an election. */
async function nodeOf(cluster: Cluster, election: string): Promise<number> {
  const slot = await operating(cluster.nodes[0]?.port ?? 0, (operator) => operator.cluster('KEYSLOT', keysOf('', election).lease))
  return Math.floor((Number(slot) * 3) / 16384)
}

async function electionAt(cluster: Cluster, node: Server): Promise<string> {
  for (;;) {
    const election = electionName()
    if (cluster.nodes[await nodeOf(cluster, election)] === node) return election
  }
}

/** Connections of clients, other than the one that asks. */
function clientsAt(port: number): Promise<number> {
  return operating(port, async (operator: Redis) => {
    const lines = String(await operator.client('LIST'))
      .trim()
      .split('\n')
    return lines.filter((line) => !line.includes('cmd=client')).length
  })
}

describe.skipIf(!findServer('redis')).each(drivers)('a Cluster with a replica, through %s', (_name, client) => {
  test('an operator lets it take over: nobody is told that the store is unfit, and one leads by the new master', async () => {
    const cluster = await startCluster()
    const replica = await startRedis('--cluster-enabled', 'yes', '--cluster-port', String(await freePort()))
    const believers = new Believers()
    try {
      const master = cluster.nodes[await nodeOf(cluster, believers.election)]?.port ?? 0
      await operating(master, async (operator) => {
        const [, bus] = (await operator.config('GET', 'cluster-port')) as string[]
        const id = await operator.cluster('MYID')
        await operating(replica.port, async (joining) => {
          await joining.call('CLUSTER', 'MEET', '127.0.0.1', String(master), bus ?? '')
          await until('it follows', () => joining.call('CLUSTER', 'REPLICATE', id).then(Boolean, () => false))
          await until('it is up to date', async () => (await joining.info('replication')).includes('master_link_status:up'))
        })
      })
      await settled(replica.port, TTL)
      const codes = new Set<string>()
      const store = redis(client(cluster.nodes.map(({ port }) => port)))
      const candidate = believers.add(store, { ttlMs: TTL })
      candidate.on('trouble', ({ code }) => codes.add(code))
      await candidate.start()
      await believers.leader()
      await until('it takes over', () =>
        operating(replica.port, async (operator) => {
          if ((await operator.info('replication')).includes('role:master')) return true
          await operator.call('CLUSTER', 'FAILOVER').catch(() => {})
          return false
        }),
      )
      await new Promise<void>((resolve) => candidate.on('renewed', () => resolve()))
      await believers.leader()
      const { lease } = keysOf('', believers.election)
      await until('the lease is at the new master', () => operating(replica.port, async (operator) => (await operator.exists(lease)) === 1))
      expect(codes).not.toContain('store-unfit')
      expect(believers.grows).toBe(true)
    } finally {
      await believers.stop()
      await replica.close()
      await cluster.close()
    }
  })
})
