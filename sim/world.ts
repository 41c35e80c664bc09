/**
 * One simulated world: virtual time, a queue of events, and those who watch. An event that enters a process ends the
 * turn, because only the real event loop can drain the promises it set off; everything else runs on at once. It must
 * never read a real clock or draw real chance: a seed run twice leaves the same trace.
 */

import { hashText, mixed } from './chance.ts'
import { Queue } from './queue.ts'

export interface Violation {
  /** Which law was broken, e.g. `I1`. */
  readonly oracle: string
  readonly at: number
  readonly text: string
}

export interface Note {
  readonly at: number
  readonly who: string
  readonly what: string
}

/** More events than this at one instant: something turns in a circle without letting time pass. */
const MOST_AT_ONCE = 20_000

interface Waiter {
  readonly reached: () => boolean
  readonly resolve: (reached: boolean) => void
}

export class World {
  readonly seed: number
  now = 0
  events = 0
  violation: Violation | undefined
  /** Hash of everything that was noted: equal for equal runs. */
  trace = 0
  /** How often each interesting thing has happened. */
  readonly counts = new Map<string, number>()
  /** Whose turn it was; `undefined` for a script. */
  actor: object | undefined
  /** Called after each turn, when all promises have been drained. */
  afterTurn: () => void = () => {}
  readonly #queue = new Queue()
  readonly #notes: Note[] | undefined
  #waiters: Waiter[] = []
  #touched = false
  #over = false
  #atOnce = 0

  constructor(seed: number, options: { readonly notes?: boolean } = {}) {
    this.seed = seed
    this.#notes = options.notes ? [] : undefined
  }

  get notes(): readonly Note[] {
    return this.#notes ?? []
  }

  get over(): boolean {
    return this.#over || this.violation !== undefined
  }

  at(instant: number, run: () => void): void {
    this.#queue.plan(Math.max(instant, this.now), run)
  }

  in(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  /** Code of a process (`actor`), or of a script, runs: its promises have to be drained before anything else happens. */
  touch(actor?: object): void {
    this.#touched = true
    this.actor = actor
  }

  note(who: string, what: string, detail: string | number = ''): void {
    this.trace = mixed(hashText(what, hashText(who, this.trace ^ (Math.round(this.now * 1000) | 0))) ^ hashOf(detail))
    this.#notes?.push({ at: this.now, who, what: detail === '' ? what : `${what} ${detail}` })
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  violated(oracle: string, text: string): void {
    this.violation ??= { oracle, at: this.now, text }
    this.note('ORACLE', `${oracle}: ${text}`)
  }

  /** For scripts: let so much time pass. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.in(ms, () => {
        this.touch()
        resolve()
      })
    })
  }

  /** For scripts: wait until something is so, at most for so long. Resolves with whether it came to be. */
  until(reached: () => boolean, mostMs: number): Promise<boolean> {
    if (reached()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const waiter: Waiter = { reached, resolve }
      this.#waiters.push(waiter)
      this.in(mostMs, () => {
        if (!this.#waiters.includes(waiter)) return
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        this.touch()
        resolve(reached())
      })
    })
  }

  finish(): void {
    this.#over = true
  }

  /**
   * Let things happen until code of a process has run. Returns false when the world is over, or nothing happens until
   * `until` any more.
   */
  turn(until = Number.POSITIVE_INFINITY): boolean {
    if (this.#touched) this.#settled()
    while (!this.#touched) {
      if (this.over) return false
      if (this.#queue.nextAt > until) {
        this.now = Math.max(this.now, until)
        return false
      }
      const next = this.#queue.next()
      if (!next) {
        this.violated('I13', 'nothing is left to happen, and the script still waits')
        return false
      }
      this.#atOnce = next.at > this.now ? 0 : this.#atOnce + 1
      if (this.#atOnce > MOST_AT_ONCE) this.violated('I12', 'time stands still: events set each other off without end')
      this.now = next.at
      this.events += 1
      next.run()
    }
    return !this.over
  }

  #settled(): void {
    this.#touched = false
    this.afterTurn()
    if (this.#waiters.length === 0) return
    const woken = this.#waiters.filter((waiter) => waiter.reached())
    if (woken.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !woken.includes(waiter))
    this.#touched = true
    for (const { resolve } of woken) resolve(true)
  }
}

function hashOf(detail: string | number): number {
  return typeof detail === 'string' ? hashText(detail) : mixed(Math.round(detail * 1000) | 0)
}
