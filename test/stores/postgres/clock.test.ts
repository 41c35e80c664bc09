import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import type { Lease } from '../../../src/store.ts'
import { postgres } from '../../../src/stores/postgres.ts'
import { ManualClock } from '../../../src/testing/index.ts'
import { canStep, type SteppedPostgres, startSteppedPostgres } from '../../harness/postgres.ts'
import { until } from '../../harness/server.ts'
import { Bench, bidFor, calm, fresh } from './bench.ts'

const HOUR = 3600

describe.skipIf(!canStep())('a server whose clock is stepped', () => {
  const bench = new Bench()
  let stepped: SteppedPostgres
  const candidates: Candidate[] = []
  beforeAll(async () => {
    stepped = await startSteppedPostgres()
    await bench.over(stepped.server)
  })
  afterAll(() => bench.end())
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    stepped.step(0)
  })

  test('an hour back: reading says at most a ttl, and the holder renews as before', async () => {
    const store = bench.store()
    const bid = bidFor(fresh(), { ttlMs: 20_000 })
    await store.acquire(bid, calm())
    stepped.step(-HOUR)
    const seen = await store.read(bid.election, calm())
    expect(seen).toMatchObject({ holder: bid.holder, remainingMs: 20_000, heldMs: 0 })
    expect((await store.acquire(bid, calm()))?.holder).toBe(bid.holder)
    expect(await store.renew(bid, calm())).toBe(20_000)
    const after = await store.read(bid.election, calm())
    expect(after?.remainingMs).toBeLessThanOrEqual(20_000)
    const { rows } = await bench.admin.query(
      'SELECT expires_at < clock_timestamp() + interval $$21 s$$ AS soon FROM tenure_lease WHERE name = $1',
      [bid.election],
    )
    expect(rows[0].soon).toBe(true)
  })

  test('an hour back: a lease that nobody renews is over for whoever has watched it for its ttl, and for nobody else', async () => {
    const clock = new ManualClock()
    const watcher = postgres(bench.pool(), { clock: ticking(clock) })
    const other = bench.store()
    const dead = bidFor(fresh(), { ttlMs: 20_000 })
    const lease = await other.acquire(dead, calm())
    stepped.step(-HOUR)
    const bid = bidFor(dead.election, { ttlMs: 20_000 })
    expect(await watcher.acquire(bid, calm())).toMatchObject({ holder: dead.holder, remainingMs: 20_000 })
    await clock.advance(19_000)
    expect(await watcher.acquire(bid, calm())).toMatchObject({ holder: dead.holder, remainingMs: 1000 })
    await clock.advance(1000)
    // Somebody who has only just looked does not get it.
    expect((await other.acquire(bidFor(dead.election), calm()))?.holder).toBe(dead.holder)
    const won = await watcher.acquire(bid, calm())
    expect(won?.holder).toBe(bid.holder)
    expect(won?.remainingMs).toBeGreaterThan(15_000)
    expect(won?.fencingToken).toBeGreaterThan(lease?.fencingToken ?? Number.NaN)
    expect(await other.renew(dead, calm())).toBe(0)
  })

  test('an hour back: a lease that was renewed meanwhile is not over', async () => {
    const clock = new ManualClock()
    const watcher = postgres(bench.pool(), { clock: ticking(clock) })
    const other = bench.store()
    const alive = bidFor(fresh(), { ttlMs: 20_000 })
    await other.acquire(alive, calm())
    stepped.step(-HOUR)
    const bid = bidFor(alive.election, { ttlMs: 20_000 })
    await watcher.acquire(bid, calm())
    await clock.advance(19_000)
    stepped.step(-2 * HOUR)
    // Renewed, and the clock stepped back once more: ahead again, but another expiry.
    stepped.step(-HOUR)
    expect(await other.renew(alive, calm())).toBe(20_000)
    stepped.step(-2 * HOUR)
    await clock.advance(2000)
    expect(await watcher.acquire(bid, calm())).toMatchObject({ holder: alive.holder, remainingMs: 20_000 })
  })

  test('an hour forth: the lease is over, and the token grows; back again: it still grows', async () => {
    const store = bench.store()
    const election = fresh()
    const tokens: number[] = []
    const take = async (lease: Lease | undefined) => tokens.push(lease?.fencingToken ?? Number.NaN)
    const first = bidFor(election, { ttlMs: 20_000 })
    await take(await store.acquire(first, calm()))
    stepped.step(HOUR)
    expect(await store.read(election, calm())).toBeUndefined()
    expect(await store.renew(first, calm())).toBe(0)
    const second = bidFor(election, { ttlMs: 20_000 })
    await take(await store.acquire(second, calm()))
    await store.release(second, calm())
    stepped.step(-HOUR)
    const third = bidFor(election, { ttlMs: 20_000 })
    await take(await store.acquire(third, calm()))
    await store.release(third, calm())
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
    expect(new Set(tokens).size).toBe(3)
  })

  test('candidates: no lease is kept for an hour when its holder crashes and the clock goes back', async () => {
    const election = fresh()
    const crashed = bidFor(election, { ttlMs: 3000 })
    const store = bench.store()
    await store.acquire(crashed, calm())
    stepped.step(-HOUR)
    const follower = new Candidate({ store: bench.store(), election, ttlMs: 3000 })
    candidates.push(follower)
    await follower.start()
    expect(follower.isLeader).toBe(false)
    await until('it leads', () => follower.isLeader)
    expect(await store.renew(crashed, calm())).toBe(0)
  })

  /** The real clock for what has to be sent, and a manual one for what has to be waited for. */
  function ticking(clock: ManualClock) {
    return { ...real, mono: () => clock.mono() }
  }
})

const real = {
  wall: () => Date.now(),
  timer(delayMs: number, wake: () => void) {
    const timer = setTimeout(wake, delayMs)
    return () => clearTimeout(timer)
  },
  afterPending: (then: () => void) => void setImmediate(() => setImmediate(then)),
  random: () => Math.random(),
  id: () => Math.random().toString(16).slice(2),
}
