import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, observe } from '../../../src/index.ts'
import { postgres } from '../../../src/stores/postgres.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, clientAt, fresh, holder, holders, storeOf, waiters } from './bench.ts'

const KEY = 728379n

describe.skipIf(!available)('the lock', () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    // Their locks are counted.
    await bench.disconnected()
  })

  function stand(store: ReturnType<typeof storeOf>, election: string, ttlMs = 15_000): Candidate {
    const candidate = new Candidate({ store, election, ttlMs })
    candidate.on('trouble', () => {})
    candidates.push(candidate)
    return candidate
  }

  test('a store stands by its own durations', () => {
    expect(storeOf(bench).timing).toEqual({ ttlMs: 15_000, renewMs: 2000, callMs: 2000, retryMs: 5000 })
    const store = storeOf(bench)
    const wrong = () => new Candidate({ store, election: 'e', renewMs: 6000, retryMs: 5000 })
    expect(wrong).toThrow('Expected `renewMs` to be less than `retryMs` (5000), as store `postgres-advisory` requires, got 6000 (number)')
  })

  test('taken once, and free the moment it was given back', async () => {
    const store = storeOf(bench, undefined, { key: KEY })
    const raw = await clientAt(bench.server.port)
    const tried = async () => (await raw.query('SELECT pg_try_advisory_lock($1) AS ok', [String(KEY)])).rows[0].ok
    const bid = bidFor(fresh())
    for (let i = 0; i < 3; i++) expect((await store.acquire(bid, calm()))?.holder).toBe(bid.holder)
    await Promise.all([store.acquire(bid, calm()), store.acquire(bid, calm()), store.acquire(bidFor(bid.election), calm())])
    expect(await tried()).toBe(false)
    await store.release(bid, calm())
    expect(await tried()).toBe(true)
    await raw.end()
  })

  describe('key: 728379n excludes services that take that lock, and is excluded by them', () => {
    test('the service first', async () => {
      const service = await clientAt(bench.server.port)
      await service.query("SET application_name = 'billing'")
      await service.query('SELECT pg_try_advisory_lock(728379)')
      const election = fresh()
      const candidate = stand(storeOf(bench, undefined, { key: KEY }), election)
      await candidate.start()
      expect(candidate.isLeader).toBe(false)
      expect(candidate.leader?.candidate).toBe('billing')
      await until('somebody waits for it', async () => (await waiters(bench)) === 1)
      await service.query('SELECT pg_advisory_unlock(728379)')
      await until('it leads', () => candidate.isLeader)
      const token = candidate.tenure?.fencingToken ?? 0
      expect((await service.query('SELECT pg_try_advisory_lock(728379) AS ok')).rows[0].ok).toBe(false)
      await candidate.stop()
      expect((await service.query('SELECT pg_try_advisory_lock(728379) AS ok')).rows[0].ok).toBe(true)
      await service.end()
      await candidate.start()
      await until('it leads again', () => candidate.isLeader)
      expect(candidate.tenure?.fencingToken).toBeGreaterThan(token)
    })

    test('a service that dies is felt', async () => {
      const service = await clientAt(bench.server.port)
      await service.query('SELECT pg_advisory_lock(728379)')
      const candidate = stand(storeOf(bench, undefined, { key: KEY }), fresh())
      await candidate.start()
      await until('somebody waits for it', async () => (await waiters(bench)) === 1)
      const { rows } = await service.query('SELECT pg_backend_pid() AS pid')
      await bench.admin.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
      await until('it leads', () => candidate.isLeader)
    })

    test('the pair of two integers is another lock, and so is a lock of another database', async () => {
      const service = await clientAt(bench.server.port)
      await service.query('SELECT pg_advisory_lock(0, 728379)')
      await bench.admin.query('CREATE DATABASE elsewhere')
      const other = bench.pool(undefined, { database: 'elsewhere', max: 1 })
      await other.query('SELECT pg_advisory_lock(728379)')
      const store = storeOf(bench, undefined, { key: KEY })
      const bid = bidFor(fresh())
      expect((await store.acquire(bid, calm()))?.holder).toBe(bid.holder)
      await store.release(bid, calm())
      await service.end()
    })

    test.each([-1n, 0n, 2n ** 63n - 1n, -(2n ** 63n)])('key %s', async (key) => {
      const [store, other] = [storeOf(bench, undefined, { key }), storeOf(bench, undefined, { key })]
      const bid = bidFor(fresh())
      expect((await store.acquire(bid, calm()))?.holder).toBe(bid.holder)
      expect(await store.renew(bid, calm())).toBe(bid.ttlMs)
      expect((await other.acquire(bidFor(bid.election), calm()))?.holder).toBe(bid.holder)
      const raw = await clientAt(bench.server.port)
      expect((await raw.query('SELECT pg_try_advisory_lock($1) AS ok', [String(key)])).rows[0].ok).toBe(false)
      await raw.end()
      await store.release(bid, calm())
    })

    test('such a store serves one election', async () => {
      const store = storeOf(bench, undefined, { key: KEY })
      const bid = bidFor('one')
      await store.acquire(bid, calm())
      const refused = { code: 'store-unfit', message: /a store with a `key` serves one election, here `one`, and was asked for `two`/ }
      await expect(store.acquire(bidFor('two'), calm())).rejects.toMatchObject(refused)
      expect(await store.read('two', calm())).toBeUndefined()
      await store.release(bid, calm())
      await expect(store.watch('two', () => {}, calm())).rejects.toMatchObject(refused)
    })
  })

  test('two candidates of one process: one leads, and the other follows it', async () => {
    const store = storeOf(bench)
    const election = fresh()
    const [one, two] = [stand(store, election), stand(store, election)]
    await one.start()
    await two.start()
    expect([one.isLeader, two.isLeader]).toEqual([true, false])
    expect(two.leader?.candidate).toBe(one.id)
    const token = one.tenure?.fencingToken ?? 0
    await one.stop()
    await until('the other leads', () => two.isLeader)
    expect(two.tenure?.fencingToken).toBeGreaterThan(token)
    expect((await holders(bench)).length).toBe(1)
  })

  test('who only looks on never waits for the lock, and hears of every leader all the same', async () => {
    const election = fresh()
    const leader = stand(storeOf(bench), election)
    await leader.start()
    const gone = new AbortController()
    const seen: (string | undefined)[] = []
    const watching = (async () => {
      for await (const known of observe(election, { store: storeOf(bench), signal: gone.signal })) seen.push(known?.candidate)
    })()
    await until('the leader is seen', () => seen.at(-1) === leader.id)
    expect(await waiters(bench)).toBe(0)
    await leader.stop()
    await until('it is seen that nobody leads', () => seen.at(-1) === undefined)
    expect(await holders(bench)).toEqual([])
    gone.abort()
    await watching
  })

  test('a lock that was given to whoever waits, and that nobody bids for, is given back', async () => {
    const [first, second] = [storeOf(bench), storeOf(bench)]
    const election = fresh()
    const bid = bidFor(election, { ttlMs: 30_000 })
    await first.acquire(bid, calm())
    const gone = new AbortController()
    let told = 0
    const watching = second.watch(election, () => void told++, gone.signal)
    await until('it watches', () => told >= 1)
    await second.acquire(bidFor(election, { ttlMs: 30_000 }), calm())
    await until('it waits', async () => (await waiters(bench)) === 1)
    await first.release(bid, calm())
    await until('it is told', () => told >= 2)
    expect((await holders(bench)).length).toBe(1)
    await until('it was given back', async () => (await holders(bench)).length === 0)
    gone.abort()
    await watching
  })

  test('a lock that was given to whoever waits is given back when its watch ends', async () => {
    const [first, second] = [storeOf(bench), storeOf(bench)]
    const election = fresh()
    const bid = bidFor(election)
    await first.acquire(bid, calm())
    const gone = new AbortController()
    let told = 0
    const watching = second.watch(election, () => ++told > 1 && gone.abort(), gone.signal)
    await until('it watches', () => told >= 1)
    await second.acquire(bidFor(election), calm())
    await until('it waits', async () => (await waiters(bench)) === 1)
    await first.release(bid, calm())
    await watching
    await until('it was given back', async () => (await holders(bench)).length === 0, 5000)
  })

  test('several elections: each is felt, whichever is waited for', async () => {
    const elections = Array.from({ length: 6 }, () => fresh())
    const store = storeOf(bench)
    const leaders = elections.map((election) => stand(store, election))
    for (const leader of leaders) await leader.start()
    const follower = storeOf(bench)
    const followers = elections.map((election) => stand(follower, election))
    for (const candidate of followers) await candidate.start()
    await until('it waits', async () => (await waiters(bench)) === 1)
    const pids = await holders(bench)
    expect(pids.length).toBe(1)
    await bench.admin.query('SELECT pg_terminate_backend($1)', pids)
    await until('each has a leader', () =>
      elections.every((_, i) => [leaders[i], followers[i]].filter((candidate) => candidate?.isLeader).length === 1),
    )
    expect(await bench.connections()).toBeLessThanOrEqual(8)
  })

  test('with wait: poll nobody waits at the server, and a crash is found by looking', async () => {
    const election = fresh()
    const leader = stand(storeOf(bench), election, 6000)
    await leader.start()
    await until('it leads', () => leader.isLeader)
    const follower = stand(storeOf(bench, undefined, { wait: 'poll' }), election, 6000)
    await follower.start()
    expect(follower.isLeader).toBe(false)
    expect(await waiters(bench)).toBe(0)
    await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench)])
    await until('one leads', () => follower.isLeader || leader.isLeader)
    expect(await waiters(bench)).toBe(0)
  })

  test('bad options', () => {
    const make = (options: object) => () => storeOf(bench, undefined, options)
    expect(make({ key: 728379 })).toThrow('Expected `key` to be a bigint of at most 64 bits, e.g. 728379n, got 728379 (number)')
    expect(make({ key: 2n ** 63n })).toThrow('got 9223372036854775808 (bigint)')
    expect(make({ wait: 'listen' })).toThrow("Expected `wait` to be 'block' or 'poll', got \"listen\" (string)")
  })

  describe('rows that are not of an advisory lock', () => {
    test('a lease row of the other store is recognised and refused, and the other way round', async () => {
      const rows = postgres(bench.pool())
      bench.ends(() => rows.close())
      const locks = storeOf(bench)
      const [row, lock] = [bidFor(fresh()), bidFor(fresh())]
      await rows.acquire(row, calm())
      const refused = { code: 'store-unfit', message: /the row of `.*` in tenure_lease is not of an advisory lock: expected format 2/ }
      await expect(locks.acquire(bidFor(row.election), calm())).rejects.toMatchObject(refused)
      await expect(locks.read(row.election, calm())).rejects.toMatchObject(refused)
      await locks.acquire(lock, calm())
      await expect(rows.acquire(bidFor(lock.election), calm())).rejects.toMatchObject({ code: 'store-unfit' })
      expect((await rows.read(row.election, calm()))?.holder).toBe(row.holder)
      expect((await locks.read(lock.election, calm()))?.holder).toBe(lock.holder)
    })

    test('and holds up nobody but itself', async () => {
      const election = fresh()
      await bench.admin.query("INSERT INTO tenure_lease VALUES ($1, 'h', 'c', NULL, 1, 1, now(), now(), 9)", [election])
      const store = storeOf(bench)
      const bids = [bidFor(election), ...Array.from({ length: 5 }, () => bidFor(fresh()))]
      const outcomes = await Promise.allSettled(bids.map((bid) => store.acquire(bid, calm())))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array.from({ length: 5 }, () => 'fulfilled')])
      const [, ...won] = outcomes
      expect(won.every((outcome, i) => outcome.status === 'fulfilled' && outcome.value?.holder === bids[i + 1]?.holder)).toBe(true)
      expect((await bench.admin.query("SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'")).rows[0].n).toBe(5)
    })
  })
})
