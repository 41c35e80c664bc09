/**
 * Elections as advisory locks of Postgres, held by a session: a crash of the leader is felt within milliseconds.
 *
 * Whose clock: nobody's instants are compared; a leader believes for a ttl from its last heartbeat, and the server ends a
 * session of which it has heard nothing for that long. What makes it atomic: the lock, and the token that is minted by
 * whoever has it, in the same statement. Where the token comes from: the larger of the last one of the row plus 1 and the
 * server's clock in microseconds. What is lost if the server loses its memory: all locks, at once, whoever believes.
 *
 * Level B: a session that the server ends (a restart, a crash of any backend, `pg_terminate_backend`, a middlebox that
 * resets connections) frees its locks at once, while its leader may believe until its next heartbeat. Tokens still grow.
 */

import { type Clock, systemClock } from '../clock.ts'
import { badOption } from '../errors.ts'
import type { LeaseStore, Memo, StoreTiming } from '../store.ts'
import { Line } from './postgres/line.ts'
import { makeTables } from './postgres/schema.ts'
import { type AdvisoryClient, driverOf } from './postgres-advisory/client.ts'
import { MOST } from './postgres-advisory/crew.ts'
import { Locks } from './postgres-advisory/locks.ts'
import { within } from './shared/bounded.ts'

export { fenced, type PgTransaction, type PostgresJsTransaction } from './postgres/fenced.ts'
export type { PgClient, PgPool } from './postgres/pg-pool.ts'
export { ddl } from './postgres/schema.ts'
export type { AdvisoryClient } from './postgres-advisory/client.ts'
export { examine } from './postgres-advisory/examine.ts'
export type { MakePostgresJs, PostgresJsClient, PostgresJsOptions } from './postgres-advisory/postgres-js.ts'

/** All are optional. */
export interface PostgresAdvisoryOptions {
  /**
   * The lock to take, a 64-bit integer: excludes whoever takes it with `pg_try_advisory_lock(key)`, too. Such a store
   * serves one election. @default a number made of the name of each election
   */
  readonly key?: bigint | undefined
  /**
   * How a crash is felt: `block` lets one connection wait at the server, within milliseconds; `poll` looks now and then,
   * without a transaction that stays open for seconds. @default 'block'
   */
  readonly wait?: 'block' | 'poll' | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** A store in advisory locks, with a table for tokens, which somebody has to make once. */
export interface PostgresAdvisoryStore extends LeaseStore {
  readonly timing: StoreTiming
  /**
   * Make the tables `tenure_lease`, `tenure_memo` and `tenure_fence` where they are missing. Called once, by somebody with the right to
   * create tables; the store never does it by itself.
   */
  ensureSchema(): Promise<void>
  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void>
  list(signal: AbortSignal): Promise<readonly string[]>
  readonly memo: Memo
  close(): Promise<void>
}

/** How long making the tables may take. */
const SCHEMA_MS = 30_000
const timing: StoreTiming = { ttlMs: 15_000, renewMs: 2000, callMs: 2000, retryMs: 5000 }

/**
 * A store over a `Pool` of pg, or over a function that makes clients of postgres.js: `(options) => postgres(url, options)`.
 * Takes at most four connections of its own, while anything stands; all go straight to one server, without a pooler.
 *
 * Throws a `TenureError` of code `bad-option` for a client of another kind, or a pool with a `max` below 5.
 */
export function postgresAdvisory(client: AdvisoryClient, options: PostgresAdvisoryOptions = {}): PostgresAdvisoryStore {
  const store = 'postgres-advisory'
  const clock = options.clock ?? systemClock
  const driver = driverOf(client, { store, clock, sessions: MOST })
  const locks = new Locks({ store, clock, driver, raw: keyOf(options.key), blocks: waits(options.wait) })

  return {
    name: store,
    timing,
    acquire: (bid, signal) => locks.acquire(bid, signal),
    renew: (bid, signal) => locks.renew(bid, signal),
    release: (hold, signal) => locks.release(hold, signal),
    read: (election, signal) => locks.read(election, signal),
    list: (signal) => locks.list(signal),
    memo: {
      read: (election, signal) => locks.recall(election, signal),
      write: (author, text, signal) => locks.remember(author, text, signal),
    },
    watch: (election, changed, signal) => locks.watch(election, changed, signal),

    async ensureSchema() {
      // Of its own: the others refuse a server without the table.
      const line = new Line({ store, driver, clock })
      const make = (signal: AbortSignal) => line.use({ verb: 'ensureSchema', signal, limitMs: SCHEMA_MS }, makeTables)
      await within(clock, SCHEMA_MS, make).finally(() => line.close())
    },

    async close() {
      locks.close()
    },
  }
}

function keyOf(key: bigint | undefined): string | null {
  if (key === undefined) return null
  if (typeof key !== 'bigint' || BigInt.asIntN(64, key) !== key) throw badOption('key', 'a bigint of at most 64 bits, e.g. 728379n', key)
  return String(key)
}

function waits(wait: 'block' | 'poll' | undefined): boolean {
  if (wait !== undefined && wait !== 'block' && wait !== 'poll') throw badOption('wait', "'block' or 'poll'", wait)
  return wait !== 'poll'
}
