/** Short questions to a store on a real server, asked of the right one and of those with a fault planted. */

import { equal, ok, rejects } from 'node:assert/strict'
import type { Pool, PoolClient } from 'pg'
import type { PostgresAdvisoryOptions, PostgresAdvisoryStore } from '../../../src/stores/postgres-advisory.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { inTheAir } from '../../in-the-air.ts'
import { type Bench, bidFor, clientAt, fresh, holder, holders, waiters } from './bench.ts'

export type Make = (pool: Pool, options?: PostgresAdvisoryOptions) => PostgresAdvisoryStore

export interface Check {
  readonly name: string
  ask(bench: Bench, make: Make): Promise<void>
}

const ttlMs = 600_000
const poolOf = (bench: Bench, port?: number) => bench.pool(port, { max: 5 })

async function throughProxy(bench: Bench) {
  const proxy = await startProxy(bench.server.port)
  bench.ends(() => proxy.close())
  return proxy
}

async function lockedRow<T>(bench: Bench, election: string, during: () => Promise<T>): Promise<T> {
  const operator = await clientAt(bench.server.port)
  try {
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [election])
    return await during()
  } finally {
    await operator.end()
  }
}

const free = async (bench: Bench) => (await holders(bench)).length === 0

/** A fault may hang: that shows it, too, once the bound has passed. */
export function checksWithin(boundMs: number): readonly Check[] {
  const soon = () => AbortSignal.timeout(boundMs)
  return [
    {
      name: 'a live lease is another’s, in this process too; the lock is taken once',
      async ask(bench, make) {
        const [store, other] = [make(poolOf(bench)), make(poolOf(bench))]
        const bid = bidFor(fresh(), { ttlMs })
        equal((await store.acquire(bid, soon()))?.holder, bid.holder)
        equal((await store.acquire(bid, soon()))?.holder, bid.holder)
        equal((await store.acquire(bidFor(bid.election, { ttlMs }), soon()))?.holder, bid.holder)
        equal((await other.acquire(bidFor(bid.election, { ttlMs }), soon()))?.holder, bid.holder)
        equal(await store.renew(bid, soon()), ttlMs)
        await store.release(bid, soon())
        equal(await free(bench), true)
      },
    },
    {
      name: 'a holder that was released does not come back',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await store.release(bid, soon())
        equal(await store.renew(bid, soon()), 0)
        equal((await store.acquire(bid, soon()))?.remainingMs ?? 0, 0)
        equal(await free(bench), true)
      },
    },
    {
      name: 'the release of a previous holder frees nothing',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const [old, now] = [bidFor(fresh(), { ttlMs }), bidFor('', { ttlMs })]
        const bid = { ...now, election: old.election }
        await store.acquire(old, soon())
        await store.release(old, soon())
        await store.acquire(bid, soon())
        await store.release(old, soon())
        equal(await free(bench), false)
        equal(await store.renew(bid, soon()), ttlMs)
      },
    },
    {
      name: 'the token grows past a clock that was ahead, and past a row that was deleted',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const tokenOf = async (election: string) => {
          const bid = bidFor(election, { ttlMs })
          const token = (await store.acquire(bid, soon()))?.fencingToken ?? 0
          await store.release(bid, soon())
          return token
        }
        const election = fresh()
        const first = await tokenOf(election)
        await bench.admin.query('UPDATE tenure_lease SET token = token + 1000000000000 WHERE name = $1', [election])
        ok((await tokenOf(election)) > first + 1e12, 'no smaller than the last')
        const other = fresh()
        const before = await tokenOf(other)
        await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [other])
        ok((await tokenOf(other)) > before, 'no smaller than before it was deleted')
      },
    },
    {
      name: 'a row that was deleted is noticed, and the lock is not free before its release',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [bid.election])
        equal(await store.renew(bid, soon()), 0)
        equal(await free(bench), false)
        await store.release(bid, soon())
        equal(await free(bench), true)
      },
    },
    {
      name: 'a lock that was lost on a living session is noticed',
      async ask(bench, make) {
        const pool = poolOf(bench)
        const sessions: PoolClient[] = []
        pool.on('connect', (client) => void sessions.push(client))
        const store = make(pool)
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await sessions[0]?.query('SELECT pg_advisory_unlock_all()')
        equal(await store.renew(bid, soon()), 0)
      },
    },
    {
      name: 'no more is granted than the server is patient',
      async ask(bench, make) {
        const pool = poolOf(bench)
        pool.on('connect', (client) => {
          const query = client.query.bind(client)
          // As a managed server does that fixes a setting.
          const fixed = (asked: { name?: string; values?: string[] }, ...rest: []) => {
            if (asked.name === 'tenure_advisory_settings') asked.values?.splice(0, 1, '9000')
            return query(asked as Parameters<typeof query>[0], ...rest)
          }
          Object.assign(client, { query: fixed })
        })
        const store = make(pool)
        const bid = bidFor(fresh(), { ttlMs })
        const lease = await store.acquire(bid, soon())
        ok((lease?.remainingMs ?? 0) <= 9000, `${lease?.remainingMs} ms were granted`)
        equal(await store.renew(bid, soon()), 9000)
      },
    },
    {
      name: 'what is not renewed lapses although its neighbours are',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const [kept, lost] = [bidFor(fresh(), { ttlMs }), bidFor(fresh(), { ttlMs: 500 })]
        await store.acquire(kept, soon())
        await store.acquire(lost, soon())
        const other = make(poolOf(bench))
        const lapsed = async () => {
          await store.renew(kept, soon())
          const next = bidFor(lost.election)
          return (await other.acquire(next, soon()))?.holder === next.holder
        }
        await until('it is free', lapsed, boundMs)
      },
    },
    {
      name: 'a mint that fails leaves no lock',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const first = bidFor(fresh(), { ttlMs })
        await store.acquire(first, soon())
        await store.release(first, soon())
        await lockedRow(bench, first.election, async () => {
          await rejects(store.acquire(bidFor(first.election, { ttlMs: 2400 }), AbortSignal.timeout(60_000)))
          equal(await free(bench), true)
        })
      },
    },
    {
      name: 'a release that cannot have its row frees the lock',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const bid = bidFor(fresh(), { ttlMs: 12_000 })
        await store.acquire(bid, soon())
        await lockedRow(bench, bid.election, () => store.release(bid, soon()))
        equal(await free(bench), true)
      },
    },
    {
      name: 'a session is not ended under a living hold because an answer is late',
      async ask(bench, make) {
        const proxy = await throughProxy(bench)
        const store = make(poolOf(bench, proxy.port))
        const bid = bidFor(fresh(), { ttlMs: 8000 })
        await store.acquire(bid, soon())
        proxy.stall()
        await rejects(store.renew(bid, AbortSignal.timeout(300)))
        // Longer than an answer may take.
        await new Promise((resolve) => setTimeout(resolve, 1500))
        proxy.resume()
        equal(await store.renew(bid, soon()), 8000)
      },
    },
    {
      name: 'a holder that went silent is freed by the server after its ttl',
      async ask(bench, make) {
        const proxy = await throughProxy(bench)
        const store = make(poolOf(bench, proxy.port))
        await store.acquire(bidFor(fresh(), { ttlMs: 1000 }), soon())
        proxy.halfOpen()
        await until('it is free', () => free(bench), Math.max(boundMs, 6000))
      },
    },
    {
      name: 'what is left counts from when the statement left',
      async ask(bench, make) {
        const proxy = await throughProxy(bench)
        const store = make(poolOf(bench, proxy.port))
        const bid = bidFor(fresh(), { ttlMs })
        const late = async (statement: string, call: () => Promise<unknown>) => {
          const held = proxy.hold(statement)
          const answer = inTheAir(call())
          await held.caught
          await new Promise((resolve) => setTimeout(resolve, 400))
          held.letGo()
          await answer
        }
        await late('tenure_advisory_bid', () => store.acquire(bid, soon()))
        ok(((await store.acquire(bid, soon()))?.remainingMs ?? ttlMs) <= ttlMs - 400, 'a bid')
        await late('tenure_advisory_beat', () => store.renew(bid, soon()))
        ok(((await store.acquire(bid, soon()))?.remainingMs ?? ttlMs) <= ttlMs - 400, 'a heartbeat')
      },
    },
    {
      name: 'a raw lock is excluded, and excludes; others are not concerned',
      async ask(bench, make) {
        const store = make(poolOf(bench), { key: 42n })
        const service = await clientAt(bench.server.port)
        bench.ends(() => service.end())
        const tried = async () => (await service.query('SELECT pg_try_advisory_lock(42) AS ok')).rows[0].ok
        await service.query('SELECT pg_advisory_lock(0, 42)')
        const elsewhere = bench.pool(undefined, { database: 'template1', max: 1 })
        await elsewhere.query('SELECT pg_advisory_lock(42)')
        const bid = bidFor(fresh(), { ttlMs })
        equal((await store.acquire(bid, soon()))?.holder, bid.holder)
        equal(await tried(), false)
        await store.release(bid, soon())
        equal(await tried(), true)
        const next = bidFor(bid.election, { ttlMs })
        ok((await store.acquire(next, soon()))?.holder !== next.holder, 'it was held')
        await elsewhere.end()
      },
    },
    {
      name: 'a crash is felt by who waits, and what nobody takes is given back',
      async ask(bench, make) {
        const [first, second] = [make(poolOf(bench)), make(poolOf(bench))]
        const bid = bidFor(fresh(), { ttlMs: 15_000 })
        await first.acquire(bid, soon())
        const gone = new AbortController()
        bench.ends(async () => gone.abort())
        let told = 0
        second.watch(bid.election, () => void told++, gone.signal).catch(() => {})
        await until('it watches', () => told >= 1, boundMs)
        await second.acquire(bidFor(bid.election, { ttlMs: 15_000 }), soon())
        await until('it waits', async () => (await waiters(bench)) === 1, boundMs)
        await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench, boundMs)])
        await until('it is told', () => told >= 2, 0.7 * boundMs)
        equal(await free(bench), false)
        await until('it was given back', () => free(bench), Math.max(boundMs, 10_000))
      },
    },
    {
      name: 'who waits and is gone does not wait on at the server',
      async ask(bench, make) {
        const [first, pool] = [make(poolOf(bench)), poolOf(bench)]
        const second = make(pool)
        const bid = bidFor(fresh(), { ttlMs: 60_000 })
        await first.acquire(bid, soon())
        const gone = new AbortController()
        let told = 0
        const watch = inTheAir(second.watch(bid.election, () => void told++, gone.signal))
        await until('it watches', () => told >= 1, boundMs)
        await second.acquire(bidFor(bid.election, { ttlMs: 60_000 }), soon())
        await until('it waits', async () => (await waiters(bench)) === 1, boundMs)
        gone.abort()
        await watch
        await until('nobody waits', async () => (await waiters(bench)) === 0, boundMs)
        await until('no connection is left', () => pool.totalCount === 0, boundMs)
      },
    },
  ]
}
