/**
 * The sessions of a store: one that asks, hears and mostly holds, and up to three more, on which elections were won that
 * cannot move to another. It opens what is needed, replaces what does not answer, and closes what nobody needs. Must never
 * end a session on which a tenure may stand.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Author } from '../../store.ts'
import { checkServer } from '../postgres/schema.ts'
import type { Driver, Session } from '../postgres/session.ts'
import { bounded } from '../shared/bounded.ts'
import { pooled } from './bids.ts'
import { Keeper } from './keeper.ts'
import { prepare } from './terms.ts'
import type { Ttls } from './ttls.ts'
import { Wire } from './wire.ts'

export interface CrewParts {
  readonly store: string
  readonly driver: Driver
  readonly clock: Clock
  readonly raw: string | null
  /** Of all that stands. */
  readonly ttls: Ttls
  /** Whether the session that hears is needed although nothing is asked of it. */
  needed(): boolean
  /** The session that hears is another from now on, or none. */
  deaf(error: TenureError): void
  /** These may have changed hands: the session that held them is of no use any more. */
  lost(elections: readonly string[]): void
  /** A session is wanted, and there are too many: give up one that holds nothing. */
  makeRoom(): void
}

/** How many sessions there are at most. */
export const MOST = 4
/** A session that nothing needs is kept for so long: mostly the next call is about to come. */
const LINGER_MS = 100
/** An attempt to connect that takes longer than this is given up. */
const OPENING_MS = 5000
/** An answer is late after this part of the ttl, and not earlier than this: a commit may wait for a busy disk. */
const LATE_SHARE = 8
const LEAST_LATE_MS = 1000

interface Opening {
  readonly controller: AbortController
  readonly done: Promise<Keeper>
  waiting: number
}

export class Crew {
  readonly #parts: CrewParts
  readonly #keepers = new Set<Keeper>()
  /** Kept although they hold nothing. */
  readonly #retained = new Set<Keeper>()
  /** Those whose loss was told. */
  readonly #mourned = new WeakSet<Keeper>()
  #main: Keeper | undefined
  #opening: Opening | undefined
  #openings = 0
  #calls = 0
  #cancelLinger: (() => void) | undefined

  constructor(parts: CrewParts) {
    this.#parts = parts
  }

  /** The session that hears, if there is one. */
  get session(): Session | undefined {
    return this.#main?.wire.session
  }

