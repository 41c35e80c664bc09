import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterEach, describe, expect, test } from 'vitest'
import { ddl as rows } from '../../../src/stores/postgres.ts'
import { type AdvisoryClient, ddl, examine } from '../../../src/stores/postgres-advisory.ts'
import { startPgbouncer } from '../../harness/postgres.ts'
import { findServer } from '../../harness/servers.ts'
import { available, Bench, calm, clientAt } from './bench.ts'

describe.skipIf(!available)('what doctor is told', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())
  const look = (client: AdvisoryClient) => examine(client, calm())
  const pool = (config = {}) => bench.pool(undefined, { max: 5, ...config })

  test('never more than level B, and how patient the server is', async () => {
    const { level, facts, findings } = await look(pool())
    expect(level).toBe('B')
    expect(facts).toContainEqual({ name: 'patience for a ttl of 15 s', value: '15000 ms' })
    expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([])
    await bench.disconnected()
  })

  test.skipIf(!findServer('pgbouncer'))('a pooler', async () => {
    const pooler = await startPgbouncer(bench.server)
    bench.ends(() => pooler.close())
    const { level, findings } = await look(bench.pool(pooler.port, { max: 5 }))
    expect(level).toBe('C')
    expect(findings[0]).toMatchObject({ severity: 'error', message: /^a pooler stands before the server/ })
  })

  test('a missing table, and rights that do not suffice', async () => {
    await bench.admin.query('CREATE DATABASE empty')
    expect((await look(pool({ database: 'empty' }))).findings).toContainEqual(
      expect.objectContaining({ severity: 'error', message: 'the table tenure_lease is missing' }),
    )
    await bench.admin.query('ALTER TABLE tenure_memo RENAME TO away')
    expect((await look(pool())).findings).toContainEqual(
      expect.objectContaining({ severity: 'info', message: 'the table tenure_memo is missing' }),
    )
    await bench.admin.query('ALTER TABLE away RENAME TO tenure_memo')
    await bench.admin.query('CREATE ROLE elected LOGIN; GRANT SELECT, INSERT, UPDATE ON tenure_lease TO elected')
    expect((await look(pool({ user: 'elected' }))).findings).toContainEqual(
      expect.objectContaining({ severity: 'warning', message: 'the rights on tenure_memo do not suffice' }),
    )
    await bench.admin.query('CREATE ROLE stranger LOGIN')
    const { findings } = await look(pool({ user: 'stranger' }))
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'error', message: expect.stringMatching(/^the rights on .* do not suffice/) }),
    )
  })

  test('a server that is about to run out of locks', async () => {
    const crowd = await clientAt(bench.server.port)
    await crowd.query('SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 12000) AS i')
    const { findings } = await look(pool())
    expect(findings).toContainEqual(expect.objectContaining({ severity: 'warning', advice: 'raise max_locks_per_transaction' }))
    await crowd.end()
  })

  test('the SQL is that of the lease rows: one table for both', () => {
    expect(ddl).toBe(rows)
  })

  test('the example: a stale leader is refused', async () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const outfile = `${bench.server.directory}/example.mjs`
    await build({
      entryPoints: [`${root}examples/fencing-postgres-advisory.ts`],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['pg-native', 'cloudflare:sockets'],
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    })
    const url = `postgres://postgres@127.0.0.1:${bench.server.port}/postgres`
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, url], { timeout: 25_000 })
    expect(stdout).toBe(
      [
        'first leads, writes: written',
        'second leads, writes: written',
        'first writes late: stale-token',
        'the report says: by second',
        '',
      ].join('\n'),
    )
  })
})
