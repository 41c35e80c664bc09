/**
 * One stand of a candidate: from `start()` until `stop()` has done all it does. Holds what `start()` promised, and lets go
 * of the caller's signal at the end.
 */

import type { TenureError } from './errors.ts'

export class Standing {
  /** Settles with the first attempt: what `start()` returns. */
  readonly first: Promise<void>
  resolve: () => void = () => {}
  reject: (error: TenureError) => void = () => {}
  /** The store has answered, or was given up, for the first time. */
  answered = false
  /** Why it never stood: the store refuses to serve. */
  refusal: TenureError | undefined
  readonly #signal: AbortSignal | undefined
  readonly #stop: () => void

  constructor(signal: AbortSignal | undefined, stop: () => void) {
    this.#signal = signal
    this.#stop = stop
    signal?.addEventListener('abort', stop)
    this.first = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** The first attempt has come to something, or to nothing: `start()` resolves. */
  answer(): void {
    if (this.answered) return
    this.answered = true
    this.resolve()
  }

  unlisten(): void {
    this.#signal?.removeEventListener('abort', this.#stop)
  }
}
