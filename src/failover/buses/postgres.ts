/**
 * A bus over LISTEN and NOTIFY of Postgres, through a `Pool` of pg or a client of postgres.js. It holds one connection
 * while anybody takes part. Before it says that it is joined it has heard its own voice. A pooler in between is refused:
 * it takes a LISTEN and brings nothing.
 */

import { type Clock, systemClock } from '../../clock.ts'
import { badOption } from '../../errors.ts'
import { checkClock, checkKnown } from '../../options.ts'
import { Checkouts, call, property } from '../../stores/shared/checkouts.ts'
import type { Bus } from '../bus.ts'
import { type Link, type LinkEnds, linkedBus } from './shared/linked.ts'

/** What is used of a `Pool` of pg. */
export interface PgBusPool {
  readonly totalCount: number
  connect(connected: (error: Error | undefined, client: PgBusClient | undefined) => void): void
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
  listen(channel: string, heard: (payload: string) => void, listening?: () => void): PromiseLike<unknown>
}

/** A `Pool` of pg, or a client of postgres.js, connected without a pooler. */
export type PostgresBusClient = PgBusPool | PostgresJsBusClient

/** All are optional. */
export interface PostgresBusOptions {
  /** The same for all who shall hear each other: letters, digits and underscores, at most 63. @default 'tenure_failover' */
  readonly channel?: string | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** How long the end of a connection may take, in milliseconds. */
const GOODBYE_MS = 1000
/** Pause before a link says again what it has not heard. */
const AGAIN_MS = 500
/** Begins what a link says to itself. Nobody else reads it. */
const OWN_VOICE = 'tenure-own-voice:'

/**
 * A bus over LISTEN and NOTIFY. The client is never closed. A client of postgres.js keeps its connection that listens until it is ended.
 * Throws a `TenureError` of code `bad-option`.
 */
export function postgresBus(client: PostgresBusClient, options: PostgresBusOptions = {}): Bus {
  checkKnown(options, { channel: true, clock: true })
  const { channel = 'tenure_failover', clock = systemClock } = options
  checkClock(clock)
  if (typeof channel !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(channel)) {
    throw badOption('channel', 'letters, digits and underscores, at most 63, the first no digit', channel)
  }
  if (isPostgresJs(client)) {
    const ear = new PostgresJsEar(client, channel)
    return linkedBus({ name: 'postgres', clock, open: (ends) => new PostgresJsLink(client, ear, clock, ends) })
  }
  if (!isPool(client)) throw badOption('client', 'a Pool of pg or a client of postgres.js', client)
  // What one link has given up is had by the next.
  const checkouts = new Checkouts(client, clock)
  return linkedBus({ name: 'postgres', clock, open: (ends) => new PgLink(checkouts, channel, clock, ends) })
}

const notify = 'SELECT pg_notify($1, $2)'
const whoAmI = 'SELECT pg_backend_pid() AS pid'

/** A pooler makes up the process that it names; behind it a LISTEN is heard by whoever comes next, or by nobody. */
function checkDirect(named: unknown, answer: unknown): void {
  const pid = property(property(property(answer, 'rows'), '0'), 'pid')
  if (named === undefined || named === null || pid === named) return
  throw new Error('a pooler stands before the server, so that no LISTEN reaches it: give the bus a client that connects directly')
}

class PgLink implements Link {
  readonly #channel: string
  readonly #clock: Clock
  readonly #ends: LinkEnds
  readonly #voice: OwnVoice
  readonly #over = new AbortController()
  #client: PgBusClient | undefined
  /** A client is asked one thing after the other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(checkouts: Checkouts<PgBusClient>, channel: string, clock: Clock, ends: LinkEnds) {
    this.#channel = channel
    this.#clock = clock
    this.#ends = ends
    this.#voice = new OwnVoice(clock, ends, (text) => this.send(text))
    this.#begin(checkouts).catch(ends.lost)
  }

  async send(text: string): Promise<void> {
    await this.#query(notify, [this.#channel, text])
  }

  check(): Promise<unknown> {
    return this.#query('SELECT 1', [])
  }

  close(): void {
    this.#over.abort()
    this.#voice.end()
    const client = this.#client
    this.#client = undefined
    if (!client) return
    // It says goodbye and waits for the server's end of it; a dead link would keep the process alive.
    const cancel = this.#clock.timer(GOODBYE_MS, () => destroyStream(client), false)
    client.on('end', cancel)
    // Not for anybody else: it listens.
    client.release(true)
  }

  async #begin(checkouts: Checkouts<PgBusClient>): Promise<void> {
    const client = await checkouts.take(this.#over.signal)
    // Nothing was done with it: its owner may have it.
    if (this.#over.signal.aborted) return client.release()
    this.#client = client
    // Always listened to: an error that nobody hears would end the process.
    client.on('error', (error) => this.#ends.lost(error))
    client.on('end', () => this.#ends.lost(new Error('the connection was closed')))
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === this.#channel) this.#voice.heard(payload)
    })
    checkDirect(property(client, 'processID'), await this.#query(whoAmI, []))
    await this.#query(`LISTEN "${this.#channel}"`, [])
    this.#voice.begin()
  }

  #query(text: string, values: string[]): Promise<unknown> {
    const ask = async () => {
      if (!this.#client) throw new Error('the connection was closed')
      return this.#client.query({ text, values })
    }
    const asked = this.#last.then(ask, ask)
    this.#last = asked
    return asked
  }
}

/**
 * The listening of a client of postgres.js: on a connection of its own, which the client replaces by itself after a loss.
 * What was asked for once cannot be taken back after that, so it is asked for once.
 */
class PostgresJsEar {
  /** Who hears now. */
  link: { heard(payload: string): void; again(): void } | undefined
  readonly channel: string
  readonly #sql: PostgresJsBusClient
  #listening: Promise<unknown> | undefined

