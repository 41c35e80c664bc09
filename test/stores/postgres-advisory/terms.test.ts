import { afterEach, describe, expect, test } from 'vitest'
import { patienceOf } from '../../../src/stores/postgres-advisory/terms.ts'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, fresh, holders, storeOf } from './bench.ts'

describe('how long a server is patient', () => {
  const all = {
    idle_session_timeout: 15_000,
    tcp_user_timeout: 15_000,
    tcp_keepalives_idle: 15,
    tcp_keepalives_interval: 1,
    tcp_keepalives_count: 3,
  }
  test.each([
    ['as it was told', {}, 15_000],
    ['a managed server that ends idle sessions earlier', { idle_session_timeout: 9000 }, 9000],
    ['a timeout of TCP that is fixed', { tcp_user_timeout: 4000 }, 4000],
    ['keepalive that gives up early', { tcp_keepalives_idle: 2, tcp_keepalives_interval: 2, tcp_keepalives_count: 2 }, 6000],
    ['a Unix socket', { tcp_user_timeout: 0, tcp_keepalives_idle: 0, tcp_keepalives_interval: 0, tcp_keepalives_count: 0 }, 15_000],
  ])('%s', (_, over, expected) => {
    expect(patienceOf(new Map(Object.entries({ ...all, ...over })))).toBe(expected)
  })

  test('nothing that is known ends it', () => {
    expect(patienceOf(new Map())).toBe(Number.POSITIVE_INFINITY)
  })
})

describe.skipIf(!available)('the settings of a session', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  /** As the session itself sees them: asked through the pool whose only session it is. */
  async function settingsOf(pool: ReturnType<Bench['pool']>): Promise<Record<string, string>> {
    const names = [
      'idle_session_timeout',
      'tcp_user_timeout',
      'tcp_keepalives_idle',
      'client_connection_check_interval',
      'statement_timeout',
    ]
    const { rows } = await pool.query('SELECT name, setting FROM pg_settings WHERE name = ANY($1)', [names])
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
  }

  /** A pool that hands the session of the store on, once it is there. */
  function spying(port = bench.server.port) {
    const pool = bench.pool(port, { max: 5 })
    const clients: { query: typeof pool.query }[] = []
    pool.on('connect', (client) => void clients.push(client))
    return { pool, session: () => clients[0] as typeof pool }
  }

  test('fit the longest ttl that stands, are raised for a longer one, and never lowered under a hold', async () => {
    const { pool, session } = spying()
    const store = postgresAdvisory(pool)
    bench.ends(() => store.close())
    const [short, long] = [bidFor(fresh(), { ttlMs: 5000 }), bidFor(fresh(), { ttlMs: 40_000 })]
    expect((await store.acquire(short, calm()))?.remainingMs).toBeGreaterThan(3000)
    expect(await settingsOf(session())).toEqual({
      idle_session_timeout: '5000',
      tcp_user_timeout: '5000',
      tcp_keepalives_idle: '5',
      client_connection_check_interval: '500',
      statement_timeout: '0',
    })
    await store.acquire(long, calm())
    expect((await settingsOf(session()))['idle_session_timeout']).toBe('40000')
    expect(await store.renew(short, calm())).toBe(5000)
    expect(await store.renew(long, calm())).toBe(40_000)
    await store.release(long, calm())
    await store.acquire(bidFor(short.election, { ttlMs: 5000 }), calm())
    expect((await settingsOf(session()))['idle_session_timeout']).toBe('40000')
    await store.release(short, calm())
    const next = bidFor(fresh(), { ttlMs: 6000 })
    await store.acquire(next, calm())
    expect((await settingsOf(session()))['idle_session_timeout']).toBe('6000')
  })

  test('timeouts that the role was given do not end a session that waits', async () => {
    await bench.admin.query('CREATE ROLE hasty LOGIN SUPERUSER')
    await bench.admin.query("ALTER ROLE hasty SET statement_timeout = '300ms'; ALTER ROLE hasty SET idle_session_timeout = '300ms'")
    const holder = storeOf(bench)
    const bid = bidFor(fresh())
    await holder.acquire(bid, calm())
    const store = storeOf(bench, undefined, {}, { user: 'hasty' })
    let told = 0
    const gone = new AbortController()
    const watching = store.watch(bid.election, () => void told++, gone.signal)
    await until('it watches', () => told >= 1)
    const other = bidFor(bid.election)
    await store.acquire(other, calm())
    // Long enough for either timeout, had it been in force.
    await bench.admin.query('SELECT pg_sleep(1)')
    await holder.release(bid, calm())
    await until('it is told', () => told > 1)
    const next = bidFor(bid.election)
    expect((await store.acquire(next, calm()))?.holder).toBe(next.holder)
    gone.abort()
    await watching
  })

  test('through a Unix socket, which knows nothing of TCP', async () => {
    const store = storeOf(bench, undefined, {}, { host: bench.server.directory })
    const bid = bidFor(fresh(), { ttlMs: 2000 })
    await store.acquire(bid, calm())
    expect(await store.renew(bid, calm())).toBe(2000)
    const [pid] = await holders(bench)
    expect(pid).toBeDefined()
    await store.release(bid, calm())
  })

  test('a hold that is not renewed lapses while a neighbour keeps the session', async () => {
    const store = storeOf(bench)
    const [kept, lost] = [bidFor(fresh(), { ttlMs: 60_000 }), bidFor(fresh(), { ttlMs: 1500 })]
    await store.acquire(kept, calm())
    await store.acquire(lost, calm())
    const other = storeOf(bench)
    await until('it is free', async () => {
      await store.renew(kept, calm())
      const next = bidFor(lost.election)
      return (await other.acquire(next, calm()))?.holder === next.holder
    })
    expect(await store.renew(lost, calm())).toBe(0)
    expect(await store.renew(kept, calm())).toBe(60_000)
  })
})
