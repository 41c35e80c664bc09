import { Client } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { inTheAir } from '../in-the-air.ts'
import { canStep, startPgbouncer, startStandby, startSteppedPostgres } from './postgres.ts'
import { until } from './server.ts'
import { findServer, startPostgres } from './servers.ts'

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  ends = []
})

async function ask(port: number, sql: string): Promise<unknown> {
  const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  await client.connect()
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

describe.skipIf(!findServer('postgres'))('around Postgres', () => {
  test.skipIf(!findServer('pgbouncer'))('a pooler passes statements on', async () => {
    const server = await startPostgres()
    ends.push(() => server.close())
    const pooler = await startPgbouncer(server)
    ends.push(() => pooler.close())
    expect(await ask(pooler.port, 'SELECT 1 + 1')).toBe(2)
  })

  test('one that was killed starts again once its last backend has ended', async () => {
    const server = await startPostgres()
    ends.push(() => server.close())
    const client = new Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    await client.connect()
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    const backend = Number(rows[0]?.pid)
    process.kill(backend, 'SIGSTOP')
    ends.push(() => process.kill(backend, 'SIGCONT'))
    const restarted = inTheAir(server.restart())
    await until('it is in the way', () => server.log().includes('still in use'))
    process.kill(backend, 'SIGCONT')
    ends.pop()
    await restarted
    expect(await ask(server.port, 'SELECT 1')).toBe(1)
    await client.end()
  })

  test('a standby follows, and can be promoted', async () => {
    const primary = await startPostgres()
    ends.push(() => primary.close())
    await ask(primary.port, 'CREATE TABLE t AS SELECT 7 AS x')
    const standby = await startStandby(primary)
    ends.push(() => standby.close())
    await ask(primary.port, 'INSERT INTO t VALUES (8)')
    await until('the row has come', async () => (await ask(standby.port, 'SELECT count(*)::int FROM t')) === 2)
    expect(await ask(standby.port, 'SELECT pg_is_in_recovery()')).toBe(true)
    expect(await ask(standby.port, 'SELECT pg_promote()')).toBe(true)
    expect(await ask(standby.port, 'SELECT pg_is_in_recovery()')).toBe(false)
  })

  test.skipIf(!canStep())('a clock is stepped', async () => {
    const { server, step } = await startSteppedPostgres()
    ends.push(() => server.close())
    const ahead = async () => Number(await ask(server.port, 'SELECT extract(epoch FROM clock_timestamp())::bigint')) - Date.now() / 1000
    expect(Math.abs(await ahead())).toBeLessThan(60)
    step(3600)
    expect(Math.abs((await ahead()) - 3600)).toBeLessThan(60)
    step(-3600)
    expect(Math.abs((await ahead()) + 3600)).toBeLessThan(60)
  })
})
