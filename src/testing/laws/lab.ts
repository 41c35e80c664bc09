/**
 * Where laws are checked: opens stores over the same data, lets time pass, and makes bids nobody has made before. Each
 * contender has a store object of its own and stands for one process. It must never reach into a store: all it knows
 * is the contract.
 */

import { systemClock } from '../../clock.ts'
import { checkKnown, checkStore, checkType, whole } from '../../options.ts'
import type { Bid, LeaseStore } from '../../store.ts'
import { checkFunction } from '../checks.ts'
import { Contender } from './contender.ts'
import { LawBroken, TooSlow } from './law.ts'
import { sleep } from './sleep.ts'

/** How to reach the store under test. Durations are whole milliseconds. */
export interface LabOptions {
  /** A new store object, with connections of its own where it has any, over the same data each time. */
  open(): LeaseStore | Promise<LeaseStore>
  /** Let time pass for the store, e.g. `(ms) => clock.advance(ms)`; its time must then pass in no other way. @default real time is waited for */
  elapse?: ((ms: number) => unknown) | undefined
  /** The ttl of leases that a law waits out. @default 500, or the store's `minTtlMs` if that is more */
  readonly ttlMs?: number | undefined
  /** How long after its ttl a lease may still be there, for stores that look only now and then. @default 0 */
  readonly graceMs?: number | undefined
  /** How long any call may take, in real milliseconds, before it is said to hang. @default 20000 */
  readonly boundMs?: number | undefined
  /** Delete what the store keeps of one election, as an operator would. */
  wipe?: ((election: string) => unknown) | undefined
  /** Restart the server; resolves when it answers again. */
  restart?: (() => unknown) | undefined
  /** Close a store that `open` gave. @default its own `close` */
  close?: ((store: LeaseStore) => unknown) | undefined
}

/** What labs of one store share, whatever their ttl. */
interface Bench {
  readonly options: LabOptions
  readonly store: LeaseStore
  readonly opened: Set<LeaseStore>
  elapsedMs: number
}

/** The names of all options. */
export const labOptions: Record<keyof LabOptions, true> = {
  open: true,
  elapse: true,
  ttlMs: true,
  graceMs: true,
  boundMs: true,
  wipe: true,
  restart: true,
  close: true,
}

/** Throws a `TenureError` of code `bad-option`: an option that is misspelt would leave laws unasked. */
export function checkLabOptions(options: LabOptions, names: Readonly<Record<string, true>> = labOptions): void {
  checkKnown(options, names)
  checkFunction('open', options.open)
  for (const name of ['elapse', 'wipe', 'restart', 'close'] as const) checkType(name, options[name], 'function', 'a function')
  if (options.graceMs !== undefined) whole('graceMs', options.graceMs, 0)
  if (options.boundMs !== undefined) whole('boundMs', options.boundMs, 1)
}

/** Open a lab; close it when the law has been checked. Rejects with a `TenureError` of code `bad-option`. */
export async function openLab(options: LabOptions): Promise<Lab> {
  checkLabOptions(options)
  return labOf(options)
}

/** Open a lab whose options have been checked. */
export async function labOf(options: LabOptions): Promise<Lab> {
  const store = checkStore(await options.open())
  const leastMs = store.minTtlMs ?? 100
  const ttlMs = whole('ttlMs', options.ttlMs ?? Math.max(500, leastMs), leastMs)
  return new Lab({ options, store, opened: new Set([store]), elapsedMs: 0 }, ttlMs)
}

export class Lab {
  /** For a law that waits until a lease is over. */
  readonly ttlMs: number
  /** For a law that never waits: no machine is so slow that it ends meanwhile. */
  readonly longMs: number
  /** Expiry is decided by observers: who wants to see a lease end has to look at it first. */
  readonly observed: boolean
  /** The store's clock is ours: a millisecond can be told from the next. */
  readonly exact: boolean
  readonly canWipe: boolean
  readonly canRestart: boolean
  readonly #bench: Bench

  /** @internal */
  constructor(bench: Bench, ttlMs: number) {
    this.#bench = bench
    this.ttlMs = ttlMs
    this.longMs = Math.max(120_000, 10 * ttlMs)
    this.observed = bench.store.expiry === 'observed'
    this.exact = bench.options.elapse !== undefined
    this.canWipe = bench.options.wipe !== undefined
    this.canRestart = bench.options.restart !== undefined
  }

