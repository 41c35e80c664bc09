/**
 * Sessions over postgres.js. A connection that is reserved from a client cannot be relied on (3.4.9: when it is lost, the
 * next statement ends the process), so each session is a client of its own with exactly one connection. Such a client
 * connects again by itself: a session asks nothing more once its first connection is gone.
 */

import type { PostgresJs } from '../postgres/postgres-js.ts'
import { type Driver, greeting, type Row, type Session, type Value } from '../postgres/session.ts'
import { bounded } from '../shared/bounded.ts'
import type { Statement } from '../shared/sql.ts'

/** What a session needs of its client, to be passed on: `(options) => postgres(url, options)`. */
export interface PostgresJsOptions {
  max: number
  idle_timeout: number
  max_lifetime: null
  fetch_types: boolean
  onclose: () => void
  onnotice: () => void
  /** Passed on by postgres.js, and missing in its types. */
  onnotify: (channel: string, payload: string) => void
}

/** What is used of a client of postgres.js. */
export interface PostgresJsClient extends Pick<PostgresJs, 'unsafe'> {
  end(options: { timeout: number }): Promise<void>
}

/** Makes a client of postgres.js; `options` have to reach it, whatever others are added. */
export type MakePostgresJs = (options: PostgresJsOptions) => PostgresJsClient

export class OwnPostgresJsDriver implements Driver {
  readonly #make: MakePostgresJs

  constructor(make: MakePostgresJs) {
    this.#make = make
  }

  async open(signal: AbortSignal, lost: (thrown: unknown) => void): Promise<Session> {
    signal.throwIfAborted()
    const session = new OwnPostgresJsSession(this.#make, lost)
    try {
      await bounded(signal, session.greet())
      return session
    } catch (thrown) {
      session.destroy()
      throw thrown
    }
  }
}

class OwnPostgresJsSession implements Session {
  pooled = true
  recovering = false
  readonly #client: PostgresJsClient
  #over = false
  #heard: (channel: string, payload: string) => void = () => {}

  constructor(make: MakePostgresJs, lost: (thrown: unknown) => void) {
    this.#client = make({
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      onnotice: () => {},
      onnotify: (channel, payload) => this.#heard(channel, payload),
      onclose: () => {
        if (this.#over) return
        this.destroy()
        lost(new Error('the connection was closed'))
      },
    })
  }

  async greet(): Promise<void> {
    // Nothing is set yet: nobody knows whose connection it is.
    const [row, pid] = await this.#ask(greeting, [''])
    this.pooled = row?.[0] !== String(pid)
    this.recovering = row?.[1] === 'true'
  }

  async query(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    if (this.#over) throw new Error('the connection was closed')
    const rows = await this.#client.unsafe(statement.text, [...values], { prepare: true }).values()
    return Array.from(rows, (row) => row.map((value) => (value === null || value === undefined ? null : String(value))))
  }

  async listen(channel: string, heard: (payload: string) => void): Promise<void> {
    this.#heard = (from, payload) => {
      if (!this.#over && from === channel) heard(payload)
    }
    await this.query({ name: `tenure_listen_${channel}`, text: `LISTEN "${channel}"` }, [])
  }

  close(): void {
    this.#end(1)
  }

  destroy(): void {
    this.#end(0)
  }

  /** A client that is told to end rejects what is in the air after so many seconds. */
  #end(timeout: number): void {
    if (this.#over) return
    this.#over = true
    // It has nothing to say that anybody waits for.
    this.#client.end({ timeout }).catch(() => {})
  }

  async #ask({ text }: Statement, values: readonly Value[]): Promise<readonly [Row | undefined, number]> {
    const rows = await this.#client.unsafe(text, [...values], { prepare: false }).values()
    return [rows[0]?.map((value) => String(value)), rows.state.pid]
  }
}
