/**
 * How late the event loop is: what holds it up also holds up renewals. Remembers the worst of the last one to two
 * minutes, whoever asks and how often, and needs no timer of its own for it.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../clock.ts'

const RESOLUTION_MS = 20
const WINDOW_MS = 60_000

export class LoopDelay {
  readonly #histogram: IntervalHistogram
  readonly #mono: () => number
  #windowAt: number
  /** The worst of the window before, in seconds. */
  #before = 0

  constructor(mono: () => number = systemClock.mono, histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {
    this.#mono = mono
    this.#histogram = histogram
    this.#windowAt = mono()
    histogram.enable()
  }

  /** The worst delay, in seconds. */
  worst(): number {
    const now = this.#mono()
    const present = this.#present()
    if (now - this.#windowAt < WINDOW_MS) return Math.max(this.#before, present)
    // Nobody has asked for two windows: what was before is too old to matter.
    const worst = now - this.#windowAt < 2 * WINDOW_MS ? Math.max(this.#before, present) : present
    this.#before = present
    this.#windowAt = now
    this.#histogram.reset()
    return worst
  }

  dispose(): void {
    this.#histogram.disable()
  }

  #present(): number {
    // What it measures is from one tick to the next, the pause between them included.
    return Math.max(0, this.#histogram.max / 1e6 - RESOLUTION_MS) / 1000
  }
}
