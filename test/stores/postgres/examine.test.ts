import { afterEach, describe, expect, test } from 'vitest'
import { runOnce } from '../../../src/once.ts'
import { examine, postgres } from '../../../src/stores/postgres.ts'
import { startPgbouncer, startStandby } from '../../harness/postgres.ts'
import { until } from '../../harness/server.ts'
import { findServer } from '../../harness/servers.ts'
import { available, Bench, calm, fresh } from './bench.ts'

describe.skipIf(!available)('what a doctor is told', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  async function asked(client: Parameters<typeof examine>[0]) {
    const { level, facts, findings } = await examine(client, calm())
    return {
      level,
      facts: facts.map(({ name, value }) => `${name} ${value}`),
      findings: findings.map(({ severity, message }) => `${severity}: ${message}`),
    }
  }

  test.each(['pg', 'postgres.js'])('a sound server, over %s', async (which) => {
    const told = await asked(which === 'pg' ? bench.pool() : bench.sql())
    expect(told).toMatchObject({ level: 'A', findings: [] })
    expect(told.facts.join(', ')).toMatch(
      /version \d+.*, table public.tenure_lease, fsync on, synchronous_commit on, standbys 0, connections \d+ of 300, releases told by LISTEN/,
    )
    await bench.disconnected()
  })

  test('a missing table, then one that is unlogged', async () => {
    await bench.admin.query('CREATE DATABASE empty')
    const pool = bench.pool(bench.server.port, { database: 'empty' })
    expect((await asked(pool)).findings).toEqual(['error: the table tenure_lease is missing'])
    await postgres(pool).ensureSchema()
    await pool.query('ALTER TABLE tenure_lease SET UNLOGGED')
    expect(await asked(pool)).toMatchObject({ level: 'C', findings: ['error: public.tenure_lease is unlogged: a crash empties it'] })
  })

  test('no table for memos: told, and nothing that would make it unfit', async () => {
    await bench.admin.query('CREATE DATABASE memoless')
    const pool = bench.pool(bench.server.port, { database: 'memoless' })
    await postgres(pool).ensureSchema()
    await pool.query('DROP TABLE tenure_memo')
    expect(await asked(pool)).toMatchObject({ level: 'A', findings: ['info: the table tenure_memo is missing'] })
  })

  test('rights on the leases alone: told that runOnce is denied, as it is', async () => {
    await bench.admin.query('CREATE ROLE elected LOGIN; GRANT SELECT, INSERT, UPDATE ON tenure_lease TO elected')
    const client = bench.pool(bench.server.port, { user: 'elected' })
    expect(await asked(client)).toMatchObject({ level: 'A', findings: ['warning: the rights on tenure_memo do not suffice'] })
    const store = postgres(client)
    bench.ends(() => store.close())
    const run = () => runOnce(fresh(), () => {}, { store, version: 1 })
    await expect(run()).rejects.toMatchObject({ code: 'store-denied', message: /tenure_memo/ })
    await bench.admin.query('GRANT SELECT, INSERT, UPDATE ON tenure_memo TO elected')
    expect(await run()).toMatchObject({ ran: true })
    expect(await asked(client)).toMatchObject({ level: 'A', findings: [] })
  })

  test('a user without rights, and settings that lose commits', async () => {
    await bench.admin.query(
      'CREATE ROLE reader LOGIN; GRANT SELECT ON tenure_lease TO reader; ALTER ROLE reader SET synchronous_commit = off',
    )
    await bench.admin.query('ALTER ROLE reader SET idle_session_timeout = 60000')
    expect((await asked(bench.pool(bench.server.port, { user: 'reader' }))).findings).toEqual([
      'error: the rights on public.tenure_lease do not suffice',
      'warning: the rights on tenure_memo do not suffice',
      'info: synchronous_commit is off',
      'info: idle_session_timeout is 1min',
    ])
    await bench.admin.query('ALTER SYSTEM SET fsync = off')
    await bench.admin.query('SELECT pg_reload_conf()')
    const pool = bench.pool()
    await until('the server has read its settings', async () => (await asked(pool)).level === 'B')
    expect((await asked(pool)).findings).toEqual(['warning: fsync is off'])
    await bench.admin.query('ALTER SYSTEM RESET fsync')
    await bench.admin.query('SELECT pg_reload_conf()')
  })

  test('a primary with a standby is level B; the standby itself is unfit', async () => {
    const standby = await startStandby(bench.server, { options: ['max_connections=300'] })
    const followers = async () => (await bench.admin.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'")).rowCount
    bench.ends(async () => {
      await standby.close()
      await until('nobody follows', async () => (await followers()) === 0)
    })
    // It answers before it follows.
    await until('it follows', async () => (await followers()) === 1)
    expect(await asked(bench.pool())).toMatchObject({ level: 'B', findings: ['warning: a standby follows this server'] })
    expect((await asked(bench.pool(standby.port))).findings).toContain('error: the server is a standby and takes no writes')
  })

  test.skipIf(!findServer('pgbouncer'))('a pooler is told', async () => {
    const pooler = await startPgbouncer(bench.server)
    bench.ends(() => pooler.close())
    const told = await asked(bench.pool(pooler.port))
    expect(told.findings).toEqual(['info: a pooler stands before the server'])
    expect(told.facts).toContain('releases found by polling')
  })
})
