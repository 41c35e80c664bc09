/** B1 to B4 on the databases, with real servers. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, onTestFinished } from 'vitest'
import { ddl } from '../../src/stores/postgres.ts'
import type { Server } from '../harness/server.ts'
import { findServer, startEtcd, startPostgres, startRedis } from '../harness/servers.ts'
import { plays } from './plays.ts'

async function portOf(starting: Promise<Server>): Promise<number> {
  const server = await starting
  onTestFinished(() => server.close())
  return server.port
}

async function postgres(scheme: string): Promise<string> {
  const place = `//postgres@127.0.0.1:${await portOf(startPostgres())}/postgres`
  const pool = new pg.Pool({ connectionString: `postgres:${place}` })
  await pool.query(ddl)
  await pool.end()
  return `${scheme}:${place}`
}

function sqlite(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tenure-scenario-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return `sqlite:${join(dir, 'leases.db')}?tenure_create=true`
}

const rounds = 1
plays('SQLite', { ttlMs: 1000, rounds, url: async () => sqlite() })

describe.skipIf(!findServer('postgres'))('Postgres', () => {
  plays('rows', { ttlMs: 1000, rounds, url: () => postgres('postgres') })
  plays('the advisory lock', { ttlMs: 1000, rounds, url: () => postgres('postgres-advisory') })
})

describe.skipIf(!findServer('redis'))('Redis', () => {
  const start = () => startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  plays('one server', { ttlMs: 1000, rounds, url: async () => `redis://127.0.0.1:${await portOf(start())}` })
})

describe.skipIf(!findServer('etcd'))('etcd', () => {
  plays('one member', { ttlMs: 2000, rounds, url: async () => `etcd://127.0.0.1:${await portOf(startEtcd())}` })
})
