/** Bids, looks and releases of one turn share transactions; nobody pays for anybody else. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TenureError } from '../../../src/index.ts'
import type { LeaseStore } from '../../../src/store.ts'
import { type Ask, type Write, writesOf } from '../../../src/stores/etcd/batches.ts'
import type { TxnAnswer } from '../../../src/stores/etcd/wire.ts'
import { encode } from '../../../src/stores/etcd/wire.ts'
import { type EtcdFetch, etcd } from '../../../src/stores/etcd.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, counting, keysOf, patient, put, storeAt } from './lab.ts'

const MANY = 250
const LONG = 60_000

const bidsFor = (name: string, count = MANY) => Array.from({ length: count }, (_, i) => bidFor(`${name}-${i}`, { ttlMs: LONG }))
const allAt = (store: LeaseStore, bids: ReturnType<typeof bidsFor>) => Promise.all(bids.map((bid) => store.acquire(bid, patient())))
const outcomeOf = (outcome: PromiseSettledResult<unknown>): string =>
  outcome.status === 'fulfilled' ? 'won' : (outcome.reason as { code: string }).code

describe('writes', () => {
  const clock = { afterPending: (then: () => void) => void setImmediate(then) }
  const never = new AbortController().signal
  const writeOf = (election: string, over: Partial<Write> = {}): Write => ({
    election,
    compare: [],
    success: { request_put: { key: encode(election) } },
    otherwise: { key: encode(election) },
    isRefusedBy: (found) => found !== undefined,
    ...over,
  })
  /** A server that answers each request as it is told to, and what it was asked. */
  function serverOf(answer: (writes: number) => TxnAnswer | TenureError) {
    const asked: { writes: number; patienceMs: number | undefined }[] = []
    const told: Ask = async <T>(_: string, body: object | (() => object), __: AbortSignal, patienceMs?: number) => {
      const { success } = (typeof body === 'function' ? body() : body) as { success: readonly object[] }
      expect(JSON.stringify(success)).not.toContain('request_txn')
      asked.push({ writes: success.length, patienceMs })
      const outcome = answer(success.length)
      if (outcome instanceof TenureError) throw outcome
      return outcome as T
    }
    return { writes: writesOf(told, clock), asked }
  }

  test('of several have the least patience of all, and one its own', async () => {
    const { writes, asked } = serverOf(() => ({ succeeded: true }))
    await Promise.all([100, 50, 200].map((patienceMs, i) => writes.ask(writeOf(`e${i}`, { patienceMs }), never)))
    await writes.ask(writeOf('alone', { patienceMs: 300 }), never)
    expect(asked).toEqual([
      { writes: 3, patienceMs: 50 },
      { writes: 1, patienceMs: 300 },
    ])
  })

  test('to a server that is not there are told so by one request', async () => {
    const { writes, asked } = serverOf(() => new TenureError('store-unreachable', 'not there'))
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => writes.ask(writeOf(`e${i}`), never)))
    expect(new Set(outcomes.map(outcomeOf))).toEqual(new Set(['store-unreachable']))
    expect(asked).toHaveLength(1)
  })

  test('of which nobody can say who is in the way are done one by one', async () => {
    const { writes, asked } = serverOf((count) => (count > 1 ? { responses: [] } : { succeeded: true }))
    await Promise.all(Array.from({ length: 5 }, (_, i) => writes.ask(writeOf(`e${i}`), never)))
    expect(asked.map((request) => request.writes)).toEqual([5, 1, 1, 1, 1, 1])
  })

  test('that are in the way are told, and the others try again without them', async () => {
    const taken = (index: number) => ({ response_range: { kvs: index === 1 ? [{ key: 'x' }] : [] } })
    let trips = 0
    const { writes, asked } = serverOf((count) => {
      trips += 1
      return trips === 1 ? { responses: Array.from({ length: count }, (_, i) => taken(i)) } : { succeeded: true, header: { revision: '7' } }
    })
    const answers = await Promise.all(['a', 'b', 'c'].map((election) => writes.ask(writeOf(election), never)))
    expect(asked.map((request) => request.writes)).toEqual([3, 2])
    expect(answers.map(({ succeeded, header }) => [succeeded, header?.revision])).toEqual([
      [true, '7'],
      [false, undefined],
      [true, '7'],
    ])
  })
})

