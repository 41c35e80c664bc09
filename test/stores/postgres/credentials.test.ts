/** The credentials of a leader are revoked, on both stores of Postgres: the role may not log in any more, its sessions are ended. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type LeaseStore, type TenureError } from '../../../src/index.ts'
import { until } from '../../harness/server.ts'
import { storeOf } from '../postgres-advisory/bench.ts'
import { available, Bench, fresh } from './bench.ts'

type Open = (bench: Bench, user?: string) => LeaseStore
const stores: readonly (readonly [string, Open])[] = [
  ['postgres', (bench, user) => bench.store(undefined, { user: user ?? 'postgres', password: 'hunter2' })],
  ['postgres-advisory', (bench, user) => storeOf(bench, undefined, {}, { user: user ?? 'postgres', password: 'hunter2' })],
]

describe.skipIf(!available)('credentials revoked while leading', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
  })

  test.each(stores)('%s: deposed, told without the password, another leads; given back, it stands again', async (name, open) => {
    const user = `worker_${name.replace('-', '_')}`
    await bench.admin.query(`CREATE ROLE ${user} LOGIN; GRANT SELECT, INSERT, UPDATE ON tenure_lease TO ${user}`)
    const election = fresh()
    const stand = (store: LeaseStore) => {
      const candidate = new Candidate({ store, election, ttlMs: 6000 })
      candidates.push(candidate)
      return candidate
    }
    const a = stand(open(bench, user))
    const told: TenureError[] = []
    a.on('trouble', (error) => void told.push(error))
    await a.start()
    await until('it leads', () => a.isLeader)
    const token = a.tenure?.fencingToken ?? Number.NaN
    const b = stand(open(bench))
    const overlaps: boolean[] = []
    b.on('elected', () => void overlaps.push(a.isLeader))
    await b.start()

    await bench.admin.query(`ALTER ROLE ${user} NOLOGIN`)
    await bench.admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [user])
    await until('the other leads', () => b.isLeader)
    // With the advisory lock the session is the lease: until it hears of its end, the old leader may believe.
    if (name === 'postgres') expect(overlaps).toEqual([false])
    await until('it is told', () => !a.isLeader && told.some(({ code }) => code === 'store-denied'))
    expect(b.tenure?.fencingToken).toBeGreaterThan(token)
    expect(told.map(({ message }) => message).join()).not.toContain('hunter2')

    await bench.admin.query(`ALTER ROLE ${user} LOGIN`)
    await b.stop()
    await until('it leads again', () => a.isLeader)
  })
})
