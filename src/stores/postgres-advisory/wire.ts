/**
 * One session at the server, and its statements, one after the other. A statement that has left is never given up: it is
 * answered, or the session ends. Must never end the session by itself; that is for those who know what stands on it.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { sqlState, storeError } from '../postgres/failures.ts'
import type { Row, Session, Value } from '../postgres/session.ts'
import type { Statement } from '../shared/sql.ts'
import { settle } from './terms.ts'

export interface WireParts {
  readonly store: string
  readonly clock: Clock
  /** How long an answer may take before the session is doubted, in milliseconds. */
  lateMs(): number
  /** Something is different: an answer has come, is late, or will never come. */
  changed(): void
}

/** A job that waits for its turn, or whose answer has not come. */
class Flight {
  readonly limitMs: number
  readonly fail: (thrown: unknown) => void
  readonly leave: (flight: Flight) => void
  late = false

  constructor(limitMs: number, fail: (thrown: unknown) => void, leave: (flight: Flight) => void) {
    this.limitMs = limitMs
    this.fail = fail
    this.leave = leave
  }
}

/** A lock of a row is waited for this part of the ttl: meanwhile no heartbeat leaves. */
const LOCK_SHARE = 12

export class Wire {
  readonly session: Session
  readonly #parts: WireParts
  readonly #waiting: Flight[] = []
  #flying: Flight | undefined
  #over: TenureError | undefined
  #ended = false
  #settledMs = 0
  #settling: Promise<void> = Promise.resolve()
  #patienceMs = 0

  constructor(session: Session, parts: WireParts) {
    this.session = session
    this.#parts = parts
  }

  /** Why nothing more is asked here; `undefined` while it is sound. */
  get over(): TenureError | undefined {
    return this.#over
  }

  get ended(): boolean {
    return this.#ended
  }

  get busy(): boolean {
    return this.#flying !== undefined
  }

  /** An answer is late. */
  get late(): boolean {
    return this.#flying?.late === true
  }

  /** How long the server hears nothing before it ends the session, in milliseconds. */
  get patienceMs(): number {
    return this.#patienceMs
  }

  ask(statement: Statement, values: readonly Value[], limitMs?: number): Promise<readonly Row[]> {
    return this.run((session) => session.query(statement, values), limitMs)
  }

  /** Make the server as patient as this. Lowered only where `lower`: nothing must have been granted by the old setting. */
  settle(wantedMs: number, lower: boolean): Promise<void> {
    if (wantedMs === this.#settledMs || (wantedMs < this.#settledMs && !lower)) return this.#settling
    this.#settledMs = wantedMs
    this.#settling = this.#settle(wantedMs)
    return this.#settling
  }

  /** Nothing more is asked here. What is in the air may still be answered. */
  doom(thrown: unknown): void {
    if (this.#over) return
    this.#over = storeError(this.#parts.store, 'connection', thrown)
    for (const flight of this.#waiting.splice(0)) flight.fail(this.#over)
    this.#parts.changed()
  }

  /** The session has ended, or does so now. */
  end(how: (session: Session) => void, thrown: unknown = new Error('the connection was closed')): void {
    if (this.#ended) return
    this.#ended = true
    this.#over ??= storeError(this.#parts.store, 'connection', thrown)
    how(this.session)
    const open = [...(this.#flying ? [this.#flying] : []), ...this.#waiting.splice(0)]
    this.#flying = undefined
    for (const flight of open) flight.fail(this.#over)
    this.#parts.changed()
  }

  async #settle(wantedMs: number): Promise<void> {
    try {
      const lockMs = Math.max(1, Math.floor(wantedMs / LOCK_SHARE))
      this.#patienceMs = await this.run((session) => settle(session, wantedMs, lockMs))
    } catch (thrown) {
      // Nothing was changed; the next who needs it tries again.
      this.#settledMs = 0
      throw thrown
    }
  }

  /** Do something with the session, in turn, and doubt the session when that takes longer than `limitMs`. */
  run<T>(job: (session: Session) => Promise<T>, limitMs = this.#parts.lateMs()): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#over) throw this.#over
      this.#waiting.push(new Flight(limitMs, reject, (flight) => this.#fly(flight, job, resolve)))
      this.#next()
    })
  }

  #next(): void {
    const flight = this.#waiting[0]
    if (this.#flying || !flight) return
    this.#waiting.shift()
    this.#flying = flight
    flight.leave(flight)
  }

  #fly<T>(flight: Flight, job: (session: Session) => Promise<T>, resolve: (answer: T) => void): void {
    const cancel = this.#parts.clock.timer(
      flight.limitMs,
      () => {
        flight.late = true
        this.#parts.changed()
      },
      false,
    )
    const land = (then: () => void) => {
      cancel()
      if (this.#flying !== flight) return
      this.#flying = undefined
      then()
      this.#next()
      this.#parts.changed()
    }
    job(this.session).then(
      (answer) => land(() => resolve(answer)),
      (thrown: unknown) =>
        land(() => {
          flight.fail(thrown)
          if (!isRefusal(thrown)) this.doom(thrown)
        }),
    )
  }
}

/** What ends a session, however the language of the server names its severity: shutdowns, time-outs, logins. */
const fatal = /^(08|28|3D|57P|53300|25P03|25P04)/

/** Whether the server itself has refused a statement, and the session goes on. */
export function isRefusal(thrown: unknown): boolean {
  const error = thrown instanceof TenureError ? thrown.cause : thrown
  const state = sqlState(error)
  const isGrave = error instanceof Error && 'severity' in error && /^(FATAL|PANIC)$/.test(String(error.severity))
  return state !== undefined && !isGrave && !fatal.test(state)
}
