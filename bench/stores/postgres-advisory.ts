/**
 * What the advisory lock of Postgres costs, on a real server with fsync on: a bid against one raw conditional write, how
 * soon a crash is felt, what followers ask, many elections on one session, and all that is measured of every store. Run by
 * `node scripts/bundled.mjs bench/stores/postgres-advisory.ts [part...]`.
 */

import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { Candidate } from '../../src/index.ts'
import { type PostgresAdvisoryStore, postgresAdvisory } from '../../src/stores/postgres-advisory.ts'
import { startProxy } from '../../test/harness/proxy.ts'
import { type Server, startPostgres } from '../../test/harness/servers.ts'
import { crashes, crowd, freezes, handovers, mean, ratioOf, sleep, stalls, stand, Troupe } from './shared.ts'

const TTL = 2000
const program = fileURLToPath(import.meta.url)
const troupe = (port: number, election: string, ttlMs: number) => new Troupe(program, String(port), election, String(ttlMs))

const parts: Record<string, (server: Server) => Promise<void>> = {
  bids,
  handovers: ({ port }) => handovers(troupe(port, 'handover', 15_000), 'p50 5, p99 20'),
  // The crash falls at any moment of some hundred milliseconds; the ttl is the one by default.
  crashes: ({ port }) => crashes(troupe(port, 'crash', 15_000), 1000, 'p99 60 (ttl 15000)', 100),
  stalls: ({ port }) => stalls(() => pairAt(port), TTL),
  freezes: ({ port }) => freezes((i) => troupe(port, `freeze-${i}`, TTL), TTL),
  followers,
  many,
  crowd: ({ port }) => crowd(() => open(port)),
}

const at = (port: number) => ({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 5 })

/** A pool that counts the statements of its connections. */
function counting(port: number): { readonly pool: Pool; statements(): number } {
  const pool = new Pool(at(port))
  let statements = 0
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    const query = client.query.bind(client)
    const counted = (...args: Parameters<typeof query>) => {
      statements += 1
      return query(...args)
    }
    Object.assign(client, { query: counted })
  })
  return { pool, statements: () => statements }
}

const open = (port: number): PostgresAdvisoryStore => postgresAdvisory(counting(port).pool)

/** As much as a lock in a table takes: one row, one condition. */
const conditional = `INSERT INTO raw AS l VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 ms')
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.until <= clock_timestamp() RETURNING holder`

/** A bid that wins, against one raw conditional write with the same client. */
async function bids({ port }: Server): Promise<void> {
  const pool = new Pool(at(port))
  const raw = (i: number) => pool.query({ name: 'raw', text: conditional, values: ['raw', `h${i}`, '-1'] })
  const store = open(port)
  // Something stands, as in life: the connection is kept.
  store.watch('kept', () => {}, new AbortController().signal).catch(() => {})
  await ratioOf('bids, pg', raw, store, 'at most 2.3')
  await store.close()
  await pool.end()
}

async function pairAt(port: number) {
  const proxy = await startProxy(port)
  const [stalled, well] = [open(proxy.port), open(port)]
  return { stalled, well, stall: () => proxy.stall(), resume: () => proxy.resume(), close: () => proxy.close() }
}

/** Statements of an idle follower for each ttl: its waiter asks every `retryMs`, and so does whoever looks. */
async function followers({ port }: Server): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'idle', store: open(port), ttlMs })
  await leader.start()
  const pools = Array.from({ length: 20 }, () => counting(port))
  const candidates = pools.map(({ pool }) => new Candidate({ election: 'idle', store: postgresAdvisory(pool), ttlMs }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const before = pools.map(({ statements }) => statements())
  await sleep(12 * ttlMs)
  const each = pools.map(({ statements }, i) => (statements() - (before[i] ?? 0)) / 12)
  console.log(
    `statements of a follower per ttl: mean ${mean(each).toFixed(2)}, ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`,
  )
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

/** A thousand candidates of one process: locks are kept in memory that the server has set aside, so not ten thousand. */
async function many({ port }: Server): Promise<void> {
  const { pool, statements } = counting(port)
  const store = postgresAdvisory(pool)
  const candidates = Array.from({ length: 1000 }, (_, i) => new Candidate({ election: `many-${i}`, store, ttlMs: 15_000 }))
  const from = performance.now()
  await Promise.all(candidates.map((candidate) => candidate.start()))
  while (!candidates.every(({ isLeader }) => isLeader)) await sleep(10)
  console.log(`1,000 elections: all lead after ${(performance.now() - from).toFixed(0)} ms`)
  await sleep(3000)
  const before = statements()
  await sleep(20_000)
  const still = candidates.filter(({ isLeader }) => isLeader).length
  console.log(`1,000 elections: in 20 s, ten rounds, ${statements() - before} statements; ${still} still lead`)
  await Promise.all(candidates.map((candidate) => candidate.stop()))
}

if (process.argv[2] === 'child') await stand(open(Number(process.argv[3])), process.argv[4] ?? '', Number(process.argv[5]))
else {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const server = await startPostgres('max_connections=600')
    try {
      const pool = new Pool(at(server.port))
      await postgresAdvisory(pool).ensureSchema()
      await pool.query('CREATE TABLE raw (name text PRIMARY KEY, holder text, until timestamptz)')
      await pool.end()
      await part(server)
    } finally {
      await server.close()
    }
  }
  clearInterval(awake)
  // Pools of the crowd keep what nobody has ended.
  process.exit()
}
