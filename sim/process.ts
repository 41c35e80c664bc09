/**
 * One process: its event loop, its clocks, its death. What arrives while the loop is blocked waits, and then comes in
 * an adversarial order. Code may block the loop in the middle of a turn: the process then lives ahead of the world,
 * which is sound, for it hears nothing until the world has caught up.
 */

import { Chance } from './chance.ts'
import { MachineTime, type Rates } from './clocks.ts'
import type { Plan } from './plan.ts'
import type { World } from './world.ts'

type Kind = 'timer' | 'answer' | 'after'

interface Waiting {
  readonly kind: Kind
  readonly run: () => void
  /** What was taken back, even after it has come, disturbs nobody. */
  cancelled?: boolean
}

/** Wall clocks start here: 2026-01-01, give or take. */
const START_WALL = Date.UTC(2026, 0, 1)

export class Host {
  readonly number: number
  readonly name: string
  readonly time: MachineTime
  /** Some of its clocks stand still. */
  still = false
  readonly #world: World
  readonly #plan: Plan
  readonly #chance: Chance
  #alive = true
  #busyUntil = 0
  #backlog: Waiting[] = []
  /** Called when it goes on after it was blocked, before anything else. */
  woke: () => void = () => {}
  /** How long it has been blocked, altogether: what bounds of time have to be stretched by. */
  blockedMs = 0
  /** Until when, in true time, all its clocks last stood still: what was granted before is nobody's promise. */
  frozenUntil = Number.NEGATIVE_INFINITY

  constructor(world: World, plan: Plan, number: number, incarnation: number) {
    this.#world = world
    this.#plan = plan
    this.number = number
    this.name = `p${number}.${incarnation}`
    this.#chance = new Chance(plan.seed, `host:${this.name}`)
    const start = plan.grid
      ? { at: world.now, mono: 1000, wall: START_WALL }
      : { at: world.now, mono: this.#chance.between(0, 1e7), wall: START_WALL + this.#chance.between(-1e6, 1e6) }
    this.time = new MachineTime(start, drawRates(plan, new Chance(plan.seed, `rate:p${number}`), -1))
  }

  get alive(): boolean {
    return this.#alive
  }

  /** True time, as far as this process has lived it. */
  get now(): number {
    return Math.max(this.#world.now, this.#busyUntil)
  }

  get blocked(): boolean {
    return this.#world.now < this.#busyUntil
  }

  die(): void {
    this.#alive = false
    this.#backlog = []
  }

  /** Nothing that waits is heard for so long. */
  block(ms: number): void {
    if (!this.#alive || ms <= 0) return
    this.#busyUntil = this.now + ms
    this.blockedMs += ms
    this.#world.note(this.name, 'blocked for', ms)
    this.#world.at(this.#busyUntil, () => this.#resume())
  }

  /** An answer or a push has reached this process. */
  deliver(run: () => void): void {
    this.#enter({ kind: 'answer', run })
  }

  /** Wake a process after so long by its own clock. Returns how to take it back, which works until it has fired. */
  setTimer(delayMs: number, wake: () => void): () => void {
    const mono = this.time.mono(this.now) + delayMs
    const early = this.#plan.grid ? 0 : this.#chance.pick([0, 0, 0, 0.6])
    const late = this.#plan.grid ? 0 : lateness(this.#chance.next())
    const due = () => this.time.whenMono(mono - early) + late
    // While the monotonic clock stands still, the timer looks again when the machine wakes.
    const plan = (at: number) => this.#world.at(Math.max(this.now, Number.isFinite(at) ? at : this.#world.now + 1), fire)
    const waiting: Waiting = { kind: 'timer', run: wake, cancelled: false }
    const fire = () => {
      if (!this.#alive || waiting.cancelled) return
      const at = due()
      if (at > this.#world.now + 0.001) plan(at)
      else this.#enter(waiting)
    }
    plan(due())
    return () => {
      waiting.cancelled = true
    }
  }

  /** As setImmediate: after what waits at this moment. */
  afterPending(then: () => void): void {
    this.#world.count('deferred')
    this.#world.at(this.now, () => this.#enter({ kind: 'after', run: then }))
  }

  #enter(waiting: Waiting): void {
    if (!this.#alive || waiting.cancelled) return
    if (this.blocked) {
      this.#backlog.push(waiting)
      return
    }
    this.#world.touch(this)
    waiting.run()
  }

  #resume(): void {
    if (this.blocked || !this.#alive) return
    this.woke()
    if (this.#backlog.length === 0) return
    if (this.#backlog.length > 1) this.#world.count('backlog')
    const shuffled = this.#chance.shuffled(this.#backlog)
    const first = this.#plan.sloppy ? shuffled : shuffled.filter(({ kind }) => kind !== 'after')
    const last = this.#plan.sloppy ? [] : shuffled.filter(({ kind }) => kind === 'after')
    this.#backlog = []
    for (const waiting of [...first, ...last]) this.#world.at(this.#world.now, () => this.#enter(waiting))
  }
}

/** Most timers are hardly late, a few are by tens of milliseconds. */
function lateness(dice: number): number {
  const cube = dice * dice * dice
  return cube * cube * 30
}

/** Rates of two clocks of one machine; `sign` is the dangerous direction: a slow holder, a fast store. */
export function drawRates(plan: Plan, chance: Chance, sign: 1 | -1): Rates {
  const bound = plan.timing.drift
  const draw = () => {
    if (plan.skew === 'none') return 1
    if (plan.skew === 'some') return 1 + bound * chance.between(-1, 1)
    return 1 + bound * (chance.hit(0.7) ? sign : -sign)
  }
  return { mono: draw(), wall: draw() }
}
