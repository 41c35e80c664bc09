/**
 * What the scenarios of `runOnce` play on: one store, callers with a link of their own, and a clock moved by hand.
 */

import { expect } from 'vitest'
import type { Tenure } from '../../src/index.ts'
import type { OnceOptions, runOnce } from '../../src/once.ts'
import type { LeaseStore } from '../../src/store.ts'
import { memory } from '../../src/stores/memory.ts'
import { type FlakyStore, flaky, ManualClock } from '../../src/testing/index.ts'

export type RunOnce = typeof runOnce

export interface Scenario {
  readonly name: string
  plays(once: RunOnce): Promise<void>
}

/** One store, and callers that reach it by links of their own. */
export class Stage {
  readonly clock = new ManualClock()
  readonly #store: LeaseStore
  readonly #once: RunOnce
  runs = 0
  running = 0
  most = 0

  constructor(once: RunOnce, server = (store: LeaseStore) => store) {
    this.#once = once
    this.#store = server(memory({ clock: this.clock }))
  }

  /** A process that calls; `link` is its network. */
  caller(work: (tenure: Tenure) => unknown, options: Partial<OnceOptions> = {}, link = this.link()) {
    const counted = async (tenure: Tenure) => {
      this.runs += 1
      this.running += 1
      this.most = Math.max(this.most, this.running)
      try {
        return await work(tenure)
      } finally {
        this.running -= 1
      }
    }
    const done = this.#once('x', counted, { clock: this.clock, onTrouble: () => {}, ...options, store: link })
    done.catch(() => {})
    return done
  }

  link(): FlakyStore {
    return flaky(this.#store, { clock: this.clock })
  }

  /** Work that takes so long, whatever its signal says. */
  takes(ms: number) {
    return (_tenure?: Tenure) => new Promise<string>((resolve) => this.clock.timer(ms, () => resolve('done')))
  }

  /** Let time pass until all have settled; what they came to. */
  async all(promises: readonly Promise<unknown>[], limitMs = 5 * 60_000): Promise<unknown[]> {
    let open = promises.length
    const close = () => void open--
    for (const promise of promises) promise.then(close, close)
    const end = this.clock.mono() + limitMs
    await this.clock.advance(0)
    while (open > 0 && this.clock.mono() < end) await this.clock.advance(100)
    expect(open, 'calls that have not settled').toBe(0)
    const outcomes = await Promise.allSettled(promises)
    return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason))
  }
}

export const elsewhere = { ran: false }
export const here = { ran: true, value: 'done' }
