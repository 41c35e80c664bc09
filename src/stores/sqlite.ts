/**
 * Leases as rows of a table in a SQLite file: for all processes of one host, on a local disk.
 *
 * Whose clock: the host's, monotonic and one for all its processes, together with the boot it counts from; a lease of
 * another boot is over for who has seen it unchanged for its ttl. What makes it atomic: one transaction that takes the
 * write lock before it looks (`BEGIN IMMEDIATE`). Where the token comes from: the larger of the last one plus 1 and the
 * wall clock in microseconds; a row expires, and is never deleted. What is lost with a loss of power: no bid that was
 * answered, but perhaps renewals and releases, together with everybody who could believe in them. With a file that is deleted or replaced: its leader is told within one look,
 * but until then somebody who opens the new file may lead too.
 *
 * Level A on a local disk. Network filesystems are refused where Linux tells them; elsewhere naming a local disk is up
 * to the user.
 */

import { type Clock, hostMono, systemClock } from '../clock.ts'
import { badOption, TenureError } from '../errors.ts'
import type { LeaseStore, Memo } from '../store.ts'
import { bounded, within } from './shared/bounded.ts'
import { filesystemOf } from './shared/filesystem.ts'
import { checkDatabase, type SqliteDatabase } from './sqlite/client.ts'
import { Connection, type Limits } from './sqlite/connection.ts'
import { era } from './sqlite/era.ts'
import { Leases } from './sqlite/leases.ts'
import { memos } from './sqlite/memos.ts'
import { checkFilesystem, Place } from './sqlite/place.ts'
import { checkTable, makeTables } from './sqlite/schema.ts'
import { Watches } from './sqlite/watches.ts'

export type { SqliteDatabase, SqliteStatement } from './sqlite/client.ts'
export { examine } from './sqlite/examine.ts'
export { fenced } from './sqlite/fenced.ts'
export { ddl } from './sqlite/schema.ts'

/** All are optional. */
export interface SqliteOptions {
  /** How often followers look whether an election has changed hands, in milliseconds, from 1 to 60000. @default 50 */
  readonly pollMs?: number | undefined
  /** Time, for tests; its monotonic time then counts as the host's. @default the system's */
  readonly clock?: Clock | undefined
}

/** A store in rows of a table, which somebody has to make once. */
export interface SqliteStore extends LeaseStore {
  /**
   * Turn on WAL, and make the tables `tenure_lease`, `tenure_memo` and `tenure_fence` where they are missing. Called once, by whoever
   * owns the file; the store never does it by itself.
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
 * A store over a connection of node:sqlite, better-sqlite3 or libsql to a file. The connection stays yours: keep it open
 * until the last `stop()`. Best it is the store's alone; on one that you use too, a transaction or an iteration of yours
 * that lasts longer than a turn of the loop holds up the store.
 *
 * Calls to SQLite are synchronous. The store never waits for a lock inside of one, so that the loop stands still only
 * for as long as the statements and their commit take.
 *
 * Throws a `TenureError` of code `bad-option` for anything that is no such connection.
 */
export function sqlite(db: SqliteDatabase, options: SqliteOptions = {}): SqliteStore {
  checkDatabase(db)
  const { pollMs = 50, clock = systemClock } = checkOptions(options)
  const host = options.clock ? () => clock.mono() : hostMono
  const connection = new Connection(db, clock)

  let fit: Promise<string> | undefined
  /** Refuse a file that cannot keep a promise. Asked until it was fit once, and by one caller at a time. */
  const ready = async (limits: Limits): Promise<string> => {
    for (;;) {
      const mine = fit === undefined
      fit ??= prepare(connection, limits).catch((thrown: unknown) => {
        fit = undefined
        throw thrown
      })
      try {
        return await fit
      } catch (thrown) {
        // The one who asked may have had less patience than we have.
        if (mine || limits.signal.aborted) throw thrown
      }
    }
  }
  const watches = new Watches({ connection, clock, pollMs, ready: (signal) => ready(leases.limits('watch', signal)) })
  const leases = new Leases({ connection, clock, host, ready, changed: () => watches.look() })
  const memo = memos({ connection, host, ready, limits: (verb, signal) => leases.limits(verb, signal) })

  return {
    name: 'sqlite',
    // Elsewhere nothing tells one boot from another, so that each goes by what it has seen.
    expiry: ['linux', 'darwin'].includes(process.platform) ? 'clock' : 'observed',

    acquire: (bid, signal) => leases.acquire(bid, signal),
    renew: (bid, signal) => leases.renew(bid, signal),
    release: (hold, signal) => leases.release(hold, signal),
    read: (election, signal) => leases.read(election, signal),
    watch: (election, changed, signal) => watches.watch(election, changed, signal),
    list: (signal) => bounded(signal, leases.list(signal)),
    memo: {
      read: (election, signal) => bounded(signal, memo.read(election, signal)),
      write: (author, text, signal) => bounded(signal, memo.write(author, text, signal)),
    },

    async ensureSchema() {
      await within(clock, SCHEMA_MS, (signal) => makeTables(connection, { verb: 'ensureSchema', signal, busyMs: SCHEMA_MS }))
    },

    async close() {
      watches.close()
    },
  }
}

/** Resolves with the name of the host's clock. */
async function prepare(connection: Connection, limits: Limits): Promise<string> {
  const file = await connection.outside(
    limits,
    () => connection.all("SELECT file AS a FROM pragma_database_list WHERE name = 'main'")[0]?.[0],
  )
  if (!file) {
    const advice = 'For one process there is memory()'
    throw new TenureError('store-unfit', `sqlite: a database in memory is nobody else's: use a file. ${advice}`)
  }
  checkFilesystem(file, await filesystemOf(file))
  const place = await connection.read(limits, () => {
    checkTable(connection, file)
    return new Place(file)
  })
  if (!(await place.isOpen())) {
    throw new TenureError('store-unfit', `sqlite: ${file} was deleted or replaced while it was open. Open it again`)
  }
  connection.belongsTo(place)
  return era()
}

function checkOptions(options: SqliteOptions): SqliteOptions {
  if (typeof options !== 'object' || options === null) throw badOption('options', 'an object', options)
  const { pollMs, clock, ...unknown } = options
  const [other] = Object.keys(unknown)
  if (other !== undefined) throw new TenureError('bad-option', `Unknown option \`${other}\`: expected one of pollMs, clock`)
  if (pollMs !== undefined && !(Number.isFinite(pollMs) && pollMs >= 1 && pollMs <= 60_000)) {
    throw badOption('pollMs', 'a number of milliseconds from 1 to 60000', pollMs)
  }
  const methods = ['mono', 'wall', 'timer', 'afterPending', 'random', 'id'] as const
  if (clock !== undefined && !methods.every((name) => typeof clock?.[name] === 'function')) {
    throw badOption('clock', `an object with the methods ${methods.join(', ')}`, clock)
  }
  return options
}
