import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_MESSAGE_BYTES, type PostgresBusClient, postgresBus } from '../../../src/failover.ts'
import { describeBus } from '../../../src/testing/index.ts'
import { startPgbouncer } from '../../harness/postgres.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { findServer, type Server, startPostgres } from '../../harness/servers.ts'

const it = describe.skipIf(!findServer('postgres'))
let server: Server
let proxy: TcpProxy
let grounds = 0

interface Driver {
  readonly name: string
  client(port: number): { readonly client: PostgresBusClient; end(): Promise<unknown> }
}

const drivers: readonly Driver[] = [
  {
    name: 'pg',
    client(port) {
      const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 1 })
      pool.on('error', () => {})
      return { client: pool, end: () => pool.end() }
    },
  },
  {
    name: 'postgres.js',
    client(port) {
      const sql = postgres({
        host: '127.0.0.1',
        port,
        username: 'postgres',
        database: 'postgres',
        max: 1,
        onnotice() {},
        backoff: () => 0.05,
      })
      return { client: sql, end: () => sql.end({ timeout: 1 }) }
    },
  },
]

it('Postgres', () => {
  beforeAll(async () => {
    server = await startPostgres()
    proxy = await startProxy(server.port)
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })

  for (const { name, client } of drivers) {
    describeBus(`postgres by ${name}`, {
      runner: { describe, test },
      ground() {
        const channel = `law_${++grounds}`
        const ends: (() => Promise<unknown>)[] = []
        const bus = (on: string) => {
          const own = client(proxy.port)
          ends.push(own.end)
          return postgresBus(own.client, { channel: on })
        }
        return {
          open: () => bus(channel),
          apart: () => bus(`${channel}_apart`),
          async inject(what) {
            const pool = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' })
            await pool.connect()
            const texts = what === 'oversized' ? ['x'.repeat(MAX_MESSAGE_BYTES + 1)] : ['', '{', '[]']
            for (const text of texts) await pool.query('SELECT pg_notify($1, $2)', [channel, text])
            await pool.end()
          },
          async fall() {
            proxy.refuse()
            proxy.cut()
          },
          rise: async () => proxy.resume(),
          close: async () => void (await Promise.all(ends.map((end) => end()))),
        }
      },
    })
  }

  for (const { name, client } of drivers) {
    test.skipIf(!findServer('pgbouncer'))(`${name}: a pooler that brings no notifications is refused`, async () => {
      const bouncer = await startPgbouncer(server)
      const own = client(bouncer.port)
      try {
        const told: string[] = []
        const member = { name: 'a', joined: () => told.push('joined'), heard() {}, closed() {}, ignored() {} }
        const joining = postgresBus(own.client).join(member, new AbortController().signal)
        await expect(joining).rejects.toThrow('postgres: a pooler stands before the server')
        expect(told).toEqual([])
      } finally {
        await own.end()
        await bouncer.close()
      }
    })
  }
})
