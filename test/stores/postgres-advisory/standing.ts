/** Questions about whose a lock is, which bids leave, and what is remembered: for the right store, and for faulty ones. */

import { equal, notEqual, ok, rejects } from 'node:assert/strict'
import type { PoolClient } from 'pg'
import type { PostgresAdvisoryStore } from '../../../src/stores/postgres-advisory.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { inTheAir } from '../../in-the-air.ts'
import { type Bench, bidFor, fresh, holder, holders, waiters } from './bench.ts'
import type { Check, Make } from './checks.ts'

const ttlMs = 600_000
const poolOf = (bench: Bench, port?: number) => bench.pool(port, { max: 5 })

const free = async (bench: Bench) => (await holders(bench)).length === 0

/** A store, and the statement that stands still on the way to the server. */
async function heldUp(bench: Bench, make: Make, soon: () => AbortSignal, statement: string) {
  const proxy = await startProxy(bench.server.port)
  bench.ends(() => proxy.close())
  const store = make(poolOf(bench, proxy.port))
  await store.acquire(bidFor(fresh(), { ttlMs: 15_000 }), soon())
  const held = proxy.hold(statement)
  // A longer ttl than that of the neighbour: the session is made more patient first.
  const bid = bidFor(fresh(), { ttlMs })
  const gone = new AbortController()
  const bidding = inTheAir(store.acquire(bid, AbortSignal.any([gone.signal, soon()])))
  await held.caught
  return { store, bid, gone, bidding, letGo: () => held.letGo() }
}

/** A pool that tells which session was made how patient, in milliseconds; the newest last. */
function spying(bench: Bench) {
  const pool = poolOf(bench)
  const told: { pid: number; idleMs: number }[] = []
  pool.on('connect', (client: PoolClient & { processID?: number }) => {
    const query = client.query.bind(client)
    const spied = (asked: { name?: string; values?: string[] }, ...rest: []) => {
      if (asked.name === 'tenure_advisory_settings') told.push({ pid: client.processID ?? 0, idleMs: Number(asked.values?.[0]) })
      return query(asked as Parameters<typeof query>[0], ...rest)
    }
    Object.assign(client, { query: spied })
  })
  return { pool, patienceOf: (pid: number | undefined) => told.findLast((each) => each.pid === pid)?.idleMs }
}

/** A watch that is in place. */
async function watched(store: PostgresAdvisoryStore, election: string, boundMs: number, bench: Bench) {
  const gone = new AbortController()
  bench.ends(async () => gone.abort())
  let told = 0
  const watching = inTheAir(store.watch(election, () => void told++, gone.signal))
  await until('it watches', () => told >= 1, boundMs)
  return {
    told: () => told,
    end: async () => {
      gone.abort()
      await watching
    },
  }
}

