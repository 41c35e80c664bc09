/** `tenure doctor` on servers that refuse to serve: it says why, and what else it has found. */

import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
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
      expect(out).toMatch(/level [ABC]/)
      expect(out).not.toContain('can be reached; bids')
    } finally {
      await server.close()
    }
  })
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
      expect(out).toMatch(/level C/)
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
