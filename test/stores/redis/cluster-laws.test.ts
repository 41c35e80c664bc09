import { Cluster as RedisCluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { redis } from '../../../src/stores/redis.ts'
import { describeStore } from '../../../src/testing/index.ts'
import { type Cluster, startCluster } from '../../harness/redis.ts'
import { findServer } from '../../harness/servers.ts'
import { connected, known, wipe } from './law-lab.ts'

describe.skipIf(!findServer('redis'))('a Cluster of three masters', () => {
  let cluster: Cluster
  let operator: RedisCluster
  const nodes = () => cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  beforeAll(async () => {
    cluster = await startCluster()
    operator = new RedisCluster(nodes())
  })
  afterAll(async () => {
    operator?.disconnect()
    await cluster?.close()
  })

  const lab = { runner: { describe, test }, wipe: (election: string) => wipe(operator, election) }
  describeStore('ioredis', { ...lab, open: () => known(connected(redis(new RedisCluster(nodes(), { lazyConnect: true }))), operator) })
  describeStore('node-redis', {
    ...lab,
    open: () =>
      known(
        connected(redis(createCluster({ rootNodes: nodes().map(({ host, port }) => ({ url: `redis://${host}:${port}` })) }))),
        operator,
      ),
  })
})
