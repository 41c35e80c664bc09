/**
 * The shell around the machine: it performs what `election.ts` decides, with one call that is waited for and one piece
 * of work. It may assume nothing at all of listeners and work, and must let neither stall nor end the election.
 */

import { isLeader } from './election.ts'
import { Engine, type EngineHost, isOut, isOverrun } from './engine.ts'
import { Envoy, type EnvoyListener } from './envoy.ts'
import { messageOf, TenureError } from './errors.ts'
import { type CandidateEvents, Emitter, type EmitterOwner, eventNames, type Leader, type Listener, type Present } from './events.ts'
import { Knowledge, seenOf, type Vacancy, type Word } from './knowledge.ts'
import { checkKnown, type Settings, warn, whole } from './options.ts'
import { type CallSign, type ChangeSign, type Sign, signChange, signTrouble, Trace } from './signs.ts'
import { Standing } from './standing.ts'
import { type Call, type Effect, type Input, leaseLeftMs, type TenureEnd } from './states.ts'
import type { Lease } from './store.ts'
import { type StepDownOptions, Tenure, type Throne } from './tenure.ts'
import { backoffMs } from './timing.ts'
import { Troubles, type TroubleTeller } from './troubles.ts'
import { Watch, type WatchListener } from './watch.ts'

/** The tenure that leads, or whose work has not settled. */
interface Reign {
  readonly attempt: number
  readonly tenure: Tenure
  begun: boolean
}

/** What a `Candidate` is behind its door. Its parts call it by name: ten thousand of it cost no closures. */
export class Shell implements EngineHost, EnvoyListener, WatchListener, EmitterOwner<CandidateEvents>, TroubleTeller, Throne {
  readonly settings: Settings
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

  constructor(settings: Settings) {
    const { store, clock, logger, election, timing, unref } = settings
    this.settings = settings
    this.#events = new Emitter(eventNames, this)
    this.#troubles = new Troubles(clock, logger, this)
    this.#knowledge = new Knowledge(clock)
    this.#engine = new Engine(timing, clock, !unref, this)
    this.#envoy = new Envoy(settings, this)
    this.#watch = new Watch(store, election, this)
  }

  get clock(): Settings['clock'] {
    return this.settings.clock
  }

  get tenure(): Tenure | undefined {
    return this.isLeader() ? this.#reign?.tenure : undefined
  }

  get leader(): Leader | undefined {
    return this.#knowledge.leader()
  }

  /** What the store said of the leader, for who has other news of it. */
  get word(): Word | undefined {
    return this.#knowledge.word()
  }

  isLeader(): boolean {
    return this.#reign !== undefined && this.#leads(this.#reign)
  }

  on<Name extends keyof CandidateEvents>(event: Name, listener: Listener<CandidateEvents[Name]>): () => void {
    return this.#events.on(event, listener)
  }

  async start(): Promise<void> {
    const stops = this.#stops
    if (this.#stopping) await this.#stopping
    if (this.#stops !== stops || this.settings.signal?.aborted) return
    this.#standing ??= this.#stand()
    return this.#standing.first
  }

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

  /** Stand aside, with the lease given back when the work has ended. Nothing to do while following. */
  async stepDown(options: StepDownOptions = {}): Promise<void> {
    checkKnown(options, { cooldownMs: true })
    const cooldownMs = whole('cooldownMs', options.cooldownMs ?? this.settings.timing.ttlMs, 0)
    this.#engine.tell({ type: 'leave', why: 'stepped-down', cooldownMs })
    await this.#engine.until((state) => state.role === 'following' || state.role === 'idle' || isOverrun(state))
  }

  /** The work is done for good: give the lease back and leave. */
  complete(): Promise<void> {
    this.#engine.tell({ type: 'leave', why: 'completed', cooldownMs: 0 })
    return this.stop()
  }

  #stand(): Standing {
    const standing = new Standing(this.settings.signal, this)
    this.#knowledge.forget()
    this.#sign('following', 'started')
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
    standing.leave()
    this.#sign('stopped', 'stopped')
    this.#events.emit('stopped')
    this.#standing = undefined
  }

  // What the machine decides.

  perform(effect: Effect): void {
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
        return this.#trouble('work-overran', `still runs ${this.settings.timing.drainMs} ms after its tenure ended`)
      default:
        return effect satisfies never
    }
  }

