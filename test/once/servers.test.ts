import pg from 'pg'
import { describe, onTestFinished, test } from 'vitest'
import { ddl } from '../../src/stores/postgres.ts'
import type { Server } from '../harness/server.ts'
import { findServer, startEtcd, startPostgres, startRedis } from '../harness/servers.ts'
import { killedInTheMiddle } from './stage.ts'

function closing(server: Server): Server {
  onTestFinished(() => server.close())
  return server
}

describe('runOnce in real processes, on real servers: the runner is killed, another runs it, all resolve', () => {
  for (const scheme of ['postgres', 'postgres-advisory']) {
    test.skipIf(!findServer('postgres'))(
      scheme,
      async () => {
        const { port } = closing(await startPostgres())
        const place = `//postgres@127.0.0.1:${port}/postgres`
        const pool = new pg.Pool({ connectionString: `postgres:${place}` })
        await pool.query(ddl)
        await pool.end()
        await killedInTheMiddle(`${scheme}:${place}`, 4, 5000)
      },
      90_000,
    )
  }

  test.skipIf(!findServer('redis'))(
    'Redis',
    async () => {
      const { port } = closing(await startRedis('--appendonly', 'yes', '--appendfsync', 'always'))
      await killedInTheMiddle(`redis://127.0.0.1:${port}`, 4, 5000)
    },
    90_000,
  )

  test.skipIf(!findServer('etcd'))(
    'etcd',
    async () => {
      const { port } = closing(await startEtcd())
      await killedInTheMiddle(`etcd://127.0.0.1:${port}`, 4, 5000)
    },
    90_000,
  )
})
