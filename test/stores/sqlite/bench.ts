/**
 * A file in which several store objects stand for several processes, each over a connection of its own, with a clock
 * that moves by hand; and an operator with a connection, too, who locks, looks and meddles.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bid, Lease } from '../../../src/store.ts'
import type { SqliteOptions, SqliteStore } from '../../../src/stores/sqlite.ts'
import { type Driver, libsql, type Opened } from './drivers.ts'
import { HandClock } from './hand-clock.ts'

/** The store under test: the real one, or one with a planted fault. */
export type Subject = typeof import('../../../src/stores/sqlite.ts')

/** Whoever waits for as long as it takes. */
export const calm = (): AbortSignal => new AbortController().signal

let count = 0

export class Bench {
  readonly dir: string
  readonly file: string
  readonly clock = new HandClock()
  readonly operator: Opened
  readonly #subject: Subject
  readonly #driver: Driver
  readonly #opened: Opened[] = []
  readonly #stores: SqliteStore[] = []

  constructor(subject: Subject, driver = libsql) {
    this.#subject = subject
    this.#driver = driver
    this.dir = mkdtempSync(join(tmpdir(), 'tenure-sqlite-'))
    this.file = join(this.dir, 'app.db')
    this.operator = this.open()
  }

  /** With the tables in place. */
  static async ready(subject: Subject, driver?: Driver): Promise<Bench> {
    const bench = new Bench(subject, driver)
    await subject.sqlite(bench.operator).ensureSchema()
    return bench
  }

  open(file = this.file): Opened {
    const db = this.#driver.open(file)
    this.#opened.push(db)
    return db
  }

  /** A store object with a connection of its own, by the clock of this bench. */
  store(options: SqliteOptions & { readonly db?: Opened } = {}): SqliteStore {
    const { db = this.open(), ...rest } = options
    const store = this.#subject.sqlite(db, { clock: this.clock, ...rest })
    this.#stores.push(store)
    return store
  }

  /** A connection that lets something happen before each statement that it executes by name: BEGIN, COMMIT, PRAGMA. */
  hooked(before: (sql: string) => void): Opened {
    const db = this.open()
    return {
      prepare: (sql) => db.prepare(sql),
      exec(sql) {
        before(sql)
        return db.exec(sql)
      },
      close: () => db.close(),
    }
  }

  /** Something that the store does, while time passes by as much as is needed for it, and no more than that. */
  async during<T>(call: Promise<T>, mostMs: number): Promise<T> {
    let settled = false
    const note = () => {
      settled = true
    }
    call.then(note, note)
    for (let passed = 0; !settled; passed += 5) {
      if (passed > mostMs) throw new Error(`Expected an answer within ${mostMs} ms`)
      await this.pass(5)
    }
    return call
  }

  /** Let time pass, and the file have its turn. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    for (let i = 0; i < 4; i++) await this.clock.settle()
  }

  bid(election = 'e', over: Partial<Bid> = {}): Bid {
    count += 1
    return { election, holder: `holder-${count}`, candidate: `candidate-${count}`, ttlMs: 1000, ...over }
  }

  /** A row as it is. */
  row(election = 'e'): Record<string, unknown> {
    return this.operator.prepare('SELECT * FROM tenure_lease WHERE name = ?').all(election)[0] as Record<string, unknown>
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close()
    for (const db of this.#opened) db.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export function isOurs(lease: Lease | undefined, bid: Bid): boolean {
  return lease?.holder === bid.holder && lease.remainingMs > 0
}

/** Win, or throw. */
export async function wins(store: SqliteStore, bid: Bid): Promise<Lease> {
  const lease = await store.acquire(bid, calm())
  if (lease && isOurs(lease, bid)) return lease
  throw new Error(`Expected a free lease, got ${JSON.stringify(lease)}`)
}
