/** Short questions to a store on a real server, asked of the right one and of those with a fault planted. */

import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import type { Pool } from 'pg'
import type { PostgresOptions, PostgresStore } from '../../../src/stores/postgres.ts'
import { ManualClock } from '../../../src/testing/index.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { inTheAir } from '../../in-the-air.ts'
import { type Bench, bidFor, clientAt, fresh, waits } from './bench.ts'
import { refusalChecks } from './refusal-checks.ts'
import { schemaChecks } from './schema-checks.ts'
import { silenceChecks } from './silence-checks.ts'

export type Make = (pool: Pool, options?: PostgresOptions) => PostgresStore

export interface Check {
  readonly name: string
  ask(bench: Bench, make: Make): Promise<void>
}

const ttlMs = 600_000
/** The row as an operator would change it. */
function set(bench: Bench, election: string, what: string): Promise<unknown> {
  return bench.admin.query(`UPDATE tenure_lease SET ${what} WHERE name = $1`, [election])
}

async function locked<T>(bench: Bench, election: string, during: () => Promise<T>, first = ''): Promise<T> {
  const operator = await clientAt(bench.server.port)
  try {
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [election])
    if (first) await operator.query(first, [election])
    return await during()
  } finally {
    await operator.end()
  }
}

/** A fault may hang: that shows it, too, once the bound has passed. */
export function checksWithin(boundMs: number): readonly Check[] {
  const soon = () => AbortSignal.timeout(boundMs)
  return [
    {
      name: 'a live lease is another’s',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        equal((await store.acquire(bid, soon()))?.holder, bid.holder)
        equal((await store.acquire(bidFor(bid.election), soon()))?.holder, bid.holder)
      },
    },
    {
      name: 'a holder that has expired does not come back',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await set(bench, bid.election, 'expires_at = clock_timestamp()')
        equal(await store.renew(bid, soon()), 0)
        equal((await store.acquire(bid, soon()))?.remainingMs ?? 0, 0)
      },
    },
    {
      name: 'a lease that runs out while its renewal waits is over',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await set(bench, bid.election, "expires_at = clock_timestamp() + interval '2 s'")
        const renewal = await locked(bench, bid.election, async () => {
          const renewed = inTheAir(store.renew(bid, soon()))
          await waits(bench, boundMs)
          await until('it has run out', async () => (await store.read(bid.election, soon())) === undefined)
          return { renewed }
        })
        equal(await renewal.renewed, 0)
      },
    },
    {
      name: 'renewing and releasing match the holder',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        equal(await store.renew(bidFor(bid.election), soon()), 0)
        await store.release(bidFor(bid.election), soon())
        equal((await store.read(bid.election, soon()))?.holder, bid.holder)
      },
    },
    {
      name: 'the token grows past a clock that was ahead, and past a row that was deleted',
      async ask(bench, make) {
        const store = make(bench.pool())
        const election = fresh()
        const first = bidFor(election, { ttlMs })
        const one = await store.acquire(first, soon())
        await set(bench, election, 'token = token + 1000000000000, expires_at = clock_timestamp()')
        const two = await store.acquire(bidFor(election), soon())
        ok((two?.fencingToken ?? 0) > (one?.fencingToken ?? 0) + 1e12, 'no smaller than the last')
        const other = bidFor(fresh())
        const three = await store.acquire(other, soon())
        await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [other.election])
        const four = await store.acquire(bidFor(other.election), soon())
        ok((four?.fencingToken ?? 0) > (three?.fencingToken ?? 0), 'no smaller than before it was deleted')
      },
    },
    {
      name: 'a locked row holds up nobody but itself, and that not for ever',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bids = [1, 2, 3].map(() => bidFor(fresh(), { ttlMs: 60_000 }))
        await Promise.all(bids.map((bid) => store.acquire(bid, soon())))
        await locked(bench, bids[1]?.election ?? '', async () => {
          let over = false
          const stuck = store.renew(bids[1] ?? bidFor('none'), soon()).catch((error: { code: string }) => {
            over = true
            return error.code
          })
          const neighbour = inTheAir(store.renew(bids[0] ?? bidFor('none'), soon()))
          ok(!(await waits(bench, boundMs)).includes('unnest'), 'a batch waits')
          equal(await neighbour, 60_000)
          equal(over, false)
          equal(await stuck, 'store-unreachable')
          const { rowCount } = await bench.admin.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
          equal(rowCount, 0)
        })
      },
    },
    {
      name: 'a release waits for a bid of its holder',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        await store.acquire(bid, soon())
        await set(bench, bid.election, "holder = 'before'")
        const operator = await clientAt(bench.server.port)
        let release: Promise<void>
        try {
          await operator.query('BEGIN')
          await operator.query('UPDATE tenure_lease SET holder = $2 WHERE name = $1', [bid.election, bid.holder])
          release = inTheAir(store.release(bid, soon()))
          await waits(bench, boundMs)
          await operator.query('COMMIT')
        } finally {
          // Where a fault is planted nobody waits; the table must not stay locked for the checks that follow.
          await operator.end()
        }
        await release
        equal(await store.read(bid.election, soon()), undefined)
      },
    },
    {
      name: 'two first bids at once are one lease and one answer',
      async ask(bench, make) {
        const stores = Array.from({ length: 8 }, () => make(bench.pool()))
        await Promise.all(stores.map((store) => store.list(soon())))
        for (let round = 0; round < 10; round++) {
          const election = fresh()
          const leases = await Promise.all(stores.map((store) => store.acquire(bidFor(election, { ttlMs }), soon())))
          equal(new Set(leases.map((lease) => lease?.holder)).size, 1)
        }
      },
    },
    {
      name: 'the same election twice in one turn',
      async ask(bench, make) {
        const store = make(bench.pool())
        const bid = bidFor(fresh(), { ttlMs })
        const leases = await Promise.all([bid, bidFor(bid.election), bid].map((each) => store.acquire(each, soon())))
        for (const lease of leases) equal(lease?.holder, bid.holder)
        const rival = bidFor(bid.election, { ttlMs })
        deepEqual(await Promise.all([bid, rival].map((each) => store.renew(each, soon()))), [ttlMs, 0])
        deepEqual(await Promise.all([rival, bid].map((each) => store.renew(each, soon()))), [0, ttlMs])
      },
    },
    {
      name: 'a lease far ahead is over only for whoever has seen that very one for its ttl',
      async ask(bench, make) {
        const clock = new ManualClock()
        const store = make(bench.pool(), { clock: withRealTimers(clock) })
        const bid = bidFor(fresh(), { ttlMs: 20_000 })
        await make(bench.pool()).acquire(bid, soon())
        await set(bench, bid.election, "expires_at = clock_timestamp() + interval '1 hour'")
        const rival = bidFor(bid.election, { ttlMs: 20_000 })
        equal((await store.acquire(rival, soon()))?.holder, bid.holder)
        await clock.advance(10_000)
        // Renewed, and the clock stepped back again.
        await set(bench, bid.election, "expires_at = clock_timestamp() + interval '1 hour'")
        await clock.advance(10_000)
        equal((await store.acquire(rival, soon()))?.holder, bid.holder)
        await clock.advance(19_000)
        equal((await store.acquire(rival, soon()))?.holder, bid.holder)
        await clock.advance(1000)
        equal((await store.acquire(rival, soon()))?.holder, rival.holder)
      },
    },
    {
      name: 'a connection with a statement in the air is never used again',
      async ask(bench, make) {
        const proxy = await startProxy(bench.server.port)
        bench.ends(() => proxy.close())
        const pool = bench.pool(proxy.port)
        const store = make(pool)
        await store.list(soon())
        const held = proxy.hold('tenure_read')
        const gone = new AbortController()
        const reading = inTheAir(store.read(fresh(), gone.signal))
        await held.caught
        gone.abort()
        await rejects(reading)
        // Whoever asks next, the store or the owner of the pool, has another one.
        await store.list(soon())
        await Promise.race([pool.query('SELECT 1'), new Promise((_, reject) => setTimeout(reject, boundMs))])
        held.letGo()
      },
    },
    {
      name: 'a watch is armed again on another connection',
      async ask(bench, make) {
        const store = make(bench.pool())
        const other = make(bench.pool())
        const election = fresh()
        for (let round = 0; round < 2; round++) {
          let told = 0
          const watch = store.watch(election, () => void told++, new AbortController().signal).catch(() => 'lost')
          await until('it is in place', () => told === 1, boundMs)
          const bid = bidFor(election, { ttlMs })
          await other.acquire(bid, soon())
          await other.release(bid, soon())
          await until('it is told', () => told === 2, boundMs)
          await bench.admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenure'")
          equal(await watch, 'lost')
          await until('the other is back', () => other.list(soon()), boundMs)
        }
      },
    },
    {
      name: 'a release that overtakes its own first bid is repeated',
      async ask(bench, make) {
        const proxy = await startProxy(bench.server.port)
        bench.ends(() => proxy.close())
        const store = make(bench.pool(proxy.port))
        const bid = bidFor(fresh(), { ttlMs: 6000 })
        const held = proxy.hold('tenure_acquire')
        const gone = new AbortController()
        const bidding = inTheAir(store.acquire(bid, gone.signal))
        await held.caught
        gone.abort()
        await rejects(bidding)
        await store.release(bid, soon())
        held.letGo()
        await until(
          'it is released',
          async () => {
            const { rows } = await bench.admin.query('SELECT expires_at = to_timestamp(0) AS over FROM tenure_lease WHERE name = $1', [
              bid.election,
            ])
            return rows[0]?.over === true
          },
          boundMs,
        )
      },
    },
    {
      name: 'nothing is left when nothing stands',
      async ask(bench, make) {
        const pool = bench.pool()
        const store = make(pool)
        const gone = new AbortController()
        const watch = inTheAir(store.watch(fresh(), () => {}, gone.signal))
        await store.list(soon())
        gone.abort()
        await watch
        await until('no connection is left', () => pool.totalCount === 0, boundMs)
      },
    },
    ...refusalChecks(boundMs),
    ...silenceChecks(boundMs),
    ...schemaChecks(boundMs),
  ]
}

/** Real timers, and a monotonic clock that is moved by hand. */
function withRealTimers(clock: ManualClock) {
  return {
    mono: () => clock.mono(),
    wall: () => clock.wall(),
    timer(delayMs: number, wake: () => void) {
      const timer = setTimeout(wake, delayMs)
      return () => clearTimeout(timer)
    },
    afterPending: (then: () => void) => void setImmediate(() => setImmediate(then)),
    random: () => clock.random(),
    id: () => clock.id(),
  }
}
