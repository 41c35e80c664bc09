import { afterAll, beforeAll, describe } from 'vitest'
import { keysOf } from '../../../src/stores/redis/keys.ts'
import type { Server } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { describePromises } from '../promises.ts'
import { connectionsAt, operating, storeAt } from './lab.ts'

describe.skipIf(!findServer('redis'))('a real server', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())

  describePromises('redis', {
    open: () => storeAt(server.port),
    wipe: (election) => {
      const { lease, token } = keysOf('', election)
      return operating(server.port, (operator) => operator.del(lease, token))
    },
    restart: () => server.restart('SIGKILL'),
    connections: () => connectionsAt(server.port),
    tenures: 1000,
  })
})
