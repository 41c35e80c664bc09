/**
 * Sessions from a `Pool` of pg. Each is a client that is checked out, and destroyed in the end, so that nothing that was
 * set on it reaches the owner of the pool.
 */

import type { Clock } from '../../clock.ts'
import { bounded } from '../shared/bounded.ts'
import { Checkouts, call, property } from '../shared/checkouts.ts'
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

export class PoolDriver implements Driver {
  readonly #checkouts: Checkouts<PgClient>
  readonly #clock: Clock

  constructor(pool: PgPool, clock: Clock) {
    this.#checkouts = new Checkouts(pool, clock)
    this.#clock = clock
  }

  async open(signal: AbortSignal, lost: (thrown: unknown) => void): Promise<Session> {
    return PoolSession.begin(await this.#checkouts.take(signal), this.#clock, signal, lost)
  }
}

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
