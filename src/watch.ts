/**
 * Keeps a store's watch in place for one election. A watch only makes its owner quick: where it is missing, lost or
 * silent, the owner looks by itself. A lost watch is armed anew when the store has next answered something, so that an
 * outage needs no second timer.
 */

import { asStoreError, type TenureError } from './errors.ts'
import type { LeaseStore } from './store.ts'

export interface WatchListener {
  armed(armed: boolean): void
  nudge(): void
  lost(error: TenureError): void
}

export class Watch {
  readonly #store: LeaseStore
  readonly #election: string
  readonly #listener: WatchListener
  #live: AbortController | undefined
  #wanted = false

  constructor(store: LeaseStore, election: string, listener: WatchListener) {
    this.#store = store
    this.#election = election
    this.#listener = listener
  }

  /** From now on a watch is wanted; it is armed with the store's first answer. */
  start(): void {
    this.#wanted = this.#store.watch !== undefined
  }

  stop(): void {
    this.#wanted = false
    const live = this.#live
    this.#live = undefined
    live?.abort()
  }

  storeAnswered(): void {
    if (this.#wanted && !this.#live) this.#arm()
  }

  #arm(): void {
    const controller = new AbortController()
    this.#live = controller
    let armed = false
    const changed = () => {
      if (this.#live !== controller) return
      if (!armed) this.#listener.armed(true)
      armed = true
      this.#listener.nudge()
    }
    const lost = (thrown: unknown) => {
      if (this.#live !== controller) return
      this.#live = undefined
      controller.abort()
      this.#listener.armed(false)
      if (thrown !== undefined) this.#report(asStoreError(this.#store.name, 'watch', thrown))
    }
    try {
      // One that ends without an error has told nothing, and is lost all the same.
      this.#store.watch?.(this.#election, changed, controller.signal).then(lost, lost)
    } catch (thrown) {
      lost(thrown)
    }
  }

  #report(error: TenureError): void {
    // Where a watch is refused, asking again would be refused again.
    if (error.code !== 'store-unreachable') this.#wanted = false
    this.#listener.lost(error)
  }
}
