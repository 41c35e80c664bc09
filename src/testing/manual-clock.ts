/**
 * A clock that moves only when it is told to, for tests: no waiting, no flakiness. It can do what real clocks do: step,
 * stand still while the machine sleeps, and pass while the event loop is blocked.
 */

import { type Clock, systemClock } from '../clock.ts'
import { badOption } from '../errors.ts'
import { checkKnown } from '../options.ts'
import { checkMs, checkSeed, checkStepMs } from './checks.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly wake: () => void
}

/** All are optional. */
export interface ManualClockOptions {
  /** Start of the wall clock, milliseconds since 1970. @default 2026-01-01 */
  readonly wall?: number | undefined
  /** Chance begins here; the same seed gives the same jitter and the same ids. @default 1 */
  readonly seed?: number | undefined
}

const known: Record<keyof ManualClockOptions, true> = { wall: true, seed: true }

/**
 * A clock for tests: moves only when it is told to, by `advance`. What is no finite number of milliseconds is refused with
 * a `TenureError` of code `bad-option`.
 */
export class ManualClock implements Clock {
  #mono = 1000
  #wall: number
  #random: () => number
  #order = 0
  readonly #timers = new Set<Timer>()

  constructor(options: ManualClockOptions = {}) {
    checkKnown(options, known)
    this.#wall = checkStepMs('wall', options.wall ?? Date.UTC(2026, 0, 1))
    this.#random = randomFrom(checkSeed(options.seed ?? 1))
  }

  mono(): number {
    return this.#mono
  }

  wall(): number {
    return this.#wall
  }

  timer(delayMs: number, wake: () => void): () => void {
    // It would never fire.
    if (typeof delayMs !== 'number' || Number.isNaN(delayMs)) throw badOption('delayMs', 'a number of milliseconds', delayMs)
    const timer: Timer = { at: this.#mono + delayMs, order: this.#order++, wake }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  afterPending(then: () => void): void {
    this.timer(0, () => this.timer(0, then))
  }

  random(): number {
    return this.#random()
  }

  id(): string {
    const digits = () => Math.floor(this.#random() * 2 ** 32).toString(16)
    return Array.from({ length: 4 }, () => digits().padStart(8, '0')).join('')
  }

  /** How many timers are set: 0 once everything has stopped. */
  get pending(): number {
    return this.#timers.size
  }

  /** Let time pass: timers fire at their instants, in order, and what they set off is waited for. */
  async advance(ms: number): Promise<void> {
    const until = this.#mono + checkMs('ms', ms)
    await this.settle()
    for (let next = this.#due(until); next; next = this.#due(until)) {
      this.#move(next.at - this.#mono)
      this.#timers.delete(next)
      next.wake()
      await this.settle()
    }
    this.#move(until - this.#mono)
  }

  /** Wait until all promises that can settle without time passing have settled. */
  settle(): Promise<void> {
    return new Promise((resolve) => systemClock.afterPending(resolve))
  }

  /** The event loop is blocked for so long: time passes and no timer fires. They fire, late, with the next `advance`. */
  block(ms: number): void {
    this.#move(checkMs('ms', ms))
  }

  /** The wall clock is stepped, forward or back; the monotonic one does not notice. */
  stepWall(ms: number): void {
    this.#wall += checkStepMs('ms', ms)
  }

  /** The machine sleeps: the wall clock goes on, the monotonic clock and all timers stand still. */
  suspend(ms: number): void {
    this.#wall += checkMs('ms', ms)
  }

  #due(until: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= until && (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))) first = timer
    }
    return first
  }

  #move(ms: number): void {
    // Time may have moved on meanwhile, by another `advance` or by `block`: it never runs backwards.
    const forward = Math.max(0, ms)
    this.#mono += forward
    this.#wall += forward
  }
}

/** A small generator of chance (mulberry32, Tommy Ettinger 2017): the same seed, the same numbers. */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