  constructor(sql: PostgresJsBusClient, channel: string) {
    this.#sql = sql
    this.channel = channel
  }

  async listen(): Promise<void> {
    const again = () => this.link?.again()
    const listening = this.#listening ?? Promise.resolve(this.#sql.listen(this.channel, (payload) => this.link?.heard(payload), again))
    this.#listening = listening
    try {
      await listening
    } catch (thrown) {
      if (this.#listening === listening) this.#listening = undefined
      throw thrown
    }
  }
}

class PostgresJsLink implements Link {
  readonly #sql: PostgresJsBusClient
  readonly #ear: PostgresJsEar
  readonly #voice: OwnVoice

  constructor(sql: PostgresJsBusClient, ear: PostgresJsEar, clock: Clock, ends: LinkEnds) {
    this.#sql = sql
    this.#ear = ear
    this.#voice = new OwnVoice(clock, ends, (text) => this.send(text))
    ear.link = { heard: (payload) => this.#voice.heard(payload), again: () => this.#voice.begin() }
    this.#begin().catch(ends.lost)
  }

  async send(text: string): Promise<void> {
    await this.#sql.unsafe(notify, [this.#ear.channel, text])
  }

  async check(): Promise<void> {
    await this.#sql.unsafe('SELECT 1')
  }

  close(): void {
    this.#ear.link = undefined
    this.#voice.end()
  }

  async #begin(): Promise<void> {
    const rows = await this.#sql.unsafe(whoAmI)
    checkDirect(property(property(rows, 'state'), 'pid'), { rows })
    await this.#ear.listen()
    this.#voice.begin()
  }
}

/** Tells what a link says to itself from what it hears of others, and says it until it is heard. */
class OwnVoice {
  readonly #text: string
  readonly #clock: Clock
  readonly #ends: LinkEnds
  readonly #say: (text: string) => Promise<void>
  #cancel: (() => void) | undefined
  #isOver = false

  constructor(clock: Clock, ends: LinkEnds, say: (text: string) => Promise<void>) {
    this.#text = `${OWN_VOICE}${clock.id()}`
    this.#clock = clock
    this.#ends = ends
    this.#say = say
  }

  begin(): void {
    if (this.#isOver) return
    this.#cancel?.()
    this.#cancel = this.#clock.timer(AGAIN_MS, () => this.begin(), false)
    this.#say(this.#text).catch(this.#ends.lost)
  }

  end(): void {
    this.#isOver = true
    this.#cancel?.()
  }

  heard(payload: string): void {
    if (payload === this.#text) {
      if (this.#cancel) this.#ends.up()
      this.#cancel?.()
      this.#cancel = undefined
    } else if (!payload.startsWith(OWN_VOICE)) this.#ends.heard(payload)
  }
}

function isPostgresJs(client: PostgresBusClient): client is PostgresJsBusClient {
  // postgres.js is a function with methods.
  return (
    typeof client === 'function' && typeof property(client, 'unsafe') === 'function' && typeof property(client, 'listen') === 'function'
  )
}

function isPool(client: PostgresBusClient): client is PgBusPool {
  // A single client has the first of them, too.
  return typeof property(client, 'connect') === 'function' && 'totalCount' in client
}

/** End the socket of a client. Not part of what pg documents: where it is missing, nothing is asked of it. */
function destroyStream(client: PgBusClient): void {
  call(property(property(client, 'connection'), 'stream'), 'destroy')
}