export function standingChecks(boundMs: number): readonly Check[] {
  const soon = () => AbortSignal.timeout(boundMs)
  return [
    {
      name: 'a row that was deleted gives a neighbour nothing, neither by its bid nor by its release',
      async ask(bench, make) {
        const store = make(poolOf(bench))
        const [bid, next] = [bidFor(fresh(), { ttlMs, advert: 'here' }), bidFor('', { ttlMs })]
        const other = { ...next, election: bid.election }
        const token = (await store.acquire(bid, soon()))?.fencingToken
        await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [bid.election])
        const told = await store.acquire(other, soon())
        equal(told?.holder, bid.holder)
        equal(told.fencingToken, token)
        equal(told.candidate, bid.candidate)
        equal(told.advert, bid.advert)
        ok(told.remainingMs > 0)
        await store.release(other, soon())
        equal(await free(bench), false)
        equal(await store.renew(bid, soon()), 0)
        // Refused, and its work still ends.
        notEqual((await store.acquire(bidFor(bid.election, { ttlMs }), soon()))?.remainingMs, 0)
        await store.release(bidFor(bid.election), soon())
        equal(await free(bench), false)
        await store.release(bid, soon())
        equal(await free(bench), true)
        const last = bidFor(bid.election, { ttlMs })
        equal((await store.acquire(last, soon()))?.holder, last.holder)
      },
    },
    {
      name: 'what was given to who waits is taken, although a row is of a dead session with the same process id',
      async ask(bench, make) {
        const [first, second] = [make(poolOf(bench)), make(poolOf(bench))]
        const bid = bidFor(fresh(), { ttlMs: 60_000 })
        await first.acquire(bid, soon())
        const watch = await watched(second, bid.election, boundMs, bench)
        await second.acquire(bidFor(bid.election), soon())
        await until('it waits', async () => (await waiters(bench)) === 1, boundMs)
        const { rows } = await bench.admin.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        await bench.admin.query("UPDATE tenure_lease SET holder = $2 || '/dead' WHERE name = $1", [bid.election, String(rows[0].pid)])
        await first.release(bid, soon())
        await until('it is told', () => watch.told() >= 2, boundMs)
        const next = bidFor(bid.election)
        await until('it leads', async () => (await second.acquire(next, soon()))?.holder === next.holder, boundMs)
        equal(await holder(bench, boundMs), rows[0].pid)
      },
    },
    {
      name: 'a release of which nobody can be told frees the lock, and leaves the neighbours alone',
      async ask(bench, make) {
        const role = fresh('mute').replaceAll('-', '_')
        await bench.admin.query(`CREATE ROLE ${role} LOGIN; GRANT ALL ON tenure_lease TO ${role}`)
        await bench.admin.query('REVOKE EXECUTE ON FUNCTION pg_notify FROM public')
        bench.ends(() => bench.admin.query('GRANT EXECUTE ON FUNCTION pg_notify TO public'))
        const store = make(bench.pool(undefined, { max: 5, user: role }))
        const [bid, neighbour] = [bidFor(fresh(), { ttlMs }), bidFor(fresh(), { ttlMs })]
        await store.acquire(bid, soon())
        await store.acquire(neighbour, soon())
        await store.release(bid, soon())
        equal(await store.renew(neighbour, soon()), ttlMs)
        const next = bidFor(bid.election, { ttlMs })
        equal((await make(poolOf(bench)).acquire(next, soon()))?.holder, next.holder)
      },
    },
    {
      name: 'a bid that was given up before it could leave never does',
      async ask(bench, make) {
        const { store, bid, gone, bidding, letGo } = await heldUp(bench, make, soon, 'tenure_advisory_settings')
        gone.abort(new Error('given up'))
        await rejects(bidding, /given up/)
        letGo()
        // One behind the settings, and one behind all that was to leave after them.
        await store.list(soon())
        await store.list(soon())
        equal((await bench.admin.query('SELECT FROM tenure_lease WHERE name = $1', [bid.election])).rowCount, 0)
      },
    },
    {
      name: 'a bid that was released before it could leave never does',
      async ask(bench, make) {
        const { store, bid, bidding, letGo } = await heldUp(bench, make, soon, 'tenure_advisory_settings')
        const released = inTheAir(store.release(bid, soon()))
        letGo()
        await released
        await store.list(soon())
        equal((await bench.admin.query('SELECT FROM tenure_lease WHERE name = $1', [bid.election])).rowCount, 0)
        equal(await bidding, undefined)
      },
    },
    {
      name: 'a bid that was released while it was in the air is not won, and leaves no lock',
      async ask(bench, make) {
        const { store, bid, bidding, letGo } = await heldUp(bench, make, soon, 'tenure_advisory_bid')
        const released = inTheAir(store.release(bid, soon()))
        letGo()
        await released
        notEqual((await bidding)?.holder, bid.holder)
        const other = make(poolOf(bench))
        const next = bidFor(bid.election, { ttlMs })
        equal((await other.acquire(next, soon()))?.holder, next.holder)
      },
    },
    {
      name: 'the ttl of an election that nobody here stands in any more is forgotten',
      async ask(bench, make) {
        const { pool, patienceOf } = spying(bench)
        const [store, other] = [make(pool), make(poolOf(bench))]
        const won = bidFor(fresh(), { ttlMs })
        // Led and left, as a candidate does: its watch ends last.
        const watch = await watched(store, won.election, boundMs, bench)
        await store.acquire(won, soon())
        const pid = await holder(bench, boundMs)
        equal(patienceOf(pid), ttlMs)
        await store.release(won, soon())
        await watch.end()
        // Bid for in vain, without a watch.
        const lost = bidFor(won.election, { ttlMs })
        await other.acquire(lost, soon())
        await store.acquire(bidFor(won.election, { ttlMs }), soon())
        await other.release(lost, soon())
        // Led and lost with the session, before anything was released.
        const cut = bidFor(fresh(), { ttlMs })
        await store.acquire(cut, soon())
        await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench, boundMs)])
        await until('it is refused', async () => (await store.renew(cut, soon()).catch(() => -1)) === 0, boundMs)
        const short = bidFor(fresh(), { ttlMs: 15_000 })
        await store.acquire(short, soon())
        equal(patienceOf(await holder(bench, boundMs)), 15_000)
      },
    },
    {
      name: 'who waits is not more patient than what stands needs',
      async ask(bench, make) {
        const { pool, patienceOf } = spying(bench)
        const store = make(pool)
        const [long, short] = [bidFor(fresh(), { ttlMs }), bidFor(fresh(), { ttlMs: 3000 })]
        await store.acquire(long, soon())
        const service = await bench.admin.connect()
        bench.ends(async () => service.release(true))
        await service.query('SELECT pg_advisory_lock(hashtextextended(\'tenure:\' || $1 COLLATE "C", 0))', [short.election])
        await watched(store, short.election, boundMs, bench)
        await store.acquire(short, soon())
        await until('it waits', async () => (await waiters(bench)) === 1, boundMs)
        const { rows } = await bench.admin.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        equal(patienceOf(rows[0].pid), ttlMs)
        await store.release(long, soon())
        await until('it is less patient', () => patienceOf(rows[0].pid) === 3000, boundMs)
      },
    },
  ]
}
