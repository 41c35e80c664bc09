/**
 * Leases as rows of a table in Postgres.
 *
 * Whose clock: the server's, asked anew in every statement. What makes it atomic: each call is one statement, committed
 * to disk before it is answered. Where the token comes from: the larger of the last one plus 1 and the server's clock in
 * microseconds; a row expires, and is never deleted. What is lost if the server loses its memory: nothing, it is on disk;
 * a crash is an outage. An operator who deletes a row deposes its leader at the next renewal, and the token still grows.
 *
 * Level A on one server with `fsync` on. Level B across a failover to a standby: its clock is another clock, and what
 * was not replicated is forgotten; two candidates may believe for up to a ttl, and tokens of the new server may be
 * smaller than those it never saw. Whatever the level, a step of the server's clock shifts the end of leases by as much.
 */

import { type Clock, systemClock } from '../clock.ts'
import type { LeaseStore, Memo } from '../store.ts'
import { driverOf, type PostgresClient } from './postgres/connections.ts'
import { Doubts } from './postgres/doubts.ts'
import { Leases } from './postgres/leases.ts'
import { Line } from './postgres/line.ts'
import { checkServer, makeTables } from './postgres/schema.ts'
import { Watches } from './postgres/watches.ts'
import { within } from './shared/bounded.ts'

export type { PostgresClient } from './postgres/connections.ts'
export { examine } from './postgres/examine.ts'
export { fenced, type PgTransaction, type PostgresJsTransaction } from './postgres/fenced.ts'
export type { PgClient, PgPool } from './postgres/pg-pool.ts'
export type { PostgresJs } from './postgres/postgres-js.ts'
export { ddl } from './postgres/schema.ts'

/** All are optional. */
export interface PostgresOptions {
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** A store in rows of a table, which somebody has to make once. */
export interface PostgresStore extends LeaseStore {
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

/**
 * A store over a `Pool` of pg, or a client of postgres.js. Takes at most two connections of its own, while anything
 * stands; the client stays yours, and you end it. Works through a pooler, too, and then polls.
 *
 * Throws a `TenureError` of code `bad-option` for a client of another kind, or one with a `max` below 3.
 */
export function postgres(client: PostgresClient, options: PostgresOptions = {}): PostgresStore {
  const store = 'postgres'
  const clock = options.clock ?? systemClock
  const driver = driverOf(client, { store, clock, sessions: 2 })
  const greet = (session: Parameters<typeof makeTables>[0]) => checkServer(store, session)
  const swift = new Line({
    store,
    driver,
    clock,
    greet,
    needed: () => watches.any,
    lost: (error) => watches.lost(error),
  })
  const patient = new Line({ store, driver, clock, greet })
  const leases = new Leases({ store, clock, swift, patient })
  const watches = new Watches({ line: swift, limitMs: () => leases.limitMs, silent: once(warnOfPolling) })
  const doubts = new Doubts(clock, (hold) => within(clock, leases.limitMs, (signal) => leases.release(hold, signal)))

  return {
    name: store,

    async acquire(bid, signal) {
      try {
        const lease = await leases.acquire(bid, signal)
        doubts.settle(bid.holder)
        return lease
      } catch (thrown) {
        doubts.add(bid)
        throw thrown
      }
    },

    renew: (bid, signal) => leases.renew(bid, signal),

    async release(hold, signal) {
      await leases.release(hold, signal)
      doubts.released(hold, 2 * leases.lockMs)
    },

    read: (election, signal) => leases.read(election, signal),

    list: (signal) => leases.list(signal),

    memo: {
      read: (election, signal) => leases.recall(election, signal),
      write: (author, text, signal) => leases.remember(author, text, signal),
    },

    watch: (election, changed, signal) => watches.watch(election, changed, signal),

    async ensureSchema() {
      // Of its own: the others refuse a server without the table.
      const line = new Line({ store, driver, clock })
      const make = (signal: AbortSignal) => line.use({ verb: 'ensureSchema', signal, limitMs: SCHEMA_MS }, makeTables)
      await within(clock, SCHEMA_MS, make).finally(() => line.close())
    },

    async close() {
      doubts.close()
      watches.close()
      swift.close()
      patient.close()
    },
  }
}

function once(say: (why: string) => void): (why: string) => void {
  let said = false
  return (why) => {
    if (!said) say(why)
    said = true
  }
}

function warnOfPolling(why: string): void {
  const message = `postgres: followers look every \`retryMs\` and are not told of releases: ${why}`
  globalThis.process?.emitWarning?.(message, { type: 'TenureWarning', code: 'store-polls' })
}
