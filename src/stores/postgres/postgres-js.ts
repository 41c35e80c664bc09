/**
 * Sessions from a client of postgres.js. They are not connections of their own: a connection that was reserved there ends
 * the process when it is lost and used again, and a reservation that fails takes the next connection with it (3.4.9). So
 * each statement is sent through the client, which replaces what is lost by itself; give the store a client of its own.
 *
 * A connection of postgres.js cannot be destroyed. One with a statement that nobody waits for is left alone until it
 * answers or dies, and only a few are left so.
 */

import { bounded } from '../shared/bounded.ts'
import type { Statement } from '../shared/sql.ts'
import { type Driver, greeting, type Row, type Session, type Value } from './session.ts'

/** What is used of a client of postgres.js. */
export interface PostgresJs {
  readonly options: { readonly max: number }
  unsafe(text: string, values?: Value[], options?: { prepare?: boolean | undefined }): PostgresJsQuery
  listen(channel: string, heard: (payload: string) => void, listening?: () => void): PromiseLike<unknown>
}

interface PostgresJsQuery {
  values(): PromiseLike<PostgresJsRows>
}

interface PostgresJsRows extends ArrayLike<unknown[]> {
  readonly state: { readonly pid: number }
}

export function isPostgresJs(client: unknown): client is PostgresJs {
  return (
    typeof client === 'function' &&
    'unsafe' in client &&
    typeof client.unsafe === 'function' &&
    'listen' in client &&
    typeof client.listen === 'function' &&
    'options' in client
  )
}

export class PostgresJsDriver implements Driver {
  readonly #client: PostgresJs
  /** Statements that were given up and have not settled: each occupies a connection. */
  #stuck = 0
  /** The client listens on a connection of its own, and again by itself after a loss: asked for once. */
  #listening: Promise<unknown> | undefined
  #heard: (payload: string) => void = () => {}
  #again: () => void = () => {}

  constructor(client: PostgresJs) {
    this.#client = client
  }

  async open(signal: AbortSignal): Promise<Session> {
    const most = Math.max(1, this.#client.options.max - 2)
    if (this.#stuck >= most) throw new Error(`${this.#stuck} connections of the client have not answered`)
    return PostgresJsSession.begin(this.#client, this, signal)
  }

  /** @internal */
  stuck(settled: Promise<unknown>): void {
    this.#stuck += 1
    const over = () => {
      this.#stuck -= 1
    }
    settled.then(over, over)
  }

  /** @internal */
  async listen(channel: string, heard: (payload: string) => void, again: () => void): Promise<void> {
    this.#heard = heard
    this.#again = again
    const listening = this.#listening ?? this.#listen(channel)
    this.#listening = listening
    try {
      await listening
    } catch (thrown) {
      if (this.#listening === listening) this.#listening = undefined
      throw thrown
    }
  }

  async #listen(channel: string): Promise<void> {
    let listening = false
    const listens = () => {
      if (listening) this.#again()
      listening = true
    }
    await this.#client.listen(channel, (payload) => this.#heard(payload), listens)
  }
}

class PostgresJsSession implements Session {
  pooled = true
  recovering = false
  readonly #client: PostgresJs
  readonly #driver: PostgresJsDriver
  #flying: Promise<unknown> | undefined

  private constructor(client: PostgresJs, driver: PostgresJsDriver) {
    this.#client = client
    this.#driver = driver
  }

  static async begin(client: PostgresJs, driver: PostgresJsDriver, signal: AbortSignal): Promise<PostgresJsSession> {
    const session = new PostgresJsSession(client, driver)
    try {
      // Nothing is set here: the connections are not ours alone.
      const asked = session.#ask(greeting, [''])
      const rows = await bounded(signal, asked)
      session.pooled = rows[0]?.[0] !== String(rows.state.pid)
      session.recovering = rows[0]?.[1] === 'true'
      return session
    } catch (thrown) {
      session.destroy()
      throw thrown
    }
  }

  async query(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    const rows = await this.#ask(statement, values)
    return Array.from(rows, (row) => row.map((value) => (value === null || value === undefined ? null : String(value))))
  }

  listen(channel: string, heard: (payload: string) => void, again: () => void): Promise<void> {
    return this.#driver.listen(channel, heard, again)
  }

  close(): void {}

  destroy(): void {
    if (this.#flying) this.#driver.stuck(this.#flying)
    this.#flying = undefined
  }

  async #ask({ text }: Statement, values: readonly Value[]): Promise<PostgresJsRows> {
    const flying = Promise.resolve(this.#client.unsafe(text, [...values], { prepare: !this.pooled }).values())
    this.#flying = flying
    try {
      return await flying
    } finally {
      if (this.#flying === flying) this.#flying = undefined
    }
  }
}