  /** Start the work of a tenure, after all that was said by its listeners has been heard. */
  settled(): void {
    const reign = this.#reign
    const { work } = this.settings
    if (!reign || reign.begun || !work || !this.#leads(reign)) return
    reign.begun = true
    const trace = Trace.begin('work', () => ({ ...this.#signature(), tenure: reign.tenure }))
    const run = async () => work(reign.tenure)
    run().then(
      () => {
        trace?.done('done')
        this.#workFailures = 0
        this.#engine.tell({ type: 'settled', attempt: reign.attempt })
      },
      (thrown: unknown) => {
        trace?.failed(thrown)
        this.#workFailed(reign, thrown)
      },
    )
  }

  #elect(attempt: number, fencingToken: number): void {
    const { election, id, advert, logger, clock } = this.settings
    const facts = { election, candidate: id, fencingToken, startedAt: clock.wall() }
    const tenure = new Tenure(facts, this)
    const vacancy = this.#knowledge.vacancy(this.settings.timing.ttlMs)
    this.#reign = { attempt, tenure, begun: false }
    const news = this.#knowledge.learn({ candidate: id, fencingToken, advert, heldMs: 0, remainingMs: 0, isMe: true }, clock.mono())
    logger?.info('elected', { election, candidate: id, fencingToken })
    // First of all: no other listener may stop the candidate before it is told that it leads.
    this.#events.emit('elected', tenure)
    this.#sign('leading', 'elected', tenure, vacancy)
    if (news) this.#tellLeader()
  }

  #depose(why: TenureEnd): void {
    const reign = this.#reign
    if (!reign) return
    Tenure.end(reign.tenure, why)
    const { election, id, logger, clock } = this.settings
    const news = this.#knowledge.learn(undefined, clock.mono())
    logger?.info('deposed', { election, candidate: id, fencingToken: reign.tenure.fencingToken, why })
    this.#events.emit('deposed', reign.tenure, why)
    this.#sign('following', why, reign.tenure)
    if (news) this.#tellLeader()
    if (!reign.begun) this.#engine.tell({ type: 'settled', attempt: reign.attempt })
  }

  #workFailed(reign: Reign, thrown: unknown): void {
    if (reign.tenure.held) {
      this.#workFailures += 1
      this.#trouble('work-failed', `failed: ${messageOf(thrown)}`, thrown)
      const cooldownMs = backoffMs(this.settings.timing, this.#workFailures, this.clock.random())
      this.#engine.tell({ type: 'leave', why: 'work-failed', cooldownMs })
    }
    this.#engine.tell({ type: 'settled', attempt: reign.attempt })
  }

  // What the store says.

  answered(answer: Input): void {
    if (answer.type === 'renewed' && answer.grantedMs > 0) {
      this.#knowledge.confirm(answer.call.sent.mono)
      const { logger, election, id } = this.settings
      logger?.debug('renewed', { election, candidate: id, grantedMs: answer.grantedMs })
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

  failed(call: Call, error: TenureError): void {
    const refuses = error.code !== 'store-unreachable' && !this.#stopping && this.#standing?.refuse(error) === true
    this.#engine.tell({ type: 'failed', call })
    if (refuses) void this.stop()
    else this.#doubt(error)
  }

  signOf(call: Call): CallSign {
    const reign = this.#reign
    return { ...this.#signature(), tenure: reign?.attempt === call.attempt ? reign.tenure : undefined }
  }

  learned(lease: Lease | undefined, call: Call): void {
    if (this.#engine.state.role !== 'leading' && this.#knowledge.learn(seenOf(lease), call.sent.mono)) this.#tellLeader()
  }

  armed(armed: boolean): void {
    this.#engine.tell({ type: 'watch', armed })
  }

  nudge(): void {
    this.#knowledge.mayBeOver()
    this.#engine.tell({ type: 'nudge' })
  }

  lost(error: TenureError): void {
    this.#report(error)
  }

  #tellLeader(): void {
    if (this.#standing) this.#events.emit('leader', this.leader)
  }

  #doubt(error: TenureError): void {
    // A store that refuses to serve is told of by `start()`, once.
    if (this.#standing?.refusal) return
    this.#report(error)
    this.#standing?.answer()
  }

  // What a tenure asks.

  holds(tenure: Tenure): boolean {
    return this.#reign?.tenure === tenure && this.#leads(this.#reign)
  }

  leaseLeftMs(tenure: Tenure): number {
    const reign = this.#reign
    if (reign?.tenure !== tenure) return 0
    return leaseLeftMs(this.settings.timing, this.#engine.state, reign.attempt, this.#engine.moment())
  }

  async resign(tenure: Tenure, options: StepDownOptions | undefined): Promise<void> {
    if (this.#reign?.tenure === tenure) await this.stepDown(options)
  }

  /** Whether this reign goes on. One whose deadline has passed is ended by the question. */
  #leads({ attempt, tenure }: Reign): boolean {
    const { state } = this.#engine
    if (state.role !== 'leading' || state.attempt !== attempt) return false
    if (isLeader(this.settings.timing, state, this.#engine.moment())) return true
    Tenure.end(tenure, 'expired')
    this.#engine.tell({ type: 'wake' })
    return false
  }

  // What listeners are told.

  told(error: TenureError): boolean {
    // After `stop()` no event fires; the logger, or the process, is told all the same.
    if (this.#standing) this.#events.emit('trouble', error)
    return this.#standing !== undefined && this.#events.has('trouble')
  }

  listenerFailed(event: keyof CandidateEvents, thrown: unknown): void {
    const error = new TenureError('listener-failed', `A listener of \`${event}\` failed: ${messageOf(thrown)}`, { cause: thrown })
    // A trouble listener that fails cannot be told of its own failure.
    if (event === 'trouble') warn(undefined, error.message, error.code)
    else this.#report(error)
  }

  presentOf<Name extends keyof CandidateEvents>(event: Name): Present<CandidateEvents[Name]> | undefined {
    const { tenure } = this
    // After `stop()` nothing is news.
    const leader = this.#standing && this.leader
    const present: { [Event in keyof CandidateEvents]?: Present<CandidateEvents[Event]> } = {
      ...(tenure && { elected: { key: tenure, args: [tenure] } }),
      ...(leader && { leader: { key: leader.fencingToken, args: [leader] } }),
    }
    return present[event]
  }

  #trouble(code: 'work-failed' | 'work-overran', message: string, cause?: unknown): void {
    this.#report(new TenureError(code, `The work of \`${this.settings.election}\` ${message}`, { cause }))
  }

  #sign(to: ChangeSign['to'], reason: ChangeSign['reason'], tenure?: Tenure, vacancy?: Vacancy): void {
    signChange(() => ({ ...this.#signature(), to, reason, tenure, ...vacancy }))
  }

  #signature(): Sign {
    const { election, id, store } = this.settings
    return { by: this, election, candidate: id, store: store.name }
  }

  #report(error: TenureError): void {
    const { election, id } = this.settings
    signTrouble(() => ({ ...this.#signature(), error }))
    this.#troubles.report(error, { election, candidate: id })
  }
}
