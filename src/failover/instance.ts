/**
 * One of several instances of a program, of which one is primary and the others stand ready. Which one is primary, the
 * arbiter decides: a candidate stands there whenever failover is enabled. Everything that is heard over the bus only
 * makes that candidate look sooner, so that a bus that lies, is late or is silent can cost time and never a role.
 */

import { Candidate } from '../candidate.ts'
import { messageOf, TenureError } from '../errors.ts'
import { Emitter, type EmitterOwner, type Listener, type Present } from '../events.ts'
import type { Word } from '../knowledge.ts'
import { warn } from '../options.ts'
import type { TenureEnd } from '../states.ts'
import type { StepDownOptions, Tenure } from '../tenure.ts'
import { Troubles, type TroubleTeller } from '../troubles.ts'
import { Duty, type DutyOwner } from './duty.ts'
import { type DemoteReason, type FailoverEvents, failoverEventNames, type Heartbeat, type Role, type Suspicion } from './events.ts'
import { Membership, type MembershipOwner } from './membership.ts'
import type { Message } from './message.ts'
import { Prober } from './probe.ts'
import { Pulse } from './pulse.ts'
import { Ration } from './ration.ts'
import { type FailoverOptions, type Primary, type Settings, settingsOf } from './settings.ts'
import { type FailoverStatus, type Phase, sentenceOf } from './status.ts'
import { Vigil, type VigilOwner } from './vigil.ts'

/** What a `Failover` is behind its door. */
export class Instance implements MembershipOwner, VigilOwner, DutyOwner, EmitterOwner<FailoverEvents>, TroubleTeller {
  readonly settings: Settings
  readonly candidate: Candidate
  readonly vigil: Vigil
  readonly #events: Emitter<FailoverEvents>
  readonly #troubles: Troubles
  readonly #membership: Membership
  readonly #pulse: Pulse
  readonly #duty: Duty
  readonly #prober: Prober
  readonly #looks: Ration
  #enabled: boolean
  #standing: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #stops = 0
  /** Tells the others that the arbiter is free, once it is. */
  #farewell: Promise<void> | undefined

