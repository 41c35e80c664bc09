/**
 * One candidate with its user: the real `Candidate`, the clock and the store it was given, and code that behaves as the
 * plan says. It must drive the candidate only through its public door, and tell the witness everything.
 */

import { Candidate, type Tenure, type TenureEnd } from '../src/index.ts'
import type { LeaseStore } from '../src/store.ts'
import { Chance } from './chance.ts'
import { SimClock } from './clocks.ts'
import type { Cluster } from './cluster.ts'
import type { Fault, ListenerNature } from './faults.ts'
import type { Host } from './process.ts'
import { tapped } from './tap.ts'
import type { EventName, StoreCall } from './witness.ts'
import { workOf } from './work.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

type ListenerQuirk = Extract<Fault, { kind: 'listener' }>

export class Member {
  readonly cluster: Cluster
  readonly slot: number
  readonly host: Host
  readonly election: string
  readonly name: string
  readonly clock: SimClock
  readonly candidate: Candidate
  /** Aborting it is another way to stop. */
  readonly controller = new AbortController()
  readonly chance: Chance
  /** From `elected` to `deposed`. */
  tenure: Tenure | undefined
  /** The work that has not settled. */
  working: Tenure | undefined
  /** Called `start()` and not `stop()` since. */
  standing = false
  starts = 0
  /** It may have asked for a cool-down that ends then, by true time. */
  coolUntil = 0
  #coolMs = 0
  /** The latest tenure; what is left of its lease outlives `deposed`. */
  latest: Tenure | undefined
  /** How many calls it has made. */
  calls = 0
  /** Calls of it that have not settled. */
  readonly inFlight = new Set<StoreCall>()
  /** Called when the next acquire, or renewal, has left. */
  onAcquire: (() => void) | undefined
  onRenew: (() => void) | undefined
  onTrouble: (() => void) | undefined
  /** Calls of `start()` that have not resolved. */
  answerless = 0
  /** The first wish to end the present tenure. */
  leaves: 'stopped' | 'stepped-down' | 'completed' | undefined
  /** The event whose listener is running. */
  dispatching: EventName | undefined
  /** What the directed episodes want of its work. */
  orders: { readonly lingerMs: number } | undefined

  constructor(cluster: Cluster, slot: number, host: Host, store: LeaseStore) {
    const { plan } = cluster
    this.cluster = cluster
    this.slot = slot
    this.host = host
    const number = slot % plan.elections
    this.election = `e${number}`
    this.name = `${host.name}/${this.election}`
    this.chance = new Chance(plan.seed, `member:${this.name}`)
    this.clock = new SimClock(host, plan.seed, this.name, plan.grid)
    const idle = plan.faults.some((fault) => fault.kind === 'no-work' && (fault.slot === -1 || fault.slot === slot))
    this.candidate = new Candidate({
      election: this.election,
      store: tapped(this, store),
      id: plan.equalIds ? 'same' : `c${host.number}`,
      clock: this.clock,
      logger: quiet,
      signal: this.controller.signal,
      work: idle ? undefined : (tenure) => workOf(this, tenure),
      ...plan.timing,
    })
    this.#listen()
  }

  get eligible(): boolean {
    return this.host.alive && this.standing
  }

  /** What is left of the lease of its tenure, asked without side effects. */
  readonly leftMs = (tenure: Tenure): number => this.clock.probe(() => tenure.remainingMs())

  /** Call from within the process. */
  start(): void {
    const { cluster, candidate } = this
    this.standing = true
    this.starts += 1
    cluster.witness.tell('starting', this)
    cluster.world.note(this.name, 'start()')
    const { starts } = this
    this.answerless += 1
    const answered = candidate.start().finally(() => {
      this.answerless -= 1
    })
    answered.catch((error: { code?: string }) => {
      cluster.world.count('startRefused')
      cluster.world.note(this.name, 'start() refused', error.code ?? String(error))
      if (starts !== this.starts) return
      this.standing = false
      if (!cluster.mayRefuse) cluster.world.violated('I15', `${this.name}: start() rejected with ${String(error)}`)
      this.host.setTimer(cluster.timing.ttlMs / 2, () => {
        if (!this.standing && starts === this.starts && !cluster.stopping) this.start()
      })
    })
  }

  /** Call from within the process. */
  stop(): Promise<void> {
    const { cluster } = this
    this.standing = false
    this.starts += 1
    if (this.tenure) this.leaves ??= 'stopped'
    cluster.witness.tell('stopping', this)
    cluster.world.note(this.name, 'stop()')
    return this.candidate.stop().then(() => {
      cluster.world.note(this.name, 'stop() resolved')
      cluster.witness.tell('stopped', this)
    })
  }

