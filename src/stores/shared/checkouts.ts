/**
 * Connections from a `Pool` of pg, for whoever may stop waiting for one. A pool cannot be told to stop connecting: an
 * attempt that nobody waits for any more serves whoever asks next, or is given back. Must never use up the pool, nor wait
 * for ever for a login that nobody answers.
 */

import type { Clock } from '../../clock.ts'

/** What is used of a `Pool`. */
export interface CheckoutPool<C extends CheckedOut> {
  connect(connected: (error: Error | undefined, client: C | undefined) => void): void
}

/** What is used of a client that was checked out. */
export interface CheckedOut {
  on(event: 'error', listener: (error: Error) => void): unknown
  release(destroy?: boolean): void
}

/** An attempt to connect that takes longer than this is not relied on any more. */
const FRESH_MS = 1000
/** One that takes longer than this is hung up, where there is a way, and forgotten. */
const STALE_MS = 30_000
/** So many attempts are under way at most. */
const ATTEMPTS = 4
/** So many, those that are forgotten and could not be hung up included. */
const MOST_ATTEMPTS = 8

interface Waiter<C> {
  take(client: C): void
  fail(thrown: unknown): void
}

interface Attempt {
  readonly since: number
  /** The client of the pool that connects; unknown where the pool is full. */
  client: unknown
  stale: boolean
}

export class Checkouts<C extends CheckedOut> {
  readonly #pool: CheckoutPool<C>
  readonly #clock: Clock
  readonly #waiters: Waiter<C>[] = []
  readonly #attempts = new Set<Attempt>()

  constructor(pool: CheckoutPool<C>, clock: Clock) {
    this.#pool = pool
    this.#clock = clock
  }

  /** Rejects with what the pool says, or with the reason of the signal. */
  take(signal: AbortSignal): Promise<C> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const leave = () => {
        signal.removeEventListener('abort', aborted)
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      }
      const waiter: Waiter<C> = {
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
    for (const attempt of this.#attempts) {
      if (attempt.stale || now - attempt.since < STALE_MS) continue
      attempt.stale = true
      hangUp(attempt.client)
    }
    const live = [...this.#attempts].filter(({ stale }) => !stale)
    const fresh = live.filter(({ since }) => now - since < FRESH_MS).length
    if (fresh >= this.#waiters.length || live.length >= ATTEMPTS || this.#attempts.size >= MOST_ATTEMPTS) return
    const attempt: Attempt = { since: now, client: undefined, stale: false }
    this.#attempts.add(attempt)
    const others = new Set(clientsOf(this.#pool))
    // By callback: a connection can be lost in the very instant in which it is made, before a promise would tell of it,
    // and an error that nobody hears ends the process.
    this.#pool.connect((error, client) => this.#connected(attempt, error, client))
    attempt.client = clientsOf(this.#pool).find((client) => !others.has(client))
  }

  #connected(attempt: Attempt, error: Error | undefined, client: C | undefined): void {
    this.#attempts.delete(attempt)
    const [waiter] = this.#waiters
    if (!client) {
      // What was hung up here says nothing about the server.
      if (!attempt.stale) waiter?.fail(error)
      return
    }
    // Nothing was done with it: its owner may have it.
    if (!waiter) return client.release()
    client.on('error', unheard)
    waiter.take(client)
  }
}

/** What is lost is found out by whoever asks. */
function unheard(): void {}

/** The pool is told of the loss as if the network had ended it, and has room again. */
function hangUp(client: unknown): void {
  call(property(property(client, 'connection'), 'stream'), 'destroy')
}

/** The clients of a pool. Not part of what it documents: where they are not told, nothing is done to them. */
function clientsOf(pool: unknown): readonly unknown[] {
  const clients = property(pool, '_clients')
  return Array.isArray(clients) ? clients : []
}

export function property(of: unknown, name: string): unknown {
  const some = (typeof of === 'object' && of !== null) || typeof of === 'function'
  return some && name in of ? (of as Record<string, unknown>)[name] : undefined
}

export function call(of: unknown, name: string, ...args: unknown[]): void {
  const method = property(of, name)
  if (typeof method === 'function') method.apply(of, args)
}
