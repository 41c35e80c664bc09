/**
 * The shell around the machine: it performs what `election.ts` decides, with one call that is waited for and one piece
 * of work. It may assume nothing at all of listeners and work, and must let neither stall nor end the election.
 */

import type { Clock } from './clock.ts'
import { type Call, type Effect, type Input, isLeader, leaseLeftMs, type TenureEnd } from './election.ts'
import { Engine, isOut, isOverrun } from './engine.ts'
import { Envoy } from './envoy.ts'
import { messageOf, TenureError } from './errors.ts'
import { type CandidateEvents, Emitter, type Leader, type Listener } from './events.ts'
import { Knowledge, seenOf } from './knowledge.ts'
import { type CandidateOptions, type Settings, settingsOf, whole } from './options.ts'
import { Standing } from './standing.ts'
import type { Lease } from './store.ts'
import { type StepDownOptions, Tenure } from './tenure.ts'
import { backoffMs } from './timing.ts'
import { Troubles } from './troubles.ts'
import { Watch } from './watch.ts'

/** The tenure that leads, or whose work has not settled. */
interface Reign {
  readonly attempt: number
  readonly tenure: Tenure
  begun: boolean
}

/**
 * One participant of an election. `start()` it, ask `isLeader`, or give it work that runs while it leads.
 *
 * `isLeader` protects against a second believer, not against your own slowness: an effect that was begun in time may
 * land late. Pass `tenure.fencingToken` along with whatever you write.
 */
export class Candidate {
  readonly #settings: Settings
  readonly #clock: Clock
  readonly #events: Emitter<CandidateEvents>
  readonly #troubles: Troubles
  readonly #knowledge: Knowledge
  readonly #envoy: Envoy
  readonly #watch: Watch
  readonly #engine: Engine
  #reign: Reign | undefined
  #workFailures = 0
  #standing: Standing | undefined
  #stopping: Promise<void> | undefined
  #stops = 0

