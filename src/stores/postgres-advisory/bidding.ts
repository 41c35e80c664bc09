/**
 * The bids of one session that are under way, from the moment they are asked for until the server has answered them, or
 * they are known never to leave. Whoever releases a holder meanwhile is sure that it wins nothing afterwards.
 */

import type { Bid } from '../../store.ts'

/** A bid, and the signal of whoever waits for it; none where it has to leave whoever waits. */
export interface Ask {
  readonly bid: Bid
  readonly signal?: AbortSignal | undefined
}

interface Mark {
  count: number
  released: boolean
}

export class Bidding {
  readonly #marks = new Map<string, Mark>()

  has(holder: string): boolean {
    return this.#marks.has(holder)
  }

  /** Whether it was released since its first bid that is still under way. */
  isReleased(holder: string): boolean {
    return this.#marks.get(holder)?.released === true
  }

  /** Its turn has come: whether it may still leave. */
  isWanted({ bid, signal }: Ask): boolean {
    return signal?.aborted !== true && !this.isReleased(bid.holder)
  }

  release(holder: string): void {
    const mark = this.#marks.get(holder)
    if (mark) mark.released = true
  }

  /** Bids of these are under way until the task is done; the same holder may bid again meanwhile. */
  async during<T>(asks: readonly Ask[], task: () => Promise<T>): Promise<T> {
    for (const { bid } of asks) this.#begin(bid.holder)
    try {
      return await task()
    } finally {
      for (const { bid } of asks) this.#end(bid.holder)
    }
  }

  clear(): void {
    this.#marks.clear()
  }

  #begin(holder: string): void {
    const mark = this.#marks.get(holder)
    if (mark) mark.count += 1
    else this.#marks.set(holder, { count: 1, released: false })
  }

  #end(holder: string): void {
    const mark = this.#marks.get(holder)
    if (!mark) return
    mark.count -= 1
    if (mark.count === 0) this.#marks.delete(holder)
  }
}