  /** One store object, for what it says about itself. */
  get store(): LeaseStore {
    return this.#bench.store
  }

  /** The same lab with a longer ttl. */
  slower(factor: number): Lab {
    return factor === 1 ? this : new Lab(this.#bench, this.ttlMs * factor)
  }

  /** A process of its own, as far as the store can tell. */
  async contender(): Promise<Contender> {
    const store = await this.#bench.options.open()
    this.#bench.opened.add(store)
    return new Contender(store, this.#bench.options.boundMs ?? 20_000, this.exact ? Number.POSITIVE_INFINITY : this.ttlMs)
  }

  async two(): Promise<[Contender, Contender]> {
    return [await this.contender(), await this.contender()]
  }

  async contenders(count: number): Promise<Contender[]> {
    const all: Contender[] = []
    for (let i = 0; i < count; i++) all.push(await this.contender())
    return all
  }

  /** Close the store of one contender before the end of the law. */
  async closeOne({ store }: Contender): Promise<void> {
    this.#bench.opened.delete(store)
    await this.#close(store)
  }

  async close(): Promise<void> {
    const all = [...this.#bench.opened]
    this.#bench.opened.clear()
    for (const store of all) await this.#close(store)
  }

  /** The name of an election that nobody has used. */
  election(): string {
    return `law-${systemClock.id()}`
  }

  /** A bid with a holder that nobody has been. */
  bid(election: string, over: Partial<Pick<Bid, 'ttlMs' | 'candidate' | 'advert'>> = {}): Bid {
    const id = systemClock.id()
    return { election, holder: `holder-${id}`, candidate: `candidate-${id.slice(0, 12)}`, ttlMs: this.longMs, ...over }
  }

  /** A bid for a lease that the law waits out. */
  shortBid(election: string): Bid {
    return this.bid(election, { ttlMs: this.ttlMs })
  }

  async elapse(ms: number): Promise<void> {
    const { elapse } = this.#bench.options
    if (!elapse) return sleep(ms)
    this.#bench.elapsedMs += ms
    await elapse(ms)
  }

  /** Let a lease of so many milliseconds that nobody renews come to its end. */
  async elapsePast(ttlMs = this.ttlMs): Promise<void> {
    const graceMs = this.#bench.options.graceMs ?? 0
    if (this.exact) return this.elapse(ttlMs + graceMs)
    // The store's clock may be a little slower.
    await this.elapse(Math.ceil(ttlMs * 1.01) + 5)
    // From when this process runs again: what held it up has held up whatever the store does here at the end of a lease.
    if (graceMs > 0) await this.elapse(graceMs)
  }

  /** Let most of so many milliseconds pass: as much as leaves time for a question that has to come before their end. */
  elapseNearly(ms: number): Promise<void> {
    return this.elapse(this.exact ? ms - 1 : Math.floor(ms * 0.7))
  }

  /** The time of the store, in milliseconds, as far as only differences mean anything. */
  now(): number {
    return this.exact ? this.#bench.elapsedMs : systemClock.mono()
  }

  /** Let time pass until something is so, for a ttl and some seconds at most. */
  async until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
    const stepMs = this.exact ? Math.ceil(this.ttlMs / 20) : 10
    const rounds = (2 * this.ttlMs) / stepMs + (this.exact ? 20 : 1000)
    for (let round = 0; round < rounds; round++) {
      if (await condition()) return true
      await this.elapse(stepMs)
    }
    return condition()
  }

  async wipe(election: string): Promise<void> {
    await this.#bench.options.wipe?.(election)
  }

  async restart(): Promise<void> {
    await this.#bench.options.restart?.()
  }

  async #close(store: LeaseStore): Promise<void> {
    const { close } = this.#bench.options
    await (close ? close(store) : store.close?.())
  }
}

/**
 * Something has to be so until `ms` milliseconds after `since`, and no longer. Where it is not so and that time was over,
 * nothing is shown: the machine was too slow.
 */
export function expectedBefore(lab: Lab, since: number, ms: number, condition: boolean, what: string, came: string): asserts condition {
  if (condition) return
  if (lab.now() - since >= ms) throw new TooSlow(lab.ttlMs)
  throw new LawBroken(`Expected ${what}, got ${came}`)
}
