import { afterEach, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, clientAt, fresh } from './bench.ts'

describe.skipIf(!available)('statements', () => {
  const bench = Bench.use('autovacuum=off', 'synchronous_commit=off', 'wal_writer_delay=10s')
  afterEach(() => bench.clear())

  test('a refused bid writes nothing, and a read writes nothing', async () => {
    const store = bench.store()
    const bid = bidFor(fresh())
    await store.acquire(bid, calm())
    const writes = async () => {
      const before = await position()
      for (let i = 0; i < 20; i++) await store.acquire(bidFor(bid.election), calm())
      await Promise.all(Array.from({ length: 20 }, () => store.acquire(bidFor(bid.election), calm())))
      await store.acquire(bid, calm())
      await store.read(bid.election, calm())
      return (await position()) - before
    }
    // The server itself writes a line of its own now and then.
    let least = await writes()
    for (let i = 0; i < 10 && least > 0; i++) least = Math.min(least, await writes())
    expect(least).toBe(0)

    async function position(): Promise<number> {
      const { rows } = await bench.admin.query("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS at")
      return Number(rows[0].at)
    }
  })

  test('a refused bid and a read wait for nobody who has the row locked', async () => {
    const store = bench.store()
    const bid = bidFor(fresh())
    await store.acquire(bid, calm())
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [bid.election])
    expect((await store.acquire(bidFor(bid.election), calm()))?.holder).toBe(bid.holder)
    expect((await store.acquire(bid, calm()))?.remainingMs).toBeGreaterThan(0)
    expect((await store.read(bid.election, calm()))?.holder).toBe(bid.holder)
    await operator.end()
  })

  test('what was acquired and renewed is on disk when it is answered, although the server was told otherwise', async () => {
    const store = bench.store()
    const acquired = bidFor(fresh(), { ttlMs: 600_000 })
    const renewed = bidFor(fresh(), { ttlMs: 600_000 })
    await store.acquire(renewed, calm())
    await store.acquire(acquired, calm())
    expect(await store.renew({ ...renewed, ttlMs: 700_000 }, calm())).toBe(700_000)
    await bench.server.restart('SIGKILL')
    expect((await retried(() => store.read(acquired.election, calm())))?.holder).toBe(acquired.holder)
    expect((await store.read(renewed.election, calm()))?.remainingMs).toBeGreaterThan(600_000)
  })

  test('twelve bidders, one winner in every round, and the token grows', async () => {
    const stores = Array.from({ length: 12 }, () => bench.store())
    const election = fresh()
    let last = 0
    for (let round = 0; round < 40; round++) {
      const bids = stores.map(() => bidFor(election, { ttlMs: 100_000 }))
      const leases = await Promise.all(stores.map((store, i) => store.acquire(bids[i] ?? bidFor(election), calm())))
      const winners = bids.filter((bid, i) => leases[i]?.holder === bid.holder && (leases[i]?.remainingMs ?? 0) > 0)
      expect(winners.length).toBe(1)
      const lease = await stores[round % 12]?.read(election, calm())
      expect(lease?.holder).toBe(winners[0]?.holder)
      expect(lease?.fencingToken).toBeGreaterThan(last)
      last = lease?.fencingToken ?? Number.NaN
      if (winners[0]) await stores[(round + 5) % 12]?.release(winners[0], calm())
    }
  })

  test('the first row of an election has one winner, too', async () => {
    const stores = Array.from({ length: 8 }, () => bench.store())
    for (let round = 0; round < 20; round++) {
      const election = fresh()
      const bids = stores.map(() => bidFor(election))
      const leases = await Promise.all(stores.map((store, i) => store.acquire(bids[i] ?? bidFor(election), calm())))
      // Whoever lost is told who won.
      expect(new Set(leases.map((lease) => lease?.holder)).size).toBe(1)
    }
  })

  test('a row of another format is left alone, and its neighbours are not concerned', async () => {
    const store = bench.store()
    const theirs = fresh('a')
    await bench.admin.query("INSERT INTO tenure_lease VALUES ($1, 'them', 'them', NULL, 5, 1000, to_timestamp(0), to_timestamp(0), 2)", [
      theirs,
    ])
    const ours = [fresh('0'), fresh('b')].map((election) => bidFor(election))
    const outcomes = await Promise.allSettled([...ours, bidFor(theirs)].map((bid) => store.acquire(bid, calm())))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    await expect(store.acquire(bidFor(theirs), calm())).rejects.toMatchObject({ code: 'store-unfit', message: /format/ })
    const reads = await Promise.allSettled([theirs, ours[0]?.election ?? ''].map((election) => store.read(election, calm())))
    expect(reads.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    await store.release({ election: theirs, holder: 'nobody' }, calm())
    const { rows } = await bench.admin.query('SELECT holder, format FROM tenure_lease WHERE name = $1', [theirs])
    expect(rows).toEqual([{ holder: 'them', format: 2 }])
  })

  test('an advisory lock in the same table: each store lists its own, and says of the other what it is', async () => {
    const rows = bench.store()
    const locks = postgresAdvisory(bench.pool(undefined, { max: 5 }))
    bench.ends(() => locks.close())
    const [row, lock] = [bidFor(fresh('row')), bidFor(fresh('lock'))]
    await rows.acquire(row, calm())
    await locks.acquire(lock, calm())
    const table = async (store: LeaseStore) => {
      const names = (await store.list?.(calm())) ?? []
      return Promise.all(names.map(async (name) => `${name}: ${(await store.read(name, calm()))?.candidate}`))
    }
    expect(await table(rows)).toContain(`${row.election}: ${row.candidate}`)
    expect(await rows.list(calm())).not.toContain(lock.election)
    expect(await table(locks)).toContain(`${lock.election}: ${lock.candidate}`)
    expect(await locks.list(calm())).not.toContain(row.election)
    const words = /of `lock-.*` in tenure_lease is that of an advisory lock \(postgres-advisory\).*one kind of store/
    for (const call of [rows.read(lock.election, calm()), rows.acquire(bidFor(lock.election), calm())]) {
      await expect(call).rejects.toMatchObject({ code: 'store-unfit', message: words })
    }
    await expect(locks.read(row.election, calm())).rejects.toMatchObject({ message: /is not of an advisory lock.*one kind of store/ })
    await locks.release(lock, calm())
  })

  test('a row of a version to come is not listed, and said to be one', async () => {
    const store = bench.store()
    const theirs = fresh('later')
    await bench.admin.query("INSERT INTO tenure_lease VALUES ($1, 'them', 'them', NULL, 5, 1000, to_timestamp(0), to_timestamp(0), 7)", [
      theirs,
    ])
    expect(await store.list(calm())).not.toContain(theirs)
    await expect(store.read(theirs, calm())).rejects.toMatchObject({
      message: /not written by this version.*Let all candidates run one version/,
    })
  })

  test('a release is told once, and only when it released something', async () => {
    const store = bench.store()
    const bid = bidFor(fresh())
    const listener = await clientAt(bench.server.port)
    const heard: (string | undefined)[] = []
    listener.on('notification', ({ payload }) => heard.push(payload))
    await listener.query('LISTEN tenure_release')
    await store.acquire(bid, calm())
    await store.renew(bid, calm())
    await store.release({ ...bid, holder: 'somebody else' }, calm())
    await store.release(bid, calm())
    await store.release(bid, calm())
    const rival = bidFor(bid.election)
    await store.acquire(rival, calm())
    await store.release(bid, calm())
    await store.release(rival, calm())
    await until('both have been told', () => heard.length >= 2)
    await listener.query('SELECT 1')
    expect(heard).toEqual([bid.election, bid.election])
    await listener.end()
  })

  test('a lost race under a stricter isolation is a definite no', async () => {
    const store = bench.store(bench.server.port, { options: '-c default_transaction_isolation=serializable' })
    const bid = bidFor(fresh())
    expect((await store.acquire(bid, calm()))?.holder).toBe(bid.holder)
    expect(await store.renew(bid, calm())).toBe(bid.ttlMs)
  })

  test('an operator who deletes the row deposes its leader, and the token grows', async () => {
    const store = bench.store()
    const bid = bidFor(fresh())
    const lease = await store.acquire(bid, calm())
    await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [bid.election])
    expect(await store.renew(bid, calm())).toBe(0)
    const next = await store.acquire(bidFor(bid.election), calm())
    expect(next?.fencingToken).toBeGreaterThan(lease?.fencingToken ?? Number.NaN)
  })
})

/** A store whose connection died with the server has to notice it first. */
async function retried<T>(ask: () => Promise<T>): Promise<T> {
  let answer: { value: T } | undefined
  await until('the store answers again', async () => {
    answer = { value: await ask() }
  })
  if (!answer) throw new Error('no answer')
  return answer.value
}
