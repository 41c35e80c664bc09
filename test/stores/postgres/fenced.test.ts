import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterEach, describe, expect, test } from 'vitest'
import { ddl, fenced } from '../../../src/stores/postgres.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, clientAt, fresh } from './bench.ts'

describe.skipIf(!available)('writes that are guarded by the token', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  async function write(fencingToken: number, resource: string, client: Awaited<ReturnType<typeof clientAt>>): Promise<string> {
    await client.query('BEGIN')
    try {
      await fenced(client, resource, fencingToken)
      await client.query('COMMIT')
      return 'written'
    } catch (thrown) {
      await client.query('ROLLBACK')
      return (thrown as { code: string }).code
    }
  }

  test('a smaller token is refused, an equal one passes; other resources are not concerned', async () => {
    const client = await clientAt(bench.server.port)
    const resource = fresh()
    expect(await write(5, resource, client)).toBe('written')
    expect(await write(5, resource, client)).toBe('written')
    expect(await write(9, resource, client)).toBe('written')
    expect(await write(8, resource, client)).toBe('stale-token')
    expect(await write(Number.MAX_SAFE_INTEGER, resource, client)).toBe('written')
    expect(await write(1, fresh(), client)).toBe('written')
    await client.end()
  })

  test('inside sql.begin of postgres.js', async () => {
    const sql = bench.sql()
    const resource = fresh()
    await sql.begin((transaction) => fenced(transaction, resource, 5))
    await expect(sql.begin((transaction) => fenced(transaction, resource, 4))).rejects.toMatchObject({
      code: 'stale-token',
      message: `Fencing token 4 is stale: \`${resource}\` has seen a larger one`,
    })
  })

  test('what is rolled back has not been seen', async () => {
    const client = await clientAt(bench.server.port)
    const resource = fresh()
    await client.query('BEGIN')
    await fenced(client, resource, 9)
    await client.query('ROLLBACK')
    expect(await write(8, resource, client)).toBe('written')
    await client.end()
  })

  test('a stale writer that was first waits nowhere and wins nothing: the order of commits is the order of tokens', async () => {
    const [stale, next] = [await clientAt(bench.server.port), await clientAt(bench.server.port)]
    const resource = fresh()
    await stale.query('BEGIN')
    await fenced(stale, resource, 5)
    // The successor waits for the transaction that holds the row.
    const later = write(6, resource, next)
    await until('it waits', async () => {
      const { rows } = await bench.admin.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
      return rows.length === 1
    })
    await stale.query('COMMIT')
    expect(await later).toBe('written')
    expect(await write(5, resource, stale)).toBe('stale-token')
    await stale.end()
    await next.end()
  })

  test('bad arguments', async () => {
    const client = await clientAt(bench.server.port)
    await expect(fenced(client, '', 1)).rejects.toThrow('Expected `resource` to be a non-empty string, got "" (string)')
    await expect(fenced(client, 'r', 1.5)).rejects.toThrow('Expected `fencingToken` to be a safe integer, got 1.5 (number)')
    await client.end()
  })

  test('what is no transaction is refused, and nothing is noted', async () => {
    const resource = fresh()
    for (const wrong of [bench.pool(), bench.sql(), undefined, {}]) {
      await expect(fenced(wrong as never, resource, 9)).rejects.toMatchObject({
        code: 'bad-option',
        message: /^Expected `transaction` to be a client of pg between BEGIN and COMMIT, or what `sql.begin` of postgres.js gives, got/,
      })
    }
    const client = await clientAt(bench.server.port)
    expect(await write(1, resource, client)).toBe('written')
    await client.end()
  })

  test('the printed SQL makes both tables, and may be run twice', async () => {
    await bench.admin.query('CREATE DATABASE printed')
    const pool = bench.pool(bench.server.port, { database: 'printed' })
    await pool.query(ddl)
    await pool.query(ddl)
    const { rows } = await pool.query("SELECT relname FROM pg_class WHERE relname LIKE 'tenure%' AND relkind = 'r' ORDER BY 1")
    expect(rows.map(({ relname }) => relname)).toEqual(['tenure_fence', 'tenure_lease', 'tenure_memo'])
  })

  test('the example: a stale leader is refused', async () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const outfile = `${bench.server.directory}/example.mjs`
    await build({
      entryPoints: [`${root}examples/fencing-postgres.ts`],
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
