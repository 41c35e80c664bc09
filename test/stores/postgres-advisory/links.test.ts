import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type LeaseStore, type TenureError } from '../../../src/index.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, fresh, holder, holders, signal, storeOf, waiters } from './bench.ts'

const ttlMs = 6000

// A server is killed and comes back, leases run out: a busy machine takes its time.
describe.skipIf(!available)('links, sessions and servers that fail', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  let proxy: TcpProxy | undefined
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    await proxy?.close()
    proxy = undefined
    // Their locks are counted.
    await bench.disconnected()
  })

  /** A candidate, and what happened to it. */
  class Watched {
    readonly candidate: Candidate
    readonly said: string[] = []
    readonly troubles: TenureError[] = []
    renewals = 0

    constructor(store: LeaseStore, election: string, ttl = ttlMs) {
      this.candidate = new Candidate({ store, election, ttlMs: ttl, id: `c${candidates.length}` })
      candidates.push(this.candidate)
      this.candidate.on('elected', () => void this.said.push('elected'))
      this.candidate.on('deposed', (_, why) => void this.said.push(why))
      this.candidate.on('trouble', (error) => void this.troubles.push(error))
      this.candidate.on('renewed', () => {
        this.renewals += 1
      })
    }

    async stands(): Promise<this> {
      await this.candidate.start()
      return this
    }

    async leads(): Promise<this> {
      await this.candidate.start()
      await until('it leads', () => this.candidate.isLeader)
      return this
    }
  }

  async function through(): Promise<LeaseStore> {
    proxy = await startProxy(bench.server.port)
    return storeOf(bench, proxy.port)
  }

  /** Two of one election; the second waits at the server. What overlapped is counted when the second is elected. */
  async function pair(leading: LeaseStore, ttl = ttlMs) {
    const election = fresh()
    const a = await new Watched(leading, election, ttl).leads()
    const b = await new Watched(storeOf(bench), election, ttl).stands()
    const overlaps: boolean[] = []
    b.candidate.on('elected', () => void overlaps.push(a.candidate.isLeader))
    await until('somebody waits', async () => (await waiters(bench)) > 0)
    return { election, a, b, overlaps }
  }

  test('a leader whose connections are cut is deposed, and the next one leads at once although the ttl is far away', async () => {
    const { a, b } = await pair(await through(), 120_000)
    const token = a.candidate.tenure?.fencingToken ?? 0
    const from = performance.now()
    proxy?.cut()
    await until('the other leads', () => b.candidate.isLeader)
    expect(performance.now() - from).toBeLessThan(20_000)
    await until('the first knows', () => !a.candidate.isLeader)
    expect(a.said).toEqual(['elected', 'superseded'])
    expect(b.candidate.tenure?.fencingToken).toBeGreaterThan(token)
  })

  test('a backend that an operator terminates: its leader is deposed, another leads', async () => {
    const { a, b } = await pair(storeOf(bench))
    const token = a.candidate.tenure?.fencingToken ?? 0
    await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench)])
    await until('one of them leads', () => [a, b].some(({ candidate }) => (candidate.tenure?.fencingToken ?? 0) > token))
    await until('one of them leads, and one follows', () => a.candidate.isLeader !== b.candidate.isLeader)
    expect(a.said.slice(0, 2)).toEqual(['elected', 'superseded'])
  })

  test('a link that is black-holed ends the tenure before the server frees the lock; stop() is bounded', async () => {
    const { a, b, overlaps } = await pair(await through())
    const from = performance.now()
    proxy?.stall()
    await until('the other leads', () => b.candidate.isLeader)
    expect(overlaps).toEqual([false])
    expect(a.said).toEqual(['elected', 'expired'])
    expect(performance.now() - from).toBeLessThan(3 * ttlMs)
    const before = performance.now()
    await a.candidate.stop()
    expect(performance.now() - before).toBeLessThan(3 * ttlMs)
    proxy?.resume()
    expect(b.candidate.isLeader).toBe(true)
  })

  test('a link that is half open: no overlap, the lock is free after a ttl, and the first stands again on new connections', async () => {
    const { a, b, overlaps } = await pair(await through())
    proxy?.halfOpen()
    await until('the other leads', () => b.candidate.isLeader)
    expect(overlaps).toEqual([false])
    expect(a.said).toEqual(['elected', 'expired'])
    await until('the first follows', () => a.candidate.leader?.candidate === b.candidate.id)
    await b.candidate.stop()
    await until('the first leads', () => a.candidate.isLeader)
  })

  test('a link that is half open under the only candidate: it leads again', async () => {
    const a = await new Watched(await through(), fresh()).leads()
    const token = a.candidate.tenure?.fencingToken ?? 0
    proxy?.halfOpen()
    await until('it is deposed', () => a.said.includes('expired'))
    await until('it leads again', () => (a.candidate.tenure?.fencingToken ?? 0) > token)
  })

  test('a stall that ends in time costs nothing: the heartbeat queues, and the tenure goes on', async () => {
    const { a, b } = await pair(await through(), 20_000)
    const before = a.renewals
    proxy?.stall()
    await until('a call was given up', () => a.troubles.length > 0)
    proxy?.resume()
    await until('it was renewed twice', () => a.renewals >= before + 2)
    expect(a.said).toEqual(['elected'])
    expect(b.said).toEqual([])
  })

  test('a backend that is frozen: its leader is deposed by its deadline, and nobody leads before it is gone', async () => {
    const { a, b, overlaps } = await pair(storeOf(bench))
    const sessions = [{ pid: await holder(bench) }]
    try {
      signal(sessions, 'SIGSTOP')
      await until('it is deposed', () => a.said.includes('expired'))
      expect(b.candidate.isLeader).toBe(false)
    } finally {
      signal(sessions, 'SIGCONT')
    }
    await until('one leads', () => a.candidate.isLeader || b.candidate.isLeader)
    expect(overlaps).not.toContain(true)
  })

  test('a server that is frozen leaves nobody leading, and a leader again when it thaws', async () => {
    const { a, b } = await pair(storeOf(bench))
    await bench.frozen(() => until('nobody leads', () => [a, b].every(({ candidate }) => !candidate.isLeader)))
    await until('one leads again', () => a.candidate.isLeader !== b.candidate.isLeader, 60_000)
  })

  test.each(['SIGKILL', 'SIGQUIT', 'SIGINT'] as const)(
    'a server that ends by %s and comes back: one leader, with a larger token',
    async (signal) => {
      const { a, b } = await pair(storeOf(bench))
      const token = a.candidate.tenure?.fencingToken ?? 0
      await bench.server.restart(signal)
      const leading = () => [a, b].filter(({ candidate }) => candidate.isLeader)
      await until('one leads', () => leading().length === 1 && (leading()[0]?.candidate.tenure?.fencingToken ?? 0) > token, 60_000)
    },
  )

  test('level B, as it says: the server crashes while the link of the leader is stalled, and another leads while it believes', async () => {
    const { a, b } = await pair(await through())
    const old = a.candidate.tenure?.fencingToken ?? 0
    proxy?.stall()
    await bench.server.restart('SIGQUIT')
    await until('another leads', () => b.candidate.isLeader)
    // Both may believe, for what is left of the deadline; the order of tokens is never broken.
    expect(b.candidate.tenure?.fencingToken).toBeGreaterThan(old)
    await until('the first does not any more', () => !a.candidate.isLeader)
    proxy?.resume()
    expect(b.candidate.isLeader).toBe(true)
  })

  test('the row deleted by an operator: refused at the next renewal, and the lock is free only when the work has ended', async () => {
    const store = storeOf(bench)
    const bid = bidFor(fresh(), { ttlMs: 60_000 })
    const first = await store.acquire(bid, calm())
    await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [bid.election])
    expect(await store.renew(bid, calm())).toBe(0)
    expect(await store.renew(bid, calm())).toBe(0)
    const other = storeOf(bench)
    expect((await other.acquire(bidFor(bid.election), calm()))?.remainingMs ?? 0).toBe(0)
    expect((await holders(bench)).length).toBe(1)
    await store.release(bid, calm())
    const next = bidFor(bid.election)
    const second = await other.acquire(next, calm())
    expect(second?.holder).toBe(next.holder)
    expect(second?.fencingToken).toBeGreaterThan(first?.fencingToken ?? 0)
  })

  test('the store is away for longer than a ttl: a leader within the back-off, and no connection more than before', async () => {
    const a = await new Watched(await through(), fresh()).leads()
    proxy?.refuse()
    proxy?.cut()
    await until('it does not lead', () => !a.candidate.isLeader)
    await until('it has tried', () => a.troubles.length >= 4)
    proxy?.resume()
    await until('it leads again', () => a.candidate.isLeader, 60_000)
    await until('two connections at most', async () => (await bench.connections()) <= 2)
  })
})
