/**
 * The user's connection, borrowed for one transaction at a time. Its calls are synchronous, so a transaction begins and
 * ends within one turn of the loop, and nothing of the user's can come between. It must never wait for a lock inside
 * SQLite, which would hold up the whole process: waiting is done here, between tries, by timers. Settings of the
 * connection are put back as they were found.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { isInTransaction, type Row, rowOf, type SqliteDatabase, type SqliteStatement, type Value } from './client.ts'
import { hindranceOf, storeError } from './failures.ts'
import type { Place } from './place.ts'

/** What a try is bounded by. */
export interface Limits {
  readonly verb: string
  readonly signal: AbortSignal
  /** How long to try while others have the database locked, in milliseconds. */
  readonly busyMs: number
}

/**
 * How far a commit has come when it is answered, as `PRAGMA synchronous` has it. `durable`: it is on disk. `ordered`: it may
 * be lost with the power, but only together with all that came after it.
 */
export type Durability = 'durable' | 'ordered'
const NORMAL = 1
const FULL = 2
/** Pauses between tries begin with this, double, and end with that: others write in between. In milliseconds. */
const SHORTEST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 20

/** As tables, so that a prepared statement tells them anew each time; a PRAGMA is fixed when it is prepared. */
const settingsSql = 'SELECT t.timeout AS a, s.synchronous AS b FROM pragma_busy_timeout AS t, pragma_synchronous AS s'

export class Connection {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #statements = new Map<string, SqliteStatement>()
  #place: Place | undefined

  constructor(db: SqliteDatabase, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** The file; empty while it is not known. */
  get file(): string {
    return this.#place?.file ?? ''
  }

  /** From now on every transaction is of this file, or fails. */
  belongsTo(place: Place): void {
    this.#place = place
  }

  /** Whether the path leads elsewhere by now: whoever opens it sees nothing of what is written here. */
  get moved(): boolean {
    return this.#place?.moved ?? false
  }

  /** Run a task between BEGIN and COMMIT; nothing of it has happened where this throws, unless the disk failed. */
  write<T>(limits: Limits, durability: Durability, task: () => T): Promise<T> {
    return this.#patiently(limits, () => this.#borrowed((synchronous) => this.#written(synchronous, durability, task)))
  }

  /** Look, with a statement that sees one state of the database. Waits for no writer, and holds none up. */
  read<T>(limits: Limits, task: () => T): Promise<T> {
    return this.#patiently(limits, () => this.glance(task))
  }

  /** As `read`, and where that gives no answer, as a durable `write`; anew for each try. */
  ask<T>(limits: Limits, look: () => T | undefined, write: () => T): Promise<T> {
    return this.#patiently(limits, () =>
      this.#borrowed((synchronous) => this.#looked(look) ?? this.#written(synchronous, 'durable', write)),
    )
  }

  /** As `read`, but once, at once. Throws what the driver throws. */
  glance<T>(task: () => T): T {
    return this.#borrowed(() => this.#looked(task))
  }

  /** Something that cannot be part of a transaction. */
  outside<T>(limits: Limits, task: () => T): Promise<T> {
    return this.#patiently(limits, () => this.#borrowed(task))
  }

  /** The rows that a statement gives; inside of a task. */
  all(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql)
      .all(...values)
      .map(rowOf)
  }

  /** A statement that gives no rows; inside of a task. */
  run(sql: string, ...values: Value[]): void {
    this.#statement(sql).run(...values)
  }

  exec(sql: string): void {
    this.#db.exec(sql)
  }

  #statement(sql: string): SqliteStatement {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  async #patiently<T>({ verb, signal, busyMs }: Limits, attempt: () => T): Promise<T> {
    const since = this.#clock.mono()
    for (let pauseMs = SHORTEST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted()
      try {
        return attempt()
      } catch (thrown) {
        const hindrance = hindranceOf(thrown)
        if (hindrance === undefined) throw storeError(verb, this.file, thrown)
        const waitedMs = this.#clock.mono() - since
        if (waitedMs >= busyMs) {
          const message = `sqlite: ${verb} could not use ${this.file || 'the database'} for ${Math.round(waitedMs)} ms: ${hindrance}`
          throw new TenureError('store-unreachable', message, { cause: thrown })
        }
      }
      await this.#pause(pauseMs * (0.5 + 0.5 * this.#clock.random()), signal)
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.timer(ms, () => done(resolve), true)
      const aborted = () => done(() => reject(signal.reason))
      const done = (settle: () => void) => {
        cancel()
        signal.removeEventListener('abort', aborted)
        settle()
      }
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  /**
   * Without waiting for locks, for as long as a task takes. It is told what `synchronous` is. What was seen or written
   * counts only if the file is still in its place afterwards: else nobody will ever see the same.
   */
  #borrowed<T>(task: (synchronous: number) => T): T {
    this.#checkOpen()
    const [[timeout, synchronous] = []] = this.all(settingsSql)
    if (timeout !== '0') this.exec('PRAGMA busy_timeout = 0')
    try {
      const result = task(Number(synchronous))
      this.#checkPlace()
      return result
    } finally {
      if (timeout !== '0') this.exec(`PRAGMA busy_timeout = ${timeout}`)
    }
  }

  /** Outside of any transaction of the user's, which may be of long ago. */
  #looked<T>(task: () => T): T {
    // Where the connection does not say whether one is open, only beginning another tells.
    return isInTransaction(this.#db) === false ? task() : this.#transaction('BEGIN', task)
  }

  /** One transaction, exactly as durable as it has to be, whatever the connection was told. */
  #written<T>(before: number, durability: Durability, task: () => T): T {
    const wanted = durability === 'durable' ? Math.max(before, FULL) : NORMAL
    if (wanted !== before) this.exec(`PRAGMA main.synchronous = ${wanted}`)
    try {
      return this.#transaction('BEGIN IMMEDIATE', task)
    } finally {
      if (wanted !== before) this.exec(`PRAGMA main.synchronous = ${before}`)
    }
  }

  #transaction<T>(begin: string, task: () => T): T {
    // Not as prepared statements: libsql never ends one that has met a lock, and the connection never commits again.
    this.exec(begin)
    try {
      const result = task()
      this.exec('COMMIT')
      return result
    } catch (thrown) {
      this.#rollBack()
      throw thrown
    }
  }

  #rollBack(): void {
    try {
      this.exec('ROLLBACK')
    } catch (thrown) {
      // SQLite has done it by itself, as after a full disk.
      if (isInTransaction(this.#db) === true) throw thrown
    }
  }

  #checkPlace(): void {
    if (!this.moved) return
    const what = `${this.file}, or the -wal or -shm file beside it, was deleted or replaced while it was open`
    throw new TenureError('store-unfit', `sqlite: ${what}. Open it again, and make a new store`)
  }

  /** A closed connection of libsql goes on for statements that it has prepared before. */
  #checkOpen(): void {
    const db: object = this.#db
    if (('open' in db && db.open === false) || ('isOpen' in db && db.isOpen === false)) throw new Error('The connection is not open')
  }
}
