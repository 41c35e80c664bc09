/**
 * A cluster in one test: candidates that crash, freeze and lose their network on demand, in a time that moves only when
 * it is told to. It must show a candidate nothing that a real process would not see, and it watches all the time that no
 * two candidates lead at once.
 */

import { badOption } from '../errors.ts'
import { Candidate, type CandidateOptions, type Clock, type Tenure, type TenureEnd, type TenureError } from '../index.ts'
import { checkKnown, checkStore, checkType } from '../options.ts'
import type { LeaseStore } from '../store.ts'
import { memory } from '../stores/memory.ts'
import { checkFunction, checkMs, checkSeed, checkStepMs } from './checks.ts'
import { FlakyStore } from './flaky.ts'
import { ManualClock } from './manual-clock.ts'
import { Gate, gated, ProcessClock } from './process.ts'

/** All are optional. Durations are milliseconds of the cluster's own time. */
export interface ClusterOptions {
  /** How many candidates stand, each in a process of its own. @default 3 */
  readonly candidates?: number | undefined
  /** @default 'cluster' */
  readonly election?: string | undefined
  /** @default 15000 */
  readonly ttlMs?: number | undefined
  /** Another store than one in memory. It has to tell time by this clock, and to answer without waiting for anything else. */
  readonly store?: ((clock: Clock) => LeaseStore) | undefined
  /** Runs during each tenure, with the number of its process. Wait with `tenure.sleep`: time moves only with `advance`. */
  readonly work?: ((tenure: Tenure, index: number) => unknown) | undefined
  /** Everything else that a candidate takes, the same for all. */
  readonly options?: Omit<CandidateOptions, 'store' | 'election' | 'ttlMs' | 'work' | 'id' | 'clock'> | undefined
  /** The longest that a request, and again its answer, is on its way, in milliseconds. @default 0 */
  readonly delayMs?: number | undefined
  /** The same seed, the same run. @default 1 */
  readonly seed?: number | undefined
}

/** A tenure as the cluster saw it. Instants are those of `cluster.clock.mono()`. */
export interface SeenTenure {
  /** The process that was elected. */
  readonly index: number
  readonly fencingToken: number
  readonly electedAt: number
  /** `undefined` while it lasts, and for ever where its process crashed. */
  readonly deposedAt: number | undefined
  readonly why: TenureEnd | undefined
}

const known: Record<keyof ClusterOptions, true> = {
  candidates: true,
  election: true,
  ttlMs: true,
  store: true,
  work: true,
  options: true,
  delayMs: true,
  seed: true,
}

/** The rest is the cluster's to say. */
const knownOfAll: Record<keyof NonNullable<ClusterOptions['options']>, true> = {
  renewMs: true,
  callMs: true,
  marginMs: true,
  drift: true,
  retryMs: true,
  drainMs: true,
  advert: true,
  logger: true,
  signal: true,
  unref: true,
}

interface Process {
  readonly candidate: Candidate
  readonly clock: ProcessClock
  readonly gate: Gate
  readonly link: FlakyStore
}

/**
 * Candidates of one election, on one store in memory. `await cluster.start()` first, `await cluster.stop()` last, or
 * `await using cluster = new Cluster()`. Processes are numbered from 0; a number may be what `leader()` answered, and
 * where that was `undefined` the call throws. A bad option, and a time that cannot pass, is refused with a `TenureError` of
 * code `bad-option`.
 *
 * ```ts
 * const cluster = new Cluster({ candidates: 3, ttlMs: 10_000, work })
 * await cluster.start()
 * cluster.freeze(cluster.leader())
 * await cluster.advance(20_000)
 * cluster.assertOneLeader()
 * ```
 */
export class Cluster {
  /** Time for all of it. Rather use `advance` of the cluster. */
  readonly clock: ManualClock
  /** The store behind all links: what it says is the truth. */
  readonly store: LeaseStore
  readonly election: string
  readonly #options: ClusterOptions
  readonly #processes: Process[]
  readonly #tenures: { -readonly [Key in keyof SeenTenure]: SeenTenure[Key] }[] = []
  readonly #troubles: { readonly index: number; readonly error: TenureError }[] = []
  readonly #violations: string[] = []

