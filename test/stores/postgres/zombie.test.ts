import { afterEach, describe, expect, test } from 'vitest'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, fresh } from './bench.ts'

/** Long enough that nothing lapses by accident; what has to lapse is made to by the operator. */
const ttlMs = 600_000

describe.skipIf(!available)('a request that stalls on its way and lands late', () => {
  const bench = Bench.use()
  let proxy: TcpProxy
  afterEach(async () => {
    await bench.clear()
    await proxy.close()
  })

  /** A store behind a proxy, and one that is not. */
  async function two() {
    proxy = await startProxy(bench.server.port)
    return { a: bench.store(proxy.port), b: bench.store() }
  }

  /** Nobody renewed it for its ttl. */
  async function lapse(election: string): Promise<void> {
    await bench.admin.query('UPDATE tenure_lease SET expires_at = clock_timestamp() WHERE name = $1', [election])
  }

  async function landed(): Promise<void> {
    await until('it has landed', () => proxy.connections === 0)
  }

  test('a renewal does not revive a lease that somebody else has had since, nor touch it', async () => {
    const { a, b } = await two()
    const mine = bidFor(fresh(), { ttlMs })
    await a.acquire(mine, calm())
    const held = proxy.hold('tenure_renew')
    const gone = new AbortController()
    const renewal = a.renew(mine, gone.signal)
    await held.caught
    gone.abort(new Error('enough'))
    await expect(renewal).rejects.toThrow('enough')
    await lapse(mine.election)
    const theirs = bidFor(mine.election, { ttlMs: ttlMs / 2 })
    const lease = await b.acquire(theirs, calm())
    expect(lease?.holder).toBe(theirs.holder)
    held.letGo()
    await landed()
    const after = await b.read(mine.election, calm())
    expect(after).toMatchObject({ holder: theirs.holder, fencingToken: lease?.fencingToken })
    expect(after?.remainingMs).toBeLessThanOrEqual(ttlMs / 2)
    expect(await a.renew(mine, calm())).toBe(0)
  })

  test('a renewal does not revive its own lease once that is over', async () => {
    const { a, b } = await two()
    const mine = bidFor(fresh(), { ttlMs })
    await a.acquire(mine, calm())
    const held = proxy.hold('tenure_renew')
    const gone = new AbortController()
    const renewal = a.renew(mine, gone.signal)
    await held.caught
    gone.abort()
    await expect(renewal).rejects.toThrow()
    await lapse(mine.election)
    held.letGo()
    await landed()
    expect(await b.read(mine.election, calm())).toBeUndefined()
  })

  test('a release does not touch the lease of a successor', async () => {
    const { a, b } = await two()
    const mine = bidFor(fresh(), { ttlMs })
    await a.acquire(mine, calm())
    const held = proxy.hold('tenure_release')
    const gone = new AbortController()
    const release = a.release(mine, gone.signal)
    await held.caught
    gone.abort()
    await expect(release).rejects.toThrow()
    await lapse(mine.election)
    const theirs = bidFor(mine.election, { ttlMs })
    await b.acquire(theirs, calm())
    held.letGo()
    await landed()
    expect((await b.read(mine.election, calm()))?.holder).toBe(theirs.holder)
    expect(await b.renew(theirs, calm())).toBe(ttlMs)
  })

  test('a bid that was given up and released finds nothing', async () => {
    const { a, b } = await two()
    const election = fresh()
    const mine = bidFor(election, { ttlMs })
    // The election has been held before, so that the release has a row to find.
    const before = bidFor(election, { ttlMs })
    await b.acquire(before, calm())
    const held = proxy.hold('tenure_acquire')
    const gone = new AbortController()
    const bid = a.acquire(mine, gone.signal)
    await held.caught
    gone.abort()
    await expect(bid).rejects.toThrow()
    await a.release(mine, calm())
    // It lands while the election is held: refused, whatever time has passed.
    held.letGo()
    await landed()
    expect((await b.read(election, calm()))?.holder).toBe(before.holder)
  })

  test('a bid that lands on a free election after its release holds for one ttl, and its holder can not have it', async () => {
    const { a, b } = await two()
    const election = fresh()
    const mine = bidFor(election, { ttlMs })
    const held = proxy.hold('tenure_acquire')
    const gone = new AbortController()
    const bid = a.acquire(mine, gone.signal)
    await held.caught
    gone.abort()
    await expect(bid).rejects.toThrow()
    held.letGo()
    await landed()
    expect((await b.read(election, calm()))?.holder).toBe(mine.holder)
    await a.release(mine, calm())
    expect(await b.read(election, calm())).toBeUndefined()
    expect((await a.acquire(mine, calm()))?.remainingMs ?? 0).toBe(0)
    expect((await b.acquire(bidFor(election), calm()))?.remainingMs).toBeGreaterThan(0)
  })

  test('a bid whose answer was lost is the same lease when it is repeated', async () => {
    const { a, b } = await two()
    const mine = bidFor(fresh(), { ttlMs })
    await a.list(calm())
    proxy.dropAnswers()
    const gone = new AbortController()
    const bid = a.acquire(mine, gone.signal)
    await until('it has landed', async () => (await b.read(mine.election, calm())) !== undefined)
    const lease = await b.read(mine.election, calm())
    gone.abort()
    await expect(bid).rejects.toThrow()
    proxy.resume()
    const again = await a.acquire(mine, calm())
    expect(again).toMatchObject({ holder: mine.holder, fencingToken: lease?.fencingToken })
    expect(again?.remainingMs).toBeLessThanOrEqual(lease?.remainingMs ?? 0)
  })

  test('a release that overtakes its own bid is repeated', async () => {
    const { a, b } = await two()
    // What a lock is waited for follows from the ttl: it has to be over soon.
    const mine = bidFor(fresh(), { ttlMs: 6000 })
    const held = proxy.hold('tenure_acquire')
    const gone = new AbortController()
    const bid = a.acquire(mine, gone.signal)
    await held.caught
    gone.abort()
    await expect(bid).rejects.toThrow()
    // There is no row yet: the release finds nothing, and answers at once.
    await a.release(mine, calm())
    held.letGo()
    await until('the bid has landed', async () => (await rows(mine.election)) === 1)
    await until('it was released again', async () => (await b.read(mine.election, calm())) === undefined)
    // Not because it had lapsed.
    const { rows: found } = await bench.admin.query('SELECT expires_at FROM tenure_lease WHERE name = $1', [mine.election])
    expect(found[0].expires_at).toEqual(new Date(0))
  })

  async function rows(election: string): Promise<number> {
    return (await bench.admin.query('SELECT FROM tenure_lease WHERE name = $1', [election])).rowCount ?? 0
  }

  test('a release waits for a bid of its holder that is under way, and then ends it', async () => {
    const { a, b } = await two()
    const election = fresh()
    const first = bidFor(election, { ttlMs })
    await b.acquire(first, calm())
    await lapse(election)
    // Somebody has the row locked, as the bid itself would; the release has to wait for the end of that.
    const client = await bench.admin.connect()
    const mine = bidFor(election, { ttlMs: 60_000 })
    await client.query('BEGIN')
    await client.query("UPDATE tenure_lease SET holder = $2, expires_at = clock_timestamp() + interval '1 hour' WHERE name = $1", [
      election,
      mine.holder,
    ])
    await a.renew(bidFor(fresh(), { ttlMs: 60_000 }), calm())
    let answered = false
    const release = a.release(mine, calm()).then(() => {
      answered = true
    })
    await until('the release waits', async () => {
      const { rows: waiting } = await bench.admin.query(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%pg_notify%'",
      )
      return waiting.length === 1
    })
    expect(answered).toBe(false)
    await client.query('COMMIT')
    client.release()
    await release
    expect(await b.read(election, calm())).toBeUndefined()
  })
})
