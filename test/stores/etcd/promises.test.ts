import { afterAll, beforeAll, describe } from 'vitest'
import type { Server } from '../../harness/server.ts'
import { findServer, startEtcd } from '../../harness/servers.ts'
import { describePromises } from '../promises.ts'
import { remove, storeAt } from './lab.ts'

describe.skipIf(!findServer('etcd'))('a real server', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  describePromises('etcd', {
    open: () => storeAt(server.port),
    wipe: (election) => remove(server.port, `tenure/${election}/`),
    restart: () => server.restart('SIGKILL'),
  })
})
