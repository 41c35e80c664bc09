/**
 * A line to the server: one session at a time, opened when it is needed, closed when nothing needs it, and destroyed
 * when it is in doubt. Calls wait their turn; what is aborted before its turn is never sent.
 *
 * May assume that every call has an end: its signal, or its limit. Must never use a session again that was given up
 * with a statement in the air, nor open more than one at a time.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { isAboutData, storeError } from './failures.ts'
import { Pace } from './pace.ts'
import type { Driver, Session } from './session.ts'

export interface LineParts {
  /** Name of the store, for messages. */
  readonly store: string
  readonly driver: Driver
  readonly clock: Clock
  /** Look at a new session before it is used; rejects where it will not do. */
  greet?(session: Session): Promise<void>
  /** Whether something needs the session although nothing is asked of it. */
  needed?(): boolean
  /** A session is gone that nobody has closed; what was bound to it is lost. */
  lost?(error: TenureError): void
}

export interface CallLimits {
  readonly verb: string
  readonly signal: AbortSignal
  /** The longest that the server may take, in milliseconds, once it is asked. */
  readonly limitMs: number
}

/** A session that nothing needs is kept for so long: mostly the next call is about to come. */
const LINGER_MS = 100

/** An attempt to connect that takes longer than this is begun anew: the network may have healed since. */
const OPENING_MS = 5000

/** A call that waits for its turn. */
interface Waiting {
  begin(session: Session): void
  fail(error: TenureError): void
}

export class Line {
  readonly #parts: LineParts
  readonly #waiting: Waiting[] = []
  #session: Session | undefined
  #opening: AbortController | undefined
  /** Gives up the call that the session is busy with. */
  #busy: ((error: TenureError) => void) | undefined
  /** Since when, by the monotonic clock. */
  #busySince = 0
  readonly #pace: Pace
  #cancelLinger: (() => void) | undefined

  constructor(parts: LineParts) {
    this.#parts = parts
    this.#pace = new Pace(parts.clock)
  }

  /** The session there is now, if any. */
  get session(): Session | undefined {
    return this.#session
  }

