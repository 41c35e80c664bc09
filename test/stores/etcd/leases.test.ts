import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import type { EtcdOptions } from '../../../src/stores/etcd.ts'
import { plant } from '../../harness/plant.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, counting, keysOf, leasesOf, patient, put, remove, storeAt, until, winsInTime } from './lab.ts'

describe.skipIf(!findServer('etcd')).concurrent('one lease for many elections', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  async function refusedAfterDeletion(store: LeaseStore, election: string): Promise<boolean> {
    const bid = bidFor(election, { ttlMs: 59_000 })
    const neighbour = bidFor(`${election}-neighbour`, { ttlMs: 59_000 })
    await store.acquire(bid, patient())
    await store.acquire(neighbour, patient())
    await remove(server.port, `tenure/${election}/`)
    const rival = await winsInTime(storeAt(server.port), election, { ttlMs: 59_000 })
    const grantedMs = await store.renew(bid, patient())
    expect(await store.renew(neighbour, patient())).toBeGreaterThan(0)
    expect((await storeAt(server.port).read(election, patient()))?.holder).toBe(rival.holder)
    return grantedMs === 0 && (await store.renew(bid, patient())) === 0
  }

  test('a key deleted under a living lease is noticed at the next renewal, and its neighbours stay', async () => {
    expect(await refusedAfterDeletion(storeAt(server.port), 'deleted')).toBe(true)
  })

  test('planted: a store that asks the lease alone goes on believing', async () => {
    const faulty = await planted({
      file: 'src/stores/etcd/bids.ts',
      find: 'if (!round.keys.has(hold.code) && !(await this.#stands(hold, signal))) return 0',
      replace: '',
    })
    expect(await refusedAfterDeletion(faulty, 'deleted-faulty')).toBe(false)
  })

  test('a watched leader whose key is deleted is refused without asking', async () => {
    const { fetch, paths } = counting()
    const store = storeAt(server.port, { fetch })
    const bid = bidFor('deleted-watched', { ttlMs: 60_000 })
    await store.acquire(bid, patient())
    const controller = new AbortController()
    let nudges = 0
    const watch = store.watch?.(
      bid.election,
      () => {
        nudges += 1
      },
      controller.signal,
    )
    await until('the watch is in place', () => nudges === 1)
    await remove(server.port, `tenure/${bid.election}/`)
    await until('the deletion is heard', () => nudges === 2)
    const before = paths.length
    expect(await store.renew(bid, patient())).toBe(0)
    expect(paths.slice(before).filter((path) => path.includes('keepalive'))).toEqual([])
    controller.abort()
    await watch
  })

  /** What is left of the lease of a second election by the server's own account, less what its bid was promised. */
  async function spareOfSecond(store: LeaseStore, name: string): Promise<number> {
    const ttlMs = 20_000
    await store.acquire(bidFor(`${name}-first`, { ttlMs }), patient())
    // Real time on the server: so much of the first lease is used up, and must not be missing from the second.
    await new Promise((resolve) => setTimeout(resolve, 6000))
    const bid = bidFor(`${name}-second`, { ttlMs })
    const sentAt = performance.now()
    const grantedMs = (await store.acquire(bid, patient()))?.remainingMs ?? 0
    expect(grantedMs).toBeGreaterThan(0)
    const [own] = await keysOf(server.port, `tenure/${bid.election}/`)
    const { TTL = '0' } = await ask<{ TTL?: string }>(server.port, '/v3/lease/timetolive', { ID: own?.lease })
    // After the answer: what passed before it is missing from the server's account, too.
    const answeredAt = performance.now()
    // The server rounds down.
    return (Number(TTL) + 1) * 1000 - (grantedMs - (answeredAt - sentAt))
  }

  test('a grant never counts from before its own request, on a lease that was kept alive long ago', async () => {
    expect(await spareOfSecond(storeAt(server.port), 'grant')).toBeGreaterThanOrEqual(0)
  })

  test('planted: a store that shares an old grant promises more than is left', async () => {
    const store = await planted({
      file: 'src/stores/etcd/lease.ts',
      find: 'const beat = lease && (await lease.keepAlive(signal))',
      replace: 'const beat = lease && { sentAt: this.#parts.clock.mono(), ttlMs: seconds * 1000 }',
    })
    expect(await spareOfSecond(store, 'grant-faulty')).toBeLessThan(0)
  })

  test('all elections of a process cost one keepalive and one look', async () => {
    const { fetch, paths } = counting()
    const store = storeAt(server.port, { fetch })
    const bids = Array.from({ length: 100 }, (_, i) => bidFor(`many-${i}`, { ttlMs: 60_000 }))
    await Promise.all(bids.map((bid) => store.acquire(bid, patient())))
    expect(paths.filter((path) => path === '/v3/lease/grant')).toHaveLength(1)
    paths.length = 0
    const grants = await Promise.all(bids.map((bid) => store.renew(bid, patient())))
    expect(Math.min(...grants)).toBe(60_000)
    expect(paths).toEqual(['/v3/lease/keepalive', '/v3/lease/timetolive'])
    await Promise.all(bids.map((bid) => store.release(bid, patient())))
  })

  test('a lease that was revoked elsewhere ends all that it carried, and the next bid finds another', async () => {
    const store = storeAt(server.port)
    const [a, b] = [bidFor('revoked-a', { ttlMs: 61_000 }), bidFor('revoked-b', { ttlMs: 61_000 })]
    await Promise.all([store.acquire(a, patient()), store.acquire(b, patient())])
    const [own] = await keysOf(server.port, 'tenure/revoked-a/')
    await ask(server.port, '/v3/lease/revoke', { ID: own?.lease })
    // Answered 200, without a ttl.
    expect(await Promise.all([store.renew(a, patient()), store.renew(b, patient())])).toEqual([0, 0])
    const next = await winsInTime(store, 'revoked-a', { ttlMs: 61_000 })
    expect(next.token).toBeGreaterThan(own?.revision ?? 0)
    await store.release(next, patient())
  })

  test('a lease that died between two bids costs the second nothing', async () => {
    const store = storeAt(server.port)
    const first = bidFor('died-a', { ttlMs: 62_000 })
    await store.acquire(first, patient())
    const [own] = await keysOf(server.port, 'tenure/died-a/')
    await ask(server.port, '/v3/lease/revoke', { ID: own?.lease })
    const second = bidFor('died-b', { ttlMs: 62_000 })
    expect((await store.acquire(second, patient()))?.holder).toBe(second.holder)
    expect(await store.renew(first, patient())).toBe(0)
    await store.release(second, patient())
  })

  test('an orphan is swept in the next round of its neighbours, and its holder is over', async () => {
    const store = storeAt(server.port)
    const kept = bidFor('orphan-kept', { ttlMs: 63_000 })
    await store.acquire(kept, patient())
    const [own] = await keysOf(server.port, 'tenure/orphan-kept/')
    // What a bid leaves behind that lands after everybody has forgotten it.
    const late = bidFor('orphan-late', { ttlMs: 63_000 })
    await put(server.port, `tenure/orphan-late/${late.holder}`, late.candidate, own?.lease)
    expect(await store.renew(kept, patient())).toBe(63_000)
    await until('the orphan is gone', async () => (await keysOf(server.port, 'tenure/orphan-late/')).length === 0)
    expect((await store.acquire(late, patient()))?.holder).not.toBe(late.holder)
    expect(await store.renew(late, patient())).toBe(0)
    expect(await store.renew(kept, patient())).toBe(63_000)
    await store.release(kept, patient())
  })

  test('a release never takes neighbours along, and the last one gives the lease back', async () => {
    const store = storeAt(server.port)
    const [a, b] = [bidFor('last-a', { ttlMs: 64_000 }), bidFor('last-b', { ttlMs: 64_000 })]
    await Promise.all([store.acquire(a, patient()), store.acquire(b, patient())])
    const [own] = await keysOf(server.port, 'tenure/last-a/')
    await store.release(a, patient())
    expect(await keysOf(server.port, 'tenure/last-a/')).toEqual([])
    expect(await store.renew(b, patient())).toBe(64_000)
    expect(await leasesOf(server.port)).toContain(own?.lease)
    await store.release(b, patient())
    expect(await leasesOf(server.port)).not.toContain(own?.lease)
    // Never used again, whatever came of its revoke.
    await store.acquire(b, patient())
    const c = await winsInTime(store, 'last-a', { ttlMs: 64_000 })
    const [next] = await keysOf(server.port, 'tenure/last-a/')
    expect(next?.lease).not.toBe(own?.lease)
    await store.release(c, patient())
  })

  test('a call that gives up leaves those alone that were made with it', async () => {
    const store = storeAt(server.port)
    const kept = bidFor('joined', { ttlMs: 66_000 })
    await store.acquire(kept, patient())
    const controller = new AbortController()
    const calls = [
      () => store.renew(kept, controller.signal),
      () => store.read('joined', controller.signal),
      () => store.acquire(bidFor('joined-other', { ttlMs: 66_000 }), controller.signal),
    ].map((call) => call().catch((thrown: unknown) => thrown))
    controller.abort(new Error('given up'))
    // In the same turn: they would have left together.
    const [granted, lease, won] = await Promise.all([
      store.renew(kept, patient()),
      store.read('joined', patient()),
      store.acquire(bidFor('joined-other', { ttlMs: 66_000 }), patient()),
    ])
    expect(granted).toBe(66_000)
    expect(lease?.holder).toBe(kept.holder)
    expect(won?.remainingMs).toBeGreaterThan(0)
    for (const outcome of await Promise.all(calls)) expect(outcome).toMatchObject({ message: 'given up' })
  })

  test('a bid that is refused leaves no lease behind, and the next one only looks', async () => {
    const { fetch, paths } = counting()
    const leader = storeAt(server.port)
    const held = bidFor('looked', { ttlMs: 65_000 })
    await leader.acquire(held, patient())
    const follower = storeAt(server.port, { fetch })
    for (let look = 0; look < 3; look++) await follower.acquire(bidFor('looked', { ttlMs: 65_000 }), patient())
    expect(paths).toEqual(['/v3/kv/range', '/v3/kv/range', '/v3/kv/range'])
    await leader.release(held, patient())
  })

  test('the ttl granted is used, not the one asked for', async () => {
    const store = storeAt(server.port)
    const bid = bidFor('granted', { ttlMs: 2500 })
    const sentAt = performance.now()
    const lease = await store.acquire(bid, patient())
    // All of it, less what the call took.
    expect(lease?.remainingMs).toBeGreaterThanOrEqual(2499 - (performance.now() - sentAt))
    expect(lease?.remainingMs).toBeLessThanOrEqual(2500)
    expect(await store.renew(bid, patient())).toBe(2500)
    await store.release(bid, patient())
  })

  test('a key of others in our place is recognised and refused', async () => {
    const store = storeAt(server.port)
    await put(server.port, 'tenure/foreign/x', 'somebody')
    await expect(store.acquire(bidFor('foreign'), patient())).rejects.toMatchObject({ code: 'store-unfit', message: /is on no lease/ })
    const { ID } = await ask<{ ID: string }>(server.port, '/v3/lease/grant', { TTL: '60' })
    await put(server.port, 'tenure/format/x', '{"tenure":2,"candidate":"a"}', ID)
    await expect(store.read('format', patient())).rejects.toMatchObject({ code: 'store-unfit', message: /format/ })
    await put(server.port, 'tenure/nested/x/y', 'somebody', ID)
    await expect(store.read('nested', patient())).rejects.toMatchObject({ code: 'store-unfit', message: /another prefix/ })
  })

  async function planted(...changes: Parameters<typeof plant>[1]): Promise<LeaseStore> {
    const module = (await plant('src/stores/etcd.ts', changes)) as { etcd(options: EtcdOptions): LeaseStore }
    return module.etcd({ endpoints: `http://127.0.0.1:${server.port}` })
  }
})
