/**
 * Clocks that are wrong in the ways clocks are: each process and the store have their own offset and rate; the wall
 * clock is stepped; both stand still when a machine sleeps or is frozen. Nothing here may look at another's clock.
 */

import type { Clock } from '../src/clock.ts'
import { Chance } from './chance.ts'
import type { Host } from './process.ts'

export interface Rates {
  readonly mono: number
  readonly wall: number
}

/** Time as one machine has it, as a function of true time. */
export class MachineTime {
  readonly rates: Rates
  #since = 0
  #mono: number
  #wall: number
  #monoRuns = true
  #wallRuns = true

  constructor(start: { readonly at: number; readonly mono: number; readonly wall: number }, rates: Rates) {
    this.rates = rates
    this.#since = start.at
    this.#mono = start.mono
    this.#wall = start.wall
  }

  /** The larger of the two rates. */
  get fastest(): number {
    return Math.max(this.rates.mono, this.rates.wall)
  }

  mono(at: number): number {
    return this.#monoRuns ? this.#mono + (at - this.#since) * this.rates.mono : this.#mono
  }

  wall(at: number): number {
    return this.#wallRuns ? this.#wall + (at - this.#since) * this.rates.wall : this.#wall
  }

  /** The true time at which the monotonic clock shows `mono`, if it goes on as it goes now. */
  whenMono(mono: number): number {
    return this.#monoRuns ? this.#since + (mono - this.#mono) / this.rates.mono : Number.POSITIVE_INFINITY
  }

  whenWall(wall: number): number {
    return this.#wallRuns ? this.#since + (wall - this.#wall) / this.rates.wall : Number.POSITIVE_INFINITY
  }

  /** From `at` on, let the clocks run or stand still. */
  run(at: number, mono: boolean, wall: boolean): void {
    this.#mono = this.mono(at)
    this.#wall = this.wall(at)
    this.#since = at
    this.#monoRuns = mono
    this.#wallRuns = wall
  }

  stepWall(at: number, ms: number): void {
    this.run(at, this.#monoRuns, this.#wallRuns)
    this.#wall += ms
  }
}

/** The clock of one candidate: the time of its process, with its own dice and names. */
export class SimClock implements Clock {
  readonly #host: Host
  readonly #dice: Chance
  readonly #names: Chance
  readonly #grid: boolean
  /** Timers that are set. */
  pending = 0
  #probing = false

  constructor(host: Host, seed: number, name: string, grid: boolean) {
    this.#host = host
    this.#dice = new Chance(seed, `dice:${name}`)
    this.#names = new Chance(seed, `names:${name}`)
    this.#grid = grid
  }

  mono(): number {
    return this.#host.time.mono(this.#host.now)
  }

  wall(): number {
    return this.#host.time.wall(this.#host.now)
  }

  timer(delayMs: number, wake: () => void, _ref: boolean): () => void {
    let live = true
    this.pending += 1
    const over = () => {
      if (live) this.pending -= 1
      live = false
    }
    const cancel = this.#host.setTimer(delayMs, () => {
      over()
      wake()
    })
    return () => {
      over()
      cancel()
    }
  }

  afterPending(then: () => void): void {
    this.#host.afterPending(() => this.#host.afterPending(then))
  }

  random(): number {
    if (this.#probing) return 0
    const dice = this.#dice.next()
    return this.#grid ? Math.floor(dice * 4) / 4 : dice
  }

  id(): string {
    const digits = () => Math.floor(this.#names.next() * 2 ** 32).toString(16)
    return Array.from({ length: 4 }, () => digits().padStart(8, '0')).join('')
  }

  /** Ask something of a candidate without using up its dice, so that watching changes nothing. */
  probe<T>(ask: () => T): T {
    this.#probing = true
    const answer = ask()
    this.#probing = false
    return answer
  }
}