  /** As `lead()` ends. */
  complete(): void {
    this.cluster.world.note(this.name, 'complete()')
    this.leaves ??= 'completed'
    const stopped = Candidate.shellOf(this.candidate).complete()
    // It stops after it has left: what a listener started meanwhile is stopped, too.
    this.standing = false
    this.starts += 1
    this.cluster.witness.tell('stopping', this)
    void stopped.then(() => this.cluster.witness.tell('stopped', this))
  }

  stepDown(cooldownMs: number): Promise<void> {
    this.cluster.world.note(this.name, 'stepDown()')
    if (this.tenure) {
      this.leaves ??= 'stepped-down'
      this.cools(cooldownMs)
    }
    return this.candidate.stepDown({ cooldownMs })
  }

  /** Wait for so long by the clock of the process; shorter once the world is calm. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.host.setTimer(ms, resolve)
      this.cluster.whenCalm(() => this.host.deliver(resolve))
    })
  }

  /** The cool-down counts from the end of the drain: `workOf` calls this again. */
  cools(ms = this.#coolMs): void {
    this.#coolMs = ms
    if (ms > 0) this.coolUntil = Math.max(this.coolUntil, this.host.now + ms * 1.2 + 2 * this.cluster.timing.callMs)
  }

  /** A call has left: what a script waits for. */
  left(verb: StoreCall['verb']): void {
    const { onAcquire, onRenew } = this
    if (verb === 'acquire' && onAcquire) {
      this.onAcquire = undefined
      onAcquire()
    }
    if (verb === 'renew' && onRenew) {
      this.onRenew = undefined
      onRenew()
    }
  }

  #listen(): void {
    const { candidate } = this
    const { world, witness } = this.cluster
    const tell = (event: EventName, detail: string | number = '') => {
      world.note(this.name, `event ${event}`, detail)
      world.count(event)
      witness.tell('told', this, event)
    }
    candidate.on('elected', (tenure) => {
      tell('elected', tenure.fencingToken)
      this.tenure = tenure
      this.latest = tenure
      this.leaves = undefined
      this.#coolMs = 0
      witness.tell('elected', this, tenure)
    })
    candidate.on('deposed', (tenure, why) => this.#deposed(tenure, why, tell))
    candidate.on('leader', (leader) => {
      tell('leader', leader?.fencingToken ?? 'nobody')
      witness.tell('learned', this, leader?.fencingToken)
    })
    candidate.on('trouble', ({ code }) => {
      tell('trouble', code)
      this.onTrouble?.()
      if (code === 'work-overran') witness.tell('overran', this)
      world.count(`trouble:${code}`)
    })
    candidate.on('stopped', () => tell('stopped'))
    for (const fault of this.cluster.plan.faults) {
      if (fault.kind === 'listener' && fault.slot === this.slot) candidate.on(fault.event, () => this.#misbehave(fault))
    }
  }

  #deposed(tenure: Tenure, why: TenureEnd, tell: (event: EventName, detail: string) => void): void {
    tell('deposed', why)
    this.cluster.world.count(`deposed:${why}`)
    this.cluster.witness.tell('deposed', this, tenure, why)
    this.tenure = undefined
    const { ttlMs, retryMs } = this.cluster.timing
    if (why === 'work-failed') this.cools(Math.max(ttlMs, retryMs))
  }

  #misbehave(quirk: ListenerQuirk): unknown {
    const { cluster } = this
    // Only now and then, so that the candidate gets anywhere at all.
    if (cluster.calm || !this.chance.hit(0.4)) return undefined
    const nature: ListenerNature = quirk.nature
    cluster.world.note(this.name, `listener of ${quirk.event} ${nature}`)
    const nested = this.dispatching
    this.dispatching = quirk.event
    try {
      return this.#act(nature, quirk.ms)
    } finally {
      this.dispatching = nested
    }
  }

  #act(nature: ListenerNature, ms: number): unknown {
    const { cluster } = this
    switch (nature) {
      case 'throws':
        throw new Error('a listener throws')
      case 'rejects':
        return Promise.reject(new Error('a listener rejects'))
      case 'blocks':
        this.host.block(ms)
        cluster.world.count('blockedInTurn')
        return undefined
      case 'stops':
        void this.stop()
        this.#startLater(ms)
        return undefined
      case 'steps-down':
        void this.stepDown(ms)
        return undefined
      case 'leaves-twice':
        void this.stepDown(ms)
        void this.stop()
        this.#startLater(ms)
        return undefined
      case 'restarts':
        void this.stop()
        this.start()
        return undefined
      default:
        return nature satisfies never
    }
  }

  /** What was stopped by a whim stands again later. */
  #startLater(ms: number): void {
    const { starts } = this
    this.host.setTimer(ms, () => {
      if (starts === this.starts && !this.cluster.stopping && !this.cluster.calm) this.start()
    })
  }
}
