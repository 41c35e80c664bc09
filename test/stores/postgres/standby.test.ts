import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { fenced, postgres } from '../../../src/stores/postgres.ts'
import { startStandby } from '../../harness/postgres.ts'
import { type Server, until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, clientAt, fresh } from './bench.ts'

// Copying a server takes a while on a machine that is busy.
describe.skipIf(!available)('with a standby', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  let standby: Server | undefined
  const candidates: Candidate[] = []

  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    await standby?.close()
    standby = undefined
  })

  async function standbyPort(): Promise<number> {
    standby = await startStandby(bench.server, { options: ['max_connections=300'] })
    return standby.port
  }

  test('a standby is refused, for bids and for reads', async () => {
    const store = bench.store(await standbyPort())
    const refused = { code: 'store-unfit', message: /standby.*Connect to the primary/ }
    await expect(store.acquire(bidFor(fresh()), calm())).rejects.toMatchObject(refused)
    await expect(store.read(fresh(), calm())).rejects.toMatchObject(refused)
    await expect(new Candidate({ store, election: fresh() }).start()).rejects.toMatchObject(refused)
    const sql = postgres(bench.sql(standby?.port))
    await expect(sql.acquire(bidFor(fresh()), calm())).rejects.toMatchObject(refused)
  })

  test('a database that takes no writes is refused', async () => {
    await bench.admin.query('ALTER DATABASE postgres SET default_transaction_read_only = on')
    try {
      const store = bench.store()
      await expect(store.acquire(bidFor(fresh()), calm())).rejects.toMatchObject({ code: 'store-unfit', message: /read_only/ })
    } finally {
      await bench.admin.query('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only')
    }
  })

  test('asynchronous failover: two may believe for a ttl, and the order of what passes the fence is never broken', async () => {
    const port = await standbyPort()
    const election = fresh()
    const log: number[] = []
    /** The guarded resource is a third party, here a server of its own that outlives both. */
    const resource = await clientAt(await resourceServer())

    const old = new Candidate({ store: bench.store(), election, ttlMs: 4000, id: 'old' })
    const next = new Candidate({ store: bench.store(port), election, ttlMs: 4000, id: 'next' })
    for (const candidate of [old, next]) {
      candidates.push(candidate)
      candidate.on('trouble', () => {})
    }
    await old.start()
    await until('the old one leads', () => old.isLeader)
    const token = old.tenure?.fencingToken ?? Number.NaN
    await write(token)
    const replica = await clientAt(port)
    await until(
      'the standby has it',
      async () => (await replica.query('SELECT FROM tenure_lease WHERE name = $1', [election])).rowCount === 1,
    )

    // The primary is cut off and lives on; the standby is promoted: a real split.
    const [killed] = await Promise.all([bench.server.kill('SIGKILL'), replica.query('SELECT pg_promote()')])
    expect(killed).toBeUndefined()
    await replica.end()
    await bench.server.start()
    await next.start()
    await until('the new primary has a leader', () => next.isLeader)
    const successor = next.tenure?.fencingToken ?? Number.NaN
    expect(successor).toBeGreaterThan(token)
    await write(successor)

    // The old primary is back and knows nothing of that: whoever is bound to it may lead there, too.
    await until('the old one leads as well, or again', () => old.isLeader && next.isLeader)
    for (const fencingToken of [old, next].map(({ tenure }) => tenure?.fencingToken ?? Number.NaN)) await write(fencingToken)
    expect(log).toEqual([...log].sort((a, b) => a - b))
    expect(log.length).toBeGreaterThanOrEqual(3)
    await resource.end()

    async function write(fencingToken: number): Promise<void> {
      await resource.query('BEGIN')
      try {
        await fenced(resource, 'thing', fencingToken)
        await resource.query('COMMIT')
        log.push(fencingToken)
      } catch (thrown) {
        await resource.query('ROLLBACK')
        expect(thrown).toMatchObject({ code: 'stale-token' })
      }
    }

    async function resourceServer(): Promise<number> {
      const other = new Bench()
      await other.start()
      bench.ends(() => other.end())
      return other.server.port
    }
  })
})
