/** `tenure doctor` on servers that refuse to serve: it says why, and what else it has found. */

import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { describe, expect, test } from 'vitest'
import { ddl } from '../../src/stores/postgres.ts'
import { findServer, startPostgres, startRedis } from '../harness/servers.ts'
import { operating } from '../stores/redis/lab.ts'
import { place } from './harness.ts'

const here = place()
/** Where the client packages are. */
const cwd = fileURLToPath(new URL('../..', import.meta.url))

const examined = (url: string) => here.ended(['doctor'], { cwd, env: { TENURE_STORE: url } })

describe.skipIf(!findServer('postgres'))('a Postgres', () => {
  test.each(['postgres', 'postgres-advisory'])('%s without the table: 78, and what to do', async (scheme) => {
    const server = await startPostgres()
    try {
      const { code, out, err } = await examined(`${scheme}://postgres@127.0.0.1:${server.port}/postgres`)
      expect(code, err).toBe(78)
      expect(out).toMatch(/^unfit .*tenure_lease/m)
      expect(out).toMatch(/^ok .*version \d+/m)
      expect(out).toMatch(/tenure ddl|ensureSchema/)
      expect(out).toMatch(/^unfit .*level [AB] once/m)
      expect(out).not.toMatch(/^(ok|look at) .*level [ABC]/m)
      expect(out.match(/tenure_lease is missing/g)).toHaveLength(1)
      expect(out).not.toContain('can be reached; bids')
    } finally {
      await server.close()
    }
  })

  test('with no right to the table: 77, what to grant, and no level that reads as kept', async () => {
    const server = await startPostgres()
    const at = (user: string) => `postgres://${user}@127.0.0.1:${server.port}/postgres`
    const admin = new Pool({ connectionString: at('postgres') })
    try {
      await admin.query(`${ddl}; CREATE ROLE app LOGIN`)
      const { code, out, err } = await examined(at('app'))
      expect(code, out + err).toBe(77)
      expect(out).toMatch(/^unfit .*grant/im)
      expect(out).toMatch(/^unfit .*level A once what is unfit is mended/m)
      expect(out).not.toMatch(/^(ok|look at) .*level [ABC]/m)
    } finally {
      await admin.end()
      await server.close()
    }
  })

  test.each([
    ['postgres', 'postgres-advisory'],
    ['postgres-advisory', 'postgres'],
  ])('with no right to delete: the row that %s has to leave does not make it unfit for %s', async (...schemes) => {
    const server = await startPostgres()
    const at = (scheme: string, user: string) => `${scheme}://${user}@127.0.0.1:${server.port}/postgres`
    const admin = new Pool({ connectionString: at('postgres', 'postgres') })
    try {
      await admin.query(`${ddl}; CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE ON tenure_lease, tenure_memo TO app`)
      for (const scheme of schemes) {
        const { code, out, err } = await examined(at(scheme, 'app'))
        expect(code, out + err).toBe(0)
      }
      const { rows } = await admin.query('SELECT name, format FROM tenure_lease ORDER BY format')
      expect(rows).toEqual([
        { name: 'tenure-doctor-postgres', format: 1 },
        { name: 'tenure-doctor-postgres-advisory', format: 2 },
      ])
    } finally {
      await admin.end()
      await server.close()
    }
  })
})

test('files that this user may not write: unfit, and so is the level', async () => {
  const main = await here.faulty('denied', {
    file: 'src/cli/connect-file.ts',
    from: 'const scratch = await scratchIn(dir)',
    to: "const scratch = await scratchIn(dir); throw faultOf(Object.assign(new Error(), { code: 'EACCES' }), dir)",
  })
  const { code, out } = await here.ended(['doctor'], { main })
  expect(code).toBe(77)
  expect(out).toMatch(/^unfit .*may not read and write there/m)
  expect(out).toMatch(/^unfit .*level A once what is unfit is mended/m)
  expect(out).not.toMatch(/^(ok|look at) .*level [ABC]/m)
})

describe.skipIf(!findServer('redis'))('a Redis', () => {
  test('that may remove leases: 78, and level C', async () => {
    const server = await startRedis(
      '--maxmemory',
      '100mb',
      '--maxmemory-policy',
      'volatile-lru',
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
    )
    try {
      const { code, out, err } = await examined(`redis://127.0.0.1:${server.port}`)
      expect(code, err).toBe(78)
      expect(out).toMatch(/^unfit .*volatile-lru.*noeviction/m)
      expect(out).toMatch(/^unfit +level C/m)
      expect(out).toContain('append-only log synced always')
    } finally {
      await server.close()
    }
  })

  test('that needs a password: 77, and how to give it', async () => {
    const server = await startRedis()
    await operating(server.port, (operator) => operator.config('SET', 'requirepass', 'sesame'))
    try {
      const { code, err } = await examined(`redis://127.0.0.1:${server.port}`)
      expect(code, err).toBe(77)
      expect(err).toContain('the server needs a password: redis://:***@host')
    } finally {
      await server.close()
    }
  })
})