  /** Contacts nobody. Throws a `TenureError` of code `bad-option`. */
  constructor(options: CandidateOptions) {
    const settings = settingsOf(options)
    const { store, clock, logger, election, id } = settings
    this.#settings = settings
    this.#clock = clock
    this.#events = new Emitter((event, thrown) => this.#listenerFailed(event, thrown))
    this.#troubles = new Troubles(clock, logger, (error) => {
      // After `stop()` no event fires; the logger, or the process, is told all the same.
      if (this.#standing) this.#events.emit('trouble', error)
      return this.#standing !== undefined && this.#events.has('trouble')
    })
    this.#knowledge = new Knowledge(clock)
    this.#engine = new Engine({
      timing: settings.timing,
      clock,
      ref: !settings.unref,
      perform: (effect) => this.#perform(effect),
      settled: () => this.#begin(),
    })
    this.#envoy = new Envoy(settings, {
      answered: (answer) => this.#answered(answer),
      failed: (call, error) => this.#failed(call, error),
      learned: (lease, call) => this.#learned(lease, call),
    })
    this.#watch = new Watch(store, election, {
      armed: (armed) => this.#engine.tell({ type: 'watch', armed }),
      nudge: () => this.#engine.tell({ type: 'nudge' }),
      lost: (error) => this.#troubles.report(error, { election, candidate: id }),
    })
  }

  /** The id people recognise this candidate by. */
  get id(): string {
    return this.#settings.id
  }

  /** The name of the election it stands in. */
  get election(): string {
    return this.#settings.election
  }

  /** Whether this candidate leads at this moment. Compares the deadline with the clock each time it is asked. */
  get isLeader(): boolean {
    return this.#reign !== undefined && this.#holds(this.#reign)
  }

  /** The present tenure; `undefined` while not leading. */
  get tenure(): Tenure | undefined {
    return this.isLeader ? this.#reign?.tenure : undefined
  }

  /** Who leads, as far as is known; `ageMs` says how old that knowledge is. For people, never for decisions. */
  get leader(): Leader | undefined {
    return this.#knowledge.leader()
  }

  /** Add a listener; the function returned takes it away. `elected` and `leader` tell the present state in a microtask. */
  on<Name extends keyof CandidateEvents>(event: Name, listener: Listener<CandidateEvents[Name]>): () => void {
    const off = this.#events.on(event, listener)
    const present = this.#presentOf(event)
    let wanted = true
    if (present) {
      queueMicrotask(() => {
        if (wanted && this.#presentOf(event)?.key === present.key) this.#events.call(event, listener, present.args)
      })
    }
    return () => {
      wanted = false
      off()
    }
  }

  /**
   * Stand for the election until `stop()`. Resolves after the first attempt, whatever came of it. Idempotent.
   * Rejects, and does not stand, when the store refuses to serve (`store-denied`, `store-unfit`) at that first attempt.
   */
  async start(): Promise<void> {
    const stops = this.#stops
    await this.#stopping
    if (this.#stops !== stops || this.#settings.signal?.aborted) return
    this.#standing ??= this.#stand()
    return this.#standing.first
  }

  /**
   * Hand over, and stay a candidate: the signal of the tenure aborts, and when the work has settled the lease is
   * released. Resolves then, or when the work has overrun. Stands aside for `cooldownMs` afterwards (default: the ttl).
   * Does nothing while following.
   */
  async stepDown(options: StepDownOptions = {}): Promise<void> {
    const cooldownMs = whole('cooldownMs', options.cooldownMs ?? this.#settings.timing.ttlMs, 0)
    this.#engine.tell({ type: 'leave', why: 'stepped-down', cooldownMs })
    await this.#engine.until((state) => state.role === 'following' || state.role === 'idle' || isOverrun(state))
  }

  /**
   * Leave the election: the work ends, the lease is released. Idempotent, bounded by `drainMs` and `callMs`, allowed
   * before `start()` and at any other moment. Nothing is claimed after it was called.
   */
  stop(): Promise<void> {
    this.#stops += 1
    if (this.#stopping) return this.#stopping
    let left = () => {}
    // Known before anybody is told: a listener may call `stop()` in the middle of it.
    const stopping = new Promise<void>((resolve) => {
      left = resolve
    })
    this.#stopping = stopping
    void this.#leave().then(() => {
      this.#stopping = undefined
      left()
    })
    return stopping
  }

  /** `await using candidate = ...` stops it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** @internal The work is done for good: give the lease back and leave. */
  static complete(candidate: Candidate): Promise<void> {
    candidate.#engine.tell({ type: 'leave', why: 'completed', cooldownMs: 0 })
    return candidate.stop()
  }

  #stand(): Standing {
    const standing = new Standing(this.#settings.signal, () => void this.stop())
    this.#watch.start()
    this.#engine.tell({ type: 'start' })
    return standing
  }

  async #leave(): Promise<void> {
    const standing = this.#standing
    this.#engine.tell({ type: 'stop' })
    await this.#engine.until(isOut)
    this.#watch.stop()
    this.#engine.tell({ type: 'watch', armed: false })
    if (!standing) return
    standing.unlisten()
    if (standing.refusal) standing.reject(standing.refusal)
    else standing.resolve()
    this.#events.emit('stopped')
    this.#standing = undefined
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        // One call is waited for. What goes beside it has nobody else to give it up.
        return this.#envoy.send(effect.call, this.#engine.state.role !== 'idle' && this.#engine.state.call === effect.call)
      case 'abandon':
        return this.#doubt(this.#envoy.abandon(effect.call))
      case 'elect':
        return this.#elect(effect.attempt, effect.fencingToken)
      case 'depose':
        return this.#depose(effect.why)
      case 'overrun':
        return this.#trouble('work-overran', `still runs ${this.#settings.timing.drainMs} ms after its tenure ended`)
      default:
        return effect satisfies never
    }
  }

  #answered(answer: Input): void {
    if (answer.type === 'renewed' && answer.grantedMs > 0) {
      this.#knowledge.confirm(answer.call.sent.mono)
      this.#settings.logger?.debug('renewed', { election: this.election, candidate: this.id, grantedMs: answer.grantedMs })
    }
    this.#engine.tell(answer)
    this.#tellRenewed(answer)
    this.#standing?.answer()
    this.#watch.storeAnswered()
  }

  /** Only once the machine has taken the answer in, so that a listener that asks is told of the new deadline. */
  #tellRenewed(answer: Input): void {
    const reign = this.#reign
    if (answer.type !== 'renewed' || reign?.attempt !== answer.call.attempt || reign.tenure.remainingMs() <= 0) return
    this.#events.emit('renewed', reign.tenure)
  }

  #failed(call: Call, error: TenureError): void {
    const standing = this.#standing
    if (error.code !== 'store-unreachable' && standing && !standing.answered && !this.#stopping) {
      standing.answered = true
      standing.refusal = error
      this.#engine.tell({ type: 'failed', call })
      void this.stop()
      return
    }
    this.#engine.tell({ type: 'failed', call })
    this.#doubt(error)
  }

  #doubt(error: TenureError): void {
    // A store that refuses to serve is told of by `start()`, once.
    if (this.#standing?.refusal) return
    this.#troubles.report(error, { election: this.election, candidate: this.id })
    this.#standing?.answer()
  }

  #elect(attempt: number, fencingToken: number): void {
    const { election, id, advert, logger } = this.#settings
    const facts = { election, candidate: id, fencingToken, startedAt: this.#clock.wall() }
    const reign: Reign = {
      attempt,
      begun: false,
      tenure: new Tenure(facts, {
        clock: this.#clock,
        holds: () => this.#holds(reign),
        leaseLeftMs: () => leaseLeftMs(this.#settings.timing, this.#engine.state, attempt, this.#engine.moment()),
        stepDown: (options) => (this.#reign === reign ? this.stepDown(options) : Promise.resolve()),
      }),
    }
    this.#reign = reign
    logger?.info('elected', { election, candidate: id, fencingToken })
    // First of all: no other listener may stop the candidate before it is told that it leads.
    this.#events.emit('elected', reign.tenure)
    this.#know({ candidate: id, fencingToken, advert, heldMs: 0, isMe: true }, this.#clock.mono())
  }

  /** Start the work of a tenure, after all that was said by its listeners has been heard. */
  #begin(): void {
    const reign = this.#reign
    const { work } = this.#settings
    if (!reign || reign.begun || !work || !this.#holds(reign)) return
    reign.begun = true
    const run = async () => work(reign.tenure)
    run().then(
      () => {
        this.#workFailures = 0
        this.#engine.tell({ type: 'settled', attempt: reign.attempt })
      },
      (thrown: unknown) => this.#workFailed(reign, thrown),
    )
  }

  #workFailed(reign: Reign, thrown: unknown): void {
    if (reign.tenure.held) {
      this.#workFailures += 1
      this.#trouble('work-failed', `failed: ${messageOf(thrown)}`, thrown)
      const cooldownMs = backoffMs(this.#settings.timing, this.#workFailures, this.#clock.random())
      this.#engine.tell({ type: 'leave', why: 'work-failed', cooldownMs })
    }
    this.#engine.tell({ type: 'settled', attempt: reign.attempt })
  }

  #depose(why: TenureEnd): void {
    const reign = this.#reign
    if (!reign) return
    Tenure.end(reign.tenure, why)
    const { election, id, logger } = this.#settings
    logger?.info('deposed', { election, candidate: id, fencingToken: reign.tenure.fencingToken, why })
    this.#events.emit('deposed', reign.tenure, why)
    this.#know(undefined, this.#clock.mono())
    if (!reign.begun) this.#engine.tell({ type: 'settled', attempt: reign.attempt })
  }

  /** Whether this tenure leads. One whose deadline has passed is ended by the question. */
  #holds(reign: Reign): boolean {
    const state = this.#engine.state
    if (this.#reign !== reign || state.role !== 'leading' || state.attempt !== reign.attempt) return false
    if (isLeader(this.#settings.timing, state, this.#engine.moment())) return true
    Tenure.end(reign.tenure, 'expired')
    this.#engine.tell({ type: 'wake' })
    return false
  }

  #presentOf<Name extends keyof CandidateEvents>(event: Name): { key: unknown; args: CandidateEvents[Name] } | undefined {
    const { tenure, leader } = this
    const present: { [Event in keyof CandidateEvents]?: { key: unknown; args: CandidateEvents[Event] } } = {
      ...(tenure && { elected: { key: tenure, args: [tenure] } }),
      ...(leader && { leader: { key: leader.fencingToken, args: [leader] } }),
    }
    return present[event]
  }

  #learned(lease: Lease | undefined, call: Call): void {
    if (this.#engine.state.role === 'leading') return
    this.#know(seenOf(lease), call.sent.mono)
  }

  #know(seen: Parameters<Knowledge['learn']>[0], askedAt: number): void {
    if (this.#knowledge.learn(seen, askedAt) && this.#standing) this.#events.emit('leader', this.leader)
  }

  #trouble(code: 'work-failed' | 'work-overran', message: string, cause?: unknown): void {
    const error = new TenureError(code, `The work of \`${this.election}\` ${message}`, { cause })
    this.#troubles.report(error, { election: this.election, candidate: this.id })
  }

  #listenerFailed(event: keyof CandidateEvents, thrown: unknown): void {
    // A trouble listener that fails cannot be told of its own failure.
    const error = new TenureError('listener-failed', `A listener of \`${event}\` failed: ${messageOf(thrown)}`, { cause: thrown })
    if (event === 'trouble') globalThis.process?.emitWarning?.(error.message, { type: 'TenureWarning', code: error.code })
    else this.#troubles.report(error, { election: this.election, candidate: this.id })
  }
}