  constructor(options: ClusterOptions = {}) {
    checkKnown(options, known)
    checkKnown(options.options ?? {}, knownOfAll)
    checkType('store', options.store, 'function', 'a function that makes a store')
    checkType('work', options.work, 'function', 'a function')
    const { candidates = 3, seed = 1 } = options
    if (!Number.isSafeInteger(candidates) || candidates < 1) throw badOption('candidates', 'a whole number, at least 1', candidates)
    this.#options = options
    this.election = options.election ?? 'cluster'
    this.clock = new ManualClock({ seed: checkSeed(seed) })
    this.store = options.store ? checkStore(options.store(this.clock)) : memory({ clock: this.clock })
    this.#processes = Array.from({ length: candidates }, (_, index) => this.#boot(index))
  }

  /** Start all candidates and let the first of them be elected. Rejects as `Candidate.start` does. */
  async start(): Promise<void> {
    const started = this.#processes.map(({ candidate }) => candidate.start())
    await this.#pump(Promise.all(started), 'start')
  }

  /** Thaw and heal all that live, stop their candidates, and let as much time pass as that takes. */
  async stop(): Promise<void> {
    const living = this.#processes.filter(({ gate }) => gate.state !== 'dead')
    for (const { gate, link } of living) {
      link.heal()
      await gate.thaw(() => this.clock.advance(0))
    }
    const stopped = living.map(({ candidate }) => candidate.stop())
    await this.#pump(Promise.all(stopped), 'stop')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Let time pass for all: timers fire at their instants, and what they set off is waited for. */
  advance(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  /** Let time pass until something is so, at most for so many milliseconds; then it throws. */
  async until(reached: () => boolean, limitMs = 10 * this.#ttlMs): Promise<void> {
    checkFunction('reached', reached)
    const end = this.clock.mono() + checkMs('limitMs', limitMs)
    const stepMs = Math.max(1, Math.floor(this.#ttlMs / 200))
    await this.clock.settle()
    while (!isSo(reached())) {
      if (this.clock.mono() >= end) throw new Error(`Expected it to be so within ${limitMs} ms, got: ${this.#describe()}`)
      await this.advance(stepMs)
    }
  }

  /** The candidate of one process. Don't call one that is frozen or dead: no code of it runs. */
  candidate(index: number | undefined): Candidate {
    return this.#process(index).candidate
  }

  /** The link of one process to the store, for single faults, e.g. `cluster.link(0).next('answer-lost', 'renew')`. */
  link(index: number | undefined): FlakyStore {
    return this.#process(index).link
  }

  /** Who leads at this moment: asked of every process that runs. Compare with `undefined`: 0 is a process too. */
  leader(): number | undefined {
    return this.leaders()[0]
  }

  /** All that believe at this moment that they lead. One that is frozen believes nothing: nobody can ask it. */
  leaders(): readonly number[] {
    return this.#processes.flatMap(({ gate, candidate }, index) => (gate.state === 'open' && candidate.isLeader ? [index] : []))
  }

  /** Every tenure since the start, in the order of election. */
  get tenures(): readonly SeenTenure[] {
    return this.#tenures
  }

  /** All trouble that the candidates have told of. */
  get troubles(): readonly { readonly index: number; readonly error: TenureError }[] {
    return this.#troubles
  }

  /** The process dies on the spot, as by SIGKILL: its calls and timers stop for ever, nothing is released. */
  crash(index: number | undefined): void {
    this.#process(index).gate.kill()
  }

  /** A new process takes the place of the old one, which is crashed if it still runs. Its candidate has the same id. */
  async restart(index: number | undefined): Promise<void> {
    const place = this.#place(index)
    this.crash(place)
    const process = this.#boot(place)
    this.#processes[place] = process
    const started = process.candidate.start()
    await this.#pump(started, 'start')
  }

  /** The process stops, as by SIGSTOP: time passes, requests that left arrive, and no code of it runs. */
  freeze(index: number | undefined): void {
    this.#process(index).gate.freeze()
  }

  /** The process goes on, as by SIGCONT: overdue timers fire late, then the answers that have arrived are heard. */
  async thaw(index: number | undefined): Promise<void> {
    const { gate } = this.#process(index)
    const when = `candidate-${index} was thawed`
    await gate.thaw(async () => {
      this.#look(when)
      await this.clock.settle()
    })
    await this.advance(0)
    this.#look(when)
  }

  /** Cut the process off from the store: nothing arrives and nothing is answered, or only one of the two. */
  partition(index: number | undefined, what: 'both' | 'requests' | 'answers' = 'both'): void {
    this.#process(index).link.cut(what)
  }

  /** End the partition of one process. What was lost stays lost. */
  heal(index: number | undefined): void {
    this.#process(index).link.heal()
  }

  /** The wall clock of one process is stepped, forward or back. */
  stepWall(index: number | undefined, ms: number): void {
    this.#process(index).clock.stepWall(checkStepMs('ms', ms))
  }

  /** Throws unless exactly one candidate leads now, and no two ever led at once. */
  assertOneLeader(): void {
    this.assertNeverTwo()
    const leaders = this.leaders()
    if (leaders.length !== 1) throw new Error(`Expected one leader, got ${leaders.length}: ${this.#describe()}`)
  }

  /** Throws if two candidates led at once at any moment since the start, or if a fencing token did not grow. */
  assertNeverTwo(): void {
    this.#look('they were asked')
    const [first] = this.#violations
    if (first !== undefined) throw new Error(first)
  }

  get #ttlMs(): number {
    return this.#options.ttlMs ?? 15_000
  }

  #boot(index: number): Process {
    const { ttlMs, work, options, delayMs, seed = 1 } = this.#options
    const gate = new Gate()
    const clock = new ProcessClock(this.clock, gate)
    const link = new FlakyStore(this.store, { clock: this.clock, delayMs, seed: seed * 1000 + index })
    const candidate = new Candidate({
      ...options,
      election: this.election,
      store: gated(link, gate),
      clock,
      id: `candidate-${index}`,
      ttlMs,
      work: work && ((tenure) => work(tenure, index)),
    })
    candidate.on('elected', (tenure) => this.#elected(index, tenure))
    candidate.on('deposed', (tenure, why) => this.#deposed(tenure, why))
    candidate.on('trouble', (error) => this.#troubles.push({ index, error }))
    return { candidate, clock, gate, link }
  }

  /** Belief begins with an election and at no other moment that anybody could ask: this is when to look for two. */
  #elected(index: number, tenure: Tenure): void {
    const { fencingToken } = tenure
    const last = this.#tenures.at(-1)
    if (last && last.fencingToken >= fencingToken) {
      this.#violations.push(`Expected a fencing token larger than ${last.fencingToken}, got ${fencingToken} for candidate-${index}`)
    }
    this.#tenures.push({ index, fencingToken, electedAt: this.clock.mono(), deposedAt: undefined, why: undefined })
    this.#look(`candidate-${index} was elected`)
  }

  #deposed(tenure: Tenure, why: TenureEnd): void {
    const seen = this.#tenures.find(({ fencingToken }) => fencingToken === tenure.fencingToken)
    if (seen) Object.assign(seen, { deposedAt: this.clock.mono(), why })
  }

  #look(when: string): void {
    const leaders = this.leaders()
    if (leaders.length < 2) return
    this.#violations.push(`Expected at most one leader, got ${leaders.length} when ${when}: ${this.#describe()}`)
  }

  #describe(): string {
    const states = this.#processes.map(({ gate, candidate }, index) => {
      const leads = gate.state === 'open' && candidate.isLeader ? `leads with token ${candidate.tenure?.fencingToken}` : 'follows'
      return `candidate-${index} ${gate.state === 'open' ? leads : `is ${gate.state}`}`
    })
    return `${states.join(', ')} at ${this.clock.mono()} ms`
  }

  /** Let time pass until promises of the candidates have settled. */
  async #pump(promise: Promise<unknown>, what: string): Promise<void> {
    let settled = false
    const end = () => {
      settled = true
    }
    promise.then(end, end)
    const limitMs = 20 * this.#ttlMs + 60_000
    const until = this.clock.mono() + limitMs
    await this.clock.advance(0)
    while (!settled && this.clock.mono() < until) await this.clock.advance(10)
    if (!settled) throw new Error(`Expected all to ${what} within ${limitMs} ms, got: ${this.#describe()}`)
    await promise
  }

  #process(index: number | undefined): Process {
    const place = this.#place(index)
    return this.#processes[place] ?? this.#boot(place)
  }

  #place(index: number | undefined): number {
    if (index !== undefined && this.#processes[index]) return index
    throw badOption('index', `a process from 0 to ${this.#processes.length - 1}`, index)
  }
}

/** A promise would always be so. */
function isSo(answer: boolean): boolean {
  if (typeof answer === 'boolean') return answer
  throw badOption('reached', 'a function that returns a boolean', answer)
}
