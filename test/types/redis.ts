/** Compiled, never run: the clients of the real packages fit what the Redis store asks of one. */

import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster, createSentinel } from 'redis'
import type { RedisClient } from '../../src/stores/redis/client.ts'

export const clients: readonly RedisClient[] = [
  new Redis(),
  new Redis(6379, 'localhost', { keyPrefix: 'app:', lazyConnect: true }),
  new Redis({ sentinels: [{ host: 'localhost', port: 26379 }], name: 'main', replyMapping: 'resp3' }),
  new Cluster([{ host: 'localhost', port: 6379 }]),
  createClient(),
  createClient({ url: 'redis://localhost', RESP: 2 }),
  createClient({ scripts: {}, modules: {} }),
  createCluster({ rootNodes: [{ url: 'redis://localhost' }] }),
  createSentinel({ name: 'main', sentinelRootNodes: [{ host: 'localhost', port: 26379 }] }),
]