  /** How long an answer may take before its session is doubted, in milliseconds. */
  get lateMs(): number {
    return Math.max(LEAST_LATE_MS, Math.floor(this.#parts.ttls.most / LATE_SHARE))
  }

  /** The elections that are held in this process. */
  get elections(): ReadonlySet<string> {
    return new Set([...this.#keepers].flatMap((keeper) => (keeper.wire.over ? [] : keeper.elections)))
  }

  /** Whether the session that hears is kept from falling silent by what it holds. */
  get beating(): boolean {
    return this.#main?.holding === true
  }

  /** Whoever has to be asked about this holder. */
  of(holder: string): Keeper | undefined {
    for (const keeper of this.#keepers) if (keeper.knows(holder)) return keeper
    return undefined
  }

  /** Whoever holds what bears this token. */
  withToken(author: Author): Keeper | undefined {
    for (const keeper of this.#keepers) if (keeper.has(author)) return keeper
    return undefined
  }

  /** While something is asked, the sessions stay. */
  async during<T>(task: () => Promise<T>): Promise<T> {
    this.#calls += 1
    this.#stay()
    try {
      return await task()
    } finally {
      this.#calls -= 1
      this.relax()
    }
  }

  /** The session that is asked and hears; opened if there is none that answers. */
  async main(signal: AbortSignal): Promise<Keeper> {
    signal.throwIfAborted()
    if (this.#main && !this.#main.wire.over && !this.#main.wire.late) return this.#main
    const opening = this.#opening ?? this.#openMain()
    opening.waiting += 1
    try {
      return await bounded(signal, opening.done)
    } finally {
      opening.waiting -= 1
      if (opening.waiting === 0 && this.#opening === opening) {
        // Nobody waits for it any more.
        this.#opening = undefined
        opening.controller.abort(signal.reason)
      }
    }
  }

  /** One more session, if there may be one; it stays until it is let go. */
  async another(signal: AbortSignal): Promise<Keeper | undefined> {
    if (this.#keepers.size + this.#openings >= MOST) return undefined
    const keeper = await this.#open(signal)
    this.#retained.add(keeper)
    return keeper
  }

  /** From now on it stays only for what it holds. */
  letGo(keeper: Keeper): void {
    this.#retained.delete(keeper)
    this.#tidy(keeper)
  }

  /** Something that needed the session does not need it any more. */
  relax(): void {
    if (this.#cancelLinger || this.#calls > 0 || this.#parts.needed()) return
    this.#cancelLinger = this.#parts.clock.timer(
      LINGER_MS,
      () => {
        this.#cancelLinger = undefined
        const main = this.#main
        if (!main || this.#calls > 0 || this.#parts.needed() || main.holding || main.wire.busy) return
        this.#main = undefined
        this.#tidy(main)
      },
      false,
    )
  }

  /** Let go of all sessions, now. */
  close(): void {
    this.#stay()
    this.#opening?.controller.abort(new Error('the store was closed'))
    this.#opening = undefined
    this.#retained.clear()
    for (const keeper of [...this.#keepers]) keeper.wire.end((session) => session.close(), new Error('the store was closed'))
  }

  #openMain(): Opening {
    if (this.#keepers.size + this.#openings >= MOST) this.#parts.makeRoom()
    const controller = new AbortController()
    const done = this.#keepers.size + this.#openings >= MOST ? Promise.reject(this.#tooMany()) : this.#open(controller.signal)
    const opening: Opening = {
      controller,
      waiting: 0,
      done: done.finally(() => {
        if (this.#opening === opening) this.#opening = undefined
      }),
    }
    this.#opening = opening
    done.then(
      (keeper) => {
        this.#main = keeper
        this.relax()
      },
      // Whoever waits is told.
      () => {},
    )
    return opening
  }

  async #open(signal: AbortSignal): Promise<Keeper> {
    const { clock, driver } = this.#parts
    const late = new AbortController()
    const cancel = clock.timer(OPENING_MS, () => late.abort(new Error(`no connection within ${OPENING_MS} ms`)), false)
    this.#openings += 1
    try {
      return await this.#greeted(driver, AbortSignal.any([signal, late.signal]))
    } finally {
      this.#openings -= 1
      cancel()
    }
  }

  async #greeted(driver: Driver, signal: AbortSignal): Promise<Keeper> {
    const { store, clock } = this.#parts
    let wire: Wire | undefined
    let keeper: Keeper | undefined
    let gone: unknown
    const session = await driver.open(signal, (thrown) => {
      gone = thrown
      wire?.end(() => {}, thrown)
    })
    const giveUp = () => session.destroy()
    signal.addEventListener('abort', giveUp)
    try {
      if (session.pooled) throw pooled(store, 'the session has another process id than the connection was told')
      await checkServer(store, session)
      const pid = await prepare(store, session)
      const changed = () => keeper && this.#tidy(keeper)
      wire = new Wire(session, { store, clock, lateMs: () => this.lateMs, changed })
      const made = new Keeper(wire, pid, { ...this.#parts, changed })
      await wire.settle(this.#parts.ttls.most, false)
      signal.throwIfAborted()
      if (gone !== undefined) throw gone
      keeper = made
      this.#keepers.add(made)
      return made
    } catch (thrown) {
      session.destroy()
      throw thrown
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** Something is different about one of them. */
  #tidy(keeper: Keeper): void {
    const { wire } = keeper
    if (!this.#keepers.has(keeper)) return
    const useless = wire.over !== undefined || wire.late
    if (wire.over && !this.#mourned.has(keeper)) {
      this.#mourned.add(keeper)
      // First of all: whoever leads on it asks, is refused, and has ended before anybody else can be told.
      this.#parts.lost(keeper.elections)
    }
    if (useless && this.#main === keeper) {
      this.#main = undefined
      this.#parts.deaf(wire.over ?? new TenureError('store-unreachable', `${this.#parts.store}: the server does not answer`))
    }
    if (wire.ended) {
      this.#keepers.delete(keeper)
      this.#retained.delete(keeper)
      keeper.forget()
    } else if (useless && !keeper.living) {
      // Whoever waits for one of its locks leads from here on.
      wire.end((session) => session.destroy(), new Error('the server did not answer in time'))
    } else if (keeper !== this.#main && !this.#retained.has(keeper) && !keeper.holding && !wire.busy) {
      wire.end((session) => session.close())
    }
  }

  #stay(): void {
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
  }

  #tooMany(): TenureError {
    return new TenureError('store-unreachable', `${this.#parts.store}: ${MOST} sessions hold elections, and none of them answers`)
  }
}
