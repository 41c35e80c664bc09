/** What the tests of the Postgres stores share: a server with the tables, clients that are ended, bids, and an operator. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg, { Pool, type PoolConfig } from 'pg'
import postgresJs, { type Options, type Sql } from 'postgres'
import { afterAll, beforeAll } from 'vitest'
import type { Bid } from '../../../src/store.ts'
import { type PostgresStore, postgres } from '../../../src/stores/postgres.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startPostgres } from '../../harness/servers.ts'

export const available = findServer('postgres') !== undefined

/** Time enough for anything, on a machine that has much else to do. */
export const TTL = 60_000

let count = 0

export function bidFor(election: string, over: Partial<Bid> = {}): Bid {
  count += 1
  return { election, holder: `holder-${process.pid}-${count}`, candidate: `candidate-${count}`, ttlMs: TTL, ...over }
}

/** The name of an election that nobody has used. */
export function fresh(what = 'e'): string {
  count += 1
  return `${what}-${process.pid}-${count}`
}

/** A signal for a call of which nobody is afraid that it hangs. */
export function calm(): AbortSignal {
  return AbortSignal.timeout(25_000)
}

export class Bench {
  readonly #options: readonly string[]
  #server: Server | undefined
  #admin: Pool | undefined
  #ends: (() => Promise<unknown>)[] = []

  constructor(...options: string[]) {
    this.#options = options
  }

  /** Start before the tests of this file, or block, and end after them. */
  static use(...options: string[]): Bench {
    const bench = new Bench(...options)
    beforeAll(() => bench.start())
    afterAll(() => bench.end())
    return bench
  }

  get server(): Server {
    if (!this.#server) throw new Error('the bench was not started')
    return this.#server
  }

  /** An operator's own connection, past the stores and all proxies. */
  get admin(): Pool {
    if (!this.#admin) throw new Error('the bench was not started')
    return this.#admin
  }

  start(): Promise<void> {
    return startPostgres('max_connections=300', ...this.#options).then((server) => this.over(server))
  }

  /** With a server that was started in another way; it is ended with the bench. */
  async over(server: Server): Promise<void> {
    this.#server = server
    this.#admin = poolAt(this.#server.port)
    await postgres(this.#admin).ensureSchema()
  }

  async end(): Promise<void> {
    await this.clear()
    await this.#admin?.end()
    await this.#server?.close()
  }

  /** A pool of its own, at the server or at what stands before it. */
  pool(port = this.server.port, config: PoolConfig = {}): Pool {
    const pool = poolAt(port, config)
    this.#ends.push(() => (pool.ending ? Promise.resolve() : pool.end()))
    return pool
  }

  sql(port = this.server.port, options: Options<Record<string, never>> = {}): Sql {
    // It asks each new connection for the types of arrays, and when the server is lost meanwhile nobody hears of the
    // rejection, which ends the process: https://github.com/porsager/postgres/issues/1192
    const own = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres', onnotice: () => {}, fetch_types: false }
    const sql = postgresJs({ ...own, ...options })
    this.#ends.push(() => sql.end({ timeout: 0 }))
    return sql
  }

  /** A store of its own over a pool of its own. */
  store(port = this.server.port, config: PoolConfig = {}): PostgresStore {
    const store = postgres(this.pool(port, config))
    this.#ends.push(() => store.close())
    return store
  }

  /** To be done when what was opened is closed; the last one first. */
  ends(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  /** Close what was opened, stores first. */
  async clear(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }

  /** For `describeStore`: stores over clients of their own. */
  lab(make: (bench: Bench) => PostgresStore = (bench) => bench.store()) {
    return {
      open: () => make(this),
      close: (store: { close?(): Promise<void> }) => store.close?.(),
      wipe: (election: string) => this.admin.query('DELETE FROM tenure_lease WHERE name = $1', [election]),
      restart: () => this.server.restart('SIGQUIT'),
    }
  }

  /** Put a line before all others of pg_hba.conf. */
  async hba(line: string): Promise<void> {
    const path = join(this.server.directory, 'data', 'pg_hba.conf')
    writeFileSync(path, `${line}\n${readFileSync(path, 'utf8')}`)
    await this.admin.query('SELECT pg_reload_conf()')
  }

  /** No store has a connection any more. The server hears of their end a moment later. */
  async disconnected(): Promise<void> {
    await until('no connection is left', async () => (await this.connections()) === 0)
  }

  /** Freeze the server and all that is connected to it, until that is over. */
  async frozen(during: () => Promise<unknown>): Promise<void> {
    const { rows } = await this.admin.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    this.server.freeze()
    try {
      signal(rows, 'SIGSTOP')
      await during()
    } finally {
      signal(rows, 'SIGCONT')
      this.server.thaw()
    }
  }

  /** The connections of stores, as the server sees them. */
  async connections(): Promise<number> {
    const { rows } = await this.admin.query("SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'tenure'")
    return rows[0].n
  }
}

function poolAt(port: number, config: PoolConfig = {}): Pool {
  const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 4, ...config })
  // A connection that ends while nobody uses it is no news here: servers are killed.
  pool.on('error', () => {})
  return pool
}

/** To sessions of the server; one that has ended since it was looked up needs none. */
export function signal(sessions: readonly { readonly pid: number }[], name: NodeJS.Signals): void {
  for (const { pid } of sessions) {
    try {
      process.kill(pid, name)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
    }
  }
}

/** A single connection, for somebody who holds a lock or looks on. */
export async function clientAt(port: number): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Wait until somebody waits for a lock; gives what they asked. */
export async function waits(bench: Bench, boundMs: number): Promise<string> {
  let query = ''
  const waiting = async () => {
    const { rows } = await bench.admin.query("SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    query = rows[0]?.query ?? ''
    return rows.length === 1
  }
  await until('somebody waits', waiting, boundMs)
  return query
}
