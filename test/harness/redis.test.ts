import { Redis, Cluster as RedisCluster } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { startCluster, startWatched } from './redis.ts'
import { until } from './server.ts'
import { findServer } from './servers.ts'

// A Sentinel that was stalled for two seconds trusts nothing that it sees for half a minute.
describe.skipIf(!findServer('redis'))('redis in company', { timeout: 90_000 }, () => {
  test('Sentinel promotes the replica of a killed primary', async () => {
    const watched = await startWatched()
    const redis = new Redis({ sentinels: [{ host: '127.0.0.1', port: watched.sentinel.port }], name: 'main' })
    redis.on('error', () => {})
    try {
      await redis.set('a', '1')
      await redis.wait(1, 10_000)
      await watched.failOverAfter(500)
      await watched.primary.kill()
      await until('the replica is primary', async () => (await redis.set('b', '2')) === 'OK', 60_000)
      expect(redis.stream.remotePort).toBe(watched.replica.port)
      expect(await redis.get('a')).toBe('1')
    } finally {
      redis.disconnect()
      await watched.close()
    }
  })

  test('a Cluster serves all slots', async () => {
    const cluster = await startCluster()
    const redis = new RedisCluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
    try {
      for (let i = 0; i < 30; i++) await redis.set(`key-${i}`, String(i))
      expect(redis.nodes('master')).toHaveLength(3)
    } finally {
      redis.disconnect()
      await cluster.close()
    }
  })
})
