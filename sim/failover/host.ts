/** One process: clocks of its own rate, timers, and what happens to what arrives while it is frozen or after it has died. */

import type { Clock } from '../../src/clock.ts'
import { Chance } from '../chance.ts'
import type { World } from '../world.ts'

export class Host implements Clock {
  readonly name: string
  readonly #world: World
  readonly #rate: number
  readonly #wallRate: number
  readonly #dice: Chance
  readonly #names: Chance
  readonly #chaos: Chance
  #backlog: (() => void)[] = []
  isAlive = true
  isFrozen = false
  /** Timers that are set. */
  pending = 0
  #isWatched = false

  constructor(world: World, name: string, drift: number) {
    this.name = name
    this.#world = world
    const rates = new Chance(world.seed, `rate:${name}`)
    this.#rate = 1 + rates.pick([-drift, 0, drift])
    this.#wallRate = 1 + rates.between(-drift, drift)
    this.#dice = new Chance(world.seed, `dice:${name}`)
    this.#names = new Chance(world.seed, `names:${name}`)
    this.#chaos = new Chance(world.seed, `chaos:${name}`)
  }

  mono(): number {
    return 1000 + this.#world.now * this.#rate
  }

  wall(): number {
    return 1_767_225_600_000 + this.#world.now * this.#wallRate
  }

  timer(delayMs: number, wake: () => void): () => void {
    let isSet = true
    this.pending += 1
    const over = () => {
      if (isSet) this.pending -= 1
      isSet = false
    }
    const late = this.#chaos.next() ** 6 * 30
    this.#world.in(delayMs / this.#rate + late, () =>
      this.enter(() => {
        if (!isSet) return
        over()
        wake()
      }),
    )
    return over
  }

  afterPending(then: () => void): void {
    this.#world.in(0, () => this.enter(() => this.#world.in(0, () => this.enter(then))))
  }

  random(): number {
    return this.#isWatched ? 0 : this.#dice.next()
  }

  id(): string {
    return Array.from({ length: 4 }, () =>
      Math.floor(this.#names.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('')
  }

  /** Ask something without using up dice, so that watching changes nothing. */
  watch<T>(ask: () => T): T {
    this.#isWatched = true
    const answer = ask()
    this.#isWatched = false
    return answer
  }

  /** Something reaches this process. */
  enter(run: () => void): void {
    if (!this.isAlive) return
    if (this.isFrozen) {
      this.#backlog.push(run)
      return
    }
    this.#world.touch(this)
    run()
  }

  freeze(): void {
    this.isFrozen = true
    this.#world.note(this.name, 'frozen')
  }

  thaw(): void {
    if (!this.isFrozen) return
    this.isFrozen = false
    this.#world.note(this.name, 'thawed')
    const backlog = this.#chaos.shuffled(this.#backlog)
    this.#backlog = []
    for (const run of backlog) this.#world.in(0, () => this.enter(run))
  }

  die(): void {
    this.isAlive = false
    this.#backlog = []
    this.#world.note(this.name, 'dead')
  }
}
