import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { redis } from '../../src/stores/redis.ts'
import { describeStore } from '../../src/testing/index.ts'
import type { Server } from '../harness/server.ts'
import { findServer, startRedis } from '../harness/servers.ts'

describe.skipIf(!findServer('redis'))('a real server', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())

  const lab = {
    runner: { describe, test },
    wipe: async (election: string) => {
      const operator = new Redis(server.port)
      await operator.del(`tenure:{${election}}:lease`, `tenure:{${election}}:token`)
      operator.disconnect()
    },
    restart: () => server.restart('SIGTERM'),
  }
  describeStore('ioredis', { ...lab, open: () => redis(new Redis(server.port, { lazyConnect: true })) })
  describeStore('node-redis', { ...lab, open: () => redis(createClient({ url: `redis://127.0.0.1:${server.port}` })) })
})
