import { afterEach, describe, expect, test } from 'vitest'
import type { Bid } from '../../../src/store.ts'
import { available, Bench, bidFor, calm, clientAt, fresh } from './bench.ts'

describe.skipIf(!available)('many elections', () => {
  const bench = Bench.use('log_statement=all', 'log_parameter_max_length=0')
  afterEach(() => bench.clear())

  function bids(count: number, over: Partial<Bid> = {}): Bid[] {
    const name = fresh()
    return Array.from({ length: count }, (_, i) => bidFor(`${name}/${String(i).padStart(5, '0')}`, over))
  }

  test('a locked row holds up nobody but itself', async () => {
    const store = bench.store()
    const all = bids(50, { ttlMs: 60_000 })
    await Promise.all(all.map((bid) => store.acquire(bid, calm())))
    const locked = all[20] ?? bidFor('none')
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [locked.election])
    let waiting = true
    const stuck = store.renew(locked, calm()).finally(() => {
      waiting = false
    })
    const neighbours = all.filter((bid) => bid !== locked)
    const granted = await Promise.all(neighbours.map((bid) => store.renew(bid, calm())))
    expect(waiting).toBe(true)
    expect(granted).toEqual(neighbours.map(() => 60_000))
    // Nobody knows: it is asked again. It is not a refusal.
    await expect(stuck).rejects.toMatchObject({ code: 'store-unreachable', message: /locked/ })
    // The connection was not given up for it: the watch and the neighbours keep theirs.
    expect(await bench.connections()).toBeLessThanOrEqual(2)
    await operator.query('COMMIT')
    expect(await store.renew(locked, calm())).toBe(60_000)
    await operator.end()
  })

  test('a release and a bid pass over rows that others have locked', async () => {
    const store = bench.store()
    const all = bids(20, { ttlMs: 12_000 })
    await Promise.all(all.map((bid) => store.acquire(bid, calm())))
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [all[0]?.election])
    const outcomes = await Promise.allSettled(all.map((bid) => store.release(bid, calm())))
    expect(outcomes.map(({ status }) => status)).toEqual(all.map((_, i) => (i === 0 ? 'rejected' : 'fulfilled')))
    const leases = await Promise.all(all.map(({ election }) => store.acquire(bidFor(election), calm())))
    expect(leases.filter((lease) => lease?.holder === all[0]?.holder)).toHaveLength(1)
    await operator.end()
  })

  test('the same election twice in one turn', async () => {
    const store = bench.store()
    const [bid = bidFor('none')] = bids(1)
    const rival = bidFor(bid.election)
    const [won, lost, same] = await Promise.all([store.acquire(bid, calm()), store.acquire(rival, calm()), store.acquire(bid, calm())])
    expect([won?.holder, lost?.holder, same?.holder]).toEqual([bid.holder, bid.holder, bid.holder])
    expect(await Promise.all([store.renew(bid, calm()), store.renew(rival, calm()), store.renew(bid, calm())])).toEqual([
      bid.ttlMs,
      0,
      bid.ttlMs,
    ])
    await Promise.all([store.release(rival, calm()), store.release(bid, calm()), store.release(bid, calm())])
    expect(await store.read(bid.election, calm())).toBeUndefined()
  })

  test('two processes that name their elections in opposite orders never stop each other', async () => {
    const stores = [bench.store(), bench.store()]
    const own = stores.map(() => bids(40))
    const shared = bids(40).map(({ election }) => election)
    for (let round = 0; round < 15; round++) {
      const claims = stores.map(() => shared.map((election) => bidFor(election)))
      const tries = await Promise.all(
        stores.flatMap((store, i) => {
          const order = (all: readonly Bid[]) => (i === 0 ? [...all] : [...all].reverse())
          return [
            ...order(claims[i] ?? []).map(async (bid) => (await store.acquire(bid, calm()))?.holder === bid.holder && bid),
            ...order(own[i] ?? []).map((bid) => store.acquire(bid, calm()).then(() => false as const)),
          ]
        }),
      )
      const won = tries.filter((bid) => bid !== false)
      expect(won.length).toBe(shared.length)
      await Promise.all(won.flatMap((bid) => stores.map((store) => store.release(bid, calm()))))
    }
    const { rows } = await bench.admin.query('SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = current_database()')
    expect(rows[0].n).toBe(0)
  })

  test('10,000 elections are won, renewed and given back in a handful of statements each', async () => {
    const store = bench.store()
    const all = bids(10_000, { ttlMs: 300_000 })
    const before = bench.server.log().length
    const everyone = <T>(ask: (bid: Bid) => Promise<T>) => Promise.all(all.map(ask))
    const patience = () => AbortSignal.timeout(100_000)
    const leases = await everyone((bid) => store.acquire(bid, patience()))
    expect(leases.every((lease, i) => lease?.holder === all[i]?.holder)).toBe(true)
    const granted = await everyone((bid) => store.renew(bid, patience()))
    expect(granted.every((ms) => ms === 300_000)).toBe(true)
    const read = await everyone(({ election }) => store.read(election, patience()))
    expect(read.every((lease, i) => lease?.holder === all[i]?.holder)).toBe(true)
    await everyone((bid) => store.release(bid, patience()))
    const statements = (verb: string) => bench.server.log().slice(before).split(`execute tenure_${verb}_many`).length - 1
    expect(['acquire', 'renew', 'release'].map(statements)).toEqual([10, 10, 10])
  })

  test('what was asked for and given up costs nothing', async () => {
    const store = bench.store()
    const all = bids(100)
    const name = all[0]?.election.slice(0, -5)
    const gone = all.map(() => new AbortController())
    const calls = all.map((bid, i) => store.acquire(bid, gone[i]?.signal ?? calm()))
    for (const controller of gone) controller.abort()
    for (const outcome of await Promise.allSettled(calls)) expect(outcome.status).toBe('rejected')
    // The store is asked something, so that whatever was sent before has been answered.
    await store.list(calm())
    expect((await bench.admin.query('SELECT FROM tenure_lease WHERE name LIKE $1', [`${name}%`])).rowCount).toBe(0)
  })
})
