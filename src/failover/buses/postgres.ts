/**
 * A bus over LISTEN and NOTIFY of Postgres, through a `Pool` of pg or a client of postgres.js. It holds one connection
 * while anybody takes part. Before it says that it is joined it has heard its own voice, because a pooler in between
 * takes a LISTEN and brings nothing.
 */

import { type Clock, systemClock } from '../../clock.ts'
import { badOption } from '../../errors.ts'
import { checkClock, checkKnown } from '../../options.ts'
import type { Bus } from '../bus.ts'
import { type Link, type LinkEnds, linkedBus } from './shared/linked.ts'

/** What is used of a `Pool` of pg. */
export interface PgBusPool {
  connect(): Promise<PgBusClient>
}

/** What is used of a client that was checked out. */
export interface PgBusClient {
  query(statement: { text: string; values: string[] }): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { readonly channel: string; readonly payload?: string | undefined }) => void): unknown
  release(destroy?: boolean): void
}

/** What is used of a client of postgres.js. */
export interface PostgresJsBusClient {
  unsafe(text: string, values?: string[]): PromiseLike<unknown>
  listen(channel: string, heard: (payload: string) => void, listening?: () => void): PromiseLike<{ unlisten(): PromiseLike<unknown> }>
}

export type PostgresBusClient = PgBusPool | PostgresJsBusClient

export interface PostgresBusOptions {
  /** The same for all who shall hear each other: letters, digits and underscores, at most 63. @default 'tenure_failover' */
  readonly channel?: string | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** How long the end of a connection may take, in milliseconds. */
const GOODBYE_MS = 1000
/** Begins what a link says to itself. Nobody else reads it. */
const OWN_VOICE = 'tenure-own-voice:'

/** The client is never closed. Throws a `TenureError` of code `bad-option`. */
export function postgresBus(client: PostgresBusClient, options: PostgresBusOptions = {}): Bus {
  checkKnown(options, { channel: true, clock: true })
  const { channel = 'tenure_failover', clock = systemClock } = options
  checkClock(clock)
  if (typeof channel !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(channel)) {
    throw badOption('channel', 'letters, digits and underscores, at most 63, the first no digit', channel)
  }
  if (isPostgresJs(client)) return linkedBus({ name: 'postgres', clock, open: (ends) => postgresJsLink(client, channel, clock, ends) })
  if (!isPool(client)) throw badOption('client', 'a Pool of pg or a client of postgres.js', client)
  return linkedBus({ name: 'postgres', clock, open: (ends) => new PgLink(client, channel, clock, ends) })
}

const notify = 'SELECT pg_notify($1, $2)'

class PgLink implements Link {
  readonly #channel: string
  readonly #clock: Clock
  readonly #ends: LinkEnds
  readonly #voice: OwnVoice
  #client: PgBusClient | undefined
  #isOver = false

  constructor(pool: PgBusPool, channel: string, clock: Clock, ends: LinkEnds) {
    this.#channel = channel
    this.#clock = clock
    this.#ends = ends
    this.#voice = new OwnVoice(clock, ends)
    this.#begin(pool).catch(ends.lost)
  }

  async send(text: string): Promise<void> {
    await this.#query(notify, [this.#channel, text])
  }

  check(): Promise<unknown> {
    return this.#query('SELECT 1', [])
  }

  close(): void {
    this.#isOver = true
    const client = this.#client
    this.#client = undefined
    if (!client) return
    // It says goodbye and waits for the server's end of it; a dead link would keep the process alive.
    const cancel = this.#clock.timer(GOODBYE_MS, () => destroyStream(client), false)
    client.on('end', cancel)
    // Not for anybody else: it listens.
    client.release(true)
  }

  async #begin(pool: PgBusPool): Promise<void> {
    const client = await pool.connect()
    // Always listened to: an error that nobody hears would end the process.
    client.on('error', (error) => this.#ends.lost(error))
    client.on('end', () => this.#ends.lost(new Error('the connection was closed')))
    // Nothing was done with it: its owner may have it.
    if (this.#isOver) return client.release()
    this.#client = client
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === this.#channel) this.#voice.heard(payload)
    })
    await this.#query(`LISTEN "${this.#channel}"`, [])
    await this.send(this.#voice.text)
  }

  async #query(text: string, values: string[]): Promise<unknown> {
    if (!this.#client) throw new Error('the connection was closed')
    return this.#client.query({ text, values })
  }
}

/** postgres.js listens on a connection of its own, which it replaces by itself after a loss; until then it is down. */
function postgresJsLink(sql: PostgresJsBusClient, channel: string, clock: Clock, ends: LinkEnds): Link {
  const voice = new OwnVoice(clock, ends)
  let isOver = false
  let end: (() => PromiseLike<unknown>) | undefined
  const send = async (text: string) => void (await sql.unsafe(notify, [channel, text]))
  const leave = () => {
    // A connection that is gone has ended its listening with it.
    end?.().then(undefined, () => {})
    end = undefined
  }
  const begin = async () => {
    const hearsAgain = () => void send(voice.text).catch(ends.lost)
    const { unlisten } = await sql.listen(channel, (payload) => !isOver && voice.heard(payload), hearsAgain)
    end = unlisten
    if (isOver) leave()
  }
  begin().catch(ends.lost)
  return {
    send,
    check: async () => sql.unsafe('SELECT 1'),
    close() {
      isOver = true
      leave()
    },
  }
}

/** Tells what a link says to itself from what it hears of others. */
class OwnVoice {
  readonly text: string
  readonly #ends: LinkEnds

  constructor(clock: Clock, ends: LinkEnds) {
    this.text = `${OWN_VOICE}${clock.id()}`
    this.#ends = ends
  }

  heard(payload: string): void {
    if (payload === this.text) this.#ends.up()
    else if (!payload.startsWith(OWN_VOICE)) this.#ends.heard(payload)
  }
}

function isPostgresJs(client: PostgresBusClient): client is PostgresJsBusClient {
  // postgres.js is a function with methods.
  return (
    typeof client === 'function' && typeof property(client, 'unsafe') === 'function' && typeof property(client, 'listen') === 'function'
  )
}

function isPool(client: PostgresBusClient): client is PgBusPool {
  return typeof client === 'object' && client !== null && 'connect' in client && typeof client.connect === 'function'
}

/** End the socket of a client. Not part of what pg documents: where it is missing, nothing is asked of it. */
function destroyStream(client: PgBusClient): void {
  const stream = property(property(client, 'connection'), 'stream')
  const destroy = property(stream, 'destroy')
  if (typeof destroy === 'function') destroy.call(stream)
}

function property(of: unknown, name: string): unknown {
  return (typeof of === 'object' || typeof of === 'function') && of !== null && name in of
    ? (of as Record<string, unknown>)[name]
    : undefined
}
