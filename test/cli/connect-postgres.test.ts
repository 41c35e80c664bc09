import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { withLevel } from '../../src/cli/examined.ts'
import { available, Bench, calm } from '../stores/postgres/bench.ts'

describe('postgres:// in a URL', () => {
  test('parameters that are nobody’s are refused', async () => {
    await expect(connect('postgres://me:sesame@h/db?tenure_key=1')).rejects.toThrow('postgres: has no parameter "tenure_key"')
  })

  test('what is shown of it has no password', async () => {
    const { where, ddl, close } = await connect('postgresql://me:sesame@h:5432/db')
    expect(where).toBe('postgresql://me:***@h:5432/db')
    expect(ddl).toMatch(/^CREATE TABLE IF NOT EXISTS tenure_lease/)
    await close()
  })
})

describe.skipIf(!available)('a server behind a URL', () => {
  const bench = new Bench()
  beforeAll(() => bench.start())
  afterAll(() => bench.end())

  test('is examined, and rehearsed on without a trace among its elections', async () => {
    const connected = await connect(`postgres://postgres@127.0.0.1:${bench.server.port}/postgres`)
    const bid = { election: 'doctor', holder: 'h', candidate: 'c', ttlMs: 2000 }
    const lease = await connected.rehearse?.(async (store) => {
      const won = await store.acquire(bid, calm())
      await store.release(bid, calm())
      return won
    })
    expect(lease?.holder).toBe('h')
    expect(await connected.store.list?.(calm())).toEqual([])
    const found = await connected.examine?.()
    const findings = found && withLevel(found)
    expect(findings?.map(({ level }) => level)).toEqual(['good', 'good'])
    expect(findings?.map(({ text }) => text).join('\n')).toMatch(/version \d+.*level A/s)
    await connected.close()
    await bench.disconnected()
  })
})
