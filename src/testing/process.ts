/**
 * One process of a cluster in a test: a candidate, its clock and its link to the store, behind a gate that everything
 * passes that could wake it. While the gate is closed no code of the process runs: timers and answers wait, in order,
 * as they do for a process that was stopped by a signal. It may assume that it is frozen and thawed between turns of
 * the loop, never inside one.
 */

import type { Clock } from '../clock.ts'
import type { LeaseStore } from '../store.ts'
import type { ManualClock } from './manual-clock.ts'

export class Gate {
  #state: 'open' | 'frozen' | 'dead' = 'open'
  readonly #ends = new Set<() => void>()
  readonly #timers: (() => void)[] = []
  readonly #answers: (() => void)[] = []

  get state() {
    return this.#state
  }

  /** Call `end` when the process dies; the function returned takes it back. */
  onKill(end: () => void): () => void {
    this.#ends.add(end)
    return () => void this.#ends.delete(end)
  }

  freeze(): void {
    if (this.#state === 'open') this.#state = 'frozen'
  }

  /** Nothing ever passes again. */
  kill(): void {
    this.#state = 'dead'
    for (const end of this.#ends) end()
    this.#ends.clear()
  }

  /** First the timers that are overdue run, then the answers that have arrived are heard, as by a loop that wakes up. */
  async thaw(settle: () => Promise<void>): Promise<void> {
    if (this.#state !== 'frozen') return
    this.#state = 'open'
    for (const waiting of [this.#timers, this.#answers]) {
      for (const pass of waiting.splice(0)) pass()
      await settle()
    }
  }

  /** Run what a timer is for, now or when the process runs again. */
  timer(wake: () => void): void {
    if (this.#state === 'open') wake()
    else this.#timers.push(wake)
  }

  /** Resolves when the process can hear an answer. */
  heard(): Promise<void> {
    if (this.#state === 'open') return Promise.resolve()
    return new Promise((resolve) => this.#answers.push(resolve))
  }
}

/** The clock of one process: the time of all, its own wall clock, and timers that fire when it can run. */
export class ProcessClock implements Clock {
  readonly #clock: ManualClock
  readonly #gate: Gate
  #wallStepMs = 0

  constructor(clock: ManualClock, gate: Gate) {
    this.#clock = clock
    this.#gate = gate
  }

  mono(): number {
    return this.#clock.mono()
  }

  wall(): number {
    return this.#clock.wall() + this.#wallStepMs
  }

  timer(delayMs: number, wake: () => void): () => void {
    if (this.#gate.state === 'dead') return () => {}
    let wanted = true
    const fire = () => {
      if (wanted) wake()
    }
    let keep = () => {}
    const cancel = this.#clock.timer(delayMs, () => {
      keep()
      this.#gate.timer(fire)
    })
    keep = this.#gate.onKill(cancel)
    return () => {
      wanted = false
      keep()
      cancel()
    }
  }

  afterPending(then: () => void): void {
    this.timer(0, () => this.timer(0, then))
  }

  random(): number {
    return this.#clock.random()
  }

  id(): string {
    return this.#clock.id()
  }

  stepWall(ms: number): void {
    this.#wallStepMs += ms
  }
}

/** A store as a process sees it: answers and nudges are heard when it can run, and a dead process asks nothing. */
export function gated(store: LeaseStore, gate: Gate): LeaseStore {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    if (gate.state === 'dead') return new Promise(() => {})
    try {
      return await call()
    } finally {
      await gate.heard()
    }
  }
  const { watch, list, memo } = store
  return {
    name: store.name,
    minTtlMs: store.minTtlMs,
    timing: store.timing,
    expiry: store.expiry,
    acquire: (bid, signal) => through(() => store.acquire(bid, signal)),
    renew: (bid, signal) => through(() => store.renew(bid, signal)),
    release: (hold, signal) => through(() => store.release(hold, signal)),
    read: (election, signal) => through(() => store.read(election, signal)),
    ...(watch && {
      watch: (election, changed, signal) => {
        const ended = new AbortController()
        const end = () => ended.abort()
        const forget = gate.onKill(end)
        signal.addEventListener('abort', end, { once: true })
        if (signal.aborted) end()
        const nudge = () => void gate.heard().then(changed)
        return through(() => watch.call(store, election, nudge, ended.signal)).finally(forget)
      },
    }),
    ...(list && { list: (signal) => through(() => list.call(store, signal)) }),
    ...(memo && {
      memo: {
        read: (election, signal) => through(() => memo.read(election, signal)),
        write: (author, text, signal) => through(() => memo.write(author, text, signal)),
      },
    }),
  }
}
