import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { type PostgresStore, postgres } from '../../../src/stores/postgres.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, fresh } from './bench.ts'

describe.skipIf(!available)('watching', () => {
  const bench = Bench.use()
  const proxies: TcpProxy[] = []
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    for (const proxy of proxies.splice(0)) await proxy.close()
    // They are counted.
    await bench.disconnected()
  })

  /** The store over either client, through a proxy. */
  async function over(client: 'pg' | 'postgres.js'): Promise<{ store: PostgresStore; proxy: TcpProxy }> {
    const proxy = await startProxy(bench.server.port)
    proxies.push(proxy)
    const store = client === 'pg' ? bench.store(proxy.port) : postgres(bench.sql(proxy.port, { backoff: () => 0.05 }))
    return { store, proxy }
  }

  const clients = ['pg', 'postgres.js'] as const

  test.each(clients)('%s: a release is told, and nothing else', async (client) => {
    const { store } = await over(client)
    const other = bench.store()
    const election = fresh()
    const gone = new AbortController()
    let told = 0
    const watch = store.watch(election, () => void told++, gone.signal)
    await until('it is in place', () => told === 1)
    const bid = bidFor(election)
    await other.acquire(bid, calm())
    await other.renew(bid, calm())
    const elsewhere = bidFor(fresh())
    await other.acquire(elsewhere, calm())
    await other.release(elsewhere, calm())
    await other.release(bid, calm())
    await until('it is told', () => told > 1)
    expect(told).toBe(2)
    gone.abort()
    await watch
  })

  test('many watches are one LISTEN, and each has its own news', async () => {
    const store = bench.store()
    const elections = Array.from({ length: 200 }, () => fresh())
    const told = new Map<string, number>()
    const gone = elections.map(() => new AbortController())
    const watches = elections.map((election, i) =>
      store.watch(election, () => void told.set(election, (told.get(election) ?? 0) + 1), gone[i]?.signal ?? calm()),
    )
    await until('all are in place', () => told.size === elections.length)
    expect(await bench.connections()).toBe(1)
    const { rows } = await bench.admin.query("SELECT query FROM pg_stat_activity WHERE application_name = 'tenure'")
    expect(rows).toEqual([{ query: 'LISTEN "tenure_release"' }])
    const bid = bidFor(elections[77] ?? '')
    await bench.store().acquire(bid, calm())
    await bench.store().release(bid, calm())
    await until('one is told', () => told.get(bid.election) === 2)
    expect([...told.values()].filter((times) => times > 1)).toHaveLength(1)
    for (const controller of gone) controller.abort()
    await Promise.all(watches)
    await until('no connection is left', async () => (await bench.connections()) === 0)
  })

  test.each([
    ['cut', (proxy: TcpProxy) => proxy.cut()],
    ['half open', (proxy: TcpProxy) => proxy.halfOpen()],
  ])('a watch whose link is %s is armed again, and the next release is told', async (_, fail) => {
    const { store, proxy } = await over('pg')
    const election = fresh()
    const leader = new Candidate({ store: bench.store(), election, ttlMs: 6000, id: 'leader' })
    const follower = new Candidate({ store, election, ttlMs: 6000, id: 'follower' })
    candidates.push(leader, follower)
    follower.on('trouble', () => {})
    await leader.start()
    await until('the leader leads', () => leader.isLeader)
    let armed = 0
    const watch = store.watch
    store.watch = (...args) => {
      armed += 1
      return watch(...args)
    }
    await follower.start()
    await until('it watches', () => armed === 1)
    fail(proxy)
    await until('it watches again', () => armed >= 2)
    await until('it listens again', async () => (await bench.connections()) >= 2)
    expect(follower.isLeader).toBe(false)
    await leader.stop()
    await until('it leads', () => follower.isLeader)
  })

  test('what was released while nobody listened is found when the watch is armed again', async () => {
    const { store, proxy } = await over('pg')
    const election = fresh()
    const held = bidFor(election, { ttlMs: 600_000 })
    const other = bench.store()
    await other.acquire(held, calm())
    const follower = new Candidate({ store, election, ttlMs: 600_000, retryMs: 2000, id: 'follower' })
    candidates.push(follower)
    follower.on('trouble', () => {})
    await follower.start()
    proxy.refuse()
    proxy.cut()
    await other.release(held, calm())
    proxy.resume()
    // Far earlier than the lease would have ended: with the next look.
    await until('it leads', () => follower.isLeader)
  })

  test('postgres.js listens again by itself, and whoever watches looks', async () => {
    const { store, proxy } = await over('postgres.js')
    const gone = new AbortController()
    let told = 0
    const watch = store.watch(fresh(), () => void told++, gone.signal)
    await until('it is in place', () => told === 1)
    proxy.cut()
    await until('it is told to look', () => told === 2)
    gone.abort()
    await watch
  })
})
