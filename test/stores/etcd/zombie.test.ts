import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Bid, LeaseStore } from '../../../src/store.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { bidFor, keysOf, LateNetwork, patient, storeAt, until, winsInTime } from './lab.ts'

/** Long enough for a busy machine, short enough to be waited for. */
const TTL = 4000

/** A request that stands still on its way, lands when somebody else leads, and changes nothing. */
describe.skipIf(!findServer('etcd'))('a request that lands late', () => {
  let server: Server
  let network: LateNetwork
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())
  beforeEach(() => {
    network = new LateNetwork()
  })
  const slowStore = () => storeAt(server.port, { fetch: network.fetch })

  /** Call, have the request for this path kept back, and give up the call. */
  async function caught(path: string, call: (signal: AbortSignal) => Promise<unknown>): Promise<() => Promise<void>> {
    const held = network.hold(path)
    const controller = new AbortController()
    const outcome = call(controller.signal).then(
      () => 'answered',
      (thrown: unknown) => thrown,
    )
    await held
    controller.abort(new Error('given up'))
    expect(await outcome).toMatchObject({ message: 'given up' })
    return () => network.letGo()
  }

  async function undisturbed(election: string, leader: { store: LeaseStore; bid: Bid & { token: number } }): Promise<void> {
    expect(await leader.store.renew(leader.bid, patient())).toBeGreaterThan(0)
    const lease = await leader.store.read(election, patient())
    expect(lease).toMatchObject({ holder: leader.bid.holder, fencingToken: leader.bid.token })
    const keys = await keysOf(server.port, `tenure/${election}/`)
    expect(keys.map(({ key }) => key)).toEqual([`tenure/${election}/${leader.bid.holder}`])
  }

  async function rivalOf(election: string) {
    const store = storeAt(server.port)
    return { store, bid: await winsInTime(store, election, { ttlMs: 60_000 }) }
  }

  test.each([
    ['look', '/v3/kv/range'],
    ['grant', '/v3/lease/grant'],
    ['transaction', '/v3/kv/txn'],
  ])('the %s of a first bid', async (what, path) => {
    const election = `zombie-first-${what}`
    const store = slowStore()
    const bid = bidFor(election, { ttlMs: TTL })
    const letGo = await caught(path, (signal) => store.acquire(bid, signal))
    const rival = await rivalOf(election)
    await letGo()
    await undisturbed(election, rival)
    expect(await store.renew(bid, patient())).toBe(0)
    expect((await store.acquire(bid, patient()))?.holder).toBe(rival.bid.holder)
  })

  test.each([
    ['keepalive', '/v3/lease/keepalive'],
    ['transaction', '/v3/kv/txn'],
  ])('the %s of a bid beside others', async (what, path) => {
    const election = `zombie-beside-${what}`
    const store = slowStore()
    const kept = bidFor(`${election}-kept`, { ttlMs: TTL })
    await store.acquire(kept, patient())
    const bid = bidFor(election, { ttlMs: TTL })
    const letGo = await caught(path, (signal) => store.acquire(bid, signal))
    const rival = await rivalOf(election)
    await store.release(bid, patient())
    await letGo()
    await undisturbed(election, rival)
    expect(await store.renew(bid, patient())).toBe(0)
  })

  test.each([
    ['keepalive', '/v3/lease/keepalive'],
    ['look', '/v3/lease/timetolive'],
  ])('the %s of a renewal', async (what, path) => {
    const election = `zombie-renew-${what}`
    const store = slowStore()
    const bid = bidFor(election, { ttlMs: TTL })
    await store.acquire(bid, patient())
    const letGo = await caught(path, (signal) => store.renew(bid, signal))
    const rival = await rivalOf(election)
    await letGo()
    await undisturbed(election, rival)
    expect(await store.renew(bid, patient())).toBe(0)
  })

  test.each([
    ['alone on its lease', '/v3/lease/revoke', false],
    ['beside others', '/v3/kv/txn', true],
  ])('the release of a hold %s', async (what, path, beside) => {
    const election = `zombie-release-${beside}`
    const store = slowStore()
    const bid = bidFor(election, { ttlMs: TTL })
    const kept = bidFor(`${election}-kept`, { ttlMs: TTL })
    if (beside) await store.acquire(kept, patient())
    await store.acquire(bid, patient())
    const letGo = await caught(path, (signal) => store.release(bid, signal))
    if (beside) expect(await store.renew(kept, patient()), what).toBe(TTL)
    const rival = await rivalOf(election)
    await letGo()
    await undisturbed(election, rival)
    if (!beside) {
      // The revoke has landed: the next bid has to be on another lease.
      const again = await winsInTime(store, `${election}-again`, { ttlMs: TTL })
      expect(await store.renew(again, patient())).toBe(TTL)
    }
  })

  test('a bid that lands after its own release holds until the next round, and never comes back', async () => {
    const store = slowStore()
    const kept = bidFor('late-win-kept', { ttlMs: 60_000 })
    await store.acquire(kept, patient())
    const bid = bidFor('late-win', { ttlMs: 60_000 })
    const letGo = await caught('/v3/kv/txn', (signal) => store.acquire(bid, signal))
    await store.release(bid, patient())
    await letGo()
    expect(await keysOf(server.port, 'tenure/late-win/')).toHaveLength(1)
    expect(await store.renew(bid, patient())).toBe(0)
    expect(await store.renew(kept, patient())).toBe(60_000)
    await until('it is swept', async () => (await keysOf(server.port, 'tenure/late-win/')).length === 0)
    expect(await store.acquire(bid, patient())).toBeUndefined()
    await store.release(kept, patient())
  })

  test('a bid whose answer was lost is adopted by its repetition, with what is left of it', async () => {
    const store = slowStore()
    const kept = bidFor('adopted-kept', { ttlMs: 10_000 })
    await store.acquire(kept, patient())
    const bid = bidFor('adopted', { ttlMs: 10_000 })
    const letGo = await caught('/v3/kv/txn', (signal) => store.acquire(bid, signal))
    const givenUpAt = performance.now()
    await letGo()
    expect(await keysOf(server.port, 'tenure/adopted/')).toHaveLength(1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const passedMs = performance.now() - givenUpAt
    const lease = await store.acquire(bid, patient())
    expect(lease?.holder).toBe(bid.holder)
    expect(lease?.remainingMs).toBeLessThanOrEqual(10_000 - passedMs)
    expect(await store.renew(bid, patient())).toBe(10_000)
  })

  test('answers lost for a while: nobody is locked out for longer than a ttl', async () => {
    let lossy = true
    const store = storeAt(server.port, {
      fetch: async (url, request) => {
        const response = await fetch(url, request)
        if (!lossy || !url.endsWith('/txn')) return response
        await response.text()
        throw new TypeError('fetch failed')
      },
    })
    const bid = bidFor('lost', { ttlMs: TTL })
    for (let i = 0; i < 3; i++) await expect(store.acquire(bid, patient())).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(await keysOf(server.port, 'tenure/lost/')).toHaveLength(1)
    const lostAt = performance.now()
    const rival = storeAt(server.port)
    const won = await winsInTime(rival, 'lost')
    expect(performance.now() - lostAt).toBeLessThan(TTL + 12_000)
    lossy = false
    expect(await store.renew(bid, patient())).toBe(0)
    await rival.release(won, patient())
  })

  test('every request doubled: no effect', async () => {
    const store = storeAt(server.port, {
      fetch: async (url, request) => {
        // Streams are not repeated by anybody: they have begun to answer.
        if (url.endsWith('/watch')) return fetch(url, request)
        const [first, second] = await Promise.all([fetch(url, request), fetch(url, request)])
        await first.text()
        return second
      },
    })
    let last = 0
    for (let round = 0; round < 5; round++) {
      const bid = bidFor('doubled', { ttlMs: 60_000 })
      const lease = await store.acquire(bid, patient())
      expect(lease?.holder).toBe(bid.holder)
      expect(lease?.fencingToken).toBeGreaterThan(last)
      last = lease?.fencingToken ?? 0
      expect(await store.renew(bid, patient())).toBe(60_000)
      expect(await keysOf(server.port, 'tenure/doubled/')).toHaveLength(1)
      await store.release(bid, patient())
      expect(await keysOf(server.port, 'tenure/doubled/')).toEqual([])
      expect(await store.renew(bid, patient())).toBe(0)
    }
  })
})