describe.skipIf(!findServer('etcd'))('what is asked in one turn', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  test('250 bids, refusals and releases cost a handful of transactions each', async () => {
    const { fetch, paths } = counting()
    const ours = storeAt(server.port, { fetch })
    const bids = bidsFor('crowd')
    const won = await allAt(ours, bids)
    expect(won.map((lease) => lease?.holder)).toEqual(bids.map(({ holder }) => holder))
    expect(paths.filter((path) => path.startsWith('/v3/kv/')).length).toBeLessThanOrEqual(6)
    expect(await Promise.all(bids.map((bid) => ours.renew(bid, patient())))).toEqual(bids.map(() => LONG))

    const theirs = storeAt(server.port, { fetch })
    paths.length = 0
    const refused = await allAt(theirs, bidsFor('crowd'))
    expect(refused.map((lease) => lease?.holder)).toEqual(bids.map(({ holder }) => holder))
    expect(paths.length).toBeLessThanOrEqual(3)

    paths.length = 0
    await Promise.all(bids.map((bid) => ours.release(bid, patient())))
    expect(paths.length).toBeLessThanOrEqual(4)
    expect(await keysOf(server.port, 'tenure/crowd')).toEqual([])
  })

  test('the token of each is the revision that made its key, and its fence holds', async () => {
    const store = storeAt(server.port)
    const bids = bidsFor('tokens', 20)
    const leases = await allAt(store, bids)
    const keys = await keysOf(server.port, 'tenure/tokens')
    const revisions = new Map(keys.map(({ key, revision }) => [key, revision]))
    for (const lease of leases) {
      const { fencingToken = 0, holder = '' } = lease ?? {}
      const election = bids.find((bid) => bid.holder === holder)?.election ?? ''
      expect(fencingToken).toBe(revisions.get(`tenure/${election}/${holder}`))
      expect(await ask(server.port, '/v3/kv/txn', { compare: store.fenced({ election, fencingToken }) })).toMatchObject({ succeeded: true })
    }
    const [first] = bids
    const next = bidFor(first?.election ?? '')
    if (first) await store.release(first, patient())
    expect((await store.acquire(next, patient()))?.fencingToken).toBeGreaterThan(leases[0]?.fencingToken ?? Number.POSITIVE_INFINITY)
    await Promise.all([...bids, next].map((bid) => store.release(bid, patient())))
  })

  test('a release and bids of one election: it is won once, with a larger token', async () => {
    const store = storeAt(server.port)
    const last = bidFor('turn', { ttlMs: LONG })
    const lease = await store.acquire(last, patient())
    const heirs = Array.from({ length: 5 }, () => bidFor('turn', { ttlMs: LONG }))
    const released = store.release(last, patient())
    const leases = await Promise.all(heirs.map((heir) => store.acquire(heir, patient())))
    await released
    const won = leases.filter((one, i) => one?.holder === heirs[i]?.holder)
    const keys = await keysOf(server.port, 'tenure/turn/')
    expect(keys).toHaveLength(won.length)
    expect(won.length).toBeLessThanOrEqual(1)
    const next = won.length > 0 ? won[0] : await store.acquire(bidFor('turn', { ttlMs: LONG }), patient())
    expect(next?.fencingToken).toBeGreaterThan(lease?.fencingToken ?? Number.POSITIVE_INFINITY)
  })

  test('whoever has given up is not sent to the next member with the others', async () => {
    const { port } = server
    let caught = () => {}
    const isCaught = new Promise<void>((resolve) => {
      caught = resolve
    })
    // The first member is silent to writes of several; the next is the same server by another name.
    const silent: EtcdFetch = (url, request) => {
      if (!url.includes('127.0.0.1') || !request.body.includes('request_put')) return fetch(url, request)
      caught()
      return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason), { once: true }))
    }
    const store = storeAt(port)
    const other = etcd({ endpoints: [`http://127.0.0.1:${port}`, `http://localhost:${port}`], fetch: silent })
    const controller = new AbortController()
    const [gone, stays] = [bidFor('gone', { ttlMs: 12_000 }), bidFor('stays', { ttlMs: 12_000 })]
    const given = other.acquire(gone, controller.signal).catch((thrown: unknown) => thrown)
    const waited = other.acquire(stays, patient())
    await isCaught
    controller.abort(new Error('given up'))
    expect(await given).toMatchObject({ message: 'given up' })
    await other.release(gone, patient())
    expect((await waited)?.holder).toBe(stays.holder)
    expect(await keysOf(port, 'tenure/gone/')).toEqual([])
    const next = bidFor('gone', { ttlMs: LONG })
    expect((await store.acquire(next, patient()))?.holder).toBe(next.holder)
    await other.close?.()
  })

  test('a record of others is the trouble of its own election', async () => {
    await put(server.port, 'tenure/foreign-3/x', 'on no lease')
    const store = storeAt(server.port)
    const outcomes = await Promise.allSettled(bidsFor('foreign', 10).map((bid) => store.acquire(bid, patient())))
    expect(outcomes.map(outcomeOf)).toEqual(Array.from({ length: 10 }, (_, i) => (i === 3 ? 'store-unfit' : 'won')))
  })
})