  /** Ask something of the session, in turn. Rejects with a `TenureError`, promptly when the signal is aborted. */
  use<T>(limits: CallLimits, job: (session: Session) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = limits
      const refused = () => this.#error(limits.verb, signal.reason)
      if (signal.aborted) throw refused()
      const aborted = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(refused())
        // Nobody waits for it any more: what comes of it later is given back.
        if (this.#waiting.length === 0) this.#stopOpening(signal.reason)
      }
      const waiting: Waiting = {
        begin: (session) => {
          signal.removeEventListener('abort', aborted)
          this.#run(session, limits, job).then(resolve, reject)
        },
        fail: (error) => {
          signal.removeEventListener('abort', aborted)
          reject(error)
        },
      }
      signal.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(waiting)
      this.#next()
    })
  }

  /**
   * Somebody gave up who cannot afford `affordableMs` without an answer. A session that has been silent for longer, and
   * for longer than this server takes at times, is given up, however patient its own call is: those who wait behind it
   * need another one much sooner.
   */
  doubt(affordableMs: number): void {
    const { clock } = this.#parts
    const busy = this.#busy
    const silentMs = clock.mono() - this.#busySince
    if (!busy || silentMs < Math.max(affordableMs, this.#pace.bearableMs)) return
    // An answer that has arrived is seen first.
    clock.afterPending(() => {
      if (this.#busy !== busy) return
      this.#pace.note(silentMs)
      busy(this.#error('connection', new Error(`no answer within ${Math.round(silentMs)} ms, and others cannot wait`)))
    })
  }

  /** Something that needed the session does not need it any more. */
  relax(): void {
    if (this.#cancelLinger || this.#busy || !this.#session || this.#parts.needed?.()) return
    this.#cancelLinger = this.#parts.clock.timer(LINGER_MS, () => this.#end(), false)
  }

  /** Let go of the session, now. Calls that wait are refused. */
  close(): void {
    const error = new TenureError('store-unreachable', `${this.#parts.store}: the store was closed`)
    for (const waiting of this.#waiting.splice(0)) waiting.fail(error)
    this.#stopOpening(error)
    this.#busy?.(error)
    this.#stay()
    this.#session?.close()
    this.#session = undefined
  }

  #next(): void {
    this.#stay()
    if (this.#busy) return
    if (this.#waiting.length === 0) return this.relax()
    if (this.#session) this.#waiting.shift()?.begin(this.#session)
    else if (!this.#opening) void this.#open()
  }

  async #open(): Promise<void> {
    const opening = new AbortController()
    this.#opening = opening
    const cancel = this.#parts.clock.timer(OPENING_MS, () => this.#reopen(opening), false)
    try {
      const session = await this.#greeted(opening.signal).finally(cancel)
      if (this.#opening !== opening) return session.close()
      this.#opening = undefined
      this.#session = session
      this.#next()
    } catch (thrown) {
      if (this.#opening !== opening) return
      this.#opening = undefined
      const error = this.#error('connecting', thrown)
      for (const waiting of this.#waiting.splice(0)) waiting.fail(error)
    }
  }

  #reopen(opening: AbortController): void {
    if (this.#opening !== opening) return
    this.#stopOpening(new Error(`no connection within ${OPENING_MS} ms`))
    this.#next()
  }

  async #greeted(signal: AbortSignal): Promise<Session> {
    const { driver, greet } = this.#parts
    let gone: unknown
    // It can be lost before it has been handed over.
    let opened: Session | undefined
    const session = await driver.open(signal, (thrown) => {
      gone = thrown
      if (opened && this.#session === opened) this.#drop(thrown)
    })
    opened = session
    const giveUp = () => session.destroy()
    signal.addEventListener('abort', giveUp)
    try {
      await greet?.(session)
      signal.throwIfAborted()
      if (gone !== undefined) throw gone
      return session
    } catch (thrown) {
      session.destroy()
      throw thrown
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  #run<T>(session: Session, { verb, signal, limitMs }: CallLimits, job: (session: Session) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const over = () => {
        this.#busy = undefined
        cancel()
        signal.removeEventListener('abort', aborted)
      }
      const answered = () => this.#pace.note(this.#parts.clock.mono() - this.#busySince)
      // With a statement in the air nobody knows what the next answer belongs to: the session is not used again.
      const giveUp = (error: TenureError) => {
        over()
        reject(error)
        this.#drop(error)
      }
      const aborted = () => giveUp(this.#error(verb, signal.reason))
      const late = () => giveUp(this.#error(verb, new Error(`no answer within ${limitMs} ms`)))
      const cancel = this.#parts.clock.timer(limitMs, late, false)
      signal.addEventListener('abort', aborted, { once: true })
      this.#busy = giveUp
      this.#busySince = this.#parts.clock.mono()
      job(session).then(
        (answer) => {
          if (this.#busy !== giveUp) return
          over()
          answered()
          resolve(answer)
          this.#next()
        },
        (thrown: unknown) => {
          if (this.#busy !== giveUp) return
          if (!isAboutData(thrown)) return giveUp(this.#error(verb, thrown))
          over()
          answered()
          reject(this.#error(verb, thrown))
          this.#next()
        },
      )
    })
  }

  /** The session is in doubt, or gone. */
  #drop(thrown: unknown): void {
    const session = this.#session
    if (!session) return
    this.#session = undefined
    session.destroy()
    const error = this.#error('connection', thrown)
    this.#busy?.(error)
    this.#parts.lost?.(error)
    this.#next()
  }

  #stopOpening(reason: unknown): void {
    const opening = this.#opening
    this.#opening = undefined
    opening?.abort(reason)
  }

  #end(): void {
    this.#cancelLinger = undefined
    if (this.#busy || this.#waiting.length > 0 || this.#parts.needed?.()) return
    this.#session?.close()
    this.#session = undefined
  }

  #stay(): void {
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
  }

  #error(verb: string, thrown: unknown): TenureError {
    return storeError(this.#parts.store, verb, thrown)
  }
}
