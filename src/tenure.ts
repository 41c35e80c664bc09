/**
 * What the work receives: one period of leading. Everything it says about the present is asked of the clock at the
 * moment of the question, so that a process that was frozen or blocked cannot act on an old answer.
 */

import { type Clock, MAX_TIMER_MS } from './clock.ts'
import { TenureError } from './errors.ts'
import type { TenureEnd } from './states.ts'

/** What a tenure needs from the candidate that leads. */
export interface Throne {
  readonly settings: { readonly clock: Clock; readonly unref: boolean }
  /** Whether this tenure still holds, at this moment. Ends it on the spot when its deadline has passed. */
  holds(tenure: Tenure): boolean
  leaseLeftMs(tenure: Tenure): number
  resign(tenure: Tenure, options: StepDownOptions | undefined): Promise<void>
}

/** How to hand over. */
export interface StepDownOptions {
  /** How long to stand aside after the lease is released, in whole milliseconds. @default the ttl */
  readonly cooldownMs?: number | undefined
}

/** One period of leading: what work receives, and `candidate.tenure` gives. All it says of the present, it asks the clock. */
export class Tenure {
  readonly election: string
  /** The id of the candidate that leads. */
  readonly candidate: string
  /** Larger than the token of every tenure before; pass it along with every write. */
  readonly fencingToken: number
  /** When the tenure began, in milliseconds since 1970. For people. */
  readonly startedAt: number
  readonly #throne: Throne
  /** Made when it is first asked for: thousands of tenures may lead whose signal nobody wants. */
  #controller: AbortController | undefined
  #end: TenureError | undefined

  /** @internal */
  constructor(facts: Pick<Tenure, 'election' | 'candidate' | 'fencingToken' | 'startedAt'>, throne: Throne) {
    this.election = facts.election
    this.candidate = facts.candidate
    this.fencingToken = facts.fencingToken
    this.startedAt = facts.startedAt
    this.#throne = throne
  }

  /**
   * Aborted when the tenure ends. `signal.aborted` and `throwIfAborted()` also ask the clock, so that they can never be
   * stale; pass the signal to everything that takes one. Danger: what an `abort` listener throws is an uncaught exception,
   * as with every signal.
   */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      askFirst(this.#controller.signal, () => this.held)
      if (this.#end) this.#controller.abort(this.#end)
    }
    return this.#controller.signal
  }

  /** Whether the tenure holds now. False from the first moment of leaving. */
  get held(): boolean {
    return this.#end === undefined && this.#throne.holds(this)
  }

  /**
   * Milliseconds for which nobody else can lead; goes on being renewed while the work drains. What a last write looks at.
   * 0 when nothing is left.
   */
  remainingMs(): number {
    return this.#throne.leaseLeftMs(this)
  }

  /** Call before every effect. Throws a `TenureError` of code `not-held` once the tenure has ended. */
  assertHeld(): void {
    if (this.held) return
    throw new TenureError('not-held', `The tenure of \`${this.election}\` with fencing token ${this.fencingToken} has ended`, {
      cause: this.#end,
    })
  }

  /**
   * Wait for so many milliseconds. Resolves with true if the tenure is still held, and early with false when it ends;
   * never rejects. What is not a positive number waits for the next turn.
   */
  sleep(ms: number): Promise<boolean> {
    const { clock, unref } = this.#throne.settings
    const until = clock.mono() + (ms > 0 ? ms : 0)
    return new Promise((resolve) => {
      if (!this.held) return resolve(false)
      const ended = () => {
        cancel()
        this.signal.removeEventListener('abort', ended)
        resolve(this.held)
      }
      // A timer may fire early, and none is as long as the longest sleep.
      const wait = () => {
        const left = until - clock.mono()
        if (left > 0) cancel = clock.timer(Math.min(Math.ceil(left), MAX_TIMER_MS), wait, !unref)
        else ended()
      }
      let cancel = clock.timer(0, wait, !unref)
      this.signal.addEventListener('abort', ended)
    })
  }

  /**
   * Hand over: aborts the signal, and releases the lease when the work has settled; then the candidate stands aside for
   * `cooldownMs` (default: the ttl). Don't await it inside the work.
   */
  stepDown(options?: StepDownOptions): Promise<void> {
    return this.#throne.resign(this, options)
  }

  /** @internal */
  static end(tenure: Tenure, why: TenureEnd): void {
    if (tenure.#end) return
    tenure.#end = new TenureError('not-held', `The tenure of \`${tenure.election}\` has ended: ${why}`)
    tenure.#controller?.abort(tenure.#end)
  }
}

/** Make a real AbortSignal ask before it answers. `fetch` and all of Node accept it. */
function askFirst(signal: AbortSignal, holds: () => boolean): void {
  const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get
  // Asking may abort the signal on the spot; only then is its own answer taken.
  const get = () => !holds() || aborted?.call(signal) === true
  // The runtime's own looks at its flag.
  const throwIfAborted = () => {
    if (get()) throw signal.reason
  }
  Object.defineProperties(signal, { aborted: { get }, throwIfAborted: { value: throwIfAborted } })
}
