import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { withLevel } from '../../src/cli/examined.ts'
import { available, Bench, bidFor, calm, clientAt } from '../stores/postgres-advisory/bench.ts'

describe('postgres-advisory:// in a URL', () => {
  test('parameters that are nobody’s are refused, and so is a key that is none', async () => {
    await expect(connect('postgres-advisory://me:sesame@h/db?tenure_lock=1')).rejects.toThrow(
      'postgres-advisory: has no parameter "tenure_lock"',
    )
    for (const key of ['', 'abc', '1.5', '9223372036854775808']) {
      await expect(connect(`postgres-advisory://h/db?tenure_key=${key}`)).rejects.toThrow(
        /Expected tenure_key to be an integer of at most 64/,
      )
    }
  })

  test('what is shown of it has no password', async () => {
    const { where, ddl, close } = await connect('postgres-advisory://me:sesame@h:5432/db?tenure_key=-1')
    expect(where).toBe('postgres-advisory://me:***@h:5432/db')
    expect(ddl).toMatch(/^CREATE TABLE IF NOT EXISTS tenure_lease/)
    await close()
  })
})

describe.skipIf(!available)('a server behind a URL', () => {
  const bench = new Bench()
  beforeAll(() => bench.start())
  afterAll(() => bench.end())
  const url = () => `postgres-advisory://postgres@127.0.0.1:${bench.server.port}/postgres`

  test('is examined, and rehearsed on without a trace, and without taking the key', async () => {
    const connected = await connect(`${url()}?tenure_key=42`)
    const raw = await clientAt(bench.server.port)
    await raw.query('SELECT pg_advisory_lock(42)')
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
    expect(findings?.filter(({ level }) => level === 'unfit')).toEqual([])
    expect(findings?.map(({ text }) => text).join('\n')).toMatch(/version \d+.*patience for a ttl of 15 s 15000 ms.*level B/s)
    await connected.close()
    await raw.end()
    await bench.disconnected()
  })

  test('tenure_key is the lock that is taken', async () => {
    const connected = await connect(`${url()}?tenure_key=728379`)
    const bid = bidFor('outbox')
    expect((await connected.store.acquire(bid, calm()))?.holder).toBe(bid.holder)
    const raw = await clientAt(bench.server.port)
    expect((await raw.query('SELECT pg_try_advisory_lock(728379) AS ok')).rows[0].ok).toBe(false)
    await connected.store.release(bid, calm())
    await raw.end()
    await connected.close()
  })
})
