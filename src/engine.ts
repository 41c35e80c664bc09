/**
 * Runs the machine: one queue for what happens, one timer for what is due. It must never step the machine while an
 * effect is being performed; news that comes meanwhile, however deep it comes from, waits its turn.
 */

import { type Clock, MAX_TIMER_MS, type Moment } from './clock.ts'
import { step, wakeAt } from './election.ts'
import { type Effect, type Input, initialState, type State } from './states.ts'
import type { Timing } from './timing.ts'

/** A timer that fires later than this was held up, and so may be an answer. */
const LATE_MS = 50

export interface EngineHost {
  perform(effect: Effect): void
  /** All that happened has been dealt with; what is told now comes next. */
  settled(): void
}

interface Waiter {
  readonly reached: (state: State) => boolean
  readonly resolve: () => void
}

const nobody: readonly Waiter[] = []

export class Engine {
  readonly #timing: Timing
  readonly #clock: Clock
  readonly #ref: boolean
  readonly #host: EngineHost
  readonly #queue: Input[] = []
  #state: State = initialState
  #stepping = false
  #waiters: readonly Waiter[] = nobody
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY

  /** With `ref` its timer keeps the process alive. */
  constructor(timing: Timing, clock: Clock, ref: boolean, host: EngineHost) {
    this.#timing = timing
    this.#clock = clock
    this.#ref = ref
    this.#host = host
  }

  get state(): State {
    return this.#state
  }

  moment(): Moment {
    const clock = this.#clock
    return { mono: clock.mono(), wall: clock.wall(), dice: clock.random() }
  }

  tell(input: Input): void {
    this.#queue.push(input)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        const { state, effects } = step(this.#timing, this.#state, next, this.moment())
        this.#state = state
        for (const effect of effects) this.#host.perform(effect)
        if (this.#queue.length === 0) this.#host.settled()
      }
    } finally {
      // Whatever was thrown, the next news must find a machine that runs.
      this.#stepping = false
      this.#arm()
      this.#wakeWaiters()
    }
  }

  /** Wait for a state. Looked at whenever all news has been dealt with. */
  until(reached: (state: State) => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#stepping && reached(this.#state)) resolve()
      else this.#waiters = [...this.#waiters, { reached, resolve }]
    })
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters
    if (waiters === nobody) return
    const done = waiters.filter(({ reached }) => reached(this.#state))
    this.#waiters = done.length === waiters.length ? nobody : waiters.filter((waiter) => !done.includes(waiter))
    for (const { resolve } of done) resolve()
  }

  #arm(): void {
    const at = wakeAt(this.#timing, this.#state)
    if (at === this.#timerAt && this.#cancelTimer) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = at
    if (isOut(this.#state)) return
    // Rounded up, and never longer than a timer can be: one that finds nothing to do is set again.
    const delayMs = Math.max(0, Math.min(Math.ceil(at - this.#clock.mono()), MAX_TIMER_MS))
    this.#cancelTimer = this.#clock.timer(delayMs, () => this.#woke(at), this.#ref)
  }

  #woke(at: number): void {
    this.#cancelTimer = undefined
    const clock = this.#clock
    // Late: the loop was blocked, and an answer may wait behind this timer. It is heard before a verdict falls.
    if (clock.mono() - at > LATE_MS) clock.afterPending(() => this.tell({ type: 'wake' }))
    else this.tell({ type: 'wake' })
  }
}

/** Nothing is left to be done for `stop()`: idle, or with nothing but work that has overrun. */
export function isOut(state: State): boolean {
  return state.role === 'idle' || (isOverrun(state) && state.next === 'idle')
}

/** The work still runs, and nobody waits for it any more. */
export function isOverrun(state: State): state is Extract<State, { role: 'draining' }> {
  return state.role === 'draining' && state.overran && !state.call
}
