/**
 * What the Postgres rows cost, on a real server with fsync on: a bid against one raw conditional write, what followers
 * ask, ten thousand elections, and all that is measured of every store. Run by
 * `node scripts/bundled.mjs bench/stores/postgres.ts [part...]`.
 */

import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import postgresJs from 'postgres'
import { Candidate } from '../../src/index.ts'
import { type PostgresStore, postgres } from '../../src/stores/postgres.ts'
import { startProxy } from '../../test/harness/proxy.ts'
import { type Server, startPostgres } from '../../test/harness/servers.ts'
import { crashes, crowd, freezes, handovers, mean, ratioOf, sleep, stalls, stand, Troupe, tenThousand } from './shared.ts'

const TTL = 2000
const program = fileURLToPath(import.meta.url)
const troupe = (port: number, election: string, ttlMs: number) => new Troupe(program, String(port), election, String(ttlMs))

const parts: Record<string, (server: Server) => Promise<void>> = {
  bids,
  handovers: ({ port }) => handovers(troupe(port, 'handover', 15_000), 'p50 5, p99 20'),
  crashes: ({ port }) => crashes(troupe(port, 'crash', TTL), TTL, `mean ${TTL - TTL / 6}, at most ${TTL * 1.05 + 50}`),
  stalls: ({ port }) => stalls(() => pairAt(port), TTL),
  freezes: ({ port }) => freezes((i) => troupe(port, `freeze-${i}`, TTL), TTL),
  followers,
  many,
  crowd: ({ port }) => crowd(() => open(port)),
}

const at = (port: number) => ({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 4 })

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

const open = (port: number): PostgresStore => postgres(counting(port).pool)

/** As much as a lock in a table takes: one row, one condition. */
const conditional = `INSERT INTO raw AS l VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 ms')
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.until <= clock_timestamp() RETURNING holder`

/** A bid that wins, against one raw conditional write with the same client. */
async function bids({ port }: Server): Promise<void> {
  const pool = new Pool(at(port))
  const sql = postgresJs({ ...at(port), onnotice: () => {} })
  const insert = (i: number) => sql`INSERT INTO raw AS l VALUES ('js', ${`h${i}`}, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.until <= clock_timestamp() RETURNING holder`
  const raw = (i: number) => pool.query({ name: 'raw', text: conditional, values: ['raw', `h${i}`, '-1'] })
  const overPg = open(port)
  const overJs = postgres(sql)
  // Something stands, as in life: the connection is kept.
  for (const store of [overPg, overJs]) store.watch('kept', () => {}, new AbortController().signal).catch(() => {})
  await ratioOf('bids, pg', raw, overPg, 'at most 1.3')
  await ratioOf('bids, postgres.js', insert, overJs, 'at most 1.3')
  for (const store of [overPg, overJs]) await store.close()
  await sql.end()
  await pool.end()
}

async function pairAt(port: number) {
  const proxy = await startProxy(port)
  const [stalled, well] = [open(proxy.port), open(port)]
  return { stalled, well, stall: () => proxy.stall(), resume: () => proxy.resume(), close: () => proxy.close() }
}

/** Statements of an idle follower for each ttl, with the watch in place. */
async function followers({ port }: Server): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'idle', store: open(port), ttlMs })
  await leader.start()
  const pools = Array.from({ length: 20 }, () => counting(port))
  const candidates = pools.map(({ pool }) => new Candidate({ election: 'idle', store: postgres(pool), ttlMs }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const before = pools.map(({ statements }) => statements())
  await sleep(12 * ttlMs)
  const each = pools.map(({ statements }, i) => (statements() - (before[i] ?? 0)) / 12)
  console.log(
    `statements of a follower per ttl: mean ${mean(each).toFixed(2)}, ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}; aim 1.3, at most 1.6`,
  )
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

/** Ten thousand candidates; the statements are counted where they leave. */
async function many({ port }: Server): Promise<void> {
  const { pool, statements } = counting(port)
  let last = 0
  await tenThousand(postgres(pool), async () => {
    const told = `${statements() - last} statements`
    last = statements()
    return told
  })
}

if (process.argv[2] === 'child') await stand(open(Number(process.argv[3])), process.argv[4] ?? '', Number(process.argv[5]))
else {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const server = await startPostgres('max_connections=500')
    try {
      const pool = new Pool(at(server.port))
      await postgres(pool).ensureSchema()
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
