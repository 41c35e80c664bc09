/**
 * A store behind a bad network: requests and answers get lost, late or doubled, by dice, by script, or because the link
 * was cut. It may assume nothing of the store behind it but the contract, and must keep every law itself while no fault
 * is on.
 */

import { type Clock, systemClock } from '../clock.ts'
import { badOption, TenureError } from '../errors.ts'
import { checkClock, checkKnown, checkStore } from '../options.ts'
import type { Bid, Hold, Lease, LeaseStore, Memo, StoreTiming } from '../store.ts'
import { checkMs, checkOneOf, checkSeed } from './checks.ts'
import { randomFrom } from './manual-clock.ts'

/** What can happen to one call. */
export type CallFault =
  /** Does not arrive, and rejects at once: the connection is refused. */
  | 'refused'
  /** Arrives, takes effect, and rejects at once: the connection is reset before the answer. */
  | 'reset'
  /** Does not arrive; settles only when its signal aborts. */
  | 'request-lost'
  /** Arrives and takes effect; settles only when its signal aborts. */
  | 'answer-lost'
  /** Arrives twice, as when a driver repeats what was not answered. */
  | 'doubled'
  /** Does not arrive and never settles, whatever its signal says: a driver that takes no signals. */
  | 'hung'

/** A call of a store. */
export type Verb = 'acquire' | 'renew' | 'release' | 'read' | 'list' | 'memo.read' | 'memo.write'

/** The chance of each fault, from 0 to 1; together at most 1. */
export type Chances = { readonly [Fault in CallFault]?: number | undefined }

/** All are optional. */
export interface FlakyOptions {
  /** The same seed, the same faults for the same calls. @default 1 */
  readonly seed?: number | undefined
  /** By chance. @default none */
  readonly chances?: Chances | undefined
  /** The longest that a request, and again its answer, is on its way, in milliseconds; each takes a part of it by the dice. @default 0 */
  readonly delayMs?: number | undefined
  /** For the delays. @default the system's */
  readonly clock?: Clock | undefined
}

type Direction = 'requests' | 'answers'

/** What the link does at present. */
type Link = { readonly lost: ReadonlySet<Direction>; readonly down: boolean }

const sound: Link = { lost: new Set(), down: false }
const known: Record<keyof FlakyOptions, true> = { seed: true, chances: true, delayMs: true, clock: true }
const chanceNames: Record<CallFault, true> = {
  refused: true,
  reset: true,
  'request-lost': true,
  'answer-lost': true,
  doubled: true,
  hung: true,
}
const faults = Object.keys(chanceNames) as CallFault[]
const verbs: readonly Verb[] = ['acquire', 'renew', 'release', 'read', 'list', 'memo.read', 'memo.write']
const cuts: readonly (Direction | 'both')[] = ['both', 'requests', 'answers']

/**
 * Put a bad network in front of a store. Each process of a test gets a link of its own: `flaky(store)` for each. Throws a
 * `TenureError` of code `bad-option`.
 */
export function flaky(store: LeaseStore, options: FlakyOptions = {}): FlakyStore {
  return new FlakyStore(store, options)
}

/** A store behind a bad network. Sound until it is told otherwise. */
export class FlakyStore implements LeaseStore {
  readonly name: string
  readonly minTtlMs: number | undefined
  readonly timing: StoreTiming | undefined
  readonly expiry: 'clock' | 'observed' | undefined
  readonly watch?: NonNullable<LeaseStore['watch']>
  readonly list?: NonNullable<LeaseStore['list']>
  readonly memo?: Memo
  readonly #store: LeaseStore
  readonly #clock: Clock
  readonly #random: () => number
  readonly #script: { readonly fault: CallFault; readonly verb: Verb | undefined }[] = []
  readonly #counts: Record<Verb, number> = { acquire: 0, renew: 0, release: 0, read: 0, list: 0, 'memo.read': 0, 'memo.write': 0 }
  readonly #outages = new Set<() => void>()
  #chances: Chances = {}
  #delayMs = 0
  #link = sound
  /** Pending while the link is stalled. */
  #stalled: { readonly over: Promise<void>; readonly end: () => void } | undefined

  constructor(store: LeaseStore, options: FlakyOptions = {}) {
    this.#store = checkStore(store)
    checkKnown(options, known)
    this.#clock = checkClock(options.clock ?? systemClock)
    this.#random = randomFrom(checkSeed(options.seed ?? 1))
    this.name = store.name
    this.minTtlMs = store.minTtlMs
    this.timing = store.timing
    this.expiry = store.expiry
    if (store.watch) this.watch = (election, changed, signal) => this.#watch(election, changed, signal)
    if (store.list) this.list = (signal) => this.#carry('list', signal, async (carried) => (await store.list?.(carried)) ?? [])
    const { memo } = store
    if (memo) {
      this.memo = {
        read: (election, signal) => this.#carry('memo.read', signal, (carried) => memo.read(election, carried)),
        write: (author, text, signal) => this.#carry('memo.write', signal, (carried) => memo.write(author, text, carried)),
      }
    }
    this.roll(options.chances ?? {})
    this.delay(options.delayMs ?? 0)
  }

  /** How many calls were made of each verb, whatever became of them. */
  get counts(): Readonly<Record<Verb, number>> {
    return this.#counts
  }

  /** From now on these chances hold, and no others. Throws a `TenureError` of code `bad-option`. */
  roll(chances: Chances): void {
    checkKnown(chances, chanceNames)
    const total = faults.reduce((sum, fault) => sum + chance(fault, chances[fault]), 0)
    if (total > 1) throw badOption('chances', 'at most 1 together', total)
    this.#chances = chances
  }

