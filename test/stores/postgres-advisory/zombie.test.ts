import { afterEach, describe, expect, test } from 'vitest'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, clientAt, fresh, holders, storeOf, waiters } from './bench.ts'

/** A stall inside each statement, which then lands late. */
describe.skipIf(!available)('zombies', () => {
  const bench = Bench.use()
  let proxy: TcpProxy
  afterEach(async () => {
    await bench.clear()
    await proxy?.close()
    // Their locks are counted.
    await bench.disconnected()
  })

  async function through() {
    proxy = await startProxy(bench.server.port)
    return storeOf(bench, proxy.port)
  }

  async function takes(election: string, ttlMs?: number) {
    const store = storeOf(bench)
    const bid = bidFor(election, ttlMs === undefined ? {} : { ttlMs })
    const lease = await store.acquire(bid, calm())
    expect(lease?.holder).toBe(bid.holder)
    return { store, bid, lease }
  }

  test('a bid that lands late is found by the same holder, with what is left', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 60_000 })
    const held = proxy.hold('tenure_advisory_bid')
    const gone = new AbortController()
    const first = store.acquire(bid, gone.signal)
    await held.caught
    gone.abort()
    await expect(first).rejects.toMatchObject({ code: 'store-unreachable' })
    const again = store.acquire(bid, calm())
    held.letGo()
    const lease = await again
    expect(lease?.holder).toBe(bid.holder)
    expect(lease?.remainingMs).toBeLessThan(60_000)
    expect(await store.renew(bid, calm())).toBe(60_000)
    expect((await holders(bench)).length).toBe(1)
    await store.release(bid, calm())
    expect(await holders(bench)).toEqual([])
  })

  test('a bid that lands late, and that its holder has released, leaves nothing', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 60_000 })
    const held = proxy.hold('tenure_advisory_bid')
    const gone = new AbortController()
    const first = store.acquire(bid, gone.signal)
    await held.caught
    gone.abort()
    await expect(first).rejects.toThrow()
    const release = store.release(bid, calm())
    held.letGo()
    await release
    expect(await holders(bench)).toEqual([])
    await takes(bid.election)
  })

  test('a bid that lands when somebody else leads takes nothing', async () => {
    const store = await through()
    const bid = bidFor(fresh())
    const held = proxy.hold('tenure_advisory_bid')
    const late = store.acquire(bid, calm())
    await held.caught
    const { bid: other, store: theirs } = await takes(bid.election)
    held.letGo()
    expect((await late)?.holder).toBe(other.holder)
    expect(await theirs.renew(other, calm())).toBeGreaterThan(0)
  })

  test('a bid that lands when its process is gone is over after a ttl', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 2000 })
    const held = proxy.hold('tenure_advisory_bid')
    const gone = new AbortController()
    const late = store.acquire(bid, gone.signal)
    await held.caught
    gone.abort()
    await expect(late).rejects.toThrow()
    // The server never hears of its end: what arrives now comes from nobody.
    held.letGo()
    proxy.halfOpen()
    await store.close()
    const other = storeOf(bench)
    await until('it is over', async () => {
      const next = bidFor(bid.election)
      return (await other.acquire(next, calm()))?.holder === next.holder
    })
  })

  test('a heartbeat that lands after its hold has lapsed keeps nothing', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 2000 })
    await store.acquire(bid, calm())
    const held = proxy.hold('tenure_advisory_beat')
    const late = store.renew(bid, calm()).catch(() => 0)
    await held.caught
    // Nothing more arrives at the server, which ends the session after a ttl.
    await until('it is free', async () => (await holders(bench)).length === 0)
    const { bid: other, store: theirs } = await takes(bid.election)
    held.letGo()
    expect(await late).toBe(0)
    expect(await store.renew(bid, calm())).toBe(0)
    expect(await theirs.renew(other, calm())).toBeGreaterThan(0)
  })

  test('a heartbeat that lands late, and in time, is counted from when it left', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 4000 })
    await store.acquire(bid, calm())
    const held = proxy.hold('tenure_advisory_beat')
    const from = performance.now()
    const late = store.renew(bid, calm())
    await held.caught
    // How late it lands: this must be missing from what is granted.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    held.letGo()
    const grantedMs = await late
    if (grantedMs > 0) {
      const lease = await store.acquire(bid, calm())
      expect(lease?.remainingMs ?? 0).toBeLessThanOrEqual(4000 - 1000)
    } else {
      // The machine was busy for longer than the ttl.
      expect(performance.now() - from).toBeGreaterThan(3000)
    }
  })

  test('a release that lands late frees nothing of its successor', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 2000 })
    await store.acquire(bid, calm())
    const held = proxy.hold('tenure_advisory_free')
    const gone = new AbortController()
    const release = store.release(bid, gone.signal).catch((error: { code: string }) => error.code)
    await held.caught
    await until('it is free', async () => (await holders(bench)).length === 0)
    const { bid: other, store: theirs } = await takes(bid.election)
    held.letGo()
    gone.abort()
    expect(await release).toBe('store-unreachable')
    await store.release(bid, calm())
    expect(await theirs.renew(other, calm())).toBeGreaterThan(0)
    expect((await theirs.read(other.election, calm()))?.holder).toBe(other.holder)
  })

  test('who waited at the server and is gone when it is given the lock does not keep it', async () => {
    const { store: first, bid } = await takes(fresh())
    const store = await through()
    const gone = new AbortController()
    let told = 0
    const watching = store.watch(bid.election, () => void told++, gone.signal)
    await until('it watches', () => told > 0)
    await store.acquire(bidFor(bid.election), calm())
    await until('it waits', async () => (await waiters(bench)) === 1)
    gone.abort()
    await watching
    await first.release(bid, calm())
    await until('nobody has it', async () => (await holders(bench)).length === 0 && (await waiters(bench)) === 0)
  })

  test('a mint that waits for a locked row gives up, and gives back the lock', async () => {
    const { store: first, bid } = await takes(fresh())
    await first.release(bid, calm())
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [bid.election])
    const store = storeOf(bench)
    const late = store.acquire(bidFor(bid.election, { ttlMs: 6000 }), calm())
    await expect(late).rejects.toMatchObject({ code: 'store-unreachable', message: /55P03/ })
    expect(await holders(bench)).toEqual([])
    await operator.end()
    await takes(bid.election)
  })

  test('a mint that waits for a locked row while its process is gone', async () => {
    const { store: first, bid } = await takes(fresh())
    await first.release(bid, calm())
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [bid.election])
    const store = storeOf(bench)
    const late = store.acquire(bidFor(bid.election), calm()).catch((error: { code: string }) => error.code)
    await until('it has the lock, and waits', async () => (await holders(bench)).length === 1)
    await store.close()
    expect(await late).toBe('store-unreachable')
    await until('the lock is free', async () => (await holders(bench)).length === 0)
    await operator.end()
    await takes(bid.election)
  })

  test('a release does not wait for a locked row: the lock is free all the same', async () => {
    const { store, bid } = await takes(fresh(), 6000)
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [bid.election])
    await store.release(bid, calm())
    expect(await holders(bench)).toEqual([])
    expect(await store.read(bid.election, calm())).toBeUndefined()
    await operator.end()
    await takes(bid.election)
  })

  test('answers that are lost: nobody is locked out for longer than a ttl', async () => {
    const store = await through()
    const bid = bidFor(fresh(), { ttlMs: 2000 })
    // The session is there, with its settings.
    await store
      .acquire(bidFor(bid.election, { ttlMs: 2000 }), calm())
      .then((won) => won && store.release({ ...won, election: bid.election }, calm()))
    proxy.dropAnswers()
    const gone = new AbortController()
    const late = store.acquire(bid, gone.signal).catch((error: { code: string }) => error.code)
    await until('it was won', async () => (await holders(bench)).length === 1)
    gone.abort()
    expect(await late).toBe('store-unreachable')
    await until('it is free', async () => (await holders(bench)).length === 0)
    proxy.resume()
    await takes(bid.election)
  })
})