  constructor(options: FailoverOptions) {
    const settings = settingsOf(options)
    const { election, arbiter, bus, clock, logger, heartbeatMs, silenceMs } = settings
    const { id, advert, unref, ttlMs, renewMs, callMs, marginMs, drift, retryMs, drainMs } = options
    this.settings = settings
    this.#enabled = settings.enabled
    this.#events = new Emitter(failoverEventNames, this)
    this.#troubles = new Troubles(clock, logger, this)
    this.#duty = new Duty(settings, this)
    this.#prober = new Prober(settings)
    this.#looks = new Ration(clock, heartbeatMs)
    const timing = { ttlMs, renewMs, callMs, marginMs, drift, retryMs, drainMs }
    const work = (tenure: Tenure) => this.#duty.serve(tenure)
    this.candidate = new Candidate({ election, store: arbiter, id, advert, logger, clock, unref, work, ...timing })
    this.#membership = new Membership({ bus, election, clock, node: clock.id(), ref: !settings.unref }, this)
    const beat = (fencingToken: number) => this.#membership.say({ kind: 'heartbeat', from: this.candidate.id, fencingToken })
    this.#pulse = new Pulse({ clock, heartbeatMs, beat })
    this.vigil = new Vigil({ clock, heartbeatMs, silenceMs, ref: !settings.unref }, this)
    this.candidate.on('elected', (tenure) => this.#elected(tenure))
    this.candidate.on('deposed', (tenure, why) => this.#deposed(tenure, why))
    this.candidate.on('trouble', (error) => this.#candidateTroubled(error))
  }

  get enabled(): boolean {
    return this.#enabled
  }

  get role(): Role {
    return this.tenure ? 'primary' : 'secondary'
  }

  get tenure(): Tenure | undefined {
    const { promoted } = this.#duty
    return promoted?.held ? promoted : undefined
  }

  on<Name extends keyof FailoverEvents>(event: Name, listener: Listener<FailoverEvents[Name]>): () => void {
    return this.#events.on(event, listener)
  }

  presentOf<Name extends keyof FailoverEvents>(event: Name): Present<FailoverEvents[Name]> | undefined {
    const { tenure } = this
    if (!tenure) return undefined
    const role: Present<FailoverEvents['role']> = {
      key: tenure,
      args: ['primary', { reason: 'promoted', fencingToken: tenure.fencingToken }],
    }
    const present: { [Event in keyof FailoverEvents]?: Present<FailoverEvents[Event]> } = { role }
    return present[event]
  }

  async start(): Promise<void> {
    const stops = this.#stops
    if (this.#stopping) await this.#stopping
    if (this.#stops !== stops || this.settings.signal?.aborted) return
    this.#standing ??= this.#begin()
    return this.#standing
  }

  async #begin(): Promise<void> {
    this.settings.signal?.addEventListener('abort', this)
    this.vigil.keep()
    this.#membership.enter()
    if (!this.#enabled) return
    try {
      await this.candidate.start()
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  /** The caller's signal has aborted. */
  handleEvent(): void {
    void this.stop()
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

  async #leave(): Promise<void> {
    this.vigil.rest()
    this.#prober.end()
    await this.candidate.stop()
    await this.#farewell
    this.#membership.leave()
    this.settings.signal?.removeEventListener('abort', this)
    this.#standing = undefined
  }

  async stepDown(options?: StepDownOptions): Promise<void> {
    await this.candidate.stepDown(options)
    await this.#farewell
  }

  enable(enabled: boolean): void {
    this.#enabled = enabled
    if (!this.#standing || this.#stopping) return
    if (enabled) this.#stand()
    // A primary keeps its role; what it was asked for is looked at again when it ends.
    else if (!this.candidate.tenure) void this.candidate.stop()
  }

  async probeNow(): Promise<boolean | undefined> {
    const primary = this.#primary()
    const isWell = this.tenure ? undefined : await this.#prober.ask(primary)
    if (isWell === false) this.vigil.suspect('probe-failed', primary?.id)
    return isWell
  }

  status(): FailoverStatus {
    const { candidate, vigil } = this
    const { election, bus } = this.settings
    const known = {
      election,
      id: candidate.id,
      role: this.role,
      phase: this.#phase(),
      enabled: this.#enabled,
      fencingToken: candidate.tenure?.fencingToken,
      primary: this.#primary(),
      lastHeartbeat: vigil.lastHeartbeat,
      suspicion: vigil.suspicion,
      promotions: this.#duty.promotions,
      bus: { name: bus.name, joined: this.#membership.isJoined, ...this.#membership.traffic, old: vigil.old },
    }
    return { ...known, text: sentenceOf(known) }
  }

  // What the arbiter says.

  #elected(tenure: Tenure): void {
    this.vigil.knows(tenure.fencingToken)
    this.vigil.rest()
    this.#pulse.begin(tenure)
  }

  #deposed(tenure: Tenure, why: TenureEnd): void {
    this.#pulse.end()
    this.vigil.knows(tenure.fencingToken + 1)
    const reason = reasonOf(why)
    const wasPrimary = this.#duty.over(tenure, reason)
    if (this.#standing && !this.#stopping) this.vigil.keep()
    if (reason === 'stopped' || reason === 'stepped-down') this.#farewell = this.#bidFarewell(tenure.fencingToken)
    if (!this.#enabled) void this.candidate.stop()
    if (wasPrimary) this.#events.emit('role', 'secondary', { reason, fencingToken: tenure.fencingToken })
  }

  /** Stop work, release, announce: in this order. */
  async #bidFarewell(fencingToken: number): Promise<void> {
    // The tenure is over already; this waits until its lease has been given back.
    await this.candidate.stepDown({ cooldownMs: 0 })
    // Work that has overrun: nothing has been given back.
    if (this.#duty.phase !== undefined) return
    await this.#membership.say({ kind: 'leaving', from: this.candidate.id, fencingToken })
  }

  promoted(tenure: Tenure): void {
    this.#events.emit('role', 'primary', { reason: 'promoted', fencingToken: tenure.fencingToken })
  }

  // What the bus says.

  joined(): void {
    this.#pulse.beat()
  }

  heard(message: Message): void {
    // Somebody was elected after whoever the arbiter told of, as it says: the arbiter knows.
    if (this.vigil.heard(message) && message.fencingToken > (this.word?.fencingToken ?? 0)) this.#look()
  }

  closed(node: string): void {
    this.vigil.closed(node)
  }

  busFailed(error: TenureError): void {
    this.troubled(error)
  }

  // What the vigil says.

  heartbeat(heartbeat: Heartbeat): void {
    this.#events.emit('heartbeat', heartbeat)
  }

  async silent(): Promise<boolean> {
    this.doubtful()
    return (await this.#prober.ask(this.#primary())) === true
  }

  suspect(suspicion: Suspicion): void {
    const { logger, election } = this.settings
    logger?.info('primary suspected', { election, candidate: this.candidate.id, reason: suspicion.reason, primary: suspicion.primary })
    this.#events.emit('suspect', suspicion)
  }

  doubtful(): void {
    if (!this.#standing || this.#stopping) return
    // It asks nobody, so that nobody would tell it of a lie.
    if (!this.#enabled && this.vigil.silentMs >= this.settings.silenceMs) this.vigil.forgive()
    if (!this.#enabled) return
    this.#stand()
    this.#look()
  }

  get word(): Word | undefined {
    return Candidate.shellOf(this.candidate).word
  }

  /** Ask the arbiter now; it is asked anyway, a little later, if that is done too often. */
  #look(): void {
    if (this.#looks.take()) Candidate.shellOf(this.candidate).nudge()
  }

  /** Stand at the arbiter, also if it refused to serve before. */
  #stand(): void {
    this.candidate.start().catch((error: TenureError) => this.troubled(error))
  }

  #primary(): Primary | undefined {
    const { leader } = this.candidate
    const last = this.vigil.lastHeartbeat
    // What is doubted, the arbiter knows better; one that does not stand has not asked it.
    const isNewer = last && (!leader || (last.fencingToken > leader.fencingToken && !(this.vigil.suspicion && this.#enabled)))
    if (isNewer) {
      return { id: last.from, fencingToken: last.fencingToken, advert: undefined }
    }
    return leader && { id: leader.candidate, fencingToken: leader.fencingToken, advert: leader.advert }
  }

  #phase(): Phase {
    if (this.#duty.phase === 'primary' && !this.tenure) return 'demoting'
    if (this.#duty.phase) return this.#duty.phase
    if (!this.#standing) return 'stopped'
    return this.#enabled ? 'secondary' : 'disabled'
  }

  // What listeners are told.

  troubled(error: TenureError): void {
    this.#troubles.report(error, { election: this.settings.election, candidate: this.candidate.id })
  }

  /** Logged by the candidate itself, where there is a logger. */
  #candidateTroubled(error: TenureError): void {
    if (this.settings.logger) this.told(error)
    else this.troubled(error)
  }

  told(error: TenureError): boolean {
    this.#events.emit('trouble', error)
    return this.#events.has('trouble')
  }

  listenerFailed(event: keyof FailoverEvents, thrown: unknown): void {
    const error = new TenureError('listener-failed', `A listener of \`${event}\` failed: ${messageOf(thrown)}`, { cause: thrown })
    // A trouble listener that fails cannot be told of its own failure.
    if (event === 'trouble') warn(undefined, error.message, error.code)
    else this.troubled(error)
  }
}

/** The candidate's work never fails and never completes by itself: nothing else can be the end of its tenure. */
function reasonOf(why: TenureEnd): DemoteReason {
  return why === 'completed' || why === 'work-failed' ? 'stepped-down' : why
}
