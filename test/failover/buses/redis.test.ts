import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { MAX_MESSAGE_BYTES, type RedisBusClient, redisBus } from '../../../src/failover.ts'
import { describeBus } from '../../../src/testing/index.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { findServer, type Server, startRedis } from '../../harness/servers.ts'

const it = describe.skipIf(!findServer('redis'))
let server: Server
let proxy: TcpProxy
let grounds = 0

const drivers: { readonly name: string; client(): RedisBusClient & { end(): void } }[] = [
  {
    name: 'ioredis',
    client() {
      const redis = new Redis(proxy.port, '127.0.0.1', { lazyConnect: true })
      return Object.assign(redis, { end: () => redis.disconnect() })
    },
  },
  {
    name: 'node-redis',
    client() {
      return Object.assign(createClient({ socket: { host: '127.0.0.1', port: proxy.port } }), { end() {} })
    },
  },
]

it('Redis', () => {
  beforeAll(async () => {
    server = await startRedis()
    proxy = await startProxy(server.port)
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })

  for (const { name, client } of drivers) {
    describeBus(`redis by ${name}`, {
      runner: { describe, test },
      ground() {
        const channel = `law ${++grounds}`
        const clients = [client()]
        const bus = (on: string) => {
          const own = client()
          clients.push(own)
          return redisBus(own, { channel: on })
        }
        return {
          open: () => bus(channel),
          apart: () => bus(`${channel} apart`),
          async inject(what) {
            const redis = new Redis(server.port, '127.0.0.1')
            if (what === 'oversized') await redis.publish(channel, 'x'.repeat(MAX_MESSAGE_BYTES + 1))
            else for (const text of ['{', '[]', '\u0000']) await redis.publish(channel, text)
            redis.disconnect()
          },
          async fall() {
            proxy.refuse()
            proxy.cut()
          },
          rise: async () => proxy.resume(),
          async close() {
            for (const one of clients) one.end()
          },
        }
      },
    })
  }
})
