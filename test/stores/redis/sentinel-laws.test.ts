import { Redis } from 'ioredis'
import { createSentinel } from 'redis'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { redis } from '../../../src/stores/redis.ts'
import { describeStore } from '../../../src/testing/index.ts'
import { startWatched, type Watched } from '../../harness/redis.ts'
import { findServer } from '../../harness/servers.ts'
import { connected, wipe } from './law-lab.ts'

describe.skipIf(!findServer('redis'))('a primary under Sentinel', () => {
  let watched: Watched
  let operator: Redis
  beforeAll(async () => {
    watched = await startWatched({ primary: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    operator = new Redis(watched.primary.port)
  })
  afterAll(async () => {
    operator?.disconnect()
    await watched?.close()
  })

  const lab = { wipe: (election: string) => wipe(operator, election) }
  const sentinels = () => [{ host: '127.0.0.1', port: watched.sentinel.port }]
  // A sixth of the ttl is what the replica may take to confirm. So long a ttl is waited out by several laws at a time.
  describeStore('ioredis', {
    ...lab,
    ttlMs: 3000,
    runner: { describe, test: test.concurrent },
    open: () => connected(redis(new Redis({ sentinels: sentinels(), name: 'main', lazyConnect: true }), { replicas: 1 })),
  })
  // Law by law: to connect through Sentinel keeps this driver so busy that several at a time would not connect in time.
  describeStore('node-redis', {
    ...lab,
    ttlMs: 1500,
    runner: { describe, test },
    open: () => connected(redis(createSentinel({ sentinelRootNodes: sentinels(), name: 'main' }), { replicas: 1 })),
  })
})
