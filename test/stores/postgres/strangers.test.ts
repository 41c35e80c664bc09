/** D5: what others have tied to a row costs nobody a lease: a foreign key in use, a constraint that one bid breaks. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import type { LeaseStore } from '../../../src/store.ts'
import { type PgPool, postgres } from '../../../src/stores/postgres.ts'
import { plant } from '../../harness/plant.ts'
import { until } from '../../harness/server.ts'
import { storeOf } from '../postgres-advisory/bench.ts'
import { available, Bench, bidFor, calm, clientAt, fresh } from './bench.ts'
import { REFUSED, refused } from './refusal-checks.ts'

describe.skipIf(!available)('what others have tied to a row', { timeout: 90_000 }, () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  /** Won, renewed, given back and won again while somebody has a transaction open that refers to the row. */
  async function referredTo(store: LeaseStore): Promise<void> {
    const bid = bidFor(fresh())
    await store.acquire(bid, calm())
    await bench.admin.query('CREATE TABLE IF NOT EXISTS job (election text REFERENCES tenure_lease (name))')
    const user = await clientAt(bench.server.port)
    try {
      await user.query('BEGIN')
      await user.query('INSERT INTO job VALUES ($1)', [bid.election])
      expect(await store.renew(bid, calm())).toBe(bid.ttlMs)
      await store.release(bid, calm())
      const next = bidFor(bid.election)
      expect((await store.acquire(next, calm()))?.holder).toBe(next.holder)
    } finally {
      await user.end()
      await store.close?.()
    }
  }

  test('a foreign key in use: the row is renewed, given back and won as if it were not there', () => referredTo(bench.store()))

  test('the same under an advisory lock', () => referredTo(storeOf(bench)))

  test('planted: a row that is locked as if it were to be deleted waits for who refers to it', async () => {
    const change = { file: 'src/stores/shared/sql.ts', find: 'const lock = `FOR NO KEY UPDATE', replace: 'const lock = `FOR UPDATE' }
    const planted = (await plant('src/stores/postgres.ts', [change])) as { postgres(pool: PgPool): LeaseStore }
    await expect(referredTo(planted.postgres(bench.pool()))).rejects.toMatchObject({ message: /locked/ })
  })

  test('a constraint that one bid breaks fails that bid alone', async () => {
    const store = postgres(bench.pool(undefined, { database: await database('strict') }))
    bench.ends(() => store.close())
    await store.ensureSchema()
    const operator = bench.pool(undefined, { database: 'strict' })
    await operator.query('CREATE TABLE person (id text PRIMARY KEY)')
    await operator.query('ALTER TABLE tenure_lease ADD FOREIGN KEY (candidate) REFERENCES person')
    const bids = Array.from({ length: 5 }, () => bidFor(fresh()))
    for (const { candidate } of bids.slice(1)) await operator.query('INSERT INTO person VALUES ($1)', [candidate])
    const outcomes = await Promise.allSettled(bids.map((bid) => store.acquire(bid, calm())))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...bids.slice(1).map(() => 'fulfilled')])
    expect(await Promise.all(bids.slice(1).map((bid) => store.renew(bid, calm())))).toEqual(bids.slice(1).map(({ ttlMs }) => ttlMs))
  })

  test('a policy that refuses one election lets its neighbours stand, and their watches live', async () => {
    const pool = await refused(bench, 'standing', 'policy')
    const store = postgres(pool)
    bench.ends(() => store.close())
    let lost = false
    const watching = new AbortController()
    const watch = store
      .watch(fresh(), () => {}, watching.signal)
      .catch(() => {
        lost = true
      })
    const candidates = [REFUSED, fresh(), fresh()].map((election) => new Candidate({ store, election, ttlMs: 20_000, renewMs: 3000 }))
    bench.ends(() => Promise.all(candidates.map((candidate) => candidate.stop())))
    const renewals = new Map(candidates.map((candidate) => [candidate, 0]))
    for (const candidate of candidates) {
      candidate.on('trouble', () => {})
      candidate.on('renewed', () => void renewals.set(candidate, (renewals.get(candidate) ?? 0) + 1))
    }
    const starts = await Promise.allSettled(candidates.map((candidate) => candidate.start()))
    expect(starts.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(starts[0]).toMatchObject({ reason: { code: 'store-denied', message: /policies and triggers/ } })
    const [, ...neighbours] = candidates
    await until('they are renewed', () => neighbours.every((each) => (renewals.get(each) ?? 0) >= 2))
    expect(neighbours.every((each) => each.isLeader)).toBe(true)
    watching.abort()
    await watch
    expect(lost).toBe(false)
  })

  async function database(name: string): Promise<string> {
    await bench.admin.query(`CREATE DATABASE ${name}`)
    return name
  }
})