describe.skipIf(!findServer('etcd'))('a server', () => {
  test('that takes fewer steps than we send is asked one by one', async () => {
    const server = await startEtcd('--max-txn-ops', '8')
    try {
      const store = storeAt(server.port)
      const bids = bidsFor('narrow', 30)
      expect((await allAt(store, bids)).map((lease) => lease?.holder)).toEqual(bids.map(({ holder }) => holder))
      await Promise.all(bids.map((bid) => store.release(bid, patient())))
      expect(await keysOf(server.port, 'tenure/')).toEqual([])
    } finally {
      await server.close()
    }
  })

  test.each([
    ['has no space left', ['--quota-backend-bytes', '300000'], true],
    ['takes small requests only', ['--max-request-bytes', '32768'], false],
  ])('that %s says the same to many as to one', async (_, options, isFull) => {
    const server = await startEtcd(...options)
    const { port } = server
    try {
      const store = storeAt(port)
      await store.acquire(bidFor('first', { ttlMs: LONG }), patient())
      const fill = async () => {
        for (let i = 0; i < 500; i++) await put(port, `junk${i}`, 'x'.repeat(9000))
      }
      if (isFull) await expect(fill()).rejects.toThrow(/space/)
      // Long enough for a hundred of them to be too much.
      const bids = bidsFor('n'.repeat(180), 100).map((bid) => ({ ...bid, advert: 'x'.repeat(1000) }))
      const [one, ...others] = bids
      const outcome = async (bid = one) => outcomeOf((await Promise.allSettled([bid && store.acquire(bid, patient())]))[0])
      const alone = await outcome()
      expect(alone).toBe(isFull ? 'store-unfit' : 'won')
      expect(new Set(await Promise.all(others.map(outcome)))).toEqual(new Set([alone]))
    } finally {
      await server.close()
    }
  })

  test('that denies one election serves its neighbours', async () => {
    const server = await startEtcd()
    const { port } = server
    try {
      for (const name of ['root', 'app']) await ask(port, '/v3/auth/user/add', { name, password: 'sesame' })
      for (const name of ['root', 'some']) await ask(port, '/v3/auth/role/add', { name })
      for (const open of ['tenure/a/', 'tenure/c/']) {
        const perm = { permType: 'READWRITE', key: encode(open), range_end: encode(`${open.slice(0, -1)}0`) }
        await ask(port, '/v3/auth/role/grant', { name: 'some', perm })
      }
      await ask(port, '/v3/auth/user/grant', { user: 'root', role: 'root' })
      await ask(port, '/v3/auth/user/grant', { user: 'app', role: 'some' })
      await ask(port, '/v3/auth/enable')
      const store = storeAt(port, { username: 'app', password: 'sesame' })
      // With a lease in place nobody looks first: the writes themselves are refused.
      const held = bidFor('a', { ttlMs: LONG })
      expect((await store.acquire(held, patient()))?.holder).toBe(held.holder)
      const unseen = ['b', 'c', 'd'].map((election) => bidFor(election, { ttlMs: LONG }))
      const second = await Promise.allSettled(unseen.map((bid) => store.acquire(bid, patient())))
      expect(second.map(outcomeOf)).toEqual(['store-denied', 'won', 'store-denied'])
      await Promise.all([held, ...unseen].map((bid) => store.release(bid, patient()).catch(() => {})))
      const bids = ['a', 'b', 'c'].map((election) => bidFor(election, { ttlMs: LONG }))
      const outcomes = await Promise.allSettled(bids.map((bid) => store.acquire(bid, patient())))
      expect(outcomes.map(outcomeOf)).toEqual(['won', 'store-denied', 'won'])
    } finally {
      await server.close()
    }
  })
})
