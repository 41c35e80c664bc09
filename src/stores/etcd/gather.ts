/**
 * One request for many who ask the same in the same turn. A call joins only a request that has not left, so that no
 * answer is older than its question. A member that gives up leaves the others alone; when all have, the request is
 * aborted.
 */

import type { Clock } from '../../clock.ts'

export class Gathering<T> {
  readonly #clock: Clock
  readonly #run: (signal: AbortSignal) => Promise<T>
  #waiting: Joint<T> | undefined

  constructor(clock: Clock, run: (signal: AbortSignal) => Promise<T>) {
    this.#clock = clock
    this.#run = run
  }

  join(signal: AbortSignal): Promise<T> {
    if (!this.#waiting || this.#waiting.abandoned) {
      const own: Joint<T> = new Joint(async (joint) => {
        await new Promise<void>((resolve) => this.#clock.afterPending(resolve))
        if (this.#waiting === own) this.#waiting = undefined
        joint.throwIfAborted()
        return this.#run(joint)
      })
      this.#waiting = own
    }
    return this.#waiting.join(signal)
  }
}

/** Something under way that several wait for. */
export class Joint<T> {
  readonly #controller = new AbortController()
  readonly #outcome: Promise<T>
  #members = 0

  constructor(run: (signal: AbortSignal) => Promise<T>) {
    this.#outcome = run(this.#controller.signal)
  }

  /** All who waited have given up, and so has it: nobody may join any more. */
  get abandoned(): boolean {
    return this.#controller.signal.aborted
  }

  join(signal: AbortSignal): Promise<T> {
    this.#members += 1
    return abortable(this.#outcome, signal, () => {
      this.#members -= 1
      if (this.#members === 0) this.#controller.abort(signal.reason)
    })
  }
}

/** The same outcome, or a rejection as soon as the signal is aborted. */
export function abortable<T>(outcome: Promise<T>, signal: AbortSignal, aborted = () => {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      aborted()
      reject(signal.reason)
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    outcome.then(
      (value) => {
        signal.removeEventListener('abort', abort)
        resolve(value)
      },
      (thrown: unknown) => {
        signal.removeEventListener('abort', abort)
        reject(thrown)
      },
    )
  })
}

/** An abort that is passed on; the function returned cuts the tie. */
export function follow(signal: AbortSignal, controller: AbortController): () => void {
  const abort = () => controller.abort(signal.reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}
