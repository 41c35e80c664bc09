/**
 * Time and chance, as a parameter. `systemClock` is the only place in the library that reads a clock, sets a timer or
 * draws a random number; everything else can therefore run in a simulation. A timer is a hint: it may fire early or
 * late, and nobody may conclude anything from the fact that it fired.
 */

/** Time and chance, as everything here takes them; `ManualClock` of `tenure/testing` is one that moves by hand. */
export interface Clock {
  /** Monotonic time in milliseconds. Stands still while a machine sleeps. Only differences mean anything. */
  mono(): number
  /** Wall time in milliseconds since 1970. May be stepped at any moment. */
  wall(): number
  /**
   * Call `wake` after about `delayMs` milliseconds; the function returned cancels it. More than 2^31 - 1 may be cut to that.
   * With `ref` false the timer does not keep the process alive.
   */
  timer(delayMs: number, wake: () => void, ref: boolean): () => void
  /** Call `then` after all that is waiting already has had its turn: answers that have arrived are seen first. */
  afterPending(then: () => void): void
  /** A number from 0 up to, not including, 1. For jitter, never for identity. */
  random(): number
  /** A name that nobody has had before: 128 random bits as 32 hexadecimal digits. */
  id(): string
}

/** One moment, by both clocks, with a die for whatever has to be jittered. */
export interface Moment {
  readonly mono: number
  readonly wall: number
  readonly dice: number
}

/** The longest delay that Node's timers accept; a larger one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  mono: () => performance.now(),
  wall: () => Date.now(),
  timer(delayMs, wake, ref) {
    const timer = setTimeout(wake, Math.min(delayMs, MAX_TIMER_MS))
    // In a browser a timer is a number and nothing has to be kept alive.
    if (!ref && typeof timer === 'object') timer.unref()
    return () => clearTimeout(timer)
  },
  afterPending(then) {
    const turn = globalThis.setImmediate ?? ((next: () => void) => setTimeout(next, 0))
    // Two turns: the first may still belong to the loop iteration that was late.
    turn(() => turn(then))
  },
  random: () => Math.random(),
  id: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(''),
}

/**
 * The monotonic time of this host in milliseconds: one clock for all processes of one boot that share a namespace of
 * time, where `systemClock.mono()` is each process's own. Of Node; for stores whose parties are all on one host.
 */
export function hostMono(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
