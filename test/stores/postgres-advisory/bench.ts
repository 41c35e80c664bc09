/** What the tests of the advisory store share: stores over the clients of the common bench, and who has which lock. */

import type { PoolConfig } from 'pg'
import postgresJs from 'postgres'
import { type PostgresAdvisoryOptions, type PostgresAdvisoryStore, postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { until } from '../../harness/server.ts'
import type { Bench } from '../postgres/bench.ts'

export { available, Bench, bidFor, calm, clientAt, fresh, signal } from '../postgres/bench.ts'

/** A store of its own over a pool of its own; closed with the bench. */
export function storeOf(
  bench: Bench,
  port?: number,
  options: PostgresAdvisoryOptions = {},
  config: PoolConfig = {},
): PostgresAdvisoryStore {
  return closed(bench, postgresAdvisory(bench.pool(port, { max: 5, ...config }), options))
}

/** The same over postgres.js. */
export function storeOverJs(bench: Bench, port = bench.server.port): PostgresAdvisoryStore {
  return closed(
    bench,
    postgresAdvisory((options) => postgresJs({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', ...options })),
  )
}

function closed(bench: Bench, store: PostgresAdvisoryStore): PostgresAdvisoryStore {
  bench.ends(() => store.close())
  return store
}

/** The sessions of stores that have a lock. */
export async function holders(bench: Bench): Promise<number[]> {
  const { rows } = await bench.admin.query("SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted ORDER BY 1")
  return rows.map(({ pid }) => pid)
}

/** The one session that has a lock, once there is no other: the server hears of the end of a session a moment later. */
export async function holder(bench: Bench, boundMs?: number): Promise<number> {
  let pids: number[] = []
  const one = async () => {
    pids = await holders(bench)
    return pids.length === 1
  }
  await until('one session has a lock', one, boundMs)
  return pids[0] ?? Number.NaN
}

/** How many sessions wait for a lock. */
export async function waiters(bench: Bench): Promise<number> {
  const { rows } = await bench.admin.query("SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
  return rows[0].n
}
