/**
 * One stand of a candidate: from `start()` until `stop()` has done all it does. Holds what `start()` promised, and lets go
 * of the caller's signal at the end.
 */

import type { TenureError } from './errors.ts'

export interface Stander {
  stop(): Promise<void>
}

export class Standing {
  /** Settles with the first attempt: what `start()` returns. */
  readonly first: Promise<void>
  /** Why it never stood: the store refuses to serve. */
  refusal: TenureError | undefined
  #promise: { resolve(): void; reject(error: TenureError): void } | undefined
  readonly #signal: AbortSignal | undefined
  readonly #stander: Stander

  constructor(signal: AbortSignal | undefined, stander: Stander) {
    this.#signal = signal
    this.#stander = stander
    signal?.addEventListener('abort', this)
    this.first = new Promise((resolve, reject) => {
      this.#promise = { resolve, reject }
    })
  }

  /** The caller's signal has aborted. */
  handleEvent(): void {
    void this.#stander.stop()
  }

  /** The first attempt has come to something, or to nothing: `start()` resolves. */
  answer(): void {
    if (this.refusal) return
    this.#promise?.resolve()
    this.#promise = undefined
  }

  /** The store refuses to serve. Returns whether it is the first thing it said; then there is no standing. */
  refuse(error: TenureError): boolean {
    if (!this.#promise || this.refusal) return false
    this.refusal = error
    return true
  }

  /** All is done: `start()` settles, whatever it waited for. */
  leave(): void {
    this.#signal?.removeEventListener('abort', this)
    if (this.refusal) this.#promise?.reject(this.refusal)
    else this.#promise?.resolve()
    this.#promise = undefined
  }
}
