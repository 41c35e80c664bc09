/** Bids, looks and releases of one turn share transactions; nobody pays for anybody else. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import { encode } from '../../../src/stores/etcd/wire.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, counting, keysOf, patient, put, storeAt } from './lab.ts'

const MANY = 250
const LONG = 60_000

const bidsFor = (name: string, count = MANY) => Array.from({ length: count }, (_, i) => bidFor(`${name}-${i}`, { ttlMs: LONG }))
const allAt = (store: LeaseStore, bids: ReturnType<typeof bidsFor>) => Promise.all(bids.map((bid) => store.acquire(bid, patient())))
const outcomeOf = (outcome: PromiseSettledResult<unknown>) =>
  outcome.status === 'fulfilled' ? 'won' : (outcome.reason as { code: string }).code

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
      const bids = ['a', 'b', 'c'].map((election) => bidFor(election, { ttlMs: LONG }))
      const outcomes = await Promise.allSettled(bids.map((bid) => store.acquire(bid, patient())))
      expect(outcomes.map(outcomeOf)).toEqual(['won', 'store-denied', 'won'])
    } finally {
      await server.close()
    }
  })
})