  /** From now on requests and answers are on their way for up to so many milliseconds each. */
  delay(delayMs: number): void {
    this.#delayMs = checkMs('delayMs', delayMs)
  }

  /** The next call, or the next of this verb, has this fault. Several queue up. Throws a `TenureError` of code `bad-option`. */
  next(fault: CallFault, verb?: Verb): void {
    checkOneOf('fault', fault, faults)
    if (verb !== undefined) checkOneOf('verb', verb, verbs)
    this.#script.push({ fault, verb })
  }

  /** The link is cut without a word: what is on its way is lost, in both directions or in one. Watches fall silent. */
  cut(what: Direction | 'both' = 'both'): void {
    checkOneOf('what', what, cuts)
    this.#link = { lost: new Set(what === 'both' ? ['requests', 'answers'] : [what]), down: false }
  }

  /** The link stands still: nothing moves, and nothing is lost. All of it moves on with `heal()`. */
  stall(): void {
    if (this.#stalled) return
    let end = () => {}
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#stalled = { over, end }
  }

  /** The server is gone and says so: every call rejects at once, and so do the watches that are in place. */
  down(): void {
    this.#link = { lost: sound.lost, down: true }
    for (const outage of [...this.#outages]) outage()
  }

  /** The link is sound again. What was lost stays lost; chances, delays and the script stay as they are. */
  heal(): void {
    this.#link = sound
    this.#stalled?.end()
    this.#stalled = undefined
  }

  acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#carry('acquire', signal, (carried) => this.#store.acquire(bid, carried))
  }

  renew(bid: Bid, signal: AbortSignal): Promise<number> {
    return this.#carry('renew', signal, (carried) => this.#store.renew(bid, carried))
  }

  release(hold: Hold, signal: AbortSignal): Promise<void> {
    return this.#carry('release', signal, (carried) => this.#store.release(hold, carried))
  }

  read(election: string, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#carry('read', signal, (carried) => this.#store.read(election, carried))
  }

  async close(): Promise<void> {
    await this.#store.close?.()
  }

  async #carry<T>(verb: Verb, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#counts[verb] += 1
    const fault = this.#fate(verb)
    if (fault === 'hung') return never()
    if (signal.aborted) throw this.#unreachable(`${verb} was aborted`, signal.reason)
    let abort = () => {}
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(this.#unreachable(`${verb} was aborted`, signal.reason))
      signal.addEventListener('abort', abort, { once: true })
    })
    try {
      return await Promise.race([aborted, this.#travel(verb, fault, signal, call)])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** A request on its way to the store, and its answer on the way back; it goes on when nobody waits any more. */
  async #travel<T>(verb: Verb, fault: CallFault | undefined, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (fault === 'refused' || this.#link.down) throw this.#unreachable(`${verb} was refused`)
    await this.#pass('requests', fault === 'request-lost')
    // Nobody can call back what has left: a request whose caller gave up takes effect all the same.
    const arrive = async () => call(signal.aborted ? new AbortController().signal : signal)
    const answer = arrive()
    if (fault === 'doubled') void this.#repeat(answer, arrive)
    await settled(answer)
    if (fault === 'reset') throw this.#unreachable(`the connection was reset during ${verb}`)
    await this.#pass('answers', fault === 'answer-lost')
    return answer
  }

  /** The second copy of a request: it arrives some time after the first has been dealt with, and nobody hears its answer. */
  async #repeat(first: Promise<unknown>, arrive: () => Promise<unknown>): Promise<void> {
    await settled(first)
    await settled(this.#pass('requests', false).then(arrive))
  }

  async #pass(direction: Direction, lost: boolean): Promise<void> {
    const delayMs = this.#delayMs * this.#random()
    if (delayMs > 0) await new Promise<void>((resolve) => this.#clock.timer(delayMs, resolve, true))
    while (this.#stalled) await this.#stalled.over
    if (this.#link.down) throw this.#unreachable('the connection was reset')
    if (lost || this.#link.lost.has(direction)) await never()
  }

  async #watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    if (this.#link.down) throw this.#unreachable('watch was refused')
    const ended = new AbortController()
    const end = () => ended.abort()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    let outage = () => {}
    const lost = new Promise<never>((_, reject) => {
      outage = () => reject(this.#unreachable('the watch was lost'))
      this.#outages.add(outage)
    })
    // Pending while the link is cut; what comes when it is down is lost with the watch.
    const nudge = () =>
      this.#pass('answers', false).then(
        () => {
          if (!ended.signal.aborted) changed()
        },
        () => {},
      )
    try {
      await Promise.race([lost, this.#store.watch?.(election, () => void nudge(), ended.signal)])
    } finally {
      this.#outages.delete(outage)
      signal.removeEventListener('abort', end)
      end()
    }
  }

  /** What happens to the next call. The dice are thrown for every call, so that one script does not shift the others. */
  #fate(verb: Verb): CallFault | undefined {
    let dice = this.#random()
    const scripted = this.#script.findIndex((line) => line.verb === undefined || line.verb === verb)
    if (scripted >= 0) return this.#script.splice(scripted, 1)[0]?.fault
    for (const fault of faults) {
      dice -= this.#chances[fault] ?? 0
      if (dice < 0) return fault
    }
    return undefined
  }

  #unreachable(what: string, cause?: unknown): TenureError {
    return new TenureError('store-unreachable', `${this.name}: ${what}`, { cause })
  }
}

function chance(fault: CallFault, value = 0): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw badOption(`chances.${fault}`, 'a number from 0 to 1', value)
}

function never(): Promise<never> {
  return new Promise(() => {})
}

async function settled(promise: Promise<unknown>): Promise<void> {
  await promise.then(
    () => {},
    () => {},
  )
}
