/**
 * Sessions from a `Pool` of pg. Each is a client that is checked out, and destroyed in the end, so that nothing that was
 * set on it reaches the owner of the pool.
 *
 * A pool cannot be told to stop connecting. An attempt that nobody waits for any more serves whoever asks next, or is
 * given back; only a few are under way at a time, so that an outage does not use up the pool.
 */

import type { Clock } from '../../clock.ts'
import { bounded } from '../shared/bounded.ts'
import type { Statement } from '../shared/sql.ts'
import { type Driver, greeting, type Row, type Session, type Value } from './session.ts'

/** What is used of a `Pool` of pg. */
export interface PgPool {
  readonly totalCount: number
  readonly options: { readonly max?: number | undefined }
  connect(connected: (error: Error | undefined, client: PgClient | undefined) => void): void
}

/** What is used of a client that was checked out. */
export interface PgClient {
  query(statement: PgQuery): Promise<{ rows: unknown[][] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: PgNotification) => void): unknown
  release(destroy?: boolean): void
}

interface PgQuery {
  text: string
  values: Value[]
  rowMode: 'array'
  name?: string
}

interface PgNotification {
  readonly channel: string
  readonly payload?: string | undefined
}

/** An attempt to connect that takes longer than this is not relied on any more. */
const FRESH_MS = 1000
/** So many attempts are under way at most. */
const ATTEMPTS = 4
/** A link that is silent for so long is probed, so that a dead one is found out. */
const KEEPALIVE_MS = 10_000
/** How long the end of a connection may take. */
const GOODBYE_MS = 1000

export function isPool(client: unknown): client is PgPool {
  const options = property(client, 'options')
  return (
    typeof client === 'object' &&
    typeof property(client, 'connect') === 'function' &&
    'totalCount' in (client ?? {}) &&
    typeof options === 'object'
  )
}

interface Waiter {
  take(client: PgClient): void
  fail(thrown: unknown): void
}

export class PoolDriver implements Driver {
  readonly #pool: PgPool
  readonly #clock: Clock
  readonly #waiters: Waiter[] = []
  /** When each attempt began that is under way. */
  readonly #attempts = new Set<{ readonly since: number }>()

  constructor(pool: PgPool, clock: Clock) {
    this.#pool = pool
    this.#clock = clock
  }

  async open(signal: AbortSignal, lost: (thrown: unknown) => void): Promise<Session> {
    return PoolSession.begin(await this.#client(signal), this.#clock, signal, lost)
  }

  #client(signal: AbortSignal): Promise<PgClient> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const leave = () => {
        signal.removeEventListener('abort', aborted)
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      }
      const waiter: Waiter = {
        take(client) {
          leave()
          resolve(client)
        },
        fail(thrown) {
          leave()
          reject(thrown)
        },
      }
      const aborted = () => waiter.fail(signal.reason)
      signal.addEventListener('abort', aborted)
      this.#waiters.push(waiter)
      this.#connect()
    })
  }

  #connect(): void {
    const now = this.#clock.mono()
    const fresh = [...this.#attempts].filter(({ since }) => now - since < FRESH_MS).length
    if (fresh >= this.#waiters.length || this.#attempts.size >= ATTEMPTS) return
    const attempt = { since: now }
    this.#attempts.add(attempt)
    // By callback: a connection can be lost in the very instant in which it is made, before a promise would tell of it,
    // and an error that nobody hears ends the process.
    this.#pool.connect((error, client) => {
      this.#attempts.delete(attempt)
      const [waiter] = this.#waiters
      if (!client) return waiter?.fail(error)
      // Nothing was done with it: its owner may have it.
      if (!waiter) return client.release()
      client.on('error', unheard)
      waiter.take(client)
    })
  }
}

/** What is lost is found out by whoever asks. */
function unheard(): void {}

class PoolSession implements Session {
  pooled = true
  recovering = false
  readonly #client: PgClient
  readonly #clock: Clock
  #over = false
  #hangUp: (() => void) | undefined

  private constructor(client: PgClient, clock: Clock, lost: (thrown: unknown) => void) {
    this.#client = client
    this.#clock = clock
    const ended = (thrown: unknown) => {
      if (this.#over) return
      this.destroy()
      lost(thrown)
    }
    // Always listened to: an error that nobody hears would end the process.
    client.on('error', ended)
    client.on('end', () => {
      this.#hangUp?.()
      ended(new Error('the connection was closed'))
    })
  }

  static async begin(client: PgClient, clock: Clock, signal: AbortSignal, lost: (thrown: unknown) => void): Promise<PoolSession> {
    const session = new PoolSession(client, clock, lost)
    try {
      call(streamOf(client), 'setKeepAlive', true, KEEPALIVE_MS)
      const own = String(property(client, 'processID') ?? '')
      const [row] = await bounded(signal, session.query(greeting, [own]))
      session.pooled = row?.[0] !== own
      session.recovering = row?.[1] === 'true'
      return session
    } catch (thrown) {
      session.destroy()
      throw thrown
    }
  }

  async query({ name, text }: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    const query: PgQuery = { text, values: [...values], rowMode: 'array' }
    // Behind a pooler the next statement may meet a connection that was never asked to prepare it.
    if (!this.pooled) query.name = name
    const { rows } = await this.#client.query(query)
    return rows.map((row) => row.map((value) => (value === null || value === undefined ? null : String(value))))
  }

  async listen(channel: string, heard: (payload: string) => void): Promise<void> {
    this.#client.on('notification', (message) => {
      if (!this.#over && message.channel === channel) heard(message.payload ?? '')
    })
    await this.query({ name: `tenure_listen_${channel}`, text: `LISTEN "${channel}"` }, [])
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    // Not for anybody else: it listens, and bears our name.
    this.#client.release(true)
    // It says goodbye and waits for the server's end of it; a dead link would keep the process alive.
    this.#hangUp = this.#clock.timer(GOODBYE_MS, () => call(streamOf(this.#client), 'destroy'), false)
  }

  destroy(): void {
    if (this.#over) return
    this.#over = true
    call(streamOf(this.#client), 'destroy')
    this.#client.release(true)
  }
}

/** The socket of a client. Not part of what pg documents: where it is missing, nothing is asked of it. */
function streamOf(client: PgClient): unknown {
  return property(property(client, 'connection'), 'stream')
}

function property(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && name in of ? (of as Record<string, unknown>)[name] : undefined
}

function call(of: unknown, name: string, ...args: unknown[]): void {
  const method = property(of, name)
  if (typeof method === 'function') method.apply(of, args)
}
